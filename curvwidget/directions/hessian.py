"""Hessian directions: the eigenvectors that show a saddle where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from curvwidget._number_words import format_number
from curvwidget.directions.directions import Directions
from curvwidget.linalg import Eigenpairs, extreme_eigenpairs
from curvwidget.objective import Objective

__all__ = ["directions_from_eigenpairs", "hessian_directions", "without_noise"]

Array = np.ndarray[Any, Any]


def hessian_directions(
    objective: Objective, *, largest: int = 1, smallest: int = 1, tol: float = 1e-3, seed: int = 0
) -> Directions:
    """Find the eigenvectors of the largest and of the smallest Hessian eigenvalues.

    They have unit length and are never rescaled: the curvature along each is its eigenvalue (Böttcher and Wheeler,
    arXiv:2208.13219). Bad options are refused with a `ValueError` that names them.

    Args:
        objective: The loss at θ.
        largest: How many from the upper end of the spectrum.
        smallest: How many from the lower end.
        tol: Relative tolerance of the residuals, see `extreme_eigenpairs`.
        seed: Seed of the start vector.

    Returns:
        Directions in descending order of eigenvalue, with eigenvalues and residuals. An eigenvalue that did not converge says
        so in its label.

    Example:
        >>> import torch, curvwidget as cw
        >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> cw.hessian_directions(saddle).eigenvalues.round(6).tolist()
        [2.0, -2.0]
    """
    return directions_from_eigenpairs(extreme_eigenpairs(objective, largest=largest, smallest=smallest, tol=tol, seed=seed))


def directions_from_eigenpairs(eigenpairs: Eigenpairs) -> Directions:
    """Make axes of eigenvectors.

    Args:
        eigenpairs: What an eigensolver found.

    Returns:
        One direction an eigenpair, in the same order.
    """
    total = len(eigenpairs.values)
    labels = []
    values = without_noise(eigenpairs.values, eigenpairs.vectors.dtype)
    for index, (value, converged) in enumerate(zip(values, eigenpairs.converged, strict=True)):
        upper = index < eigenpairs.largest
        rank = index + 1 if upper else total - index
        name = ("λ_max" if upper else "λ_min") if rank == 1 else f"λ_{rank}" if upper else f"λ_N−{rank - 1}"
        labels.append(f"{name} = {format_number(float(value))}" + ("" if converged else " (not converged)"))
    return Directions(
        vectors=eigenpairs.vectors,
        labels=tuple(labels),
        eigenvalues=eigenpairs.values,
        residuals=eigenpairs.residuals,
    )


def without_noise(values: Array, dtype: torch.dtype) -> Array:
    """Write 0 for eigenvalues that are nothing but the rounding of the largest, as they are said.

    Args:
        values: Eigenvalues of one matrix ``(k,)``, with the largest in size among them.
        dtype: In which it was multiplied with vectors.

    Returns:
        The same, with 0 for what is less than the largest in size times the dtype's machine epsilon.
    """
    sizes = np.abs(values)
    return np.where(sizes < torch.finfo(dtype).eps * sizes.max(initial=0.0), 0.0, values)
