"""Normalizations of random directions. Eigenvectors are never rescaled."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from curvwidget.objective import Objective

__all__ = ["NORMALIZATIONS", "Normalization", "entry_scales", "normalize"]

Normalization = Literal["unit", "filter", "layer", "model"] | None
NORMALIZATIONS: tuple[Normalization, ...] = (None, "unit", "filter", "layer", "model")


def normalize(vectors: Tensor, objective: Objective, normalization: Normalization) -> Tensor:
    """Scale directions as asked.

    Args:
        vectors: ``(k, N)``.
        objective: Gives θ and its blocks.
        normalization: See `random_directions`.

    Returns:
        The scaled directions ``(k, N)``, a new tensor; the given one where nothing is to do.

    Raises:
        ValueError: If a direction is zero after the normalization.
    """
    if normalization is None:
        return vectors
    if normalization == "unit":
        return torch.div(vectors, vectors.norm(dim=1, keepdim=True))
    theta = objective.theta.to(vectors.dtype)
    if normalization == "model":
        scaled: Tensor = vectors * (theta.norm() / vectors.norm(dim=1, keepdim=True))
    else:
        scaled = torch.empty_like(vectors)
        for block in objective.blocks:
            by_filter = normalization == "filter"
            rows = _rows(block.shape) if by_filter else 1
            if by_filter and rows == 0:
                scaled[:, block.slice] = 0
            else:
                scaled[:, block.slice] = _match_rows(vectors[:, block.slice], theta[block.slice], rows)
    if bool((scaled == 0).all(dim=1).any()):
        raise ValueError(
            f"normalization {normalization!r} leaves nothing of the direction: θ is zero, or holds only biases; "
            "use None or 'unit'"
        )
    return scaled


def entry_scales(objective: Objective, normalization: Normalization) -> Tensor:
    """Return the root mean square of each entry of a normalized random direction.

    Args:
        objective: Gives θ and its blocks.
        normalization: See `random_directions`.

    Returns:
        ``(N,)`` in the objective's dtype: ‖θ_b‖/√n_b for the entries of a block b of n_b entries, 0 where a block is set to zero;
        1/√N for unit directions, 1 without a normalization.
    """
    theta = objective.theta
    if normalization in (None, "unit"):
        return torch.full_like(theta, 1.0 if normalization is None else len(theta) ** -0.5)
    if normalization == "model":
        return torch.full_like(theta, float(theta.double().norm()) / len(theta) ** 0.5)
    scales = torch.zeros_like(theta)
    for block in objective.blocks:
        rows = _rows(block.shape) if normalization == "filter" else 1
        if rows:
            split = theta[block.slice].view(rows, -1)
            scales[block.slice] = split.pow(2).mean(dim=1, keepdim=True).sqrt().expand_as(split).reshape(-1)
    return scales


def _rows(shape: tuple[int, ...]) -> int:
    # Of a tensor: one filter an entry of its first dimension; none where it is a bias or a scale.
    return shape[0] if len(shape) > 1 else 0


def _match_rows(vectors: Tensor, theta: Tensor, rows: int) -> Tensor:
    # Each of the equal stretches of a vector gets the length of that stretch of θ.
    split = vectors.view(len(vectors), rows, -1)
    target = theta.view(rows, -1).norm(dim=1, keepdim=True)
    length = split.norm(dim=2, keepdim=True)
    return torch.mul(split, target / length.clamp_min(torch.finfo(vectors.dtype).tiny)).reshape(len(vectors), -1)
