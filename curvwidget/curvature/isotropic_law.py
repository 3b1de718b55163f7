"""The law of a random plane's principal curvatures where no eigenvalue of the Hessian dominates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ellipe, erfcx, log_ndtr, logsumexp, ndtr

from curvwidget._results import ArrayResult

__all__ = ["IsotropicLaw"]

Array = np.ndarray[Any, Any]
_ANGLES = 256  # Rayleigh laws that stand for an R with unequal axes; their average is a midpoint rule, its error below 1e-5


@dataclass(frozen=True, eq=False)
class IsotropicLaw(ArrayResult):
    """κ± = m ± R: m normal, and independent of it R = √(d² + b²) with d and b normal around zero.

    Here m = (A + C)/2, d = (A − C)/2 and b = B for the slice Hessian [[A, B], [B, C]]. For Gaussian directions in a high
    dimension all three have the variance tr(H²), and R is a Rayleigh variable (central limit theorem; reference: theory, eq. 7).
    With unequal variances of d and b, R at a given angle of (d, b) is still a Rayleigh variable, so every number of the law is an
    average over that angle.

    Attributes:
        center: E m.
        spread: Standard deviation of m.
        axes: Standard deviations of d and of b ``(2,)``.
    """

    center: float
    spread: float
    axes: Array

    @property
    def _scales(self) -> Array:
        """Scales of the Rayleigh laws that R is an even mixture of."""
        first, second = self.axes
        if math.isclose(first, second, rel_tol=1e-12):
            return np.array([first])
        angles = (np.arange(_ANGLES) + 0.5) * (0.5 * np.pi / _ANGLES)
        return np.asarray(np.hypot(first * np.cos(angles), second * np.sin(angles)))

    @property
    def mean_radius(self) -> float:
        """E R, half the expected distance of the two curvatures; √(π/2)·σ where both axes are σ."""
        small, large = sorted(float(axis) for axis in self.axes)
        if large == 0:
            return 0.0
        return float(large * math.sqrt(2 / math.pi) * ellipe(1 - (small / large) ** 2))

    @property
    def expected_principal(self) -> Array:
        """E κ₋, E κ₊ ``(2,)``."""
        return self.center + self.mean_radius * np.array([-1.0, 1.0])

    @property
    def std(self) -> Array:
        """Standard deviations of κ₋ and κ₊ ``(2,)``: they are equal."""
        variance = self.spread**2 + float((self.axes**2).sum()) - self.mean_radius**2
        return np.full(2, math.sqrt(max(variance, 0.0)))

    @property
    def log_saddle(self) -> float:
        """Natural logarithm of the probability of a saddle: finite also where the probability itself underflows."""
        scales = self._scales
        if not scales.any():
            return -math.inf
        total = scales**2 + self.spread**2
        # P(|m| < R) = E exp(−m²/2ρ²) over m ~ N(center, spread²)
        with np.errstate(divide="ignore"):
            return float(logsumexp(np.log(scales) - 0.5 * np.log(total) - self.center**2 / (2 * total)) - math.log(len(scales)))

    @property
    def probabilities(self) -> dict[str, float]:
        """Chances of κ₋ > 0 (minimum), κ₊ < 0 (maximum) and κ₋ < 0 < κ₊ (saddle); all zero where both curvatures are surely 0."""
        return {
            "minimum": self._probability_of_minimum(self.center),
            "maximum": self._probability_of_minimum(-self.center),
            "saddle": math.exp(self.log_saddle),
        }

    def _probability_of_minimum(self, center: float) -> float:
        # P(m > R) = P(m > 0) − E[exp(−m²/2ρ²); m > 0]; a product of two normal densities is one, so the second has a closed form
        scales = self._scales
        if self.spread == 0:
            with np.errstate(divide="ignore"):
                inside = -np.expm1(-0.5 * (center / scales) ** 2) if center > 0 else np.zeros(1)
            return float(np.mean(inside))
        total = np.hypot(scales, self.spread)
        lost = scales / total * np.exp(-0.5 * (center / total) ** 2 + log_ndtr(center * scales / (self.spread * total)))
        return max(float(np.mean(ndtr(center / self.spread) - lost)), 0.0)

    def density(self, x: Array) -> Array:
        """Evaluate the densities of κ₋ and κ₊.

        Args:
            x: Curvatures ``(n,)``.

        Returns:
            ``(2, n)``: rows κ₋, κ₊. Where a curvature is certain its density is infinite there and zero elsewhere.
        """
        z = np.asarray(x, dtype=np.float64) - self.center
        rows = [np.mean([_density_of_sum(side * z, self.spread, scale) for scale in self._scales], axis=0) for side in (-1, 1)]
        return np.stack(rows)

    @property
    def range(self) -> tuple[float, float]:
        """Curvatures between which nearly all of both densities lies."""
        reach = 4 * self.spread + 4.5 * float(self.axes.max())
        return self.center - reach, self.center + reach


def _density_of_sum(z: Array, sigma: float, rho: float) -> Array:
    """Return the density at z of N(0, σ²) + Rayleigh(ρ), the two independent."""
    if rho == 0 and sigma == 0:
        return np.where(z == 0, np.inf, 0.0)
    if rho == 0:
        return np.asarray(np.exp(-0.5 * (z / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi)))
    if sigma == 0:
        return np.where(z > 0, z / rho**2 * np.exp(-0.5 * (z / rho) ** 2), 0.0)
    # ∫₀^∞ r/ρ²·exp(−r²/2ρ²)·φ((z−r)/σ)/σ dr; completing the square: r around peak with the width tau
    total = math.hypot(rho, sigma)
    tau = rho * sigma / total
    peak = z * (rho / total) ** 2
    near = np.exp(-0.5 * (z / sigma) ** 2)
    # exp(−z²/2(ρ²+σ²))·Φ(peak/τ), by the scaled function where Φ would underflow
    with np.errstate(over="ignore", invalid="ignore"):
        left = 0.5 * near * erfcx(np.maximum(-peak, 0) / (tau * math.sqrt(2)))
        right = np.exp(-0.5 * (z / total) ** 2) * ndtr(peak / tau)
    tail = np.where(peak < 0, left, right)
    return np.asarray(np.maximum(tau / (rho**2 * sigma) * (tau / math.sqrt(2 * math.pi) * near + peak * tail), 0.0))
