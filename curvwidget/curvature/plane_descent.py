"""Going down within a plane, from points of a slice to the minima of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage
import scipy.optimize

from curvwidget.curvature.project import project_somehow
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.slices import LossSlice

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PlaneDescent", "low_points"]

Array = np.ndarray[Any, Any]

_ITERATIONS = 50  # of the descent from a point of the grid
_STRIDE = 2.0  # steps of the grid that its first one takes at most
_SLOPE = 1e-9  # of the loss's spread between neighbours on the grid, a stride: where it is less steep, it ends
_DROP = 1e-14  # of that spread: where it falls by less, it ends
_BETWEEN = (0.25, 0.5, 0.75)  # of the way from one minimum to another, where the loss has to rise for them to be two
_NEAR = 0.5  # steps of the grid within which two minima are one
_AT_ORIGIN = 1 / 16  # of the spread there: how much lower than the origin; a parabola falls so far in a quarter of a step


class PlaneDescent:
    """Goes down within a plane, and counts what that costs.

    Attributes:
        evaluations: Loss evaluations spent, gradients among them.
        hvps: Hessian-vector products spent.
    """

    def __init__(self, objective: Objective, directions: Directions) -> None:
        """Hold the plane.

        Args:
            objective: The loss at the plane's origin.
            directions: Two directions.
        """
        self._objective = objective
        self._directions = directions.beside(objective.theta)
        self.evaluations = 0
        self.hvps = 0
        self._losses: dict[tuple[float, ...], float] = {}

    def point(self, place: Array) -> Tensor:
        """Return a point of the plane.

        Args:
            place: Its coordinates ``(2,)``.

        Returns:
            θ + Σ a_i·v_i ``(N,)``.
        """
        theta = self._objective.theta
        for coordinate, vector in zip(place, self._directions.vectors, strict=True):
            theta.add_(vector, alpha=float(coordinate))
        return theta

    def from_grid(self, plane: LossSlice, start: Array, bounds: Array) -> Array | None:
        """Go down from a point of a slice (L-BFGS-B on slope and loss within the plane).

        Args:
            plane: The slice, whose step and whose spread of losses there are the units of the search.
            start: The point's coordinates ``(2,)``.
            bounds: How far from the origin it may lead, one number an axis.

        Returns:
            The coordinates of the lowest point; None where that lies on the bounds.
        """
        stride = _STRIDE * _steps(plane)
        spread = _spread_around(plane, start)
        vectors = self._directions.vectors.double()

        def loss_and_slope(shares: Array) -> tuple[float, Array]:
            self.evaluations += 2
            point = self.point(shares * stride)
            slope = (vectors @ self._objective.gradient(point).double()).cpu().numpy() * stride / spread
            loss = self._objective.loss(point) / spread
            return (loss, slope) if np.isfinite(loss) else (np.inf, np.zeros(2))

        found = scipy.optimize.minimize(
            loss_and_slope,
            start / stride,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-bound, bound) for bound in bounds / stride],
            options={"maxiter": _ITERATIONS, "gtol": _SLOPE, "ftol": _DROP},
        )
        lowest = np.asarray(found.x * stride)
        return lowest if bool((np.abs(lowest) < bounds * (1 - 1e-6)).all()) else None

    def is_new(self, place: Array, others: list[Array], plane: LossSlice) -> bool:
        """Say whether a minimum is another one than the origin and those found before.

        It is where it lies half a step of the grid from each, and the loss rises on the way from it to each of those found. Near
        the origin it is one too where the loss is lower than there by more than the grid can hide: the origin is no minimum then.

        Args:
            place: Its coordinates.
            others: The coordinates of those found.
            plane: The slice on whose grid it was found.

        Returns:
            Whether it is.
        """
        near = _NEAR * _steps(plane)
        if any((np.abs(place - other) <= near).all() for other in others):
            return False
        if (np.abs(place) <= near).all() and not self._is_below_origin(place, plane):
            return False
        return all(self._rises_between(place, other) for other in others)

    def _is_below_origin(self, place: Array, plane: LossSlice) -> bool:
        origin = np.zeros(2)
        return self._loss(origin) - self._loss(place) > _AT_ORIGIN * _spread_around(plane, origin)

    def _rises_between(self, one: Array, other: Array) -> bool:
        ends = [self._loss(place) for place in (one, other)]
        return any(not self._loss(one + share * (other - one)) <= max(ends) for share in _BETWEEN)

    def _loss(self, place: Array) -> float:
        key = tuple(place.tolist())
        if key not in self._losses:
            self._losses[key] = self._objective.loss(self.point(place))
            self.evaluations += 1
        return self._losses[key]

    def curvature(self, place: Array) -> ProjectedCurvature:
        """Compute loss, slope and curvature of the plane at one of its points.

        Args:
            place: Its coordinates.

        Returns:
            The curvature, by two HVPs, or by losses where there are none.
        """
        seen = project_somehow(self._objective.at(self.point(place)), self._directions)
        self.evaluations += seen.evaluations
        self.hvps += seen.hvps
        return seen


def low_points(plane: LossSlice) -> list[Array]:
    """Find the points within a slice over two directions that are no higher than their neighbours.

    Args:
        plane: The slice.

    Returns:
        Their coordinates, the lowest first; of neighbours that are equally low, one.
    """
    values = np.where(np.isfinite(plane.values), plane.values, np.inf)
    low = (values == scipy.ndimage.minimum_filter(values, size=3, mode="nearest")) & np.isfinite(values)
    low[[0, -1], :] = low[:, [0, -1]] = False
    labels, count = scipy.ndimage.label(low, structure=np.ones((3, 3)))
    points = [np.argwhere(labels == label + 1) for label in range(count)]
    middles = [group[len(group) // 2] for group in points]
    middles.sort(key=lambda index: float(values[tuple(index)]))
    return [np.array([axis[index] for axis, index in zip(plane.axes, place, strict=True)]) for place in middles]


def _steps(plane: LossSlice) -> Array:
    return np.array([axis[1] - axis[0] for axis in plane.axes])


# How much the loss differs between a point of the grid and its neighbours, half of which differ by more.
def _spread_around(plane: LossSlice, start: Array) -> float:
    row, column = (int(np.abs(axis - at).argmin()) for axis, at in zip(plane.axes, start, strict=True))
    around = np.abs(plane.values[row - 1 : row + 2, column - 1 : column + 2] - plane.values[row, column])
    around = around[np.isfinite(around) & (around > 0)]
    return float(np.median(around)) if len(around) else 1.0
