"""The law of a random plane's principal curvatures from planes drawn in the space of eigenvalues, where no formula holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import fftconvolve

from curvwidget._results import ArrayResult
from curvwidget.curvature.spectrum import Spectrum

__all__ = ["SampledLaw", "draw_planes"]

Array = np.ndarray[Any, Any]
_CHUNK = 20_000
_GRID = 2048


@dataclass(frozen=True, eq=False)
class SampledLaw(ArrayResult):
    """Densities of κ₋ and κ₊, smoothed from a sample.

    A Gaussian kernel of Silverman's width 0.9·min(sd, IQR/1.34)·S^(−1/5) for each of the two, on a grid of 2048 curvatures; in
    between, linear. A width below two steps of the grid is raised to them.

    Attributes:
        grid: Curvatures ``(2, G)``, a row for κ₋ and one for κ₊.
        densities: ``(2, G)``.
        bandwidths: Widths of the two kernels ``(2,)``.
    """

    grid: Array
    densities: Array
    bandwidths: Array

    @classmethod
    def of(cls, principal: Array) -> SampledLaw:
        """Smooth a sample.

        Args:
            principal: κ₋, κ₊ of the planes drawn ``(S, 2)``.

        Returns:
            The law.
        """
        rows = [_smooth(principal[:, column]) for column in range(2)]
        grid, densities, bandwidths = zip(*rows, strict=True)
        return cls(np.stack(grid), np.stack(densities), np.array(bandwidths))

    def density(self, x: Array) -> Array:
        """Evaluate the densities of κ₋ and κ₊.

        Args:
            x: Curvatures ``(n,)``.

        Returns:
            ``(2, n)``: rows κ₋, κ₊.
        """
        x = np.asarray(x, dtype=np.float64)
        rows = [np.interp(x, grid, values, left=0.0, right=0.0) for grid, values in zip(self.grid, self.densities, strict=True)]
        return np.stack(rows)

    @property
    def range(self) -> tuple[float, float]:
        """Curvatures between which nearly all of both densities lies."""
        cumulative = np.cumsum(self.densities, axis=1)
        inside = (cumulative > 1e-4 * cumulative[:, -1:]) & (cumulative < (1 - 1e-4) * cumulative[:, -1:])
        return float(self.grid[inside].min()), float(self.grid[inside].max())


def _smooth(values: Array) -> tuple[Array, Array, float]:
    """Return grid, density and bandwidth of one curvature's sample."""
    quartiles = np.percentile(values, [25, 75])
    low, high = float(values.min()), float(values.max())
    spread = min(float(values.std()), float(quartiles[1] - quartiles[0]) / 1.34)
    width = 0.9 * spread * len(values) ** -0.2
    # a curvature that is certain (κ₋ of a single non-zero eigenvalue, say) becomes a spike as narrow as numbers allow
    width = max(width, 2 * (high - low) / (_GRID - 80), 1e-9 * max(abs(low), abs(high)), 1e-300)
    grid = np.linspace(low - 5 * width, high + 5 * width, _GRID)
    step = float(grid[1] - grid[0])
    # linear binning: each value is shared by its two neighbours on the grid, which keeps the mean
    place = np.clip((values - grid[0]) / step, 0, _GRID - 1.001)
    left = place.astype(np.int64)
    share = place - left
    histogram = np.bincount(left, 1 - share, _GRID) + np.bincount(left + 1, share, _GRID)
    offsets = np.arange(-math.ceil(5 * width / step), math.ceil(5 * width / step) + 1) * step
    kernel = np.exp(-0.5 * (offsets / width) ** 2)
    density = np.maximum(fftconvolve(histogram, kernel, mode="same"), 0.0)
    return grid, density / (density.sum() * step), width


def draw_planes(spectrum: Spectrum, samples: int, *, seed: int, unit: bool = False, orthogonalize: bool = False) -> Array:
    """Draw the principal curvatures of random planes without vectors of length N.

    The slice Hessian is Σ κ_j·W_j with one 2×2 Wishart matrix for each distinct eigenvalue, drawn by Bartlett's decomposition:
    the cost goes with the number of distinct eigenvalues. Source: theory, eq. 6.

    Args:
        spectrum: Eigenvalues of the Hessian; all N of them, zeros as well, where ``unit``.
        samples: Number of planes S.
        seed: Seed of the planes.
        unit: Whether each of the two directions has length 1; Gaussian directions otherwise.
        orthogonalize: Whether the two unit directions are orthogonal.

    Returns:
        κ₋ ≤ κ₊ of each plane ``(S, 2)``.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, samples, _CHUNK):
        size = min(_CHUNK, samples - start)
        hessian, gram = _draw_matrices(rng, spectrum, size)
        if unit:
            hessian = _to_unit(hessian, gram, orthogonalize)
        a, b, c = hessian
        radius = np.hypot(0.5 * (a - c), b)
        parts.append(np.stack([0.5 * (a + c) - radius, 0.5 * (a + c) + radius], axis=1))
    return np.concatenate(parts)


def _draw_matrices(rng: np.random.Generator, spectrum: Spectrum, size: int) -> tuple[Array, Array]:
    """Return the entries (A, B, C) of slice Hessians, and of the Gram matrices of their directions ``(3, size)``."""
    hessian, gram = np.zeros((3, size)), np.zeros((3, size))
    for value, count in zip(spectrum.values, spectrum.counts, strict=True):
        # W = T·Tᵀ with T = [[t11, 0], [t21, t22]]: t11² ~ χ²(n), t21 ~ N(0, 1), t22² ~ χ²(n − 1)
        first, cross = rng.chisquare(count, size), rng.standard_normal(size)
        second = rng.chisquare(count - 1, size) if count > 1 else np.zeros(size)
        wishart = np.stack([first, np.sqrt(first) * cross, cross**2 + second])
        hessian += value * wishart
        gram += wishart
    if spectrum.noise > 0:
        # (A − C)/2, B and (A + C)/2 have the variance tr(H²) of what is noise
        mean, difference, cross = math.sqrt(spectrum.noise) * rng.standard_normal((3, size))
        hessian += np.stack([mean + difference, cross, mean - difference])
    hessian[[0, 2]] += spectrum.shift
    return hessian, gram


def _to_unit(hessian: Array, gram: Array, orthogonalize: bool) -> Array:
    """Return slice Hessians (A, B, C) rescaled to directions of length 1, the second made orthogonal to the first if asked."""
    (a, b, c), (first, inner, second) = hessian, gram
    if orthogonalize:
        # δ' = δ − q·η with q = η·δ/η·η
        q = inner / first
        b, c, second = b - q * a, c - 2 * q * b + q**2 * a, second - q * inner
    lengths = np.sqrt(first), np.sqrt(second)
    return np.stack([a / first, b / (lengths[0] * lengths[1]), c / second])
