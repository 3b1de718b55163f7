"""The losses on a grid, as far as they are known."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from curvwidget.objective.along import LossesAlong

__all__ = ["STEP_SECONDS", "KnownLosses", "Point"]

Array = np.ndarray[Any, Any]
Point = tuple[int, ...]

STEP_SECONDS = 0.04
"""Of evaluations between two snapshots, where one evaluation takes less."""
_MOST_POINTS = 64  # evaluated between two snapshots at most
_MANY = 64  # points of a grid, of which enough are evaluated for a record to pay


class KnownLosses:
    """Evaluates the loss at points of a grid, at each of them once.

    Attributes:
        axes: Coordinates of the grid, ascending, one array ``(r_i,)`` an axis.
        values: Losses ``(r_1, …, r_k)`` float64; NaN where nothing was evaluated.
        known: Where something was ``(r_1, …, r_k)``.
    """

    def __init__(self, losses: LossesAlong, axes: Sequence[Array], center: float) -> None:
        """Know the centre only.

        Args:
            losses: Evaluates the loss at coordinates.
            axes: Coordinates of the grid, an odd number on each axis.
            center: L(θ), the loss in the middle.
        """
        self._losses = losses
        self._size = 1
        self.axes = tuple(axes)
        shape = tuple(len(axis) for axis in axes)
        self.values = np.full(shape, np.nan)
        self.known = np.zeros(shape, dtype=bool)
        middle = tuple(number // 2 for number in shape)
        self.values[middle], self.known[middle] = center, True
        if self.known.size >= _MANY:
            losses.expect_many()

    @property
    def count(self) -> int:
        """Number of points that were evaluated, the centre among them."""
        return int(self.known.sum())

    def evaluate(self, points: Sequence[Point]) -> Iterator[None]:
        """Evaluate the loss where it is not known, in blocks that take about one step's time each.

        Args:
            points: Indices into the grid.

        Yields:
            After each block.
        """
        todo = [point for point in points if not self.known[point]]
        start = 0
        while start < len(todo):
            block = todo[start : start + min(self._size, _MOST_POINTS)]
            began = time.perf_counter()
            losses = self._losses.at([[axis[index] for axis, index in zip(self.axes, point, strict=True)] for point in block])
            seconds = max(time.perf_counter() - began, 1e-6)
            for point, loss in zip(block, losses, strict=True):
                self.values[point], self.known[point] = loss, True
            start += len(block)
            size = min(_MOST_POINTS, 2 * self._size, int(len(block) * STEP_SECONDS / seconds))
            self._size = max(self._losses.points_at_once, size)
            yield
