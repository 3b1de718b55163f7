"""Rotations of R^N that are cheap enough for millions of dimensions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from curvwidget._checks import check_count

__all__ = ["random_rotation"]

_REFLECTIONS = 8  # even, so that they make a rotation; each costs 4·N operations and N numbers


def random_rotation(n: int, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Callable[[Tensor], Tensor]:
    """Draw a rotation as a product of reflections along random vectors (Householder, 1958).

    It mixes every coordinate with every other, yet takes O(N) to apply and to keep, where a matrix takes O(N²). It is not
    uniformly distributed over all rotations, which a Hessian's spectrum does not care about.

    Args:
        n: N, at least 1.
        seed: Seed of the reflections.
        dtype: Of the vectors that are turned.

    Returns:
        θ ↦ Qθ for vectors ``(N,)``, differentiable.

    Example:
        >>> import torch
        >>> from curvwidget.zoo.rotation import random_rotation
        >>> turn = random_rotation(5, seed=1)
        >>> round(float(turn(torch.ones(5, dtype=torch.float64)).norm() ** 2), 12)
        5.0
    """
    generator = torch.Generator().manual_seed(seed)
    mirrors = torch.randn(_REFLECTIONS, check_count("n", n), generator=generator, dtype=torch.float64)
    mirrors = (mirrors / mirrors.norm(dim=1, keepdim=True)).to(dtype)

    def turn(theta: Tensor) -> Tensor:
        for mirror in mirrors.to(theta.device):
            theta = theta - 2 * (mirror @ theta) * mirror
        return theta

    return turn
