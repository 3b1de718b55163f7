"""What `LossMap` sends to its views: a slice, its contours and its quadratic model, ready to be drawn, in one block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from curvwidget.widgets.contours import ContourLines, contour_lines, nice_levels
from curvwidget.widgets.packing import pack

if TYPE_CHECKING:
    from curvwidget.curvature.projected import ProjectedCurvature
    from curvwidget.slices.loss_slice import LossSlice

__all__ = ["Scale", "loss_packet", "rescale"]

Array = np.ndarray[Any, Any]
Scale = Literal["linear", "log", "difference"]

VERSION = 1
FINITE, NAN, ABOVE, BELOW, NO_LOGARITHM = range(5)  # marks: what a grid point holds in place of a number to be drawn
_MODEL_POINTS = 81  # a parabola's level lines look smooth from 80 steps on


def loss_packet(
    plane: LossSlice,
    curvature: ProjectedCurvature | None,
    scale: Scale,
    levels: int,
    limits: tuple[float, float] | None = None,
) -> bytes:
    """Pack a slice for its views.

    The arrays are

    - ``x``, ``y``: the axes;
    - ``values``: what is drawn, less ``base``, float32: the loss, its logarithm or its difference from L(θ);
      the loss itself where it has no logarithm;
    - ``marks``: 0 where that is a finite number;
    - ``base``, ``center`` (L(θ)), ``range`` of what is drawn (empty where nothing is finite), ``limits`` of the colours,
      ``levels``: float64;
    - ``error``: how far the values may be from the loss, 0 where they are losses, beside the arrays;
    - ``points``, ``starts``, ``level_index``: the contours, as in `ContourLines`;
    - ``model_points``, ``model_starts``, ``model_level_index``: those of the quadratic model, at the same levels.

    Args:
        plane: The slice, of two directions.
        curvature: Its quadratic model, or None.
        scale: What is drawn: the loss, its decimal logarithm, or its difference from the centre.
        levels: How many contours there may be at most.
        limits: Where the colours end and the contours' levels lie; None for the range of what is drawn.

    Returns:
        The block, for `curvwidget.widgets.packing.unpack`.
    """
    x, y = plane.axes
    center = plane.center
    shown, marks = rescale(plane.values, center, scale)
    finite = shown[marks == FINITE]
    extent = np.array([finite.min(), finite.max()]) if finite.size else np.empty(0)
    ends = extent if limits is None or not finite.size else np.array(limits)
    steps = nice_levels(ends[0], ends[1], levels) if finite.size else np.empty(0)
    lines = contour_lines(x, y, np.where(marks == FINITE, shown, np.nan), steps)
    # A float32 holds 7 digits: taken from the centre, they are digits of what varies over the plane.
    base = center if scale == "linear" and np.isfinite(center) else 0.0
    return pack(
        {
            "version": VERSION,
            "scale": scale,
            "labels": list(plane.directions.labels),
            "has_model": curvature is not None,
            "error": plane.error,
        },
        {
            "x": x.astype(np.float64),
            "y": y.astype(np.float64),
            "values": _shorten(np.where(marks == NO_LOGARITHM, plane.values, shown - base)),
            "marks": marks,
            "base": np.array([base]),
            "center": np.array([center]),
            "range": extent,
            "limits": ends,
            "levels": steps,
            **_pack_lines("", lines),
            **_pack_lines("model_", _model_lines(plane, curvature, scale, steps)),
        },
    )


def rescale(values: Array, center: float, scale: Scale) -> tuple[Array, Array]:
    """Turn losses into what is drawn.

    Args:
        values: The losses.
        center: L(θ).
        scale: What is drawn.

    Returns:
        What is drawn in place of each, and a mark that says whether it can be.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        if scale == "log":
            shown = np.log10(values)
        elif scale == "difference":
            shown = values - center
        else:
            shown = np.array(values, dtype=np.float64)
    # A loss that is infinite is marked as what it is, whatever subtracting or taking logarithms made of it.
    kept = np.where(np.isfinite(values), shown, values)
    marks = np.full(values.shape, FINITE, dtype=np.uint8)
    marks[np.isnan(kept)] = NAN
    marks[kept == np.inf] = ABOVE
    marks[kept == -np.inf] = BELOW
    if scale == "log":
        marks[np.isfinite(values) & (values <= 0)] = NO_LOGARITHM
    return shown, marks


def _shorten(values: Array) -> Array:
    """Return the values as float32 if each finite one stays finite."""
    finite = values[np.isfinite(values)]
    fits = not finite.size or float(np.abs(finite).max()) <= float(np.finfo(np.float32).max)
    return values.astype(np.float32) if fits else values


def _model_lines(plane: LossSlice, curvature: ProjectedCurvature | None, scale: Scale, levels: Array) -> ContourLines:
    """Return the contours of the quadratic model on the slice's rectangle."""
    x, y = (np.linspace(axis[0], axis[-1], _MODEL_POINTS) for axis in plane.axes)
    if curvature is None:
        return contour_lines(x, y, np.full((len(x), len(y)), np.nan), np.empty(0))
    losses = curvature.model(x[:, None], y[None, :])
    shown, marks = rescale(losses, plane.center, scale)
    return contour_lines(x, y, np.where(marks == FINITE, shown, np.nan), levels)


def _pack_lines(prefix: str, lines: ContourLines) -> dict[str, Array]:
    return {
        f"{prefix}points": lines.points.astype(np.float32),
        f"{prefix}starts": lines.starts.astype(np.uint32),
        f"{prefix}level_index": lines.level_index.astype(np.uint16),
    }
