"""Cross-sections of a slice through any of its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curvwidget.slices.loss_slice import LossSlice

__all__ = ["CrossSection", "cross_sections", "loss_at"]

Array = np.ndarray[Any, Any]

_ROUND_OFF = 1e-9  # a probe dragged to the very edge may miss it by a few ulp


@dataclass(frozen=True, eq=False)
class CrossSection:
    """The loss along one axis of a slice, through one point.

    Attributes:
        coordinates: Grid coordinates of the axis ``(r,)``, in units of its direction.
        losses: The loss there ``(r,)``, interpolated linearly across the other axes; NaN where those leave the grid.
        position: The point's own coordinate on this axis.
        loss: The loss at the point, NaN outside the grid.
    """

    coordinates: Array
    losses: Array
    position: float
    loss: float


def cross_sections(loss_slice: LossSlice, probe: Sequence[float]) -> tuple[CrossSection, ...]:
    """Cut a slice along each of its axes, through one point.

    Args:
        loss_slice: The slice, over k directions.
        probe: Coordinates of the point ``(k,)``, in units of the directions.

    Returns:
        One cross-section an axis. Between grid lines the loss is interpolated linearly; outside the grid it is NaN.

    Raises:
        ValueError: If the probe has not k coordinates.
    """
    axes = loss_slice.axes
    if len(probe) != len(axes):
        raise ValueError(f"probe must have {len(axes)} coordinates, one an axis, got {len(probe)}")
    sections = []
    for index, axis in enumerate(axes):
        losses = loss_slice.values
        # From the last axis to the first: the axes that remain keep their numbers.
        for other in reversed(range(len(axes))):
            if other != index:
                losses = _cut(losses, other, axes[other], float(probe[other]))
        position = float(probe[index])
        sections.append(CrossSection(axis, losses, position, float(_cut(losses, 0, axis, position))))
    return tuple(sections)


def loss_at(loss_slice: LossSlice, probe: Sequence[float]) -> float:
    """Interpolate the loss of a slice at one point.

    Args:
        loss_slice: The slice, over k directions.
        probe: Coordinates of the point ``(k,)``, in units of the directions.

    Returns:
        The loss, multilinear between the grid points; NaN outside the grid.
    """
    return cross_sections(loss_slice, probe)[0].loss


def _cut(values: Array, axis: int, coordinates: Array, position: float) -> Array:
    """Return the values at one position of an axis; inf and NaN of the neighbour do not leak into an exact grid line."""
    slack = _ROUND_OFF * float(coordinates[-1] - coordinates[0])
    if not coordinates[0] - slack <= position <= coordinates[-1] + slack:
        return np.full(np.delete(values.shape, axis), np.nan)
    upper = int(np.clip(np.searchsorted(coordinates, position), 1, max(len(coordinates) - 1, 1)))
    lower = upper - 1
    if len(coordinates) == 1:
        return np.asarray(np.take(values, 0, axis=axis))
    share = float(np.clip((position - coordinates[lower]) / (coordinates[upper] - coordinates[lower]), 0.0, 1.0))
    low, high = np.take(values, lower, axis=axis), np.take(values, upper, axis=axis)
    if share in (0.0, 1.0):
        return np.asarray(high if share else low)
    with np.errstate(invalid="ignore"):  # inf − inf is NaN, as it should be
        return np.asarray((1 - share) * low + share * high)
