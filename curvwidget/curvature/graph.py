"""The curvature of the surface that a slice draws, as a geometer measures it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from curvwidget.curvature.projected import ProjectedCurvature

__all__ = ["graph_curvature"]

Array = np.ndarray[Any, Any]


def graph_curvature(curvature: ProjectedCurvature) -> Array:
    """Compute the principal curvatures of the graph of a slice at its centre.

    The graph is the surface (Σ a_i·v_i, L(θ + Σ a_i·v_i)) over the span of the directions. Its curvatures depend on the span
    only, not on the lengths and the angle of the directions, and a slope flattens them; the eigenvalues of the projected
    Hessian, ``curvature.principal``, agree with them where the directions are orthonormal and the point is critical.

    Args:
        curvature: Projected Hessian, slopes and inner products of the k directions.

    Returns:
        The principal curvatures ``(k,)``, ascending; positive where the graph bends upwards. NaN where the Hessian is.

    Raises:
        ValueError: If the directions are not linearly independent.

    Source: the shape operator S = I⁻¹·II with I = G + g·gᵀ and II = M/√(1 + gᵀG⁻¹g), for the Gram matrix G, slopes g and
    projected Hessian M (theory, eq. 11).
    """
    gram = np.asarray(curvature.gram, dtype=np.float64)
    slope = np.asarray(curvature.gradient, dtype=np.float64)
    matrix = np.asarray(curvature.matrix, dtype=np.float64)
    lengths = np.sqrt(np.diagonal(gram))
    cosines = gram / np.outer(lengths, lengths) if (lengths > 0).all() else np.zeros_like(gram)
    smallest = float(np.linalg.eigvalsh(cosines)[0])
    if smallest <= 1e-12:
        raise ValueError(
            f"directions must be linearly independent, got a Gram matrix of cosines with the eigenvalue {smallest:g}"
        )
    if not (np.isfinite(slope).all() and np.isfinite(matrix).all()):
        return np.full(len(slope), np.nan)
    # in an orthonormal basis of the span: G = 1, and I = 1 + g·gᵀ has the root 1 + (√(1 + |g|²) − 1)·gᵉ·gᵉᵀ, gᵉ = g/|g|
    root = np.linalg.cholesky(cosines) * lengths[:, None]
    slope = np.asarray(solve_triangular(root, slope, lower=True))
    matrix = solve_triangular(root, solve_triangular(root, matrix, lower=True).T, lower=True)
    steepness = float(np.hypot(1, np.linalg.norm(slope)))
    along = slope / max(float(np.linalg.norm(slope)), np.finfo(np.float64).tiny)
    inverse_root = np.eye(len(slope)) - (1 - 1 / steepness) * np.outer(along, along)
    shape = inverse_root @ matrix @ inverse_root / steepness
    return np.asarray(np.linalg.eigvalsh(0.5 * (shape + shape.T)))
