"""Where a polynomial is tried against losses that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from curvwidget.slices.known_losses import KnownLosses, Point
from curvwidget.slices.sparse_polynomial import SparsePolynomial

__all__ = ["check_points", "random_points", "spline_through"]

Array = np.ndarray[Any, Any]

_NEAR = 1 / 6  # of the half-width: no point of the grid is farther from one that was evaluated …
_NEAR_STEPS = 3  # … or than these many of its steps
_DISPUTED = 12
_APART = 0.7  # of the distance above, between two of them
_CANDIDATES = 4000  # among which they are sought
_CLIMBS = 4


def check_points(losses: KnownLosses, polynomial: SparsePolynomial, random: np.random.Generator) -> Iterator[list[Point]]:
    """Yield points to evaluate before a polynomial is believed; each list is evaluated before the next is asked for.

    First so many that none of the grid is far from an evaluated one. Then those where the polynomial and a spline through the
    same losses differ most: there the losses that are known tell least. Then around the point where the polynomial was found to
    be wrong most, as long as its neighbours are worse.

    Args:
        losses: What is known.
        polynomial: What is doubted.
        random: Breaks ties, and draws the candidates of a large grid.

    Yields:
        Points of the grid; an empty list where there is nothing to add.
    """
    shares = _shares(losses)
    yield _far_points(losses.known, shares, random)
    yield _disputed_points(losses, polynomial, shares, random)
    worst: Point | None = None
    for _ in range(_CLIMBS):
        errors = np.where(losses.known, np.abs(losses.values - polynomial.values), 0.0)
        before, worst = worst, tuple(int(index) for index in np.unravel_index(int(errors.argmax()), errors.shape))
        if worst == before:
            return
        yield _neighbours(worst, losses.known.shape)


def random_points(losses: KnownLosses, count: int, random: np.random.Generator) -> list[Point]:
    """Draw points that are not known.

    Args:
        losses: What is known.
        count: How many, at most.
        random: Draws them.

    Returns:
        Points of the grid.
    """
    unknown = random.permutation(np.argwhere(~losses.known))
    return [tuple(point) for point in unknown[:count].tolist()]


def spline_through(losses: KnownLosses, values: Array, where: Array) -> Array:
    """Interpolate with a thin-plate spline through the points that were evaluated.

    Args:
        losses: Says which points these are.
        values: What to interpolate, on the grid ``(r_1, …, r_k)``.
        where: Points of the grid ``(r_1, …, r_k)``, True where the spline is wanted.

    Returns:
        The spline there, ``(m,)`` in the order of the grid.
    """
    shares = _shares(losses)
    spline = RBFInterpolator(shares[losses.known], values[losses.known], kernel="thin_plate_spline")
    return np.asarray(spline(shares[where]))


# Coordinates in units of the distance that counts as near on each axis, (r_1, …, r_k, k).
def _shares(losses: KnownLosses) -> Array:
    scaled = [axis / axis[-1] / _near(len(axis)) for axis in losses.axes]
    return np.stack(np.meshgrid(*scaled, indexing="ij"), axis=-1)


# The farthest point from all that are known, then the farthest from those and it, and so on until none is far.
def _far_points(known: Array, shares: Array, random: np.random.Generator) -> list[Point]:
    distances, _ = KDTree(shares[known]).query(shares)
    found = []
    while distances.max() > 1:
        farthest = np.argwhere(distances >= distances.max() * (1 - 1e-9))
        point = tuple(farthest[random.integers(len(farthest))].tolist())
        found.append(point)
        distances = np.minimum(distances, np.linalg.norm(shares - shares[point], axis=-1))
    return found


def _disputed_points(
    losses: KnownLosses, polynomial: SparsePolynomial, shares: Array, random: np.random.Generator
) -> list[Point]:
    candidates = random.permutation(np.argwhere(~losses.known))[:_CANDIDATES]
    where = np.zeros(losses.known.shape, dtype=bool)
    where[tuple(candidates.T)] = True
    disputes = np.abs(spline_through(losses, losses.values, where) - polynomial.values[where])
    points, places = np.argwhere(where), shares[where]
    found: list[Point] = []
    while len(found) < _DISPUTED and bool((disputes > 0).any()):
        most = int(disputes.argmax())
        found.append(tuple(points[most].tolist()))
        disputes = np.where(np.linalg.norm(places - places[most], axis=1) < _APART, 0.0, disputes)
    return found


# Half as far as counts as near, along each axis, within the grid.
def _neighbours(point: Point, shape: tuple[int, ...]) -> list[Point]:
    found = []
    for axis, number in enumerate(shape):
        step = max(1, round(_near(number) / 2 / _spacing(number)))
        for index in (max(point[axis] - step, 0), min(point[axis] + step, number - 1)):
            found.append((*point[:axis], index, *point[axis + 1 :]))
    return found


# In shares of the half-width.
def _spacing(number: int) -> float:
    return 2 / (number - 1)


def _near(number: int) -> float:
    return max(_NEAR, _NEAR_STEPS * _spacing(number))
