"""What `TrajectoryPlot` draws: the way within the plane, and the losses on it and at its shadow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bqplot
import numpy as np
from bqscales import LinearScale

from curvwidget._number_words import format_number
from curvwidget.directions import Trajectory
from curvwidget.widgets.style import BLUE, FAINT, INK, ORANGE, axis, draw, figure, set_ticks, thin_out, ticks

__all__ = ["LossMarks", "WayMarks"]

Array = np.ndarray[Any, Any]
Click = Callable[[bqplot.Mark, dict[str, Any]], None]

_MARGIN = 0.08  # on every side of what is seen
_LETTERS = 12  # along the horizontal axis, where the plot is at its narrowest
_HEIGHT = 200


class WayMarks:
    """The checkpoints where they lie in the plane, joined in their order; θ is a ring at the origin.

    Attributes:
        figure: The figure that holds them.
        way: The line from one to the next.
        points: The checkpoints.
        last: The last one, larger.
    """

    def __init__(self, on_click: Click) -> None:
        """Make the marks.

        Args:
            on_click: What hears of a click on a checkpoint.
        """
        self._x, self._y = LinearScale(min=-1.0, max=1.0), LinearScale(min=-1.0, max=1.0)
        scales = {"x": self._x, "y": self._y}
        # bqplot draws no empty mark without an error in the browser's console: where there is nothing to draw, a mark is hidden.
        start = {"x": np.zeros(2), "y": np.zeros(2), "scales": scales, "visible": False}
        point = {**start, "x": np.zeros(1), "y": np.zeros(1), "stroke": INK, "stroke_width": 1.0}
        self.way = bqplot.Lines(**start, colors=[BLUE], stroke_width=2)
        self.points = bqplot.Scatter(
            **point, colors=[BLUE], default_size=45, display_names=False,
            tooltip=bqplot.Tooltip(fields=["name"], show_labels=False),
        )  # fmt: skip
        self.points.on_element_click(on_click)
        self.last = bqplot.Scatter(**point, colors=[BLUE], marker="square", default_size=110)
        self._center = bqplot.Scatter(
            x=np.zeros(1), y=np.zeros(1), scales=scales, colors=[INK], default_size=100, fill=False, stroke_width=2.2
        )
        self._x_axis = axis(self._x, "", grid_lines="solid")
        self._y_axis = axis(self._y, "", side="left", label_offset="52px")
        self.figure = figure(
            [self.way, self.last, self.points, self._center],
            [self._x_axis, self._y_axis],
            height=_HEIGHT,
            margin={"top": 6, "bottom": 24, "left": 66, "right": 14},
        )

    def draw(self, trajectory: Trajectory | None) -> None:
        """Draw a way.

        Args:
            trajectory: Where the checkpoints lie in a plane, or None.
        """
        for always in (self._center, self._x_axis, self._y_axis):
            always.visible = trajectory is not None
        if trajectory is None:
            for mark in (self.way, self.points, self.last):
                mark.visible = False
            return
        x, y = trajectory.coordinates.T
        for scale, values in ((self._x, x), (self._y, y)):
            with scale.hold_sync():
                scale.min, scale.max = _limits(np.append(values, 0.0))
        set_ticks(self._x_axis, thin_out(ticks(self._x.min, self._x.max, 3), _LETTERS, self._x.max - self._x.min))
        set_ticks(self._y_axis, ticks(self._y.min, self._y.max, 3), name="axis 2", unit="v₂")
        rows = zip(trajectory.losses.tolist(), trajectory.distances.tolist(), strict=True)
        with self.points.hold_sync():
            self.points.names = np.array(
                [
                    f"checkpoint {i + 1}: L = {format_number(loss)}, {format_number(far)} from the plane"
                    for i, (loss, far) in enumerate(rows)
                ]
            )
            draw(self.points, x, y)
        draw(self.way, *((x, y) if len(x) > 1 else (np.zeros(2), np.full(2, np.nan))))
        draw(self.last, x[-1:], y[-1:])


class LossMarks:
    """The loss at each checkpoint, and at the point of the plane that is nearest to it.

    Attributes:
        figure: The figure that holds them.
        lines: The loss at the checkpoints, and in the plane.
        points: The same as points.
    """

    def __init__(self, on_click: Click) -> None:
        """Make the marks.

        Args:
            on_click: What hears of a click on a checkpoint.
        """
        self._x, self._y = LinearScale(min=0.0, max=1.0), LinearScale(min=0.0, max=1.0)
        scales = {"x": self._x, "y": self._y}
        start = {"x": np.zeros(2), "y": np.zeros(2), "scales": scales, "visible": False}
        point = {**start, "x": np.zeros(1), "y": np.zeros(1), "stroke": INK, "stroke_width": 1.0}
        self.lines = (
            bqplot.Lines(**start, colors=[BLUE], stroke_width=2.2),
            bqplot.Lines(**start, colors=[ORANGE], stroke_width=2.2, line_style="dashed"),
        )
        self.points = (
            bqplot.Scatter(**point, colors=[BLUE], default_size=45),
            bqplot.Scatter(**point, colors=[ORANGE], marker="diamond", default_size=60),
        )
        for mark in self.points:
            mark.on_element_click(on_click)
        self._zero = bqplot.Lines(**start, colors=[FAINT], stroke_width=1)
        self._x_axis = axis(self._x, "", grid_lines="none")
        self._y_axis = axis(self._y, "loss", side="left", label_offset="52px")
        self.figure = figure(
            [self._zero, *self.lines, *self.points],
            [self._x_axis, self._y_axis],
            height=_HEIGHT,
            margin={"top": 6, "bottom": 24, "left": 66, "right": 14},
        )

    def draw(self, trajectory: Trajectory | None) -> None:
        """Draw the losses.

        Args:
            trajectory: The losses there and in the plane, or None.
        """
        for always in (self._x_axis, self._y_axis):
            always.visible = trajectory is not None
        if trajectory is None:
            for mark in (*self.lines, *self.points):
                mark.visible = False
            return
        steps = np.arange(1, len(trajectory) + 1, dtype=np.float64)
        both = (trajectory.losses, trajectory.projected_losses)
        finite = np.concatenate(both)
        finite = finite[np.isfinite(finite)]
        low, high = _limits(finite if finite.size else np.array([0.0, 1.0]))
        with self._x.hold_sync():
            self._x.min, self._x.max = 0.5, len(steps) + 0.5
        with self._y.hold_sync():
            self._y.min, self._y.max = low, high
        whole = ticks(1.0, float(len(steps)), 5) if len(steps) > 1 else steps
        set_ticks(self._x_axis, whole[whole == np.round(whole)])
        set_ticks(self._y_axis, ticks(low, high, 4), name="loss")
        for line, mark, losses in zip(self.lines, self.points, both, strict=True):
            shown = np.where(np.isfinite(losses), losses, np.nan)
            # Points are told by their place among the marks: none is left out.
            draw(line, *((steps, shown) if len(steps) > 1 else (np.zeros(2), np.full(2, np.nan))))
            seen = np.isfinite(shown)
            draw(mark, steps[seen], shown[seen])


def _limits(values: Array) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = _MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room
