"""Sums over long vectors, always accumulated in float64."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["as_double", "dot", "norm"]


def as_double(vector: Tensor) -> Tensor:
    """Return a tensor in float64.

    Args:
        vector: Of any shape.

    Returns:
        The same numbers in float64; on the CPU where the device has no float64 (Apple's MPS).
    """
    return vector.cpu().double() if vector.device.type == "mps" else vector.double()


def dot(a: Tensor, b: Tensor) -> float:
    """Inner product of two vectors.

    Args:
        a: ``(N,)``.
        b: ``(N,)``.

    Returns:
        Σ aᵢ·bᵢ, summed in float64.
    """
    return float(torch.dot(as_double(a), as_double(b)))


def norm(vector: Tensor) -> float:
    """Euclidean norm of a vector.

    Args:
        vector: ``(N,)``.

    Returns:
        ‖vector‖, summed in float64.
    """
    return float(torch.linalg.vector_norm(as_double(vector)))
