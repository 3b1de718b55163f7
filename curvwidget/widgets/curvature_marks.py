"""What `CurvaturePlot` draws: densities above a base line, rows of points below it, names beside what they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bqplot
import numpy as np
from bqscales import LinearScale

from curvwidget._number_words import format_number, format_uncertain
from curvwidget.curvature import ProjectionPrediction
from curvwidget.widgets.histogram import bin_edges, density_outline
from curvwidget.widgets.room import place
from curvwidget.widgets.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, axis, draw, figure, set_ticks, ticks

__all__ = ["FEWEST", "CurvatureMarks"]

Array = np.ndarray[Any, Any]

FEWEST = 5  # planes that make a histogram; fewer are points alone
_POINTS = 241
_GOLDEN = 0.618033988749895  # its multiples fill [0, 1) evenly: neighbours in the sample stand apart

# Heights in the plot. Densities take 0 to _PEAK, names of what is marked stand above, rows of points below.
_TOP, _TRACE, _NOW, _PEAK = 1.46, 1.35, 1.06, 0.9
_PLUS_ROW, _MINUS_ROW, _LAMBDA_ROW, _SPREAD, _BOTTOM = -0.14, -0.32, -0.52, 0.11, -0.64


class CurvatureMarks:
    """The marks of one plot. κ₋ is blue and κ₊ orange throughout.

    Attributes:
        figure: The figure that holds them.
        bars: Histograms of κ₋ and κ₊.
        curves: Their predicted densities.
        points: κ₋ and κ₊ of each plane.
        chosen: The plane that is selected.
        expectation: The expected curvature.
        band: Its standard error.
        expected: The means of the predicted densities.
        now: κ₋ and κ₊ of the plane shown now.
        eigenvalues: The extreme eigenvalues.
        texts: Names of what is marked.
    """

    def __init__(self, height: int, on_click: Callable[[bqplot.Mark, dict[str, Any]], None]) -> None:
        """Make the marks.

        Args:
            height: Height of the figure in pixels.
            on_click: What hears of a click on a point.
        """
        self._x = LinearScale(min=-1.0, max=1.0)
        self._density = LinearScale(min=_BOTTOM / _PEAK, max=_TOP / _PEAK)
        self._rows = LinearScale(min=_BOTTOM, max=_TOP)
        line = {"x": np.zeros(2), "y": np.zeros(2), "visible": False}
        dense = {**line, "scales": {"x": self._x, "y": self._density}}
        rows = {**line, "scales": {"x": self._x, "y": self._rows}}
        point = {**rows, "x": np.zeros(1), "y": np.zeros(1)}
        pair = (BLUE, ORANGE)
        shown = {**rows, "visible": True, "colors": [FAINT]}
        self._zero = bqplot.Lines(**{**shown, "y": np.array([_BOTTOM, _TRACE])}, stroke_width=1.5)
        self._base = bqplot.Lines(**{**shown, "x": np.array([-1.0, 1.0])}, stroke_width=1)
        filled = {"fill": "inside", "fill_opacities": [0.3]}
        styled = tuple({**dense, "colors": [c], "line_style": dash} for c, dash in zip(pair, ("solid", "dashed"), strict=True))
        self.bars = tuple(bqplot.Lines(**style, stroke_width=1.2, fill_colors=style["colors"], **filled) for style in styled)
        self.curves = tuple(bqplot.Lines(**style, stroke_width=2.4) for style in styled)
        self.band = bqplot.Lines(**rows, colors=["transparent"], stroke_width=0, fill_colors=[GREEN], **filled)
        self.expectation = bqplot.Lines(**rows, colors=[GREEN], stroke_width=2.4)
        self._expected_error = bqplot.Lines(**rows, colors=[INK], stroke_width=2)
        edge = {"stroke": INK, "stroke_width": 1.0}
        self.expected = tuple(
            bqplot.Scatter(**point, colors=[color], marker="triangle-up", default_size=90, **edge) for color in pair
        )
        dot = {
            "default_size": 26,
            "opacities": np.array([0.75]),
            "display_names": False,
            "tooltip": bqplot.Tooltip(fields=["name"], show_labels=False),
        }
        self.points = tuple(bqplot.Scatter(**point, colors=[color], **dot) for color in pair)
        for mark in self.points:
            mark.on_element_click(on_click)
        self.chosen = bqplot.Scatter(**point, colors=[INK], default_size=110, fill=False, stroke_width=2.2)
        self._stems = tuple(bqplot.Lines(**rows, colors=[color], stroke_width=1.5) for color in pair)
        self.now = tuple(bqplot.Scatter(**point, colors=[c], marker="diamond", default_size=110, **edge) for c in pair)
        self._residuals = bqplot.Lines(**rows, colors=[PURPLE], stroke_width=2)
        self.eigenvalues = bqplot.Scatter(**point, colors=[PURPLE], marker="square", default_size=60)
        text = {"colors": [INK], "default_size": 13, "font_weight": "normal", "text": np.array([""]), "y_offset": 4}
        names = ("expectation", "now 0", "now 1", "λ 0", "λ 1", "zero")
        self.texts = {name: bqplot.Label(**point, **text) for name in names}
        self._x_axis = axis(self._x, "", grid_lines="none")
        self._y_axis = axis(self._density, "density", side="left", label_offset="52px")
        self._row_axis = axis(
            self._rows,
            "",
            side="left",
            grid_lines="none",
            tick_values=np.array([_PLUS_ROW, _MINUS_ROW, _LAMBDA_ROW]),
            tick_labels={str(_PLUS_ROW): "κ₊", str(_MINUS_ROW): "κ₋", str(_LAMBDA_ROW): "λ"},
        )
        self.figure = figure(
            [
                *(self._zero, self._base, *self.bars, self.band, self.expectation, *self.curves),
                *(self._expected_error, *self.expected, *self.points, *self._stems, *self.now),
                *(self._residuals, self.eigenvalues, self.chosen, *self.texts.values()),
            ],
            [self._x_axis, self._y_axis, self._row_axis],
            height=height,
            margin={"top": 4, "bottom": 24, "left": 66, "right": 18},
        )

    def set_range(self, low: float, high: float) -> None:
        """Set the limits of the curvature axis, before anything is drawn.

        Args:
            low: The lower limit.
            high: The upper limit.
        """
        with self._x.hold_sync():
            self._x.min, self._x.max = low, high
        set_ticks(self._x_axis, ticks(low, high, 5))
        draw(self._base, np.array([low, high]), np.zeros(2))
        self._write(("zero",), 0.08, [0.0], ["" if low <= 0 <= high else "0"])

    def draw_densities(self, principal: Array, prediction: ProjectionPrediction | None) -> None:
        """Draw histograms and predicted densities, on a common scale.

        Args:
            principal: κ₋ and κ₊ of the planes ``(S, 2)``, finite.
            prediction: What the theory says about them.
        """
        outlines = []
        if len(principal) >= FEWEST:
            edges = bin_edges(principal[:, 0], principal[:, 1])
            outlines = [density_outline(principal[:, column], edges) for column in (0, 1)]
        grid = np.linspace(self._x.min, self._x.max, _POINTS)
        curves = np.full((2, _POINTS), np.nan) if prediction is None else prediction.density(grid)
        heights = [float(y.max()) for _, y in outlines] + curves[np.isfinite(curves)].tolist()
        peak = max(heights, default=0.0)
        curves = np.where(curves > 1e-3 * peak, curves, np.nan)  # nothing on the base line, where the points' own marks stand
        with self._density.hold_sync():
            unit = (peak or 1.0) / _PEAK
            self._density.min, self._density.max = _BOTTOM * unit, _TOP * unit
        set_ticks(self._y_axis, ticks(0.0, peak, 3) if peak else np.zeros(1), name="density")
        for column in (0, 1):
            x, y = outlines[column] if outlines else (np.zeros(2), np.full(2, np.nan))
            draw(self.bars[column], x, y)
            draw(self.curves[column], grid, curves[column])

    def draw_points(self, principal: Array, planes: Array, seeds: Array) -> None:
        """Draw each plane as a point in either row, at one height in both.

        Args:
            principal: κ₋ and κ₊ of the planes ``(S, 2)``, finite.
            planes: Their places in the sample ``(S,)``.
            seeds: Their seeds ``(S,)``.
        """
        pairs = zip(principal, seeds, strict=True)
        names = [f"κ₋ = {format_number(low)}, κ₊ = {format_number(high)}, seed {seed}" for (low, high), seed in pairs]
        for column, row in enumerate((_MINUS_ROW, _PLUS_ROW)):
            with self.points[column].hold_sync():
                if names:
                    self.points[column].names = np.array(names)
                draw(self.points[column], principal[:, column], row + _jitter(planes))

    def draw_chosen(self, principal: Array | None, plane: int) -> None:
        """Draw rings around the selected plane's points.

        Args:
            principal: Its κ₋ and κ₊ ``(2,)``; None where none is selected.
            plane: Its place in the sample.
        """
        rows = np.array([_MINUS_ROW, _PLUS_ROW]) + _jitter(np.array(plane))
        draw(self.chosen, np.zeros(2) if principal is None else principal, rows if principal is not None else np.full(2, np.nan))

    def draw_expectation(self, name: str, value: float, stderr: float) -> None:
        """Draw the expected curvature as a line, and its error as a band.

        Args:
            name: What it is called.
            value: The expected curvature, NaN for none.
            stderr: Its standard error; no band where it is 0 or NaN.
        """
        low, high = self._x.min, self._x.max
        top = _TRACE - 0.1
        inside = low <= value <= high
        draw(self.expectation, np.full(2, value), np.array([0.0, top]) if inside else np.full(2, np.nan))
        left, right = max(low, value - stderr), min(high, value + stderr)
        corners = np.array([0.0, 0.0, top, top]) if stderr > 0 and left < right else np.full(4, np.nan)
        draw(self.band, np.array([left, right, right, left]), corners)
        self._write(("expectation",), _TRACE, [value], [f"{name} = {format_uncertain(value, stderr)}"])

    def draw_expected(self, prediction: ProjectionPrediction | None) -> None:
        """Mark the means of the predicted densities on the base line, with their errors.

        Args:
            prediction: What the theory says.
        """
        means = np.full(2, np.nan) if prediction is None else prediction.expected_principal
        errors = np.zeros(2) if prediction is None else prediction.stderr
        self._mark_pair(self.expected, means, 0.0)
        self._draw_errors(self._expected_error, means, errors, np.zeros(2))

    def draw_current(self, principal: Array | None, error: float) -> None:
        """Mark the plane shown now.

        Args:
            principal: Its κ₋ and κ₊ ``(2,)``, or None.
            error: Bound on their error.
        """
        values = np.full(2, np.nan) if principal is None else principal
        heights = self._mark_pair(self.now, values, _NOW)
        for stem, value, height in zip(self._stems, values, heights, strict=True):
            draw(stem, np.full(2, value), np.array([0.0, 1.0]) * height)
        names = [f"{name} = {format_uncertain(value, error)}" for name, value in zip(("κ₋", "κ₊"), values.tolist(), strict=True)]
        self._write(("now 0", "now 1"), _NOW, values.tolist(), names)

    def draw_eigenvalues(self, smallest: tuple[float, float], largest: tuple[float, float]) -> None:
        """Mark the extreme eigenvalues, with their residuals.

        Args:
            smallest: λ_min and its residual; NaN for none.
            largest: λ_max and its residual; NaN for none.
        """
        values, errors = np.array([smallest, largest]).T
        heights = np.where((self._x.min <= values) & (values <= self._x.max), _LAMBDA_ROW, np.nan)
        draw(self.eigenvalues, values[np.isfinite(heights)], heights[np.isfinite(heights)])
        self._draw_errors(self._residuals, values, errors, heights)
        names = [f"{name} = {format_number(value)}" for name, value in zip(("λ_min", "λ_max"), values.tolist(), strict=True)]
        self._write(("λ 0", "λ 1"), _LAMBDA_ROW, values.tolist(), names)

    def _mark_pair(self, marks: Sequence[bqplot.Scatter], values: Array, height: float) -> Array:
        heights = np.where((self._x.min <= values) & (values <= self._x.max), height, np.nan)
        for mark, value, at in zip(marks, values, heights, strict=True):
            draw(mark, np.array([value]), np.array([at]))
        return heights

    def _draw_errors(self, mark: bqplot.Lines, values: Array, errors: Array, heights: Array) -> None:
        ends = np.stack([values - errors, values + errors], axis=1)
        drawn = (errors > 0) & np.isfinite(values) & np.isfinite(heights)
        draw(mark, ends[drawn], np.repeat(heights[drawn, None], 2, axis=1))

    def _write(self, names: tuple[str, ...], height: float, values: list[float], texts: list[str]) -> None:
        """Write texts beside the values that they name."""
        low, high = self._x.min, self._x.max
        places = place([(value - low) / (high - low) for value in values], texts)
        for index, name in enumerate(names):
            mark = self.texts[name]
            if index >= len(places):
                mark.visible = False
                continue
            share, align, text = places[index]
            with mark.hold_sync():
                mark.align = align
                mark.x_offset = 0 if share in (0.0, 1.0) else {"start": 10, "end": -10}[align]
                mark.text = np.array([text])
                draw(mark, np.array([low + share * (high - low)]), np.array([height]))


def _jitter(planes: Array) -> Array:
    return np.asarray(_SPREAD * (np.modf(planes * _GOLDEN)[0] - 0.5))
