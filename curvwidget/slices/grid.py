"""The points of a slice: symmetric product grids with the exact centre, from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curvwidget._checks import check_count

__all__ = ["axis_levels", "check_resolution", "symmetric_axis"]

Array = np.ndarray[Any, Any]


def check_resolution(resolution: object, count: int) -> tuple[int, ...]:
    """Return the number of points on each axis.

    Args:
        resolution: One odd number, or one an axis.
        count: Number of axes.

    Returns:
        One odd number an axis.

    Raises:
        ValueError: If a number is even or below 3, or there are not as many as axes.
    """
    given = list(resolution) if isinstance(resolution, (Sequence, np.ndarray)) else [resolution] * count
    if len(given) != count:
        raise ValueError(f"resolution must be one number or {count}, one an axis, got {len(given)}")
    numbers = tuple(check_count("resolution", number, minimum=3) for number in given)
    for number in numbers:
        if number % 2 == 0:
            raise ValueError(f"resolution must be odd, so that the exact centre is a point of the grid, got {number}")
    return numbers


def symmetric_axis(span: float, resolution: int) -> Array:
    """Return equally spaced coordinates from −span to span.

    Args:
        span: Half-width.
        resolution: Odd number of points.

    Returns:
        ``(resolution,)`` float64: both end points, exactly 0 in the middle, exactly symmetric.
    """
    half = np.arange(1, resolution // 2 + 1) / (resolution // 2) * span
    return np.concatenate([-half[::-1], [0.0], half])


def axis_levels(resolution: int) -> list[Array]:
    """Return which points of an axis each level of a coarse-to-fine walk takes.

    Args:
        resolution: Odd number of points of the whole axis.

    Returns:
        Ascending index arrays, from the three points ends and centre to all of them. Each level holds the one before: multiples
        of a halving stride, counted from the centre, and the end points.
    """
    half = resolution // 2
    levels = [np.array([0, half, resolution - 1])]
    stride = 1 << max(half.bit_length() - 2, 0)
    while stride >= 1:
        steps = np.unique(np.append(np.arange(stride, half + 1, stride), half))
        level = np.concatenate([half - steps[::-1], [half], half + steps])
        if len(level) > len(levels[-1]):
            levels.append(level)
        stride //= 2
    return levels
