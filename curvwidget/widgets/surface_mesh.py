"""The triangles and colours of a slice as a surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curvwidget.slices.loss_slice import LossSlice
from curvwidget.widgets.colormap import blue_orange, shade, viridis
from curvwidget.widgets.interpolate import loss_at

__all__ = ["SurfaceMesh", "ball", "surface_mesh"]

Array = np.ndarray[Any, Any]

_HALF = 0.5  # the surface stands in a box from −½ to ½ on each axis
_RELIEF = 0.9  # share of the box's height that the surface takes


@dataclass(frozen=True, eq=False)
class SurfaceMesh:
    """A slice as a surface in a box from −½ to ½.

    The first axis runs along −x and the second along +z: seen from −z, with y up, the surface then lies like the map, its first
    axis to the right and its second one away from the viewer.

    Attributes:
        x: Abscissas ``(m·n,)`` float32.
        y: Heights ``(m·n,)`` float32, of what the scale makes of the loss.
        z: Depths ``(m·n,)`` float32.
        triangles: Corners of the triangles ``(t, 3)`` uint32; none touches a point that is not finite.
        colors: Red, green, blue and alpha ``(m·n, 4)`` float32.
        limits: Least and largest value drawn.
        missing: How many points are not finite.
        plane: The slice.
        scale: What is drawn: ``"linear"``, ``"log"`` or ``"difference"``.
    """

    x: Array
    y: Array
    z: Array
    triangles: Array
    colors: Array
    limits: tuple[float, float]
    missing: int
    plane: LossSlice
    scale: str

    def locate(self, position: tuple[float, float]) -> tuple[float, float, float] | None:
        """Find a point of the slice on the surface.

        Args:
            position: Its coordinates, in units of the directions.

        Returns:
            Its place in the box; None where the slice has no finite loss.
        """
        value = float(_rescale(np.array(loss_at(self.plane, position)), self.plane, self.scale))
        if not np.isfinite(value):
            return None
        x, z = (_stretch(np.array(at), axis) for at, axis in zip(position, self.plane.axes, strict=True))
        return -float(x), float(_lift(np.array(value), self.limits)), float(z)


def surface_mesh(plane: LossSlice, scale: str) -> SurfaceMesh | None:
    """Make a surface of a slice.

    Args:
        plane: A slice of two directions, at least two points wide on both.
        scale: What is drawn: ``"linear"``, ``"log"`` or ``"difference"``.

    Returns:
        The surface; None where the slice has no finite value or is a point or a line.
    """
    values = _rescale(plane.values, plane, scale)
    finite = np.isfinite(values)
    if not finite.any() or min(values.shape) < 2:
        return None
    low, high = limits = float(values[finite].min()), float(values[finite].max())
    heights = _lift(values, limits)
    if scale == "difference":
        # As on the map: the square root, so that a shallow valley beside a steep wall still has a colour.
        far = max(abs(low), abs(high)) or 1.0
        rgb = blue_orange(0.5 + 0.5 * np.sign(values) * np.sqrt(np.abs(values) / far))
    else:
        rgb = viridis((values - low) / (high - low) if high > low else np.where(finite, 0.5, np.nan))
    colors = np.ones((*values.shape, 4))
    colors[..., :3] = np.where(finite[..., None], rgb * shade(heights)[..., None], 0.0)
    x, z = np.meshgrid(*(_stretch(axis, axis) for axis in plane.axes), indexing="ij")
    return SurfaceMesh(
        x=(-x).astype(np.float32).ravel(),
        y=np.where(finite, heights, -_HALF).astype(np.float32).ravel(),
        z=z.astype(np.float32).ravel(),
        triangles=_triangles(finite),
        colors=colors.reshape(-1, 4).astype(np.float32),
        limits=limits,
        missing=int((~finite).sum()),
        plane=plane,
        scale=scale,
    )


def ball(radius: float, *, rings: int = 10, sides: int = 18) -> tuple[Array, Array]:
    """Make a ball of triangles.

    Args:
        radius: Its radius.
        rings: Rings of points between its poles, these included.
        sides: Points on each ring.

    Returns:
        Its points around the origin ``(rings·sides, 3)`` float32, and its triangles ``(t, 3)`` uint32.
    """
    polar, around = np.meshgrid(np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, sides, endpoint=False), indexing="ij")
    points = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], axis=-1)
    corner = np.arange(rings * sides).reshape(rings, sides)
    beside = np.roll(corner, -1, axis=1)
    a, b, c, d = corner[:-1], corner[1:], beside[1:], beside[:-1]
    triangles = np.concatenate([np.stack([a, b, d], axis=-1).reshape(-1, 3), np.stack([b, c, d], axis=-1).reshape(-1, 3)])
    return (radius * points).reshape(-1, 3).astype(np.float32), triangles.astype(np.uint32)


def _rescale(values: Array, plane: LossSlice, scale: str) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        if scale == "log":
            return np.asarray(np.log10(values))
        return np.asarray(values - plane.center) if scale == "difference" else np.asarray(values, dtype=np.float64)


def _lift(values: Array, limits: tuple[float, float]) -> Array:
    low, high = limits
    with np.errstate(invalid="ignore"):
        share = (values - low) / (high - low) if high > low else np.where(np.isfinite(values), 0.5, np.nan)
    return np.asarray(_RELIEF * (share - 0.5))


def _stretch(coordinates: Array, axis: Array) -> Array:
    return np.asarray((coordinates - axis[0]) / (axis[-1] - axis[0]) - _HALF)


def _triangles(finite: Array) -> Array:
    # Two in each cell, but none with a corner that is not finite.
    m, n = finite.shape
    corner = np.arange(m * n).reshape(m, n)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    triangles = np.concatenate([np.stack([a, b, d], axis=-1).reshape(-1, 3), np.stack([b, c, d], axis=-1).reshape(-1, 3)])
    return np.asarray(triangles[finite.ravel()[triangles].all(axis=1)], dtype=np.uint32)
