"""Draws a bqplot figure of this package with matplotlib: the same marks, colours, names and limits, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bqplot
import numpy as np

from curvwidget.widgets.export.legend_text import plain_color
from curvwidget.widgets.style import ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["POINTS_PER_PIXEL", "draw_plot", "place", "tick_places"]

Array = np.ndarray[Any, Any]

POINTS_PER_PIXEL = 0.72  # at the 100 pixels an inch that all pictures are laid out in
_DASHES = {"solid": "-", "dashed": "--", "dotted": ":", "dash_dotted": "-."}
_MARKERS = {"circle": "o", "diamond": "D", "square": "s", "triangle-up": "^", "cross": "P", "triangle-down": "v"}
_SIDES = {"start": "left", "middle": "center", "end": "right"}


def draw_plot(axes: Axes, figure: bqplot.Figure) -> None:
    """Draw a figure.

    Args:
        axes: Where to draw, of the size of the figure less its margins.
        figure: The figure; its marks may be on several scales, which all fill the plot.
    """
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(False)
    for rank, mark in enumerate(figure.marks):
        if mark.visible:
            _draw_mark(axes, mark, rank + 2)
    positions: dict[str, list[tuple[float, str]]] = {"x": [], "y": []}
    for axis in figure.axes:
        if not axis.visible:
            continue
        which = "y" if axis.orientation == "vertical" else "x"
        positions[which] += tick_places(axis)
        if axis.label and which == "y":
            axes.set_ylabel(axis.label, fontsize=9, parse_math=False)
        elif axis.label:
            axes.set_xlabel(axis.label, fontsize=9, parse_math=False)
    axes.set_xticks(*_columns(positions["x"]), fontsize=8.5, parse_math=False)
    axes.set_yticks(*_columns(positions["y"]), fontsize=8.5, parse_math=False)


def _columns(found: list[tuple[float, str]]) -> tuple[list[float], list[str]]:
    return [at for at, _ in found], [text for _, text in found]


def tick_places(axis: bqplot.Axis) -> list[tuple[float, str]]:
    """Return the ticks of an axis.

    Args:
        axis: The axis.

    Returns:
        For each its place as a share of the plot, and what it says.
    """
    scale = axis.scale
    if scale.min is None or scale.max is None:
        return []
    values = ticks(scale.min, scale.max, 5) if axis.tick_values is None else np.asarray(axis.tick_values, dtype=np.float64)
    names = {float(position): text for position, text in (axis.tick_labels or {}).items()}
    shares = (values - scale.min) / (scale.max - scale.min)
    return [
        (float(share), names.get(float(value), f"{value + 0.0:.6g}".replace("-", "−")))
        for share, value in zip(shares, values, strict=True)
        if -1e-9 <= share <= 1 + 1e-9
    ]


def place(mark: bqplot.Mark) -> tuple[Array, Array]:
    """Return the coordinates of a mark as shares of the plot, whatever scales it is on.

    Args:
        mark: The mark.

    Returns:
        Abscissas and ordinates ``(k, n)``, a row a line.
    """
    placed = []
    for name in ("x", "y"):
        scale = mark.scales[name]
        values = np.atleast_2d(np.asarray(getattr(mark, name), dtype=np.float64))
        low = np.nanmin(values) if scale.min is None else scale.min
        high = np.nanmax(values) if scale.max is None else scale.max
        placed.append((values - low) / ((high - low) or 1.0))
    x, y = np.broadcast_arrays(*placed)
    return x, y


def _draw_mark(axes: Axes, mark: bqplot.Mark, order: int) -> None:
    x, y = place(mark)
    colors = [plain_color(color) for color in mark.colors]
    opacity = float(mark.opacities[0]) if len(mark.opacities) else 1.0
    if isinstance(mark, bqplot.Label):
        for at_x, at_y, text in zip(x[0], y[0], mark.text, strict=True):
            axes.annotate(
                str(text),
                (at_x, at_y),
                xytext=(mark.x_offset * POINTS_PER_PIXEL, -mark.y_offset * POINTS_PER_PIXEL),
                textcoords="offset points",
                ha=_SIDES[mark.align],
                va="center",
                color=colors[0],
                fontsize=8.5,
                zorder=order,
                annotation_clip=False,
                parse_math=False,
            )
    elif isinstance(mark, bqplot.Scatter):
        ink = plain_color(mark.stroke) if mark.stroke else colors[0]
        axes.scatter(
            x[0],
            y[0],
            s=4 / np.pi * mark.default_size * POINTS_PER_PIXEL**2,  # bqplot's size is an area in pixels, matplotlib's a square
            marker=_MARKERS.get(mark.marker, "o"),
            facecolor=colors[0] if mark.fill else "none",
            edgecolor=ink if mark.stroke or not mark.fill else "none",
            linewidth=mark.stroke_width * POINTS_PER_PIXEL,
            alpha=opacity,
            zorder=order,
        )
    elif isinstance(mark, bqplot.Lines):
        _draw_lines(axes, mark, x, y, colors, order)


def _draw_lines(axes: Axes, mark: bqplot.Lines, x: Array, y: Array, colors: list[str], order: int) -> None:
    fills = [plain_color(color) for color in mark.fill_colors] or colors
    shade = float(mark.fill_opacities[0]) if len(mark.fill_opacities) else 1.0
    if mark.fill == "between" and len(y) == 2:
        axes.fill_between(x[0], y[0], y[1], color=fills[0], alpha=shade, linewidth=0, zorder=order)
    elif mark.fill in ("inside", "bottom"):
        for index in range(len(y)):
            whole = np.isfinite(y[index])
            axes.fill(x[index][whole], y[index][whole], color=fills[index % len(fills)], alpha=shade, linewidth=0, zorder=order)
    for index in range(len(y)):
        color = colors[index % len(colors)]
        if color != "none" and mark.stroke_width:
            axes.plot(
                x[index],
                y[index],
                color=color,
                linestyle=_DASHES[mark.line_style],
                linewidth=mark.stroke_width * POINTS_PER_PIXEL,
                zorder=order,
            )
