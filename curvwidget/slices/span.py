"""How far a slice reaches so that its picture shows something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from curvwidget._checks import check_positive
from curvwidget.directions import Directions
from curvwidget.objective import Objective

__all__ = ["auto_span", "check_span", "settle_span", "span_from_curvature"]

Array = np.ndarray[Any, Any]

_CHANGE = 0.1  # of the loss: enough to be seen, little enough for the curvature at θ to be what is seen
_LEAST_CHANGE = 1e-3  # of a loss near zero, where a tenth of it would be rounding
_ROUGH_STEP = 1e-2  # of ‖θ‖ (or of 1): a difference that is meant to choose a span, not to be shown
_WALL = 10.0  # times that change: beyond it the picture would show a wall and nothing of what stands before it
_HALVINGS = 20
_REACH = 0.5  # a step is at most this share of ‖θ‖ (or of 1 near θ = 0): farther out a local picture says nothing


def check_span(span: object, count: int) -> tuple[float, ...]:
    """Return the half-width of each axis.

    Args:
        span: One number, or one an axis.
        count: Number of axes.

    Returns:
        One positive number an axis.

    Raises:
        ValueError: If one is not positive and finite, or there are not as many as axes; a `TypeError` if one is no number.
    """
    if isinstance(span, str):
        raise ValueError(f"span must be 'auto', a number or one number an axis, got {span!r}")
    given = list(span) if isinstance(span, (Sequence, np.ndarray)) else [span] * count
    if len(given) != count:
        raise ValueError(f"span must be one number or {count}, one an axis, got {len(given)}")
    return tuple(check_positive("span", number) for number in given)


def auto_span(objective: Objective, directions: Directions) -> tuple[float, ...]:
    """Choose the half-width of each axis from the projected curvature at θ, and shorten it where a wall stands in between.

    Args:
        objective: The loss at θ.
        directions: k directions; costs one HVP each, or two losses where the loss has no second derivative in PyTorch, and the
            two losses at the ends of each axis.

    Returns:
        k half-widths, in units of the directions.
    """
    directions = directions.beside(objective.theta)
    vectors = directions.vectors.double()
    reach = span_from_curvature(
        loss=objective.loss(),
        gradient=(vectors @ objective.gradient().double()).cpu().numpy(),
        curvature=_curvature_along(objective, directions),
        norms=directions.norms,
        theta_norm=float(objective.theta.double().norm()),
    )
    return settle_span(objective, directions, reach)


def settle_span(objective: Objective, directions: Directions, span: Sequence[float]) -> tuple[float, ...]:
    """Halve the half-widths at whose ends the loss is far from what the quadratic model says: beyond a wall, NaN or inf.

    Deep networks have them: filter-normalized, half of ‖θ‖ away, a loss of 2 may be one of 100,000, and a picture that reaches
    so far shows nothing else.

    Args:
        objective: The loss at θ.
        directions: k directions.
        span: k half-widths, as `span_from_curvature` gives them.

    Returns:
        k half-widths at whose ends the loss changes by at most ten times what was meant: by at most |L|, that is, or 0.01.
        Costs two losses an axis, and two more for each halving.
    """
    change = max(_CHANGE * abs(objective.loss()), _LEAST_CHANGE)
    settled = []
    for row, half in enumerate(span):
        line = objective.along(directions.vectors[row : row + 1])
        for _ in range(_HALVINGS):
            if np.all(np.abs(line.at([[-half], [half]]) - objective.loss()) <= _WALL * change):  # false of NaN
                break
            half = half / 2
        settled.append(float(f"{half:.1e}"))
    return tuple(settled)


def _curvature_along(objective: Objective, directions: Directions) -> Array:
    # vᵀHv of each direction; roughly, where only differences of the loss are to be had.
    vectors = directions.vectors
    try:
        return np.asarray((vectors.double() * objective.hvp(vectors).double()).sum(dim=1).cpu().numpy())
    except NotImplementedError:
        theta = objective.theta
        lengths = _ROUGH_STEP * max(float(theta.double().norm()), 1.0) / directions.norms
        steps = vectors * torch.from_numpy(lengths).to(vectors).unsqueeze(1)
        around = (objective.losses(theta + steps) + objective.losses(theta - steps)).numpy()
        return np.asarray((around - 2 * objective.loss()) / lengths**2)


def span_from_curvature(*, loss: float, gradient: Array, curvature: Array, norms: Array, theta_norm: float) -> tuple[float, ...]:
    """Choose half-widths at which the quadratic model changes the loss by about a tenth.

    Each axis reaches to the s with |g|·s + ½·|κ|·s² = max(|L|/10, 0.001), so that a steep and a flat axis show the same change
    of the loss side by side; but no farther than half of ‖θ‖ (or ½ where ‖θ‖ < 1).

    Args:
        loss: L(θ).
        gradient: Slope along each direction ``(k,)``.
        curvature: Curvature along each direction ``(k,)``.
        norms: Length of each direction ``(k,)``.
        theta_norm: ‖θ‖.

    Returns:
        k half-widths, in units of the directions, rounded to two digits.
    """
    change = max(_CHANGE * abs(loss), _LEAST_CHANGE)
    slope, bend = np.abs(gradient), np.abs(curvature)
    # The stable form of the positive root; it holds for no bend (change / slope) and for no slope (√(2·change / bend)).
    with np.errstate(divide="ignore"):
        reach = 2 * change / (slope + np.sqrt(slope**2 + 2 * bend * change))
    reach = np.minimum(reach, _REACH * max(theta_norm, 1.0) / norms)
    return tuple(float(f"{value:.1e}") for value in reach)
