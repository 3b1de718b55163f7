"""Contour lines of a loss on a grid, in units of the axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import contourpy
import numpy as np

__all__ = ["ContourLines", "contour_lines", "nice_levels"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ContourLines:
    """Polygonal lines, one after the other.

    Attributes:
        points: ``(n, 2)`` float64: coordinates along the first and second axis. A closed line ends where it began.
        starts: ``(m + 1,)`` index of each line's first point; the last entry is n.
        level_index: ``(m,)`` which level a line belongs to.
        levels: The levels asked for.
    """

    points: Array
    starts: Array
    level_index: Array
    levels: Array

    def __len__(self) -> int:
        """Return the number of lines, m."""
        return len(self.level_index)

    def at(self, level: int) -> list[Array]:
        """Return the lines of one level.

        Args:
            level: Index of the level.

        Returns:
            Arrays ``(·, 2)``.
        """
        return [
            self.points[start:stop]
            for start, stop, index in zip(self.starts[:-1], self.starts[1:], self.level_index, strict=True)
            if index == level
        ]


def contour_lines(x: Array, y: Array, values: Array, levels: Array) -> ContourLines:
    """Find the lines on which values linear between grid points reach the levels.

    Args:
        x: First axis ``(r_1,)``, ascending; the steps may differ.
        y: Second axis ``(r_2,)``.
        values: ``(r_1, r_2)``; no line is drawn through a cell with a corner that is NaN or infinite.
        levels: The levels.

    Returns:
        The lines, ordered by level.
    """
    generator = contourpy.contour_generator(
        x, y, np.ma.masked_invalid(values.T), line_type=contourpy.LineType.Separate, corner_mask=False
    )
    found = [(index, line) for index, level in enumerate(levels) for line in generator.lines(float(level))]
    lines = [np.asarray(line, dtype=np.float64) for _, line in found]
    return ContourLines(
        points=np.concatenate(lines) if lines else np.empty((0, 2)),
        starts=np.cumsum([0, *map(len, lines)]),
        level_index=np.array([index for index, _ in found], dtype=np.int64),
        levels=np.asarray(levels, dtype=np.float64),
    )


def nice_levels(low: float, high: float, count: int) -> Array:
    """Return levels at equal steps of 1, 2, 2.5 or 5 times a power of ten, strictly between two values.

    Args:
        low: Smallest value.
        high: Largest value.
        count: How many levels there may be at most.

    Returns:
        Multiples of the step, ascending, 0 among them where it lies between; none where ``low`` is not below ``high``.
    """
    if count < 1 or not low < high or not math.isfinite(high - low):
        return np.empty(0)
    exponent = math.floor(math.log10((high - low) / (count + 1)))
    steps = ((mantissa, power) for power in range(exponent, exponent + 3) for mantissa in (1.0, 2.0, 2.5, 5.0))
    for mantissa, power in steps:
        step = mantissa * 10.0**power
        first, last = math.floor(low / step) + 1, math.ceil(high / step) - 1
        if last - first + 1 <= count:
            # Exact in decimals, so that a label reads 0.3 and not 0.30000000000000004.
            exact = Decimal(mantissa).scaleb(power)
            return np.array([float(index * exact) for index in range(first, last + 1)])
    return np.empty(0)
