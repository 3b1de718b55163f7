"""A label with HTML in it is text: in every view, in its picture and in what a notebook keeps of it.

How the front ends of our own write text is tested beside them (`js/tests`), the exported page in a browser (`tests/browser`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import Explorer, Place, SavedView, VerdictBar

EVIL = "<img src=x onerror=alert(1)>"
TAG = re.compile(r"<img\b(?! alt=)|<script\b", re.IGNORECASE)  # the notebook's own picture has its alternative text first


@pytest.fixture(scope="module")
def objective() -> cw.Objective:
    diagonal = torch.tensor([3.0, 1.0, -2.0], dtype=torch.float64)
    return cw.Objective.from_function(lambda t: 2 + 0.5 * (diagonal * t**2).sum(), torch.zeros(3, dtype=torch.float64))


@pytest.fixture(scope="module")
def plane(objective) -> cw.LossSlice:
    vectors = torch.eye(3, dtype=torch.float64)[[0, 2]]
    return cw.slice_loss(objective, cw.Directions(vectors, (EVIL, f"b{EVIL}")), span=1.0, resolution=11)


@pytest.fixture(scope="module")
def explorer(objective, plane) -> Explorer:
    """Along such directions, with such checkpoints, at such a place."""
    made = cw.explore(
        objective, resolution=11, planes=5, probes=5, spectrum_probes=1, checkpoints=[torch.ones(3)], executor=InlineExecutor()
    )
    made.directions = plane.directions
    made.go_to(Place(torch.full((3,), 0.1, dtype=torch.float64), EVIL, f"{EVIL} was found."))
    made.travel.say(EVIL)
    return made


def saddle_demo() -> cw.SaddleDemo:
    demo = cw.SaddleDemo(n_parameters=11, planes=10, executor=InlineExecutor())
    demo.loss_map.title = demo.verdict_bar.sentence = EVIL
    return demo


def surface(plane: cw.LossSlice) -> cw.Surface:
    made = cw.Surface(plane)
    made._gate.supported = True  # what a browser with WebGL answers
    return made


def saved_view(explorer: Explorer, path: Path) -> SavedView:
    explorer.save(path / "state.npz")
    return SavedView.load(path / "state.npz")


def traces(explorer: Explorer) -> cw.TracePlot:
    return cw.TracePlot([dataclasses.replace(explorer.trace, notes=(EVIL,))])


VIEWS: dict[str, Callable[..., ipywidgets.DOMWidget]] = {
    "Explorer": lambda explorer, **_: explorer,
    "LossMap": lambda plane, **_: cw.LossMap(plane, title=EVIL, spots=[(0.1, 0.1, EVIL)], way=[(0.2, 0.2, EVIL)]),
    "Surface": lambda plane, **_: surface(plane),
    "Profiles": lambda plane, curvature, **_: cw.Profiles(plane, curvature=curvature, mean_curvature=0.5),
    "CurvaturePlot": lambda explorer, curvature, **_: cw.CurvaturePlot(explorer.sample, curvature=curvature),
    "SpectrumPlot": lambda explorer, **_: cw.SpectrumPlot(
        eigenpairs=dataclasses.replace(explorer.eigenpairs, notes=(EVIL,)),
        density=dataclasses.replace(explorer.density, notes=(EVIL,)),
    ),
    "TracePlot": lambda explorer, **_: traces(explorer),
    "TrajectoryPlot": lambda explorer, **_: cw.TrajectoryPlot(explorer.trajectory),
    "SaddleDemo": lambda **_: saddle_demo(),
    "SideBySide": lambda explorer, objective, **_: cw.SideBySide(
        explorer, objective, names=(EVIL, "test"), executor=InlineExecutor()
    ),
    "VerdictBar": lambda **_: VerdictBar(EVIL, facts=[[EVIL, EVIL, EVIL]], notes=[EVIL]),
    "SavedView": lambda explorer, path, **_: saved_view(explorer, path),
}


@pytest.fixture(params=sorted(VIEWS))
def view(request, explorer, objective, plane, tmp_path) -> ipywidgets.DOMWidget:
    curvature = cw.project_curvature(objective, plane.directions)
    given: dict[str, Any] = {"explorer": explorer, "objective": objective, "plane": plane, "curvature": curvature}
    return VIEWS[request.param](**given, path=tmp_path)


def html_in(view: ipywidgets.Widget) -> Iterator[str]:
    """What a browser will read as HTML."""
    if isinstance(view, ipywidgets.HTML | ipywidgets.HTMLMath):
        yield view.value
    if getattr(view, "description_allow_html", False):
        yield view.description
    for child in getattr(view, "children", ()):
        yield from html_in(child)


def test_every_view_that_is_public_is_tested() -> None:
    views = {
        name for name in cw.__all__ if isinstance(getattr(cw, name), type) and issubclass(getattr(cw, name), ipywidgets.Widget)
    }
    assert views <= set(VIEWS)


def test_it_is_text_in_the_view(view) -> None:
    assert not [value for value in html_in(view) if TAG.search(value)]


def test_it_is_text_in_pictures_and_in_what_a_notebook_keeps(view) -> None:
    if not isinstance(view, cw.widgets.Picture):
        assert isinstance(view, VerdictBar)  # which is drawn as a part of others
        return
    assert not TAG.search(view.to_svg())
    assert view.to_png()[:4] == b"\x89PNG"
    bundle = view._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert not TAG.search(data["text/html"])
    assert data["text/html"].count("<") == 1  # one element; a quotation mark in a label does not end its text


def test_the_label_is_there_where_it_belongs(explorer, plane) -> None:
    for view in (explorer.profiles, surface(plane), explorer.trajectory_plot):
        assert any("&lt;img" in value for value in html_in(view)), (type(view).__name__, list(html_in(view)))
    assert EVIL in explorer.travel.place.label
    assert EVIL in str(plane.to_xarray().axis_1.attrs)
    assert "&lt;img src=x" in cw.LossMap(plane)._repr_mimebundle_()[0]["text/html"]


def test_it_is_text_in_the_tables_of_labelled_arrays(plane, explorer) -> None:
    for result in (plane, explorer.curvature, explorer.trajectory):
        shown = result.to_xarray()._repr_html_()
        assert not re.search(r"<img\b|onerror=alert\(1\)>", shown)
    assert np.isfinite(plane.to_xarray().values).all()


def test_it_is_text_in_the_exported_page(explorer) -> None:
    page = explorer.to_html(frames=2)
    assert EVIL not in page
    assert "<img" not in page.split("<body>")[1].split('<script type="module">')[0]
