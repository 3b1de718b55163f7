"""Every view becomes a picture without a browser, and leaves one in the notebook."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import curvwidget as cw
from curvwidget._number_words import format_number, format_uncertain
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import CurvaturePlot, Explorer, LossMap, Profiles, SaddleDemo, Surface, TrajectoryPlot
from curvwidget.widgets.export.composition import compose
from curvwidget.widgets.export.legend_text import plain_color, read_text
from curvwidget.widgets.export.swatch import draw_swatch
from curvwidget.widgets.style import BLUE, ORANGE, Key, legend

EVIL = "<img src=x onerror=alert(1)>"


def quadratic() -> cw.Objective:
    diagonal = torch.tensor([3.0, 1.0, 1.0, 1.0, -2.0], dtype=torch.float64)
    return cw.Objective.from_function(lambda t: 2 + 0.5 * (diagonal * t**2).sum(), torch.zeros(5, dtype=torch.float64))


def plane(objective: cw.Objective, labels: tuple[str, str] = ("a", "b")) -> cw.LossSlice:
    vectors = torch.eye(5, dtype=torch.float64)[[0, 4]]
    return cw.slice_loss(objective, cw.Directions(vectors, labels), span=1.0, resolution=21)


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return cw.explore(quadratic(), resolution=11, planes=20, probes=15, executor=InlineExecutor())


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count(png: bytes, color: tuple[int, int, int], within: int = 12) -> int:
    return int((np.abs(pixels(png) - np.array(color)).max(axis=-1) <= within).sum())


def test_the_map_has_the_colours_of_its_least_and_largest_loss() -> None:
    view = LossMap(plane(quadratic()), levels=0)
    png = view.to_png()
    assert count(png, (0x44, 0x01, 0x54)) > 50  # viridis begins
    assert count(png, (0xFD, 0xE7, 0x25)) > 50  # and ends


def test_the_profiles_show_the_prediction_only_where_there_is_one() -> None:
    objective = quadratic()
    shown = plane(objective)
    curvature = cw.project_curvature(objective, shown.directions)
    orange = tuple(int(ORANGE[i : i + 2], 16) for i in (1, 3, 5))
    predicted = count(Profiles(shown, curvature=curvature, mean_curvature=0.8).to_png(), orange)
    assert predicted > 100
    assert count(Profiles(shown, curvature=curvature).to_png(), orange) == 0  # nor its key


@pytest.mark.parametrize("name", ["loss_map", "surface", "profiles", "curvature_plot", "spectrum_plot", "trace_plot"])
def test_each_view_and_the_explorer_draw_png_and_svg(explorer, name, tmp_path) -> None:
    view = getattr(explorer, name)
    assert view.to_png(tmp_path / "a.png") == (tmp_path / "a.png").read_bytes()
    assert view.to_svg(tmp_path / "a.svg") == (tmp_path / "a.svg").read_text(encoding="utf8")
    assert (pixels(view.to_png()) != 255).any(axis=-1).mean() > 0.01


def test_the_explorers_picture_is_wide_and_colourful(explorer) -> None:
    image = pixels(explorer.to_png())
    assert image.shape[1] == 2400
    assert len(np.unique(image.reshape(-1, 3)[::97], axis=0)) > 100


@pytest.mark.parametrize("width", [600, 640])  # half of the explorer, and alone
def test_what_the_axes_of_a_surface_say_stays_within_its_box(width) -> None:
    objective = quadratic()
    directions = cw.Directions(torch.eye(5, dtype=torch.float64)[[0, 4]], ("random 1 (seed 0)", "random 2 (seed 0)"))
    figure = compose(Surface(cw.slice_loss(objective, directions, span=0.11, resolution=21)), width)
    figure.canvas.draw()
    (axes,) = (found for found in figure.axes if found.name == "3d")
    for axis in (axes.xaxis, axes.yaxis):
        numbers = [text for text in axis.get_ticklabels() if text.get_text()]
        assert [text.get_text() for text in numbers] == ["−0.10", "−0.05", "0.00", "0.05", "0.10"]
        for text in (*numbers, axis.label):
            said = text.get_window_extent()
            assert axes.bbox.y0 <= said.y0 < said.y1 <= axes.bbox.y1


def test_nothing_is_drawn_before_there_is_data() -> None:
    for view in (LossMap(), Surface(), Profiles(), CurvaturePlot()):
        bundle = view._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert "image/png" not in data
        assert "application/vnd.jupyter.widget-view+json" in data


def test_a_notebook_keeps_the_widget_and_a_picture_with_words(explorer) -> None:
    for view in (explorer, explorer.loss_map, explorer.curvature_plot):
        bundle = view._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert "application/vnd.jupyter.widget-view+json" in data
        assert base64.b64decode(data["image/png"])[:4] == b"\x89PNG"
        assert data["text/html"].startswith('<img alt="')
    assert "L(θ) = 2" in explorer._repr_mimebundle_()["text/plain"]


def test_the_words_of_a_plot_are_its_numbers(explorer) -> None:
    sample, pairs = explorer.sample, explorer.eigenpairs
    planes, spectrum, traces = (
        view._repr_mimebundle_()["text/plain"] for view in (explorer.curvature_plot, explorer.spectrum_plot, explorer.trace_plot)
    )
    assert f"{len(sample)} random planes" in planes
    assert f"tr(H) = {format_uncertain(explorer.trace.trace, explorer.trace.stderr)}" in planes
    assert all(format_number(value) in spectrum for value in pairs.values)
    for estimate in explorer.trace_plot.estimates:
        assert format_uncertain(estimate.trace, estimate.stderr) in traces
    objective = quadratic()
    first_two = cw.own_directions(objective, torch.eye(5)[:2])
    trajectory = cw.place_checkpoints(objective, first_two, [torch.eye(5)[0], torch.eye(5)[4]])
    assert "50 %" in TrajectoryPlot(trajectory)._repr_mimebundle_()["text/plain"]


def test_a_loss_that_is_not_finite_is_hatched_and_not_coloured() -> None:
    objective = quadratic()
    whole = plane(objective)
    values = whole.values.copy()
    values[:8] = np.nan
    values[-5:] = np.inf
    holed = cw.LossSlice(whole.axes, values, whole.directions, whole.evaluations)
    yellow = (0xFD, 0xE7, 0x25)
    for view in (LossMap(holed), Surface(holed), Profiles(holed)):
        assert view.to_png()[:4] == b"\x89PNG"
    svg = LossMap(holed).to_svg()
    assert "hatch" in svg or "pattern" in svg
    assert count(LossMap(holed).to_png(), yellow) < count(LossMap(whole).to_png(), yellow)


def test_html_in_a_label_is_text_in_every_view_and_picture() -> None:
    objective = quadratic()
    shown = plane(objective, (EVIL, "$x^"))
    curvature = cw.project_curvature(objective, shown.directions)
    for view in (LossMap(shown, title=EVIL), Profiles(shown, curvature=curvature), Surface(shown)):
        bundle = view._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert "<img src=x" not in data["text/html"]
        assert "<img src=x" not in view.to_svg()
    widgets = [Profiles(shown).children[1].children[0].children[1]]
    assert all("<img" not in widget.value and "&lt;img" in widget.value for widget in widgets)
    explorer = cw.explore(objective, resolution=11, planes=5, probes=5, executor=InlineExecutor())
    explorer.directions = shown.directions
    assert _html_values(explorer)
    assert not [value for value in _html_values(explorer) if "<img" in value]


def _html_values(widget) -> list[str]:
    own = [widget.value] if type(widget).__name__ in ("HTML", "HTMLMath") else []
    return own + [value for child in getattr(widget, "children", ()) for value in _html_values(child)]


def test_a_legend_is_read_as_it_was_written() -> None:
    note, key = read_text(legend([Key(EVIL, BLUE, "dashed", "ring")], note="a < b"))
    assert note == ("a < b", "", ())
    assert (key.text, key.color) == (EVIL, BLUE)
    assert [(tag, traits["stroke"]) for tag, traits in key.shapes] == [("line", BLUE), ("circle", BLUE)]
    assert key.shapes[0][1]["stroke-dasharray"] == "6,4"
    assert plain_color("var(--jp-content-font-color1, #222222)") == "#222222"


def test_the_demo_is_drawn_with_both_its_maps() -> None:
    with SaddleDemo(executor=InlineExecutor()) as demo:
        image = pixels(demo.to_png())
        bundle = demo._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert image.shape[1] == 2400
    assert (np.abs(image[:, :1200] - image[:, 1200:]).max(axis=-1) > 30).mean() > 0.02  # two maps, and not the same
    assert data["text/html"].startswith('<img alt="')


def test_what_is_marked_on_the_map_is_marked_in_its_picture() -> None:
    def drawn(what: str, **marks: list[tuple[float, float, str]]) -> int:
        source, bare = (LossMap(plane(quadratic()), levels=0, **given).to_svg() for given in (marks, {}))
        return source.count(what) - bare.count(what)

    points = [(0.5, 0.5, ""), (-0.5, 0.25, "")]
    assert drawn("<use", spots=points) == drawn("<use", way=points) == 2
    assert drawn("<path", way=points) == drawn("<path", spots=points) + 1 == 2  # the line, beside the outline of a mark
    named = LossMap(plane(quadratic()), spots=[(0.5, 0.5, EVIL)]).to_svg()
    assert "<img src=x" not in named


def swatch(key: Key, lightest: int = 185) -> np.ndarray:
    """Where the swatch of a key is no lighter than halfway from blue to white, at ten points a pixel of the live legend."""
    whole = Figure(figsize=(0.26, 0.12))
    draw_swatch(whole, (0, 0, 1, 1), read_text(legend([key]))[0].shapes)
    buffer = io.BytesIO()
    whole.savefig(buffer, format="png", dpi=1000)
    return np.asarray(Image.open(buffer).convert("L")) < lightest


@pytest.mark.parametrize(
    ("dash", "lengths"), [("dashed", (6, 4, 6, 4)), ("dotted", (2, 4) * 4), ("dash_dotted", (7, 3, 2, 3, 7))]
)
def test_a_pictures_swatch_has_the_dashes_of_the_live_one(dash, lengths) -> None:
    middle = swatch(Key("κ", BLUE, dash))[60]
    changes = np.flatnonzero(np.diff(middle)) + 1
    np.testing.assert_allclose(changes[: len(lengths)], 10 * np.cumsum(lengths), atol=1)


def test_a_pictures_swatch_has_the_marker_of_the_live_one() -> None:
    areas = {"cross": 64, "square": 64, "triangle-up": 47.5, "diamond": 55, "circle": np.pi * 4.5**2}
    for marker, area in areas.items():
        assert swatch(Key("κ", BLUE, None, marker)).sum() == pytest.approx(100 * area, rel=0.01), marker
    assert swatch(Key("κ", BLUE, None, "band"), lightest=250).sum() == pytest.approx(100 * 260, rel=0.01)
    ring = swatch(Key("κ", BLUE, None, "ring"))
    assert not ring[60, 130]
    assert ring.sum() == pytest.approx(100 * 2 * np.pi * 4 * 2.2, rel=0.01)
