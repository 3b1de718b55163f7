"""What `SpectrumPlot` draws: the density of all eigenvalues, and below it those that were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bqplot
import numpy as np
from bqscales import LinearScale

from curvwidget.linalg import Eigenpairs, SpectralDensity
from curvwidget.widgets.style import BLUE, FAINT, INK, ORANGE, PURPLE, axis, draw, figure, set_ticks, ticks

__all__ = ["SpectrumMarks"]

Array = np.ndarray[Any, Any]

# Heights in the plot, of 1: the row of eigenvalues below, densities above it.
_ROW, _BASE, _TOP = 0.1, 0.22, 0.97
_POINTS = 500
_MARGIN = 0.05  # of the width, on either side
_FAINTEST = 0.1  # of the height of a single eigenvalue: what is lower is not told from nothing


class SpectrumMarks:
    """The marks of one plot.

    Attributes:
        figure: The figure that holds them.
        curve: The density.
        band: Its standard error.
        converged: Eigenvalues that converged, squares.
        unconverged: Those that did not, crosses.
        residuals: The residual of each, to both sides.
        chosen: The eigenvalue that is selected.
    """

    def __init__(self, height: int, on_click: Callable[[bqplot.Mark, dict[str, Any]], None]) -> None:
        """Make the marks.

        Args:
            height: Height of the figure in pixels.
            on_click: What hears of a click on an eigenvalue.
        """
        self._x = LinearScale(min=-1.0, max=1.0)
        self._density = LinearScale(min=0.0, max=1.0)
        self._rows = LinearScale(min=0.0, max=1.0)
        # bqplot draws no empty mark without an error in the browser's console: where there is nothing to draw, a mark is hidden.
        line = {"x": np.zeros(2), "y": np.zeros(2), "visible": False}
        dense = {**line, "scales": {"x": self._x, "y": self._density}}
        rows = {**line, "scales": {"x": self._x, "y": self._rows}}
        point = {
            **rows,
            "x": np.zeros(1),
            "y": np.zeros(1),
            "display_names": False,
            "tooltip": bqplot.Tooltip(fields=["name"], show_labels=False),
        }
        self._zero = bqplot.Lines(**rows, colors=[FAINT], stroke_width=1.5)
        self.band = bqplot.Lines(
            **{**dense, "y": np.zeros((2, 2))},
            colors=["transparent"],
            stroke_width=0,
            fill="between",
            fill_colors=[BLUE],
            fill_opacities=[0.3],
        )
        self.curve = bqplot.Lines(**dense, colors=[BLUE], stroke_width=2)
        self.residuals = bqplot.Lines(**{**rows, "y": np.zeros((1, 2)), "x": np.zeros((1, 2))}, colors=[INK], stroke_width=2)
        self.converged = bqplot.Scatter(**point, colors=[PURPLE], marker="square", default_size=70, stroke=INK, stroke_width=1.0)
        self.unconverged = bqplot.Scatter(
            **point, colors=[ORANGE], marker="cross", default_size=110, stroke=INK, stroke_width=1.0
        )
        for mark in (self.converged, self.unconverged):
            mark.on_element_click(on_click)
        self.chosen = bqplot.Scatter(
            **{key: value for key, value in point.items() if key not in ("tooltip", "display_names")},
            colors=[INK], default_size=200, fill=False, stroke_width=2.2,
        )  # fmt: skip
        self._x_axis = axis(self._x, "", grid_lines="none")
        self._y_axis = axis(self._density, "density", side="left", label_offset="54px")
        self._row_axis = axis(
            self._rows, "", side="left", grid_lines="none", tick_values=np.array([_ROW]), tick_labels={str(_ROW): "λ"}
        )
        self.figure = figure(
            [self._zero, self.band, self.curve, self.residuals, self.converged, self.unconverged, self.chosen],
            [self._x_axis, self._y_axis, self._row_axis],
            height=height,
            margin={"top": 6, "bottom": 24, "left": 70, "right": 18},
        )

    def set_range(self, low: float, high: float) -> None:
        """Set the limits of the eigenvalue axis, before anything is drawn.

        Args:
            low: The lowest eigenvalue to be seen.
            high: The highest.
        """
        room = _MARGIN * (high - low) or 0.5 * abs(high) or 1.0
        with self._x.hold_sync():
            self._x.min, self._x.max = low - room, high + room
        set_ticks(self._x_axis, ticks(low - room, high + room, 5))
        inside = low - room <= 0 <= high + room
        draw(self._zero, np.zeros(2), np.array([0.0, 1.0]) if inside else np.full(2, np.nan))

    def draw_density(self, density: SpectralDensity | None, *, log: bool) -> float:
        """Draw the density with its standard error.

        Args:
            density: The density, or None.
            log: Whether its decimal logarithm is drawn.

        Returns:
            The broadening that was drawn: the density's own, or what a pixel needs.
        """
        x = np.linspace(self._x.min, self._x.max, _POINTS)
        self._y_axis.visible = density is not None
        if density is None:
            self.curve.visible = self.band.visible = False
            self._set_heights(0.0, 1.0, np.empty(0), log=False)
            return 0.0
        broadening = max(density.broadening, float(x[1] - x[0]))
        values = density.density(x, broadening=broadening)
        errors = np.nan_to_num(density.density_stderr(x, broadening=broadening))
        low, high = values - errors, values + errors
        if log:
            faintest = _FAINTEST / (density.size * broadening * np.sqrt(2 * np.pi))
            values, low, high = (np.log10(np.maximum(each, faintest)) for each in (values, low, high))
            bottom, top = float(np.log10(faintest)), float(high.max())
            # The lowest one would stand where the row of eigenvalues has its name.
            decades = np.arange(np.ceil(bottom + 0.1 * (top - bottom)), np.floor(top) + 1)
            shown = 10.0 ** decades[:: 1 + len(decades) // 5]
        else:
            low, bottom, top = np.maximum(low, 0.0), 0.0, float(high.max())
            shown = ticks(0.0, top, 3)
        self._set_heights(bottom, top, shown, log=log)
        draw(self.curve, x, values)
        draw(self.band, x, np.stack([low, high]) if errors.any() else np.full((2, _POINTS), np.nan))
        return broadening

    def _set_heights(self, bottom: float, top: float, shown: Array, *, log: bool) -> None:
        unit = (top - bottom or 1.0) / (_TOP - _BASE)
        with self._density.hold_sync():
            self._density.min, self._density.max = bottom - _BASE * unit, bottom + (1 - _BASE) * unit
        set_ticks(self._y_axis, shown, name="density (log scale)" if log else "density", log=log)

    def draw_eigenvalues(self, pairs: Eigenpairs | None, names: Sequence[str]) -> None:
        """Draw the eigenvalues that were found.

        Args:
            pairs: Eigenvalues with residuals, or None.
            names: What each is called.
        """
        values, errors = (np.empty(0), np.empty(0)) if pairs is None else (pairs.values, pairs.residuals)
        sure = np.empty(0, dtype=bool) if pairs is None else pairs.converged
        seen = np.isfinite(values)
        for mark, which in ((self.converged, seen & sure), (self.unconverged, seen & ~sure)):
            with mark.hold_sync():
                if which.any():
                    mark.names = np.array([name for name, shown in zip(names, which, strict=True) if shown])
                draw(mark, values[which], np.full(int(which.sum()), _ROW))
        drawn = seen & np.isfinite(errors)
        if not drawn.any():
            self.residuals.visible = False
            return
        ends = np.stack([values - errors, values + errors], axis=1)[drawn]
        draw(self.residuals, ends, np.full_like(ends, _ROW))

    def draw_chosen(self, value: float) -> None:
        """Draw a ring around an eigenvalue.

        Args:
            value: The eigenvalue; NaN for none.
        """
        draw(self.chosen, np.array([value]), np.array([_ROW if np.isfinite(value) else np.nan]))
