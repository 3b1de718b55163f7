"""Where an interpolated picture is tried against losses that it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from curvwidget.slices.known_losses import KnownLosses, Point
from curvwidget.slices.lattice import Lattice
from curvwidget.slices.radial_spline import RadialSpline

__all__ = ["CheckPoints"]

Array = np.ndarray[Any, Any]

_NEAR = 1 / 6  # of the half-width: no point of the grid is farther from one that was evaluated …
_NEAR_STEPS = 3.2  # … or than so many of its steps: √10 is within
_APART = 0.7  # of that distance, between two disputed points
_HAIR = 1e-9  # distances that differ by less are the same


class CheckPoints:
    """Chooses points of a grid at which what is believed of the loss should be tried.

    Attributes:
        lattice: The grid's points, in units of the distance that counts as near on each axis.
    """

    def __init__(self, losses: KnownLosses) -> None:
        """Look at a grid.

        Args:
            losses: Says what is known of it.
        """
        self._losses = losses
        self._random = np.random.default_rng(0)
        shape = losses.known.shape
        self.lattice = Lattice(shape, [_spacing(number) / _near(number) for number in shape])

    def anywhere(self, count: int) -> list[Point]:
        """Draw points that are not known.

        Args:
            count: How many, at most.

        Returns:
            The points.
        """
        unknown = self._random.permutation(np.argwhere(~self._losses.known))
        return [tuple(point) for point in unknown[:count].tolist()]

    def far(self) -> list[Point]:
        """Choose so many that no point of the grid is far from one that is known.

        Returns:
            The farthest from all that are known, then the farthest from those and it, and so on.
        """
        squares = distance_transform_edt(~self._losses.known, sampling=self.lattice.steps) ** 2
        found = []
        while (largest := squares.max()) > 1 + _HAIR:
            ties = np.flatnonzero(squares >= largest * (1 - _HAIR))
            found.append(self._point(ties[self._random.integers(len(ties)) if len(ties) > 1 else 0]))
            np.minimum(squares, self.lattice.squares_from(found[-1]), out=squares)
        return found

    def disputed(self, believed: Array, rival: int, count: int) -> list[Point]:
        """Choose points where another interpolation through all losses that are known says something else.

        Where two that are equally right there differ most, those losses tell least.

        Args:
            believed: What is to be tried ``(r_1, …, r_k)``.
            rival: The power of the radial spline that is the other one.
            count: How many points, at most.

        Returns:
            The points, the most disputed first, and none near another.
        """
        known = self._losses.known
        other = RadialSpline(self.lattice, known, self._losses.values[known], power=rival)
        disputes = np.where(known, 0.0, np.abs(other.values - believed))
        found: list[Point] = []
        while len(found) < count and disputes.flat[most := int(disputes.argmax())] > 0:
            found.append(self._point(most))
            disputes[self.lattice.squares_from(found[-1]) < _APART**2] = 0.0
        return found

    def around(self, errors: Array) -> list[Point]:
        """Choose the neighbours of the point that is worst, as far as they are not known.

        Args:
            errors: How bad it is ``(r_1, …, r_k)``.

        Returns:
            Two on each axis at most, half as far as counts as near, within the grid.
        """
        worst = self._point(errors.argmax())
        found = []
        for axis, number in enumerate(errors.shape):
            step = max(1, round(_near(number) / 2 / _spacing(number)))
            for index in (max(worst[axis] - step, 0), min(worst[axis] + step, number - 1)):
                found.append((*worst[:axis], index, *worst[axis + 1 :]))
        return [point for point in found if not self._losses.known[point]]

    def _point(self, index: Any) -> Point:
        point, left = [], int(index)
        for number in reversed(self._losses.known.shape):
            left, along = divmod(left, number)
            point.append(along)
        return tuple(reversed(point))


# In places of the half-width.
def _spacing(number: int) -> float:
    return 2 / (number - 1)


def _near(number: int) -> float:
    return max(_NEAR, _NEAR_STEPS * _spacing(number))
