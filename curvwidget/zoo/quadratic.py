"""Quadratic forms: a loss whose Hessian is the same everywhere and has the spectrum one asks for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from curvwidget.objective import Objective
from curvwidget.zoo.rotation import random_rotation

__all__ = ["quadratic_loss"]


def quadratic_loss(
    eigenvalues: ArrayLike, *, rotate: bool = False, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Objective:
    """Build L(θ) = ½·Σ λ_i·(Qθ)_i² at θ = 0.

    Args:
        eigenvalues: λ ``(N,)``.
        rotate: Whether Q is a random rotation, so that no eigenvector is an axis of R^N; otherwise it is the identity.
        seed: Seed of the rotation.
        dtype: Of θ.

    Returns:
        The objective at the critical point. Row i of Q is the eigenvector of λ_i.

    Raises:
        ValueError: If the eigenvalues are no vector of finite numbers.

    Example:
        >>> import curvwidget as cw
        >>> from curvwidget import zoo
        >>> bowl = zoo.quadratic_loss([3.0, 2.0, 1.0, -1.0], rotate=True)
        >>> cw.hessian_directions(bowl).eigenvalues.round(6).tolist()
        [3.0, -1.0]
    """
    numbers = np.asarray(eigenvalues, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise ValueError(f"eigenvalues must have shape (N,), got {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("eigenvalues must be finite, got NaN or inf")
    values = torch.as_tensor(numbers, dtype=dtype)
    turn = random_rotation(len(values), seed=seed, dtype=dtype) if rotate else None

    def loss(theta: Tensor) -> Tensor:
        return 0.5 * (values * (theta if turn is None else turn(theta)) ** 2).sum()

    return Objective.from_function(loss, torch.zeros(len(values), dtype=dtype))
