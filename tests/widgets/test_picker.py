"""What a click on a point does, its number does: without a mouse every plot can be told which point is meant."""

from __future__ import annotations

import html

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.spectrum_plot import SpectrumPlot
from curvwidget.widgets.trajectory_plot import TrajectoryPlot


@pytest.fixture(scope="module")
def objective() -> cw.Objective:
    scales = torch.linspace(-1.0, 3.0, 12, dtype=torch.float64)
    return cw.Objective.from_function(lambda t: 0.5 * (scales * t**2).sum(), torch.zeros(12, dtype=torch.float64))


def note(view: CurvaturePlot | SpectrumPlot | TrajectoryPlot) -> str:
    return html.unescape(view.children[0].value)


def test_a_plane_is_chosen_by_its_number_and_named_with_its_curvatures(objective: cw.Objective) -> None:
    sample = cw.sample_projections(objective, samples=7, seed=1)
    view = CurvaturePlot(sample)
    number = view._picker.number
    assert (number.min, number.max, number.disabled) == (0, 7, False)
    heard = []
    view.observe(lambda change: heard.append(change["new"]), "selected")
    number.value = 3
    assert heard == [2]
    np.testing.assert_array_equal(np.sort(view._marks.chosen.x), sample.principal[2])
    low, high = sample.principal[2]
    assert f"plane 3: κ₋ = {low:.3g}, κ₊ = {high:.3g}".replace("-", "−") in note(view)
    number.value = 0
    assert view.selected is None
    assert "plane 3" not in note(view)


def test_the_number_follows_a_click_and_goes_with_its_planes(objective: cw.Objective) -> None:
    view = CurvaturePlot(cw.sample_projections(objective, samples=7, seed=1))
    view._on_click(view._marks.points[0], {"data": {"index": 5}})
    assert view._picker.number.value == 6
    view.sample = cw.sample_projections(objective, samples=4, seed=2)
    assert (view.selected, view._picker.number.value, view._picker.number.max) == (None, 0, 4)
    view.sample = None
    assert view._picker.number.disabled


def test_a_second_click_on_one_plane_is_heard(objective: cw.Objective) -> None:
    view = CurvaturePlot(cw.sample_projections(objective, samples=7, seed=1))
    heard = []
    view.observe(lambda change: heard.append(change["new"]), "selected")
    for _ in range(2):
        view._on_click(view._marks.points[1], {"data": {"index": 4}})
    assert [plane for plane in heard if plane is not None] == [4, 4]


def test_an_eigenvalue_is_chosen_by_its_number(objective: cw.Objective) -> None:
    pairs = cw.extreme_eigenpairs(objective, largest=3, smallest=3)
    view = SpectrumPlot(eigenpairs=pairs)
    view._picker.number.value = 2
    assert view.selected == 1
    assert view._marks.chosen.x[0] == pairs.values[1]
    assert f"= {pairs.values[1]:.3g}" in note(view)  # between the two ends that are always named
    view.eigenpairs = None
    assert (view._picker.number.max, view._picker.number.value) == (0, 0)


def test_a_checkpoint_is_chosen_by_its_number(objective: cw.Objective) -> None:
    way = [torch.full((12,), float(size), dtype=torch.float64) for size in (2, 1)]
    directions = cw.random_directions(objective, seed=1)
    view = TrajectoryPlot(cw.place_checkpoints(objective, directions, way))
    view._picker.number.value = 2
    assert view.selected == 1
    assert f"Checkpoint 2: L = {objective.loss(way[1]):.3g}" in note(view)
