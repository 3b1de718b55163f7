"""Draws the swatches of a legend with matplotlib, of the shapes that the live legend is drawn of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curvwidget.widgets.export.legend_text import Shape, plain_color
from curvwidget.widgets.export.plot_figure import POINTS_PER_PIXEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SWATCH_HEIGHT", "SWATCH_WIDTH", "draw_swatch", "outline"]

SWATCH_WIDTH, SWATCH_HEIGHT = 26, 12  # pixels

_STEP = re.compile(r"([MLhvz])([^A-Za-z]*)", re.IGNORECASE)


def draw_swatch(figure: Figure, box: tuple[float, float, float, float], shapes: tuple[Shape, ...]) -> None:
    """Draw one swatch.

    Args:
        figure: Where to draw.
        box: Left, bottom, width and height as shares of the figure.
        shapes: SVG elements by name, with their attributes.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Patch, Polygon, Rectangle

    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.set_xlim(0, SWATCH_WIDTH)
    axes.set_ylim(SWATCH_HEIGHT, 0)
    for tag, traits in shapes:
        stroke, fill = (plain_color(traits.get(name, "none")) for name in ("stroke", "fill"))
        width = float(traits.get("stroke-width", 1)) * POINTS_PER_PIXEL
        number = {name: float(value) for name, value in traits.items() if re.fullmatch(r"[xy][12]?|width|height|c[xy]|r", name)}
        if tag == "line":
            line = Line2D([number["x1"], number["x2"]], [number["y1"], number["y2"]], color=stroke, linewidth=width)
            dashes = traits.get("stroke-dasharray", "none")
            if dashes != "none":
                lengths = [float(length) * POINTS_PER_PIXEL / width for length in dashes.split(",")]
                line.set_linestyle((0, lengths))
                line.set_dash_capstyle("butt")
            axes.add_line(line)
            continue
        patch: Patch
        if tag == "rect":
            patch = Rectangle((number["x"], number["y"]), number["width"], number["height"])
        elif tag == "circle":
            patch = Circle((number["cx"], number["cy"]), number["r"])
        else:
            patch = Polygon(outline(traits["d"]))
        patch.set(facecolor=fill, edgecolor=stroke, linewidth=width if stroke != "none" else 0, zorder=3)
        patch.set_alpha(float(traits.get("opacity", 1)))
        axes.add_patch(patch)


def outline(path: str) -> list[tuple[float, float]]:
    """Return the corners of a polygon.

    Args:
        path: An SVG path of M, L, h, v and Z.

    Returns:
        Each corner.
    """
    corners: list[tuple[float, float]] = []
    for kind, text in _STEP.findall(path):
        numbers = [float(number) for number in text.split()]
        if kind in "ML":
            corners.append((numbers[0], numbers[1]))
        elif kind == "h":
            corners.append((corners[-1][0] + numbers[0], corners[-1][1]))
        elif kind == "v":
            corners.append((corners[-1][0], corners[-1][1] + numbers[0]))
    return corners
