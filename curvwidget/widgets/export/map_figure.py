"""Draws a slice as the map and the surface show it, with matplotlib."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from curvwidget.widgets.colormap import blue_orange, viridis
from curvwidget.widgets.loss_packet import ABOVE, BELOW, FINITE, NAN, NO_LOGARITHM
from curvwidget.widgets.packing import unpack
from curvwidget.widgets.style import ticks
from curvwidget.widgets.surface_mesh import surface_mesh

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from curvwidget.widgets.loss_map import LossMap
    from curvwidget.widgets.surface import Surface

__all__ = ["draw_map", "draw_surface"]

_AWAY = 8  # points between what the ticks of the surface say and the names of its axes
_MOST_TICKS = 5
_ZOOM = 0.9  # so that both stay within the surface's box

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]

_NAMES = {"linear": "loss", "log": "log₁₀ loss", "difference": "loss − L(θ)"}
_HATCHES = {
    NAN: ("xxx", "NaN"),
    ABOVE: ("///", "+inf"),
    BELOW: ("\\\\\\", "−inf"),
    NO_LOGARITHM: ("...", "no logarithm"),
}


def draw_map(figure: Figure, box: Box, view: LossMap) -> None:
    """Draw the map of a slice: colours, contours, the model's contours, what is marked, centre and probe.

    Args:
        figure: Where to draw.
        box: Left, bottom, width and height as shares of the figure.
        view: The map.
    """
    from matplotlib.patheffects import withStroke

    left, bottom, width, height = box
    # Room for names and numbers, in inches of the figure's own size.
    wide, high = figure.get_size_inches()
    axes = figure.add_axes((left + 0.75 / wide, bottom + 0.5 / high, width - 1.75 / wide, height - 0.8 / high))
    meta, arrays = unpack(view.packet)
    x, y, marks = arrays["x"], arrays["y"], arrays["marks"]
    values = arrays["values"].astype(np.float64) + arrays["base"]
    limits = arrays["limits"]
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    for axis, label in zip(("x", "y"), meta["labels"], strict=True):
        getattr(axes, f"set_{axis}label")(f"{label} (units of the direction)", fontsize=9, parse_math=False)
    axes.tick_params(labelsize=8.5)
    if view.title or view.caption:
        axes.set_title(" · ".join(filter(None, (view.title, view.caption))), fontsize=10 if view.title else 8.5, parse_math=False)
    colored = np.where(marks == FINITE, values, np.nan)
    if len(limits):
        axes.pcolormesh(x, y, _rgba(colored, limits, view.scale).transpose(1, 0, 2), shading="nearest", rasterized=True)
        bar = figure.add_axes((left + width - 0.85 / wide, bottom + 0.5 / high, 0.14 / wide, height - 0.8 / high))
        ramp = np.linspace(limits[0], limits[1], 256)
        bar.pcolormesh(
            [0.0, 1.0], ramp, _rgba(ramp[:, None].repeat(2, 1), limits, view.scale), shading="nearest", rasterized=True
        )
        bar.set_xticks([])
        bar.yaxis.tick_right()
        bar.yaxis.set_label_position("right")
        bar.set_ylabel(_NAMES[view.scale], fontsize=9)
        bar.tick_params(labelsize=8.5)
    for mark, (hatch, name) in _HATCHES.items():
        hit = marks == mark
        if hit.any():
            cells = axes.pcolor(x, y, np.ma.masked_where(~hit.T, hit.T.astype(float)), shading="nearest", hatch=hatch, alpha=0.0)
            cells.set_label(name)
            where = np.argwhere(hit)[0]
            axes.text(float(x[where[0]]), float(y[where[1]]), name, fontsize=8, ha="center", va="center", parse_math=False)
    prefixes = [("", "black", 0.7, "-")]
    if view.show_model and meta["has_model"]:
        prefixes.append(("model_", "#c2185b", 1.1, "--"))
    for prefix, color, thickness, dash in prefixes:
        points, starts = arrays[f"{prefix}points"], arrays[f"{prefix}starts"]
        for start, stop in itertools.pairwise(starts):
            axes.plot(points[start:stop, 0], points[start:stop, 1], color=color, linewidth=thickness, linestyle=dash)
    if view.way:
        axes.plot(*_places(view.way), "o-", color="black", markersize=4, linewidth=1.2, markerfacecolor="white")
    if view.spots:
        axes.plot(*_places(view.spots), "^", color="black", markersize=8, markerfacecolor="white")
    # On both sides of the middle the name stands towards it, so that none leaves the map.
    for across, up, name in (*view.way, *view.spots):
        side = "right" if across > 0.5 * x[-1] else "left"
        shift = -7 if side == "right" else 7
        text = axes.annotate(
            name, (across, up), xytext=(shift, 5), textcoords="offset points", fontsize=8, ha=side, parse_math=False, clip_on=True
        )
        text.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})
    halo = [withStroke(linewidth=3.0, foreground="white")]  # for what stands on dark colours
    axes.plot(0, 0, "+", color="black", markersize=8, markeredgewidth=1.5, path_effects=halo)
    axes.annotate("θ", (0, 0), xytext=(4, -9), textcoords="offset points", fontsize=9, style="italic", path_effects=halo)
    axes.plot(*view.probe, "o", color="white", markersize=9, markeredgewidth=3.2, fillstyle="none")
    axes.plot(*view.probe, "o", color="black", markersize=9, markeredgewidth=1.5, fillstyle="none")


def draw_surface(figure: Figure, box: Box, view: Surface) -> None:
    """Draw a slice in three dimensions, from the side that the live surface shows first.

    Args:
        figure: Where to draw.
        box: Left, bottom, width and height as shares of the figure.
        view: The surface.
    """
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]

    plane = view.slice
    if plane is None:
        return
    mesh = surface_mesh(plane, view.scale)
    axes: Any = figure.add_axes(box, projection="3d")
    for which, label in zip("xy", plane.directions.labels, strict=True):
        getattr(axes, f"set_{which}label")(label, fontsize=8, labelpad=_AWAY, parse_math=False)
    axes.set_zlabel(_NAMES[view.scale], fontsize=8, labelpad=_AWAY)
    axes.tick_params(labelsize=7)
    for which, along in zip("xy", plane.axes, strict=True):
        getattr(axes, f"set_{which}lim")(along[0], along[-1])
        getattr(axes, f"set_{which}ticks")(ticks(along[0], along[-1], _MOST_TICKS))
    axes.view_init(elev=32, azim=-120)
    axes.set_box_aspect(None, zoom=_ZOOM)
    if mesh is None:
        axes.text2D(0.5, 0.5, "no finite loss on this slice", transform=axes.transAxes, ha="center")
        return
    low, high = mesh.limits
    heights = low + (mesh.y / 0.9 + 0.5) * (high - low)
    (left, right), (near, far) = ((axis[0], axis[-1]) for axis in plane.axes)
    corners = np.stack([left + (0.5 - mesh.x) * (right - left), near + (mesh.z + 0.5) * (far - near), heights], axis=-1)
    faces = mesh.triangles
    colors = mesh.colors[faces].mean(axis=1)
    axes.add_collection3d(Poly3DCollection(corners[faces], facecolors=colors, linewidths=0, rasterized=True))
    axes.set_zlim(low, high if high > low else low + 1)


def _places(points: list[tuple[float, float, str]]) -> tuple[list[float], list[float]]:
    return [x for x, _, _ in points], [y for _, y, _ in points]


def _rgba(values: Array, limits: Array, scale: str) -> Array:
    low, high = limits
    if scale == "difference":
        far = max(abs(low), abs(high)) or 1.0
        rgb = blue_orange(np.clip(0.5 + 0.5 * np.sign(values) * np.sqrt(np.abs(values) / far), 0, 1))
    else:
        share = (values - low) / (high - low) if high > low else np.where(np.isfinite(values), 0.5, np.nan)
        rgb = viridis(np.clip(share, 0, 1))
    rgba = np.zeros((*values.shape, 4))
    rgba[..., :3], rgba[..., 3] = np.nan_to_num(rgb), np.isfinite(values)
    return rgba
