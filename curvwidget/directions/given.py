"""Directions that the user knows: the gradient, the way to another point, own vectors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from curvwidget.directions.directions import Directions
from curvwidget.objective import Objective

__all__ = ["gradient_direction", "own_directions"]


def gradient_direction(objective: Objective) -> Directions:
    """Take the gradient as a direction.

    Args:
        objective: The loss at θ.

    Returns:
        One direction: ∇L(θ)/‖∇L(θ)‖.

    Raises:
        ValueError: If the gradient is zero.
    """
    gradient = objective.gradient()
    length = gradient.double().norm()
    if not float(length) > 0:
        raise ValueError("the gradient at theta must not be zero, got a point where it is: it gives no direction")
    return Directions(vectors=(gradient.double() / length).to(objective.dtype).unsqueeze(0), labels=("gradient",))


def own_directions(objective: Objective, vectors: Tensor, labels: Sequence[str] | None = None) -> Directions:
    """Use vectors of one's own as directions, lengths and all.

    Args:
        objective: The loss at θ.
        vectors: ``(k, N)``, or one vector ``(N,)``.
        labels: k names; None numbers them.

    Returns:
        The directions, in the objective's dtype and on its device.

    Raises:
        TypeError: If ``vectors`` is no floating-point tensor.
        ValueError: If the vectors are not of length N, or a label is missing.
    """
    if not isinstance(vectors, Tensor) or not vectors.is_floating_point():
        raise TypeError(f"vectors must be a floating-point tensor of shape (k, N), got {type(vectors).__name__}")
    rows = vectors.detach().unsqueeze(0) if vectors.ndim == 1 else vectors.detach()
    if rows.ndim != 2 or rows.shape[1] != objective.n_parameters:
        raise ValueError(f"vectors must have shape (k, N) with N = {objective.n_parameters}, got {tuple(vectors.shape)}")
    names = tuple(f"own {index + 1}" for index in range(len(rows))) if labels is None else tuple(labels)
    return Directions(vectors=rows.to(device=objective.device, dtype=objective.dtype), labels=names)
