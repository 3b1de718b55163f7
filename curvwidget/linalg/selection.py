"""Which Ritz pairs are wanted, and how small their residuals must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curvwidget.linalg.krylov import RitzPairs

__all__ = ["ZERO_FLOOR", "Selection", "ends", "select", "thresholds"]

Array = np.ndarray[Any, Any]

ZERO_FLOOR = 1e-4
"""An eigenvalue smaller than this share of ‖A‖ is held to the tolerance of one of that size."""
_SINE = 0.01
_PATIENCE = 0.1


@dataclass(frozen=True)
class Selection:
    """The Ritz pairs that are wanted at the moment, the largest first.

    Attributes:
        pairs: All Ritz pairs of the space.
        indices: Which of them ``(k,)``.
        largest: How many of these are from the upper end.
        norm: The largest |θ| of all, which stands for ‖A‖.
        thresholds: Residuals at which they count as converged ``(k,)``.
        goals: Smaller residuals, which the search goes on for ``(k,)``.
        gaps: Distance of each value to the nearest other Ritz value ``(k,)``.
    """

    pairs: RitzPairs
    indices: Array
    largest: int
    norm: float
    thresholds: Array
    goals: Array
    gaps: Array

    @property
    def values(self) -> Array:
        """Ritz values ``(k,)``, descending."""
        return self.pairs.values[self.indices]

    @property
    def residuals(self) -> Array:
        """Their residuals as the recurrence gives them ``(k,)``."""
        return self.pairs.residuals[self.indices]

    @property
    def coefficients(self) -> Array:
        """Coordinates of their vectors ``(m, k)``."""
        return self.pairs.coefficients[:, self.indices]


def select(pairs: RitzPairs, *, largest: int, smallest: int, tol: float, rounding: float) -> Selection:
    """Choose the wanted pairs from both ends; while there are too few Ritz pairs, from each end in proportion.

    A residual r turns the vector by the angle arcsin(r / gap) at most (Davis and Kahan). So that the *vectors* can be trusted,
    the search goes on until that is 0.6°, but no longer than to a tenth of the threshold: neighbours may be arbitrarily close.

    Args:
        pairs: All Ritz pairs of the space.
        largest: Number wanted from the upper end.
        smallest: Number wanted from the lower end.
        tol: Relative tolerance.
        rounding: Share of ‖A‖ below which nothing can be told from zero, see `SymmetricOperator`.

    Returns:
        The selection.
    """
    values, count = pairs.values, len(pairs.values)
    upper = min(largest, max(count - smallest, -(-count * largest // (largest + smallest))))
    indices = ends(count, upper, min(smallest, count - upper))
    distances = np.diff(np.concatenate([[-np.inf], values, [np.inf]]))
    gaps = np.minimum(distances[:-1], distances[1:])[indices]
    norm = float(np.abs(values).max())
    accepted = thresholds(values[indices], norm, tol=tol, rounding=rounding)
    sharp = np.clip(_SINE * gaps, _PATIENCE * accepted, accepted)
    return Selection(pairs, indices, upper, norm, accepted, np.maximum(sharp, rounding * norm), gaps)


def thresholds(values: Array, norm: float, *, tol: float, rounding: float) -> Array:
    """Residuals at which pairs count as converged: tol·max(|λ|, 10⁻⁴·‖A‖), or what rounding leaves where that is more.

    Args:
        values: Eigenvalues ``(k,)``.
        norm: ‖A‖.
        tol: Relative tolerance.
        rounding: Share of ‖A‖ below which nothing can be told from zero, see `SymmetricOperator`.

    Returns:
        ``(k,)``.
    """
    return np.maximum(tol * np.maximum(np.abs(values), ZERO_FLOOR * norm), rounding * norm)


def ends(count: int, upper: int, lower: int) -> Array:
    """Indices of the two ends of ascending values, the largest value first.

    Args:
        count: How many values there are.
        upper: How many to take from the upper end.
        lower: How many to take from the lower end.

    Returns:
        ``(upper + lower,)``.
    """
    return np.concatenate([np.arange(count - 1, count - 1 - upper, -1), np.arange(lower - 1, -1, -1)])
