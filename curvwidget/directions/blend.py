"""The plane on its way from one pair of directions to another."""

from __future__ import annotations

import torch
from torch import Tensor

from curvwidget._checks import check_finite
from curvwidget.directions.directions import Directions

__all__ = ["blend_directions"]

_ALMOST_PARALLEL = 1e-7


def blend_directions(a: Directions, b: Directions, t: float) -> Directions:
    """Turn each direction of one set towards its partner in another.

    Each direction moves along the great circle from a_i to b_i at constant angular speed, while its length goes linearly from
    ‖a_i‖ to ‖b_i‖ (spherical linear interpolation: Shoemake, SIGGRAPH 1985).

    Args:
        a: Where the way begins, k directions.
        b: Where it ends, k directions.
        t: How far along, from 0 (a itself) to 1 (b itself).

    Returns:
        The k directions at ``t``.

    Raises:
        ValueError: If ``t`` is outside [0, 1], if the two sets do not match, or if a pair is exactly opposite, which leaves the
            way open.
    """
    t = check_finite("t", t)
    if not 0 <= t <= 1:
        raise ValueError(f"t must be from 0 to 1, got {t}")
    if a.vectors.shape != b.vectors.shape:
        raise ValueError(f"a and b must have the same shape, got {tuple(a.vectors.shape)} and {tuple(b.vectors.shape)}")
    if t == 0:
        return a
    if t == 1:
        return b
    pairs = zip(a.vectors, b.vectors.to(a.vectors), strict=True)
    return Directions(
        vectors=torch.stack([_between(start, end, t) for start, end in pairs]),
        labels=tuple(f"{start} → {end}, {t:.0%}" for start, end in zip(a.labels, b.labels, strict=True)),
    )


def _between(start: Tensor, end: Tensor, t: float) -> Tensor:
    start64, end64 = start.double(), end.double()
    start_length, end_length = start64.norm(), end64.norm()
    start64, end64 = start64 / start_length, end64 / end_length
    # The half-angle form keeps its accuracy for nearly parallel and nearly opposite directions, where acos does not.
    angle = 2 * torch.atan2((start64 - end64).norm(), (start64 + end64).norm())
    if float(torch.pi - angle) < _ALMOST_PARALLEL:
        raise ValueError("a and b must not hold exactly opposite directions: no great circle between them is distinguished")
    if float(angle) < _ALMOST_PARALLEL:
        mixed = start64 + t * (end64 - start64)
    else:
        mixed = (torch.sin((1 - t) * angle) * start64 + torch.sin(t * angle) * end64) / torch.sin(angle)
    return torch.mul(mixed, (1 - t) * start_length + t * end_length).to(start.dtype)
