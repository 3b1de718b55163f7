"""A loss between the points of a grid where it is known: a polynomial, and a spline through what that misses."""

from __future__ import annotations

from typing import Any

import numpy as np

from curvwidget.slices.known_losses import KnownLosses
from curvwidget.slices.radial_spline import RadialSpline
from curvwidget.slices.sparse_polynomial import SparsePolynomial

__all__ = ["Interpolant", "unseen_errors"]

Array = np.ndarray[Any, Any]


class Interpolant:
    """The polynomial and the spline at one state of knowledge.

    Attributes:
        left_out: Absolute errors at known points that the polynomial was not made from, had they not been known
            ``(r_1, …, r_k)``; 0 elsewhere.
    """

    def __init__(self, losses: KnownLosses, polynomial: SparsePolynomial, places: Array) -> None:
        """Put a spline through what the polynomial misses.

        Args:
            losses: What is known.
            polynomial: Made from some of it.
            places: Coordinates of the grid's points ``(r_1, …, r_k, k)``, in units in which all axes count the same.
        """
        self._polynomial, self._places = polynomial.values.reshape(-1), places.reshape(-1, places.shape[-1])
        missed, known = unseen_errors(losses, polynomial), losses.known
        self._spline = RadialSpline(places[known], missed[known])
        self.left_out = np.zeros(known.shape)
        self.left_out[known] = np.abs(self._spline.left_out)
        self.left_out[polynomial.used] = 0.0

    def at(self, indices: Array) -> Array:
        """Evaluate.

        Args:
            indices: Points of the grid laid out as a vector ``(m,)``.

        Returns:
            The loss there, as far as is known ``(m,)``.
        """
        return np.asarray(self._polynomial[indices] + self._spline(self._places[indices]))


def unseen_errors(losses: KnownLosses, polynomial: SparsePolynomial) -> Array:
    """Say what a polynomial misses at known points that it was not made from.

    Args:
        losses: What is known.
        polynomial: Made from some of it.

    Returns:
        Loss less polynomial ``(r_1, …, r_k)``; 0 elsewhere.
    """
    return np.where(losses.known & ~polynomial.used, losses.values - polynomial.values, 0.0)
