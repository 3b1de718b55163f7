"""Nested points of an axis through which polynomials are well-behaved, all of them points of the grid."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["leja_levels", "newton_basis"]

Array = np.ndarray[Any, Any]

_MOST_LEVELS = 65  # polynomials up to degree 128
_KEPT = 16  # resolutions


@lru_cache(_KEPT)
def leja_levels(resolution: int) -> list[Array]:
    """Return the points of an equally spaced axis in the order in which a polynomial should take them, pair by pair.

    Each pair is where the product of the distances to all points before is largest (a symmetric Leja sequence), which keeps
    interpolation stable: the ends come first, and the others crowd towards them as Chebyshev points do.

    Args:
        resolution: Odd number of points of the axis.

    Returns:
        Index arrays: the middle, then pairs that are symmetric to it, 64 pairs at most.

    Source: L. Reichel, "Newton interpolation at Leja points", BIT 30, 332-346 (1990).
    """
    half = resolution // 2
    coordinate = np.arange(1, half + 1) / max(half, 1)
    with np.errstate(divide="ignore"):  # log 0 = −∞: a point is not taken twice
        logs = np.log(coordinate)
        levels = [np.array([half])]
        while len(levels) < min(half + 1, _MOST_LEVELS):
            chosen = int(np.argmax(logs))
            levels.append(np.array([half - 1 - chosen, half + 1 + chosen]))
            logs = logs + np.log(np.abs(coordinate**2 - coordinate[chosen] ** 2))
    return levels


@lru_cache(_KEPT)
def newton_basis(resolution: int) -> Array:
    """Return Newton's polynomials of those points, each 1 at its own point and 0 at the points before.

    Args:
        resolution: Odd number of points of the axis.

    Returns:
        ``(resolution, m)``: column j is the polynomial of degree j at all points of the axis.
    """
    order = np.concatenate(leja_levels(resolution))
    half = resolution // 2
    coordinate = np.arange(-half, half + 1) / max(half, 1)
    basis = np.empty((resolution, len(order)))
    node = np.ones(resolution)
    for column, index in enumerate(order):
        node = node / node[index]  # also keeps the product of distances from vanishing
        basis[:, column] = node
        node = node * (coordinate - coordinate[index])
    return basis
