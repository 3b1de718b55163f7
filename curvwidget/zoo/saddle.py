"""The saddle of the theory: as many directions up and down as one likes, and a critical point between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_count, check_positive
from curvwidget.objective import Objective

__all__ = ["saddle_loss", "saddle_spectrum"]

Array = np.ndarray[Any, Any]


def saddle_loss(
    n_positive: int = 500,
    n_negative: int = 500,
    *,
    outliers: int = 0,
    outlier_size: float = 20.0,
    dtype: torch.dtype = torch.float64,
) -> Objective:
    """Build L(θ) = ½·θ_N·(Σ₊ θ_i² − Σ₋ θ_i²) at its critical point (0, …, 0, 1), with N = n₊ + n₋ + 1.

    There the gradient is zero, and the Hessian is diagonal with the eigenvalues +1, −1 and, for θ_N itself, 0. Both 500/500 and
    800/200 have tr(H²) = 1000; tr(H) is 0 and 600 (Böttcher and Wheeler, arXiv:2208.13219).

    No curved directions at all, or more outliers than positive ones, are refused with a `ValueError`.

    Args:
        n_positive: Directions with positive curvature, n₊.
        n_negative: Directions with negative curvature, n₋.
        outliers: How many of the positive ones stick out, at most n₊.
        outlier_size: Their curvature, in place of 1.
        dtype: Of θ.

    Returns:
        The objective at the critical point; L is 0 there.

    Example:
        >>> from curvwidget import zoo
        >>> saddle = zoo.saddle_loss(800, 200)
        >>> saddle.n_parameters, saddle.loss(), float(saddle.gradient().norm())
        (1001, 0.0, 0.0)
    """
    curvatures = torch.as_tensor(_curvatures(n_positive, n_negative, outliers, outlier_size), dtype=dtype)

    def loss(theta: Tensor) -> Tensor:
        return 0.5 * theta[-1] * (curvatures * theta[:-1] ** 2).sum()

    critical_point = torch.zeros(len(curvatures) + 1, dtype=dtype)
    critical_point[-1] = 1.0
    return Objective.from_function(loss, critical_point)


def saddle_spectrum(n_positive: int = 500, n_negative: int = 500, *, outliers: int = 0, outlier_size: float = 20.0) -> Array:
    """List the Hessian's eigenvalues at the critical point of `saddle_loss`.

    Args:
        n_positive: As for `saddle_loss`.
        n_negative: As for `saddle_loss`.
        outliers: As for `saddle_loss`.
        outlier_size: As for `saddle_loss`.

    Returns:
        All N eigenvalues ``(N,)``, descending.

    Example:
        >>> from curvwidget import zoo
        >>> zoo.saddle_spectrum(3, 2, outliers=1, outlier_size=7.0).tolist()
        [7.0, 1.0, 1.0, 0.0, -1.0, -1.0]
    """
    return np.sort(np.append(_curvatures(n_positive, n_negative, outliers, outlier_size), 0.0))[::-1]


def _curvatures(n_positive: int, n_negative: int, outliers: int, outlier_size: float) -> Array:
    n_positive = check_count("n_positive", n_positive, minimum=0)
    n_negative = check_count("n_negative", n_negative, minimum=0)
    outliers = check_count("outliers", outliers, minimum=0)
    if n_positive + n_negative == 0:
        raise ValueError("n_positive and n_negative must not both be 0: a loss without curvature has nothing to show")
    if outliers > n_positive:
        raise ValueError(f"outliers must be at most n_positive = {n_positive}, got {outliers}")
    size = check_positive("outlier_size", outlier_size)
    return np.repeat([size, 1.0, -1.0], [outliers, n_positive - outliers, n_negative])
