"""A loss between the points of a grid where it is known: a polynomial, and a spline through what that misses."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from curvwidget.slices.known_losses import KnownLosses
from curvwidget.slices.lattice import Lattice
from curvwidget.slices.radial_spline import RadialSpline
from curvwidget.slices.sparse_polynomial import SparsePolynomial

__all__ = ["Interpolant", "unseen_errors"]

Array = np.ndarray[Any, Any]


class Interpolant:
    """The polynomial and the spline at one state of knowledge."""

    def __init__(self, losses: KnownLosses, polynomial: SparsePolynomial, lattice: Lattice) -> None:
        """Put a spline through what the polynomial misses.

        Args:
            losses: What is known.
            polynomial: Made from some of it.
            lattice: The grid's points.
        """
        self._polynomial = polynomial.values
        self._known, self._used = losses.known.copy(), polynomial.used.copy()
        self._spline = RadialSpline(lattice, self._known, unseen_errors(losses, polynomial)[self._known])

    @cached_property
    def left_out(self) -> Array:
        """Absolute errors that known points outside the polynomial had, were they not known, else 0 ``(r_1, …, r_k)``."""
        errors = np.zeros(self._known.shape)
        errors[self._known] = np.abs(self._spline.left_out)
        errors[self._used] = 0.0
        return errors

    @cached_property
    def values(self) -> Array:
        """The loss, as far as is known ``(r_1, …, r_k)``."""
        return np.asarray(self._polynomial + self._spline.values)


def unseen_errors(losses: KnownLosses, polynomial: SparsePolynomial) -> Array:
    """Say what a polynomial misses at known points that it was not made from.

    Args:
        losses: What is known.
        polynomial: Made from some of it.

    Returns:
        Loss less polynomial ``(r_1, …, r_k)``; 0 elsewhere.
    """
    return np.where(losses.known & ~polynomial.used, losses.values - polynomial.values, 0.0)
