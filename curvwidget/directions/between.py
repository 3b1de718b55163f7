"""The line, plane or space through the point looked at and other points."""

from __future__ import annotations

import torch
from torch import Tensor

from curvwidget.directions.checkpoints import Checkpoint, read_checkpoint
from curvwidget.directions.directions import Directions
from curvwidget.objective import Objective

__all__ = ["directions_between"]

_PARALLEL = 1e-6  # of a direction's length: what is left of it beside the others is then mostly rounding


def directions_between(objective: Objective, *checkpoints: Checkpoint, orthogonalize: bool = False) -> Directions:
    """Span the slice through θ and one, two or three other points.

    The i-th direction is θ_i − θ, lengths and all: coordinate 1 on its axis is the i-th point itself, (1, 0) the first one and
    (0, 1) the second one of a plane, and the origin is θ. Shown with equal units on both axes the plane is sheared unless the
    directions are orthogonal, and lengths differ.

    With ``orthogonalize`` the second and third direction lose what they have along those before (Gram–Schmidt, not normalized):
    then (1, 0) is still the first point, but the second one is at (q, 1) with q = d₂·d₁/d₁·d₁; `place_checkpoints` gives the
    coordinates of any point.

    Args:
        objective: The loss at θ, the origin.
        checkpoints: One to three points, each in a form that `read_checkpoint` takes: a vector, a model, a state dict, a path.
        orthogonalize: Make the directions orthogonal.

    Returns:
        One direction a point.

    Raises:
        ValueError: If there are none or more than three, if one is θ itself, or if they lie in fewer dimensions than there are
            points; also for what is no checkpoint (or a `TypeError`).

    Example:
        >>> import torch, curvwidget as cw
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.tensor([1.0, 0.0, 0.0]))
        >>> way = cw.directions_between(bowl, torch.tensor([1.0, 2.0, 0.0]), torch.tensor([1.0, 1.0, 1.0]))
        >>> way.vectors.tolist()
        [[0.0, 2.0, 0.0], [0.0, 1.0, 1.0]]
    """
    if not 1 <= len(checkpoints) <= 3:
        raise ValueError(f"checkpoints must be one, two or three, got {len(checkpoints)}")
    theta = objective.theta
    ways: list[Tensor] = []
    orthogonal: list[Tensor] = []
    for index, checkpoint in enumerate(checkpoints):
        way = (read_checkpoint(objective, checkpoint) - theta).double()
        length = float(way.norm())
        if length == 0:
            raise ValueError(f"checkpoint {index + 1} must be another point than theta, got theta itself")
        rest = way.clone()
        for _ in range(2):  # what rounding left of the first pass goes in the second
            for earlier in orthogonal:
                rest -= (rest @ earlier) / (earlier @ earlier) * earlier
        if float(rest.norm()) <= _PARALLEL * length:
            others = "that before" if index == 1 else "those before"
            raise ValueError(f"checkpoint {index + 1} must not lie in the slice through theta and {others}, got one that does")
        ways.append(way)
        orthogonal.append(rest)
    return Directions(
        vectors=torch.stack(orthogonal if orthogonalize else ways).to(objective.dtype),
        labels=tuple("to the checkpoint" if len(ways) == 1 else f"to checkpoint {index + 1}" for index in range(len(ways))),
    )
