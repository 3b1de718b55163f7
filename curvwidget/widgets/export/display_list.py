"""Takes a bqplot figure of this package apart into plain marks, which js/src/plot.ts draws without bqplot."""

from __future__ import annotations

import math
from typing import Any

import bqplot
import numpy as np

from curvwidget.widgets.export.plot_figure import place, tick_places

__all__ = ["display_list"]

Array = np.ndarray[Any, Any]

_DASHES = {"solid": "none", "dashed": "6,4", "dotted": "2,4", "dash_dotted": "7,3,2,3"}


def display_list(figure: bqplot.Figure, *, x_name: str) -> dict[str, Any]:
    """Return what a figure shows.

    Args:
        figure: The figure.
        x_name: What its horizontal axis measures.

    Returns:
        Marks, ticks and names, of what JSON can hold; places are shares of the plot.
    """
    found: dict[str, Any] = {"marks": [], "xTicks": [], "yTicks": [], "xName": x_name, "yName": ""}
    for mark in figure.marks:
        if mark.visible:
            found["marks"] += _take(mark)
    for axis in figure.axes:
        which = "y" if axis.orientation == "vertical" else "x"
        found[f"{which}Ticks"] += [list(tick) for tick in tick_places(axis)]
        if which == "y" and axis.label:
            found["yName"] = axis.label
    return found


def _take(mark: bqplot.Mark) -> list[dict[str, Any]]:
    x, y = place(mark)
    color = mark.colors[0]
    if isinstance(mark, bqplot.Label):
        rows = zip(_plain(x[0]), _plain(y[0]), mark.text, strict=True)
        look = {"kind": "text", "dx": mark.x_offset, "anchor": mark.align, "color": color}
        return [{**look, "x": at_x, "y": at_y, "text": str(text)} for at_x, at_y, text in rows]
    if isinstance(mark, bqplot.Scatter):
        radius = math.sqrt(mark.default_size / math.pi)
        look = {"kind": "points", "marker": mark.marker, "color": color, "radius": round(radius, 1), "hollow": not mark.fill}
        return [{**look, "x": _plain(x[0]), "y": _plain(y[0])}]
    fill = (mark.fill_colors or mark.colors)[0] if mark.fill == "inside" else "none"
    opacity = mark.fill_opacities[0] if len(mark.fill_opacities) else 1.0
    look = {"kind": "line", "color": color, "width": mark.stroke_width, "dash": _DASHES[mark.line_style]}
    return [{**look, "fill": fill, "opacity": opacity, "x": _plain(row), "y": _plain(up)} for row, up in zip(x, y, strict=True)]


def _plain(values: Array) -> list[float | None]:
    return [round(value, 5) if math.isfinite(value) else None for value in values.tolist()]
