"""A spectrum as the laws of random planes need it: groups of equal eigenvalues, and a rest too small and many to tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Spectrum"]

Array = np.ndarray[Any, Any]
_EQUAL = 1e-12  # eigenvalues that differ by less than this share of the largest are the same number computed twice
_SMALL = 2e-3  # eigenvalues with a smaller share of tr(H²) than this may be merged with their neighbours
_BINS = 64


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a Hessian, with multiplicities.

    Attributes:
        values: Distinct eigenvalues ``(J,)``, ascending; zero may be one of them.
        counts: Their multiplicities ``(J,)``.
        noise: Part of tr(H²) that is known only as a sum: many small eigenvalues around zero, or around a value of ``values``.
        shift: Part of tr(H) that is known only as a sum, of eigenvalues that are not in ``values``.
    """

    values: Array
    counts: Array
    noise: float = 0.0
    shift: float = 0.0

    @classmethod
    def of(cls, eigenvalues: Array) -> Spectrum:
        """Group equal eigenvalues.

        Args:
            eigenvalues: ``(N,)``, in any order.

        Returns:
            The spectrum. Values that agree to 1e-12 of the largest magnitude count as equal, and as zero if that close to it.
        """
        ordered = np.sort(np.asarray(eigenvalues, dtype=np.float64))
        tolerance = _EQUAL * float(np.abs(ordered).max())
        ordered = np.where(np.abs(ordered) <= tolerance, 0.0, ordered)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered) > tolerance) + 1])
        counts = np.diff(np.append(starts, len(ordered)))
        return cls(np.add.reduceat(ordered, starts) / counts, counts)

    def with_rest(self, trace: float, trace_of_square: float, n_rest: int | None) -> Spectrum:
        """Add the eigenvalues that are known only by their sums.

        Args:
            trace: Sum of the unknown eigenvalues.
            trace_of_square: Sum of their squares, at least 0.
            n_rest: Their number, None if not known.

        Returns:
            The whole spectrum: with a known number the rest is that many eigenvalues at their mean, and noise around it.
        """
        if n_rest is None:
            return Spectrum(self.values, self.counts, self.noise + trace_of_square, self.shift + trace)
        if n_rest == 0:
            return self
        mean = trace / n_rest
        around = max(trace_of_square - trace * mean, 0.0)
        values, counts = np.append(self.values, mean), np.append(self.counts, n_rest)
        order = np.argsort(values)
        return Spectrum(values[order], counts[order], self.noise + around, self.shift)

    @property
    def trace(self) -> float:
        """tr(H)."""
        return float(self.counts @ self.values) + self.shift

    @property
    def trace_of_square(self) -> float:
        """tr(H²)."""
        return float(self.counts @ self.values**2) + self.noise

    @property
    def exact(self) -> bool:
        """Whether every eigenvalue is known."""
        return self.noise == 0 and self.shift == 0

    @property
    def dominance(self) -> float:
        """Share of tr(H²) that the eigenvalue of the largest magnitude carries, in [0, 1]."""
        total = self.trace_of_square
        return float((self.values**2).max() / total) if total > 0 else 0.0

    def compressed(self, limit: int) -> Spectrum:
        """Merge small eigenvalues with their neighbours, where there are many.

        Args:
            limit: A spectrum of no more distinct values than this is returned as it is.

        Returns:
            A spectrum of at most 564 distinct values with the same N, tr(H) and tr(H²): eigenvalues that carry less than 0.2 % of
            tr(H²) each are put in 64 bins; each bin keeps its mean, and what it spreads around it becomes noise.
        """
        small = self.values**2 < _SMALL * self.trace_of_square
        if len(self.values) <= limit or int(small.sum()) <= _BINS:
            return self
        values, counts = self.values[small], self.counts[small]
        edges = np.linspace(values[0], values[-1], _BINS + 1)[1:-1]
        bins = np.searchsorted(edges, values)
        numbers = np.bincount(bins, weights=counts, minlength=_BINS)
        sums = np.bincount(bins, weights=counts * values, minlength=_BINS)
        squares = np.bincount(bins, weights=counts * values**2, minlength=_BINS)
        kept = numbers > 0
        means = sums[kept] / numbers[kept]
        around = float(np.maximum(squares[kept] - sums[kept] * means, 0.0).sum())
        merged = np.concatenate([self.values[~small], means])
        order = np.argsort(merged)
        multiplicities = np.concatenate([self.counts[~small], numbers[kept].astype(np.int64)])
        return Spectrum(merged[order], multiplicities[order], self.noise + around, self.shift)
