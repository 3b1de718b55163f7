"""The rows of a basis, kept in stretches so that memory grows with what is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget.linalg.precision import as_double, norm

__all__ = ["RowStore", "rows_that_fit"]

Array = np.ndarray[Any, Any]
_BASIS_BYTES = 2**31
_STRETCH_BYTES = 2**26
_COLUMNS = 2**14
_MAX_PASSES = 4


def rows_that_fit(size: int, dtype: torch.dtype) -> int:
    """How many rows a basis may hold where nobody says how many: what fits into 2 GiB.

    Args:
        size: Their length N.
        dtype: Of the rows.

    Returns:
        The number of rows, zero where not even one fits.
    """
    return _BASIS_BYTES // (size * dtype.itemsize)


class RowStore:
    """Up to ``capacity`` rows of length N. Memory is taken a stretch of rows at a time, and nothing is ever copied to grow."""

    def __init__(self, capacity: int, size: int, dtype: torch.dtype, device: torch.device) -> None:
        """Make an empty store.

        Args:
            capacity: The most rows that it will hold.
            size: Their length N.
            dtype: Of the rows.
            device: Where they lie.
        """
        self.capacity = capacity
        self._size = size
        self._dtype = dtype
        self._device = device
        self._height = max(1, min(64, _STRETCH_BYTES // (size * dtype.itemsize)))
        self._stretches: list[Tensor] = []

    @property
    def allocated(self) -> int:
        """Number of rows that memory was taken for."""
        return sum(len(stretch) for stretch in self._stretches)

    def __getitem__(self, index: int) -> Tensor:
        """Return a row, as a view.

        Args:
            index: Of the row.

        Returns:
            ``(N,)``.
        """
        return self._stretches[index // self._height][index % self._height]

    def __setitem__(self, index: int, row: Tensor) -> None:
        """Write a row.

        Args:
            index: Of the row.
            row: ``(N,)``.

        Raises:
            IndexError: If the store is full.
        """
        if index >= self.capacity:
            raise IndexError(f"row {index} of a store of {self.capacity}")
        while index >= self.allocated:
            height = min(self._height, self.capacity - self.allocated)
            self._stretches.append(torch.empty(height, self._size, dtype=self._dtype, device=self._device))
        self[index].copy_(row)

    def _parts(self, count: int) -> Iterator[tuple[int, Tensor]]:
        for start in range(0, count, self._height):
            yield start, self._stretches[start // self._height][: count - start]

    def dots(self, vector: Tensor, count: int) -> Tensor:
        """Inner products of the first rows with a vector.

        Args:
            vector: ``(N,)``.
            count: How many rows.

        Returns:
            ``(count,)``.
        """
        return torch.cat([part @ vector for _, part in self._parts(count)])

    def without(self, vector: Tensor, coefficients: Tensor) -> Tensor:
        """A vector less a combination of the first rows.

        Args:
            vector: ``(N,)``; not changed.
            coefficients: ``(count,)``, one for each of the first rows.

        Returns:
            ``vector - Σ coefficientsᵢ·rowᵢ``, a new tensor.
        """
        for start, part in self._parts(len(coefficients)):
            vector = torch.addmv(vector, part.T, coefficients[start : start + len(part)], alpha=-1)
        return vector

    def split(self, vector: Tensor, count: int) -> tuple[Tensor, Array, float]:
        """Split a vector into its part within the span of the first rows, which are orthonormal, and the rest.

        Classical Gram-Schmidt, at least twice: once loses orthogonality where little is left, twice is enough unless that is
        rounding itself.

        Args:
            vector: ``(N,)``; not changed.
            count: How many rows.

        Returns:
            The rest ``(N,)``, a new tensor where there are rows; the coordinates of the part within ``(count,)``; the rest's
            norm.
        """
        inside = np.zeros(count)
        after = norm(vector)
        for done in range(1, _MAX_PASSES + 1):
            if count == 0:
                break
            coefficients = self.dots(vector, count)
            vector = self.without(vector, coefficients)
            inside += as_double(coefficients).cpu().numpy()
            before, after = after, norm(vector)
            if done >= 2 and after > 0.5 * before:
                break
        return vector, inside, after

    def combine(self, coefficients: Array) -> Tensor:
        """Combinations of the first rows.

        Args:
            coefficients: ``(count, k)``, a column for each combination.

        Returns:
            ``(k, N)``.
        """
        weights = torch.from_numpy(np.ascontiguousarray(coefficients.T)).to(self._dtype).to(self._device)
        result = torch.zeros(len(weights), self._size, dtype=self._dtype, device=self._device)
        for start, part in self._parts(len(coefficients)):
            result.addmm_(weights[:, start : start + len(part)], part)
        return result

    def rotate(self, start: int, coefficients: Array) -> None:
        """Replace a range of rows by fewer combinations of them, in place.

        Args:
            start: Index of the first row of the range.
            coefficients: ``(count, k)`` with k ≤ count: ``count`` rows from ``start`` on give the k new ones from ``start`` on.
        """
        count, kept = coefficients.shape
        weights = torch.from_numpy(np.ascontiguousarray(coefficients.T)).to(self._dtype).to(self._device)
        for left in range(0, self._size, _COLUMNS):
            columns = slice(left, left + _COLUMNS)
            old = torch.stack([self[start + j][columns] for j in range(count)])
            for j, row in enumerate(weights @ old):
                if j < kept:
                    self[start + j][columns] = row

    def swap(self, a: int, b: int) -> None:
        """Exchange two rows.

        Args:
            a: Index of the one.
            b: Index of the other.
        """
        if a != b:
            kept = self[a].clone()
            self[a].copy_(self[b])
            self[b].copy_(kept)
