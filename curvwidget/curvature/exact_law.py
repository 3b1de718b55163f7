"""What can be said exactly of a random plane, given the eigenvalues of the Hessian.

The slice Hessian along Gaussian directions is M = Σ κ_i·g_i·g_iᵀ with 2-vectors g_i ~ N(0, I). Turning the two directions in
their plane does not change its law, so with m = tr(M)/2 and κ± = m ± R the vector ((A − C)/2, B) has the length R and an angle
that is uniform and independent of (m, R). Two facts follow, for any spectrum:

- Moments. (A − C)/2 = R·cos(angle) has the characteristic function φ(w) = Π (1 + w²κ_i²)^(−1/2), and E|R·cos(angle)| = 2/π·E R,
  so E R = ∫₀^∞ (1 − φ(w))/w² dw and cov(m, R) = ∫₀^∞ φ(w)·Σ κ_i³/(1 + w²κ_i²) dw.
- Saddles. A and C are independent with one density f, so (m, (A − C)/2) has the density 2·f(m + d)·f(m − d), and Abel's inversion
  gives the law of R from it. With the half moments M±(p) = E[|A|^p; ±A > 0] of the curvature A of one random line:
  P(saddle) = M₊(½)·M₋(−½) + M₊(−½)·M₋(½).

Both are derived for this package; the tests check them against closed forms and against planes drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, gammaln, xlog1py

from curvwidget.curvature.spectrum import Spectrum

__all__ = ["exact_moments", "exact_probabilities", "log_saddle_probability", "one_against_many", "two_values"]

Array = np.ndarray[Any, Any]


def exact_moments(spectrum: Spectrum) -> tuple[Array, Array]:
    """Compute mean and standard deviation of κ₋ and κ₊ for a plane along two Gaussian directions.

    Args:
        spectrum: Eigenvalues of the Hessian.

    Returns:
        E κ∓ ``(2,)``, to about 1e-12 of √tr(H²), and their standard deviations ``(2,)``, to about 1e-6 of it.
    """
    total = spectrum.trace_of_square
    if total == 0:
        return np.full(2, spectrum.trace), np.zeros(2)
    scale = math.sqrt(total)
    values, counts, noise = spectrum.values / scale, spectrum.counts, spectrum.noise / total
    # in x = log(w) both integrands fall off exponentially and are analytic for |Im x| < π/2: the trapezoid rule is exact
    step = 0.2
    w = np.exp(np.arange(-40, 40, step))
    squares = np.outer(w**2, values**2)
    log_phi = -0.5 * (np.log1p(squares) @ counts + noise * w**2)
    radius = step * float((-np.expm1(log_phi) / w).sum())
    covariance = step * float((np.exp(log_phi) * w * ((1 / (1 + squares)) @ (counts * values**3))).sum())
    # Var m = Var (A−C)/2 = Var B = tr(H²), here 1
    variance = np.array([3 - radius**2 - 2 * covariance, 3 - radius**2 + 2 * covariance])
    mean = spectrum.trace + scale * radius * np.array([-1.0, 1.0])
    return mean, scale * np.sqrt(np.maximum(variance, 0.0))


def exact_probabilities(spectrum: Spectrum) -> dict[str, float] | None:
    """Compute the chances of minimum, maximum and saddle where a closed formula has them.

    They hold for any two directions of independent, evenly distributed angles, whatever their lengths: the signs of the
    curvatures belong to the plane, not to its axes.

    Args:
        spectrum: Eigenvalues of the Hessian.

    Returns:
        The probabilities, or None where the spectrum is not fully known, or has more than two distinct non-zero values of
        both signs. Where only one eigenvalue is not zero one of the curvatures is exactly zero, and the other one decides.
    """
    if not spectrum.exact:
        return None
    nonzero = spectrum.values != 0
    values, counts = spectrum.values[nonzero], spectrum.counts[nonzero]
    if not len(values):
        return {"minimum": 0.0, "maximum": 0.0, "saddle": 0.0}
    if values[0] > 0 or values[-1] < 0:
        return {"minimum": float(values[0] > 0), "maximum": float(values[0] < 0), "saddle": 0.0}
    if len(values) > 2:
        return None
    return two_values(int(counts[1]), int(counts[0]), float(-values[0] / values[1]))


def two_values(n_positive: int, n_negative: int, c: float = 1.0) -> dict[str, float]:
    """Compute the chances of minimum, maximum and saddle for n₊ eigenvalues 1 and n₋ eigenvalues −c.

    The plane shows a maximum iff the largest root of W₊ relative to W₊ + W₋, two Wishart matrices of size 2, is below
    c/(1 + c); Roy's largest root has a closed law at size 2. Source: theory, eq. 8.

    Args:
        n_positive: n₊, at least 1.
        n_negative: n₋, at least 1.
        c: Magnitude of the negative eigenvalues relative to the positive ones, positive.

    Returns:
        The probabilities; they add up to 1, and a small chance of a saddle keeps its relative accuracy.
    """
    if n_negative == 1:
        return one_against_many(n_positive, c)
    if n_positive == 1:
        mirrored = one_against_many(n_negative, 1 / c)
        return {"minimum": mirrored["maximum"], "maximum": mirrored["minimum"], "saddle": mirrored["saddle"]}
    maximum, not_maximum = _largest_root(n_positive, n_negative, c / (1 + c))
    minimum, not_minimum = _largest_root(n_negative, n_positive, 1 / (1 + c))
    # 1 − minimum − maximum would lose a small saddle to rounding: start from the smaller of the complements
    saddle = not_minimum - maximum if not_minimum < not_maximum else not_maximum - minimum
    return {"minimum": minimum, "maximum": maximum, "saddle": max(saddle, 0.0)}


def one_against_many(n: int, c: float) -> dict[str, float]:
    """Compute the chances for n eigenvalues 1 and a single −c: a saddle with (1 + 1/c)^(−(n−1)/2), else a minimum.

    Args:
        n: Number of positive eigenvalues, at least 1.
        c: Magnitude of the negative one, positive.

    Returns:
        The probabilities. Source: theory, eq. 8.
    """
    exponent = -xlog1py((n - 1) / 2, 1 / c)
    return {"minimum": -math.expm1(exponent), "maximum": 0.0, "saddle": math.exp(exponent)}


def _largest_root(n1: int, n2: int, x: float) -> tuple[float, float]:
    """Return P(largest root of W₁·(W₁+W₂)⁻¹ < x) and its complement, for 2×2 Wishart matrices of n₁, n₂ ≥ 2 degrees."""
    a, b = (n1 - 3) / 2, (n2 - 3) / 2
    whole = float(betainc(2 * a + 2, 2 * b + 2, x))
    # √π·Γ(a+b+5/2)/(Γ(a+3/2)Γ(b+3/2))·x^(a+1)·(1−x)^(b+1)·I_x(a+1, b+1), the factor in logarithms: it over- and underflows
    log_factor = 0.5 * math.log(math.pi) + float(gammaln(a + b + 2.5) - gammaln(a + 1.5) - gammaln(b + 1.5))
    log_factor += (a + 1) * math.log(x) + (b + 1) * math.log1p(-x)
    part = math.exp(log_factor) * float(betainc(a + 1, b + 1, x))
    complement = float(betainc(2 * b + 2, 2 * a + 2, 1 - x)) + part  # a sum of positive terms: accurate however small
    return max(whole - part, 0.0), min(complement, 1.0)


def log_saddle_probability(spectrum: Spectrum) -> float:
    """Compute the logarithm of the chance that a random plane shows a saddle, for any spectrum.

    Source: the second fact in this module's docstring.

    Args:
        spectrum: Eigenvalues of the Hessian; a rest known by its sums counts as normally distributed.

    Returns:
        log P(saddle), accurate to about 1e-10 however small the chance; −inf where all eigenvalues have one sign.
    """
    if spectrum.noise == 0 and (spectrum.values[0] >= 0 or spectrum.values[-1] <= 0) and spectrum.shift == 0:
        return -math.inf
    if spectrum.exact and int(spectrum.counts[spectrum.values != 0].sum()) == 2:
        return 0.0  # one positive and one negative: two independent vectors see both
    scale = math.sqrt(spectrum.trace_of_square)
    unit = Spectrum(spectrum.values / scale, spectrum.counts, spectrum.noise / scale**2, spectrum.shift / scale)
    mirrored = Spectrum(-unit.values[::-1], unit.counts[::-1], unit.noise, -unit.shift)
    plus = [_log_half_moment(unit, power) for power in (0.5, -0.5)]
    minus = [_log_half_moment(mirrored, power) for power in (0.5, -0.5)]
    return min(float(np.logaddexp(plus[0] + minus[1], plus[1] + minus[0])), 0.0)


def _log_half_moment(spectrum: Spectrum, power: float) -> float:
    """Return log E[A^p; A > 0] for A = Σ κ_i·g_i².

    With K(z) = log E exp(zA) it is Γ(p+1)/(2πi)·∫ exp(K(z))·z^(−p−1) dz along a line upwards between 0 and the first pole;
    through the saddle point of the integrand it does not oscillate, and the result keeps its relative accuracy however small.
    """
    values, counts = spectrum.values[spectrum.values != 0], spectrum.counts[spectrum.values != 0]
    largest = values[-1] if len(values) and values[-1] > 0 else 0.0
    limit = 0.5 / largest if largest > 0 else math.inf
    mean, noise = spectrum.shift, spectrum.noise

    def slope(z: float) -> float:
        return float((counts * values / (1 - 2 * values * z)).sum()) + mean + 2 * noise * z - (power + 1) / z

    center = _root(slope, limit)
    bend = float((2 * counts * values**2 / (1 - 2 * values * center) ** 2).sum()) + 2 * noise + (power + 1) / center**2
    # y = sinh(t)/√bend: the nearest singularity is at least 1/√2 of that width away, so the trapezoid rule converges
    # geometrically: half this step changes nothing, twice this step costs six digits
    decay = 0.5 * float(counts.sum()) + power if noise == 0 else 8.0
    step = 0.04
    t = np.arange(0, max(40 / decay, 12.0), step)
    y = np.sinh(t) / math.sqrt(bend)
    z = center + 1j * y
    exponent = -0.5 * (np.log1p(-2 * np.outer(z, values)) @ counts) + mean * z + noise * z**2 - (power + 1) * np.log(z)
    peak = float(exponent[0].real)
    heights = np.exp(exponent - peak).real * np.cosh(t) / math.sqrt(bend)
    integral = step * (heights.sum() - 0.5 * heights[0]) / math.pi  # even in t
    return float(gammaln(power + 1)) + peak + math.log(integral)


def _root(slope: Callable[[float], float], limit: float) -> float:
    """Return the zero of a function that climbs from −∞ at 0 to +∞ at the limit.

    Raises:
        ArithmeticError: If floating-point numbers have none.
    """
    low, high = 1.0, limit
    while slope(min(low, 0.5 * limit)) > 0:
        low *= 0.5
        if low < 1e-300:
            raise ArithmeticError("no saddle point was found near zero")
    low = min(low, 0.5 * limit)
    if math.isinf(limit):
        high = 2 * low
        while slope(high) < 0:
            high *= 2
            if high > 1e300:
                raise ArithmeticError("no saddle point was found")
    else:
        gap = 0.5
        while slope(limit * (1 - gap)) < 0:
            gap *= 0.5
            if gap < 1e-15:
                return limit * (1 - gap)
        high = limit * (1 - gap)
    return high if low >= high else float(brentq(slope, low, high, xtol=1e-300, rtol=1e-10))
