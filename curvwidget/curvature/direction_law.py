"""How the two random directions of a plane are drawn, and what follows from it for the closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from curvwidget.curvature.isotropic_law import IsotropicLaw

__all__ = ["DirectionLaw", "propagate"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class DirectionLaw:
    """Two random directions in R^N.

    Attributes:
        normalization: None or ``"unit"``.
        distribution: ``"gaussian"``, ``"rademacher"`` or ``"sphere"`` (of radius √N).
        orthogonalize: Whether unit directions are orthogonal, rather than independent.
        n_parameters: N, None where not known.
    """

    normalization: str | None
    distribution: str
    orthogonalize: bool
    n_parameters: int | None

    @property
    def on_sphere(self) -> bool:
        """Whether the directions have one certain length, so that N matters."""
        return self.normalization == "unit" or self.distribution == "sphere"

    @property
    def squared_length(self) -> float:
        """ηᵀη where the directions are on a sphere."""
        return 1.0 if self.normalization == "unit" else float(self.n_parameters or 1)

    def expected_curvature(self, trace: float) -> float:
        """Compute E ηᵀHη.

        Args:
            trace: tr(H).

        Returns:
            tr(H), or tr(H)/N for unit directions.
        """
        if self.normalization == "unit" and self.n_parameters is not None:
            return trace / self.n_parameters
        return trace

    def closed_form(self, trace: float, trace_of_square: float) -> IsotropicLaw:
        """Give the law where no eigenvalue dominates.

        Source: theory, eq. 7 (Gaussian) and 10 (orthonormal). For independent unit directions the variances of A and C are those
        of orthonormal ones, but A and C are uncorrelated, and B = ηᵀHδ has the variance E|Hη|²/N = tr(H²)/N²: it is larger,
        because η·δ is not zero, and the more so the larger the mean curvature is.

        Args:
            trace: tr(H).
            trace_of_square: tr(H²).

        Returns:
            The law of κ±.
        """
        n = self.n_parameters
        if not self.on_sphere or n is None:
            sigma = math.sqrt(trace_of_square)
            return IsotropicLaw(trace, sigma, np.full(2, sigma))
        around = max(trace_of_square - trace**2 / n, 0.0)
        scale = self.squared_length
        if self.orthogonalize:
            # all N curvatures along an orthonormal basis add up to tr(H): Cov(A, C) = −Var A/(N − 1)
            cross = around / ((n - 1) * (n + 2))
            return IsotropicLaw(trace / n, math.sqrt(cross * (n - 2) / n), np.full(2, math.sqrt(cross)))
        half = around / (n * (n + 2))  # Var A = 2(t2 − tr²/N)/(N(N+2)), halved in (A ± C)/2
        return IsotropicLaw(scale * trace / n, scale * math.sqrt(half), scale * np.sqrt([half, trace_of_square / n**2]))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the directions, in words."""
        if self.distribution != "rademacher":
            return ()
        return (
            "the law is that of Gaussian directions; Rademacher ones have the same expected matrix, but their curvatures spread "
            "less where the Hessian has a large diagonal",
        )


def propagate(function: Callable[[float, float], Array], values: tuple[float, float], errors: tuple[float, float]) -> Array:
    """Carry the standard errors of tr(H) and tr(H²) through a function, as if they were independent.

    Args:
        function: Of tr(H) and tr(H²).
        values: Where it is evaluated.
        errors: Standard errors of the two, NaN where not known.

    Returns:
        Standard errors of the function's values: half the difference at ± one standard error, which is the delta method for small
        errors and stays bounded for tr(H²) near zero.
    """
    trace, square = values
    changes = [np.zeros_like(function(trace, square))]
    if errors[0] != 0:
        changes.append(_half_difference(function, (trace - errors[0], square), (trace + errors[0], square), errors[0]))
    if errors[1] != 0:
        low, high = (trace, max(square - errors[1], 0.0)), (trace, square + errors[1])
        changes.append(_half_difference(function, low, high, errors[1]))
    return np.asarray(np.sqrt(np.sum(np.square(changes), axis=0)))


def _half_difference(
    function: Callable[[float, float], Array], low: tuple[float, float], high: tuple[float, float], error: float
) -> Array:
    if math.isnan(error):
        return np.full_like(function(*np.nan_to_num(high).tolist()), np.nan)
    return np.asarray(0.5 * np.abs(function(*high) - function(*low)))
