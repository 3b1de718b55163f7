"""Projecting the Hessian on a few directions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_choice, check_kind
from curvwidget.curvature.differences import choose_step, difference_matrix
from curvwidget.curvature.fit import fit_projection
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.directions import Directions
from curvwidget.objective import Objective

__all__ = ["METHODS", "ProjectionMethod", "project_curvature", "project_products", "project_somehow"]

Array = np.ndarray[Any, Any]
ProjectionMethod = Literal["hvp", "difference", "fit"]
METHODS: tuple[ProjectionMethod, ...] = ("hvp", "difference", "fit")

# A Hessian-vector product is exact to some tens of roundings of its largest intermediate, which the longest product stands for.
_ROUNDINGS = 16


def project_curvature(objective: Objective, directions: Directions, *, method: ProjectionMethod = "hvp") -> ProjectedCurvature:
    """Compute the Hessian as it is seen along a few directions: M_ij = v_iᵀ·H·v_j.

    For Gaussian random directions E[M] = tr(H)·I, whatever the signs of the eigenvalues of H (Böttcher and Wheeler,
    arXiv:2208.13219).

    Args:
        objective: The loss at θ.
        directions: k directions.
        method: ``"hvp"``: by k Hessian-vector products; ``"difference"``: by second differences of losses alone; ``"fit"``: by
            the least-squares quadratic of a slice, up to three directions, over a span at which halving it hardly changes the
            curvature (see `fit_slice`, also for the fit of a slice of one's own).

    Returns:
        The matrix with its eigenvalues (the principal curvatures) and their error, and the exact slope. It is the curvature of
        the loss over the coordinates of the slice; `graph_curvature` makes of it that of the surface drawn, where the point is
        steep or the directions are not orthonormal.

    Raises:
        ValueError: If an option is unknown, the directions have the wrong length, or are too many for a fit.

    Example:
        >>> import torch, curvwidget as cw
        >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> seen = cw.project_curvature(saddle, cw.hessian_directions(saddle))
        >>> seen.verdict, seen.principal.round(6).tolist()
        ('saddle', [-2.0, 2.0])
    """
    check_choice("method", method, METHODS)
    check_kind("directions", directions, Directions)
    if directions.n_parameters != objective.n_parameters:
        raise ValueError(f"directions must have length N = {objective.n_parameters}, got {directions.n_parameters}")
    gradient = objective.gradient()
    directions, gradient = directions.beside(gradient), gradient.double()
    slope, steepness = (directions.vectors.double() @ gradient).cpu().numpy(), float(gradient.norm())
    if method == "fit":
        return replace(fit_projection(objective, directions), gradient=slope, gradient_norm=steepness)
    evaluations = hvps = 0
    notes: tuple[str, ...] = ()
    if method == "hvp":
        matrix, error = project_products(directions.vectors, objective.hvp(directions.vectors))
        hvps = len(directions)
    else:
        step = choose_step(objective, directions.vectors)
        matrix, error, spent = difference_matrix(objective, directions, step)
        evaluations, notes = step.evaluations + spent, step.notes
    return ProjectedCurvature(
        matrix=matrix,
        principal=np.linalg.eigvalsh(matrix),
        gradient=slope,
        error=error,
        gram=directions.gram,
        loss=objective.loss(),
        gradient_norm=steepness,
        labels=directions.labels,
        method=method,
        hvps=hvps,
        evaluations=evaluations,
        notes=notes,
    )


def project_somehow(objective: Objective, directions: Directions) -> ProjectedCurvature:
    """Compute the same by Hessian-vector products or, where PyTorch has none of the loss, by second differences of losses.

    Args:
        objective: The loss at θ.
        directions: k directions.

    Returns:
        The matrix; where it comes from differences, its first note says why.
    """
    try:
        return project_curvature(objective, directions)
    except NotImplementedError as error:
        by_losses = project_curvature(objective, directions, method="difference")
        reason, _, _ = str(error).partition(". ")  # what follows says what else could be done: this
        why = f"curvatures come from losses alone, and eigenvalues are not known: {reason}"
        return replace(by_losses, notes=(why, *by_losses.notes))


def project_products(vectors: Tensor, products: Tensor) -> tuple[Array, float]:
    """Project the Hessian by products that are already known.

    Args:
        vectors: v_i ``(k, N)``.
        products: H·v_i ``(k, N)``.

    Returns:
        The symmetrized matrix ``(k, k)`` float64, and a bound on the numerical error of its eigenvalues: the asymmetry found,
        or the rounding expected, whichever is larger.
    """
    left, right = vectors.double(), products.double()
    raw = (left @ right.T).cpu().numpy()
    rounding = torch.finfo(products.dtype).eps * _ROUNDINGS * float(left.norm(dim=1).max() * right.norm(dim=1).max())
    asymmetry = float(np.abs(raw - raw.T).max()) / 2
    # An error e in each entry moves an eigenvalue by at most k·e.
    return (raw + raw.T) / 2, len(vectors) * max(rounding, asymmetry)
