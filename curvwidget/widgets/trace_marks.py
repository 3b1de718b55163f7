"""What `TracePlot` draws: for each method a running estimate, the band of its standard error, and where it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bqplot
import numpy as np
from bqscales import LinearScale

from curvwidget.widgets.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, Dash, Marker, axis, draw, figure, set_ticks, ticks

__all__ = ["BESIDE", "STYLES", "Curve", "MethodStyle", "TraceMarks"]

Array = np.ndarray[Any, Any]

BESIDE = 0.012  # of the plot's width between the end marks of methods that end at one cost


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn; no two differ by colour alone.

    Attributes:
        color: Of line, band and end mark.
        dash: Of the line.
        marker: Of the end mark.
    """

    color: str
    dash: Dash
    marker: Marker


STYLES = {
    "slices": MethodStyle(BLUE, "solid", "circle"),
    "hutchinson": MethodStyle(ORANGE, "dashed", "diamond"),
    "hutch++": MethodStyle(GREEN, "dotted", "square"),
    "xtrace": MethodStyle(PURPLE, "dash_dotted", "triangle-up"),
    "exact": MethodStyle(INK, "solid", "cross"),
}


@dataclass(frozen=True)
class Curve:
    """One method's way to its estimate.

    Attributes:
        cost: Cost of each estimate ``(T,)``, ascending, in loss evaluations.
        estimates: Running estimates ``(T,)``.
        stderrs: Their standard errors ``(T,)``, NaN where not known.
    """

    cost: Array
    estimates: Array
    stderrs: Array


class TraceMarks:
    """The marks of one plot.

    Attributes:
        figure: The figure that holds them.
        lines: The running estimate of each method.
        bands: Its standard error.
        ends: Its last estimate.
        errors: The error bar of that.
    """

    def __init__(self, height: int) -> None:
        """Make the marks.

        Args:
            height: Height of the figure in pixels.
        """
        self._x = LinearScale(min=0.0, max=1.0)
        self._y = LinearScale(min=-1.0, max=1.0)
        scales = {"x": self._x, "y": self._y}
        # bqplot draws no empty mark without an error in the browser's console: where there is nothing to draw, a mark is hidden.
        line = {"x": np.zeros(2), "y": np.zeros(2), "scales": scales, "visible": False}
        point = {**line, "x": np.zeros(1), "y": np.zeros(1), "default_size": 80, "stroke": INK, "stroke_width": 1.0}
        band = {**line, "y": np.zeros((2, 2)), "colors": ["transparent"], "stroke_width": 0, "fill": "between"}
        styles = STYLES.items()
        self.bands = {name: bqplot.Lines(**band, fill_colors=[style.color], fill_opacities=[0.22]) for name, style in styles}
        self.lines = {
            name: bqplot.Lines(**line, colors=[style.color], stroke_width=2.4, line_style=style.dash) for name, style in styles
        }
        self.errors = {name: bqplot.Lines(**line, colors=[style.color], stroke_width=2.4) for name, style in styles}
        self.ends = {name: bqplot.Scatter(**point, colors=[style.color], marker=style.marker) for name, style in styles}
        self._zero = bqplot.Lines(
            **{**line, "scales": {**scales, "x": LinearScale(min=0.0, max=1.0)}}, colors=[FAINT], stroke_width=1.5
        )
        self._x_axis = axis(self._x, "", grid_lines="none")
        self._y_axis = axis(self._y, "tr(H)", side="left", label_offset="54px")
        self.figure = figure(
            [self._zero, *self.bands.values(), *self.lines.values(), *self.errors.values(), *self.ends.values()],
            [self._x_axis, self._y_axis],
            height=height,
            margin={"top": 8, "bottom": 24, "left": 70, "right": 22},
        )

    def set_range(self, cost: float, low: float, high: float) -> None:
        """Set the limits of both axes, before anything is drawn.

        Args:
            cost: The largest cost.
            low: The lower limit of the trace.
            high: The upper limit.
        """
        with self._x.hold_sync():
            self._x.min, self._x.max = 0.0, cost * 1.03
        with self._y.hold_sync():
            self._y.min, self._y.max = low, high
        set_ticks(self._x_axis, ticks(0.0, cost, 5))
        set_ticks(self._y_axis, ticks(low, high, 5), name="tr(H)")
        draw(self._zero, np.array([0.0, 1.0]), np.zeros(2) if low < 0 < high else np.full(2, np.nan))

    def draw_curve(self, method: str, curve: Curve | None, place: int) -> None:
        """Draw one method.

        Args:
            method: Its name.
            curve: Its way; None hides it.
            place: How many methods drawn before end at this cost, so that their end marks stand side by side.
        """
        if curve is None:
            for mark in (self.lines, self.bands, self.errors, self.ends):
                mark[method].visible = False
            return
        # Neighbours that bqplot would have to clip far outside of the plot are cut at a height's distance from it.
        height = self._y.max - self._y.min
        low, high = self._y.min - height, self._y.max + height
        estimates = np.clip(curve.estimates, low, high)
        draw(self.lines[method], curve.cost, estimates)
        edges = np.stack(
            [np.clip(curve.estimates - curve.stderrs, low, high), np.clip(curve.estimates + curve.stderrs, low, high)]
        )
        draw(self.bands[method], curve.cost, edges if (curve.stderrs > 0).any() else np.full_like(edges, np.nan))
        at = curve.cost[-1:] - place * BESIDE * self._x.max
        draw(self.ends[method], at, estimates[-1:])
        error = curve.stderrs[-1] if curve.stderrs[-1] > 0 else np.nan
        draw(self.errors[method], np.repeat(at, 2), np.clip(curve.estimates[-1] + error * np.array([-1.0, 1.0]), low, high))
