"""Interpolation of values at some points of a grid, with the error that each would have had if it were not known."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from scipy.linalg import lapack
from scipy.spatial.distance import cdist

from curvwidget.slices.lattice import Lattice

__all__ = ["RadialSpline"]

Array = np.ndarray[Any, Any]

_COLUMNS = 64  # of a matrix that are eliminated at a time


class RadialSpline:
    """The polyharmonic spline Σ c_i·|x − x_i|^p plus a polynomial, through values at scattered points of a grid.

    Odd powers p: the larger, the smoother; with 1 the spline is as little curved between the points as can be.

    Source: J. Duchon, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces", in Constructive Theory of Functions
    of Several Variables, Springer, 85-100 (1977).
    """

    def __init__(self, lattice: Lattice, known: Array, values: Array, *, power: int = 3) -> None:
        """Solve for the coefficients.

        Args:
            lattice: The grid.
            known: Where the values are ``(r_1, …, r_k)``, n times true: not all on one line (k = 2) or plane (k = 3).
            values: The values there ``(n,)``.
            power: p, odd.

        Raises:
            numpy.linalg.LinAlgError: If there is not one such spline.
        """
        self._lattice, self._known, self._power = lattice, known, power
        # All monomials up to the degree from which on such a spline is unique, and at least linear ones: their factors.
        axes, degree = range(known.ndim), max(1, power // 2)
        self._factors = [term for count in range(degree + 1) for term in itertools.combinations_with_replacement(axes, count)]
        n, terms = len(values), len(self._factors)
        points = [places.reshape(-1)[indices] for places, indices in zip(lattice.coordinates, known.nonzero(), strict=True)]
        matrix = np.zeros((n + terms, n + terms))
        apart = cdist(np.transpose(points), np.transpose(points))
        matrix[:n, :n] = math.prod([apart] * power)
        for column, factors in enumerate(self._factors, n):
            matrix[:n, column] = matrix[column, :n] = math.prod((points[axis] for axis in factors), start=np.ones(n))
        *self._factored, failed = lapack.dsytrf(matrix, lower=1, lwork=_COLUMNS * len(matrix))
        if failed:
            raise np.linalg.LinAlgError(f"no spline of power {power} is determined by {n} points")
        self._coefficients = lapack.dsytrs(*self._factored, np.append(values, np.zeros(terms)), lower=1)[0]

    @property
    def left_out(self) -> Array:
        """Value less what the spline through all other points would be there, at each point ``(n,)``.

        Source: S. Rippa, "An algorithm for selecting a good value for the parameter c in radial basis function interpolation",
        Adv. Comput. Math. 11, 193-210 (1999).
        """
        n = len(self._coefficients) - len(self._factors)
        return np.asarray(self._coefficients[:n] / np.diagonal(lapack.dsytri(*self._factored, lower=1)[0])[:n])

    @property
    def values(self) -> Array:
        """The spline at all points of the grid ``(r_1, …, r_k)``."""
        n = len(self._coefficients) - len(self._factors)
        amounts = np.zeros(self._known.shape)
        amounts[self._known] = self._coefficients[:n]
        values = self._lattice.sum_powers(amounts, self._power)
        for factors, coefficient in zip(self._factors, self._coefficients[n:], strict=True):
            values += math.prod((self._lattice.coordinates[axis] for axis in factors), start=coefficient)
        return values
