"""How far the points of a grid are from each other, which their indices' differences say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import fft

__all__ = ["Lattice"]

Array = np.ndarray[Any, Any]

_KEPT = 3  # transforms: powers of one grid's distances …
_SMALL = 2**16  # … of at most so many points


class Lattice:
    """The points of a grid, equally spaced along each axis.

    Attributes:
        coordinates: Of the points, 0 in the middle: for each axis an array that has one number a point along that axis, and
            length 1 along all others.
        steps: Between neighbours, one an axis.
    """

    def __init__(self, shape: tuple[int, ...], steps: Sequence[float]) -> None:
        """Lay out the points.

        Args:
            shape: Points on each axis, odd.
            steps: Between neighbours, in units in which all axes count the same.
        """
        self.steps = tuple(steps)
        self.coordinates = np.ix_(*(step * (np.arange(number) - number // 2) for number, step in zip(shape, steps, strict=True)))
        self._shape = shape
        self._squares = _squares(np.ix_(*(step * np.arange(1 - n, n) for n, step in zip(shape, steps, strict=True))))
        self._squares.flags.writeable = False

    def squares_from(self, point: Sequence[int]) -> Array:
        """Say how far all points are from one.

        Args:
            point: Its indices.

        Returns:
            Squared distances ``(r_1, …, r_k)``.
        """
        # Those of all differences of two indices lie there, the smallest ones in the middle.
        return self._squares[tuple(slice(n - 1 - index, 2 * n - 1 - index) for n, index in zip(self._shape, point, strict=True))]

    def sum_powers(self, amounts: Array, power: int) -> Array:
        """Sum up powers of distances, as the convolution that this is.

        Args:
            amounts: a_j, one a point ``(r_1, …, r_k)``.
            power: p.

        Returns:
            Σ_j a_j·|x − x_j|^p at all points ``(r_1, …, r_k)``.
        """
        lengths = [_length(number) for number in self._shape]
        transformed = _transformed if amounts.size <= _SMALL else _transformed.__wrapped__
        summed = fft.irfftn(fft.rfftn(amounts, lengths) * transformed(self._shape, self.steps, power), lengths)
        return np.asarray(summed[tuple(slice(number) for number in self._shape)])


# A length for transforms at which what comes around meets nothing.
def _length(number: int) -> int:
    return int(fft.next_fast_len(2 * number - 1, real=True))


@lru_cache(_KEPT)
def _transformed(shape: tuple[int, ...], steps: tuple[float, ...], power: int) -> Array:
    # Of the power of the distance from a corner; an even function's is real.
    lengths = [_length(number) for number in shape]
    apart = [
        step * np.minimum(np.arange(length), length - np.arange(length)) for step, length in zip(steps, lengths, strict=True)
    ]
    return np.asarray(fft.rfftn(_squares(np.ix_(*apart)) ** (power / 2)).real)


def _squares(apart: Sequence[Array]) -> Array:
    return np.asarray(sum((places**2 for places in apart[1:]), apart[0] ** 2))
