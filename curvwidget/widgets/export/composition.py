"""Lays the parts of a view out on one picture as they stand in the notebook, from top to bottom and side by side."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import bqplot
import ipywidgets

from curvwidget.widgets.controls import Controls
from curvwidget.widgets.export.legend_text import Entry, read_text
from curvwidget.widgets.export.map_figure import draw_map, draw_surface
from curvwidget.widgets.export.plot_figure import draw_plot
from curvwidget.widgets.export.swatch import SWATCH_HEIGHT, SWATCH_WIDTH, draw_swatch
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.saddle_controls import SaddleControls
from curvwidget.widgets.surface import Surface
from curvwidget.widgets.tabbed_views import TabbedViews
from curvwidget.widgets.verdict_bar import VerdictBar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PIXELS_PER_INCH", "compose"]

PIXELS_PER_INCH = 100
_LINE, _LETTER, _SWATCH = 18, 7.0, SWATCH_WIDTH + 5  # pixels
_PLOT_HEIGHT, _MAP_HEIGHT = 250, 420
_GAP = 8


def compose(view: ipywidgets.DOMWidget, width: int) -> Figure:
    """Draw a view and all that is in it.

    Args:
        view: The view.
        width: Width of the picture in pixels.

    Returns:
        The picture, a matplotlib figure that no global state knows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = max(60, _height(view, width)) + 2 * _GAP
    figure = Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    _Painter(figure, width, height).paint(view, 0, _GAP, width)
    return figure


def _children(box: ipywidgets.Box, width: int) -> list[list[ipywidgets.DOMWidget]]:
    """Return the rows of a box, without what a picture does not show: controls, and what is hidden."""
    seen = [box.views[box.selected]] if isinstance(box, TabbedViews) else box.children
    shown = [child for child in seen if child.layout.display != "none" and _height(child, width)]
    if isinstance(box, ipywidgets.HBox):
        return [shown] if shown else []
    step = 2 if isinstance(box, ipywidgets.GridBox) else 1
    return [shown[start : start + step] for start in range(0, len(shown), step)]


def _height(view: ipywidgets.DOMWidget, width: int) -> int:
    if isinstance(view, LossMap | Surface):
        return _MAP_HEIGHT if view.slice is not None else 0
    if isinstance(view, Controls | SaddleControls):
        return 0
    if isinstance(view, bqplot.Figure):
        return _PLOT_HEIGHT
    if isinstance(view, VerdictBar | ipywidgets.HTML):
        return _LINE * len(_lines(view, width))
    if isinstance(view, ipywidgets.Box):
        rows = _children(view, width)
        return sum(max(_height(child, width // len(row)) for child in row) for row in rows)
    return 0


# Texts flow like words: as many on a line as it holds.
def _lines(view: ipywidgets.DOMWidget, width: int) -> list[list[tuple[float, Entry]]]:
    if isinstance(view, VerdictBar):
        facts = [f"{name} = {value}" for name, value, _ in view.facts]
        entries = [Entry(text) for text in (*([view.sentence] if view.sentence else []), *facts, *view.notes)]
    else:
        entries = read_text(view.value)
    lines: list[list[tuple[float, Entry]]] = []
    at = float(width)
    for entry in entries:
        if not entry.text:
            at = float(width)
        parts = textwrap.wrap(entry.text, max(12, int((width - _SWATCH) / _LETTER)))
        for part in parts:
            wide = len(part) * _LETTER + (_SWATCH if entry.color else 0) + 14
            if at + wide > width or len(parts) > 1:
                lines.append([])
                at = 8.0
            lines[-1].append((at, entry._replace(text=part)))
            at += wide
    return lines


class _Painter:
    """Puts parts onto a figure, measured in pixels from its upper left corner."""

    def __init__(self, figure: Figure, width: int, height: int) -> None:
        self._figure, self._width, self._height = figure, width, height

    def paint(self, view: ipywidgets.DOMWidget, left: float, top: float, width: int) -> None:
        """Draw a part and what is in it."""
        high = _height(view, width)
        if isinstance(view, LossMap) and high:
            draw_map(self._figure, self._box(left, top, width, high), view)
        elif isinstance(view, Surface) and high:
            draw_surface(self._figure, self._box(left, top, width, high), view)
        elif isinstance(view, bqplot.Figure):
            margin = view.fig_margin
            inner = (left + margin["left"], top + margin["top"], width - margin["left"] - margin["right"])
            axes = self._figure.add_axes(self._box(*inner, high - margin["top"] - margin["bottom"] - 6))
            draw_plot(axes, view)
        elif isinstance(view, VerdictBar | ipywidgets.HTML):
            self._write(view, left, top, width)
        elif isinstance(view, ipywidgets.Box):
            for row in _children(view, width):
                each = width // len(row)
                for column, child in enumerate(row):
                    self.paint(child, left + column * each, top, each)
                top += max(_height(child, each) for child in row)

    def _write(self, view: ipywidgets.DOMWidget, left: float, top: float, width: int) -> None:
        for number, line in enumerate(_lines(view, width)):
            y = 1 - (top + (number + 0.5) * _LINE) / self._height
            for at, entry in line:
                shift = 0
                if entry.color:
                    shift = _SWATCH
                    above = top + number * _LINE + (_LINE - SWATCH_HEIGHT) / 2
                    draw_swatch(self._figure, self._box(left + at, above, SWATCH_WIDTH, SWATCH_HEIGHT), entry.shapes)
                self._figure.text((left + at + shift) / self._width, y, entry.text, fontsize=9, va="center", parse_math=False)

    def _box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        bottom = self._height - top - height
        return left / self._width, bottom / self._height, width / self._width, height / self._height
