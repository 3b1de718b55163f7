"""Interpolation of scattered values by radial functions, with the error that each value would have had if it were not known."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

__all__ = ["RadialSpline"]

Array = np.ndarray[Any, Any]

_AT_ONCE = 2**14  # distances that are held at a time: in a processor's cache


class RadialSpline:
    """The polyharmonic spline Σ c_i·|x − x_i|^p plus a polynomial, through values at scattered points.

    Odd powers p: the larger, the smoother; with 1 the spline is as little curved between the points as can be.

    Source: J. Duchon, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces", in Constructive Theory of Functions
    of Several Variables, Springer, 85-100 (1977).
    """

    def __init__(self, points: Array, values: Array, *, power: int = 3) -> None:
        """Solve for the coefficients.

        Args:
            points: Where the values are ``(n, k)``: no two of them the same, and not all on one line (k = 2) or plane (k = 3).
            values: The values ``(n,)``.
            power: p, odd.
        """
        self._points, self._power = points, power
        # All monomials up to the degree from which on such a spline is unique, and at least linear ones: their factors.
        axes, degree = range(points.shape[1]), max(1, power // 2)
        self._factors = [term for count in range(degree + 1) for term in itertools.combinations_with_replacement(axes, count)]
        self._sign = -1.0 if power % 4 == 1 else 1.0  # so that the quadratic form of the coefficients is positive
        n, terms = len(points), len(self._factors)
        matrix = np.zeros((n + terms, n + terms))
        matrix[:n, :n] = self._radial(points)
        matrix[:n, n:] = self._monomials(points)
        matrix[n:, :n] = matrix[:n, n:].T
        self._inverse = np.linalg.inv(matrix)
        self._coefficients = self._inverse[:, :n] @ values

    @property
    def left_out(self) -> Array:
        """Value less what the spline through all other points would be there, at each point ``(n,)``.

        Source: S. Rippa, "An algorithm for selecting a good value for the parameter c in radial basis function interpolation",
        Adv. Comput. Math. 11, 193-210 (1999).
        """
        n = len(self._points)
        return np.asarray(self._coefficients[:n] / np.diagonal(self._inverse)[:n])

    def __call__(self, points: Array) -> Array:
        """Evaluate.

        Args:
            points: Where ``(m, k)``.

        Returns:
            The spline there ``(m,)``.
        """
        n = len(self._points)
        values: Array = self._monomials(points) @ self._coefficients[n:]
        step = max(1, _AT_ONCE // n)
        for start in range(0, len(points), step):
            part = slice(start, start + step)
            values[part] += self._radial(points[part]) @ self._coefficients[:n]
        return values

    def _radial(self, points: Array) -> Array:
        square = np.asarray(cdist(points, self._points, "sqeuclidean"))
        result: Array = np.sqrt(square)
        for _ in range(self._power // 2):
            result *= square
        return self._sign * result

    def _monomials(self, points: Array) -> Array:
        result = np.ones((len(points), len(self._factors)))
        for column, factors in zip(result.T, self._factors, strict=True):
            for axis in factors:
                column *= points[:, axis]
        return result
