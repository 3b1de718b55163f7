"""A polynomial in a few variables that takes more terms only where they matter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from curvwidget.slices.known_losses import Point
from curvwidget.slices.leja import leja_levels, newton_basis

__all__ = ["SparsePolynomial"]

Array = np.ndarray[Any, Any]
Block = tuple[int, ...]  # a level on each axis


class SparsePolynomial:
    """The polynomial through the losses at a growing set of points of a grid.

    The points come in blocks: one level of `leja_levels` on each axis. A block is taken only after those with one level less on
    any axis, so that each set of blocks fits exactly one polynomial, whose terms are its points. What a block adds, its surplus,
    is the loss at its points less what the polynomial said of them before it had seen them. The blocks with the largest surplus
    are followed first, so that the set grows along the axes on which the loss is hard.

    Source: A. Chkifa, A. Cohen, C. Schwab, "High-dimensional adaptive sparse polynomial interpolation and applications to
    parametric PDEs", Found. Comput. Math. 14, 601-633 (2014); the rule of growth is that of T. Gerstner, M. Griebel,
    "Dimension-adaptive tensor-product quadrature", Computing 71, 65-87 (2003).

    Attributes:
        values: The polynomial at all points of the grid ``(r_1, …, r_k)``.
        used: At which points it is the loss ``(r_1, …, r_k)``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Begin with the polynomial 0.

        Args:
            shape: Points of the grid on each axis, odd.
        """
        self._levels = [leja_levels(number) for number in shape]
        self._bases = [newton_basis(number) for number in shape]
        self._columns = [np.full(number, -1) for number in shape]
        for columns, levels in zip(self._columns, self._levels, strict=True):
            columns[np.concatenate(levels)] = np.arange(2 * len(levels) - 1)
        self._followed: set[Block] = set()
        self._surpluses: dict[Block, float] = {}  # of the blocks that are taken and not followed yet
        self.values = np.zeros(shape)
        self.used = np.zeros(shape, dtype=bool)

    @property
    def surplus(self) -> float:
        """The largest surplus of a block that was not followed."""
        return max(self._surpluses.values(), default=0.0)

    def follow(self, share: float) -> list[Block]:
        """Follow the blocks with the largest surpluses to their neighbours.

        Args:
            share: Those with at least this share of the largest surplus are followed.

        Returns:
            The blocks to `add` next; none where the whole grid is taken.
        """
        axes = range(len(self._levels))
        if not self._followed and not self._surpluses:
            return [(0,) * len(axes)]
        found: dict[Block, None] = {}  # in this order
        while self._surpluses and not found:  # a neighbour may have to wait for others
            least = share * self.surplus
            followed = [block for block, surplus in self._surpluses.items() if surplus >= least]
            for block in followed:
                del self._surpluses[block]
            self._followed.update(followed)
            for block, axis in itertools.product(followed, axes):
                neighbour = _moved(block, axis, 1)
                if neighbour[axis] < len(self._levels[axis]) and self._is_next(neighbour):
                    found[neighbour] = None
        return list(found)

    def _is_next(self, block: Block) -> bool:
        # Whether all blocks with one level less on an axis were followed.
        return all(level == 0 or _moved(block, axis, -1) in self._followed for axis, level in enumerate(block))

    def points(self, blocks: Sequence[Block]) -> list[Point]:
        """Return the points of blocks.

        Args:
            blocks: A level on each axis.

        Returns:
            Indices into the grid.
        """
        return [point for block in blocks for point in itertools.product(*self._indices(block))]

    def _indices(self, block: Block) -> list[list[int]]:
        return [levels[level].tolist() for levels, level in zip(self._levels, block, strict=True)]

    def add(self, blocks: Sequence[Block], losses: Array) -> None:
        """Make the polynomial pass through the losses at more points.

        Args:
            blocks: What `follow` returned.
            losses: The losses on the grid ``(r_1, …, r_k)``, finite at the points of the blocks.
        """
        before = self.values
        points = {block: list(itertools.product(*self._indices(block))) for block in blocks}
        for block, own in points.items():
            self._surpluses[block] = max(abs(float(losses[point] - before[point])) for point in own)
        # Within a block a point matters to those that are second in the pairs where it is first, and to no other block's.
        second = {point: self._seconds(point) for own in points.values() for point in own}
        for number in range(len(self._levels) + 1):
            own = [point for point, seconds in second.items() if seconds == number]
            if own:
                self.values = self.values + self._terms(own, np.array([losses[point] - self.values[point] for point in own]))
                self.used[tuple(np.transpose(own))] = True

    def _terms(self, points: list[Point], coefficients: Array) -> Array:
        # The sum of some terms on the grid ``(r_1, …, r_k)``: of products over the axes.
        *others, last = (
            basis[:, columns[list(indices)]]
            for basis, columns, indices in zip(self._bases, self._columns, zip(*points, strict=True), strict=True)
        )
        for factors in others:
            coefficients = coefficients[..., None, :] * factors
        return np.asarray(coefficients @ last.T)

    def _seconds(self, point: Point) -> int:
        return sum(int(index > number // 2) for index, number in zip(point, self.values.shape, strict=True))


def _moved(block: Block, axis: int, by: int) -> Block:
    return (*block[:axis], block[axis] + by, *block[axis + 1 :])
