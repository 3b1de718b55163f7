"""Curvature from loss values alone: second differences, with a step chosen from ‖Δθ‖ and checked by halving."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget.directions import Directions
from curvwidget.objective import Objective

__all__ = ["DifferenceStep", "choose_step", "difference_matrix", "second_differences"]

Array = np.ndarray[Any, Any]

_FIRST_STEP = 1e-2  # of ‖θ‖, or of 1 where θ is shorter
_MOST_DOUBLINGS = 4
_MOST_HALVINGS = 16
_ENOUGH = 1e-3  # relative disagreement of a step and half of it: the half's error is then about a third of it
_KINK_REMARK = 2e-2
_SMOOTH_GAIN = 64  # of a halving: the error of a smooth loss falls by 4, by 16 or 64 where higher orders lead


@dataclass(frozen=True)
class DifferenceStep:
    """A step for second differences.

    Attributes:
        length: ‖Δθ‖.
        disagreement: Relative root-mean-square disagreement of the curvatures from the step and from half of it.
        noise: The part of it that rounding of the losses explains.
        evaluations: Loss evaluations spent on the choice.
        kink_disagreement: The largest disagreement of longer steps where these met a kink, else zero: a halving changed the
            curvatures visibly and the next one hardly at all, which no smooth loss does.
        rounding: What rounding adds to a curvature along vectors as long as those it was chosen on, as far as the disagreement
            shows it. The centre's is the same in all curvatures: it does not average out.
    """

    length: float
    disagreement: float
    noise: float
    evaluations: int
    kink_disagreement: float = 0.0
    rounding: float = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, in words."""
        if self.disagreement <= max(_KINK_REMARK, 2 * self.noise):
            if self.kink_disagreement == 0:
                return ()
            return (
                "differences over longer steps meet kinks (of ReLU, say) and disagree by up to "
                f"{self.kink_disagreement:.0%}; over the step taken, ‖Δθ‖ = {self.length:.2g}, they agree with derivatives, but "
                "for directions that meet a kink within it",
            )
        return (
            f"differences over a step and over half of it disagree by {self.disagreement:.0%}: the loss is not smooth at "
            "this scale (kinks of ReLU, say), and differences need not agree with derivatives",
        )


def second_differences(objective: Objective, vectors: Tensor, step: float) -> Array:
    """Estimate vᵀHv by [L(θ + h·v) − 2·L(θ) + L(θ − h·v)]/h² with h·‖v‖ = step.

    Slope and third derivative cancel; the error is (h²/12)·∂⁴L/∂h⁴ plus 4·rounding/h².

    Args:
        objective: The loss at θ.
        vectors: ``(k, N)``.
        step: Length ‖Δθ‖ of the step.

    Returns:
        ``(k,)`` float64; costs two loss evaluations each.
    """
    theta, center = objective.theta, objective.loss()
    curvatures = []
    for vector in vectors:
        h = step / float(vector.double().norm())
        ahead, behind = objective.losses(torch.stack([theta.add(vector, alpha=h), theta.sub(vector, alpha=h)])).tolist()
        curvatures.append((ahead - 2 * center + behind) / h**2)
    return np.array(curvatures)


def choose_step(objective: Objective, vectors: Tensor) -> DifferenceStep:
    """Choose the step of second differences by doubling or halving until two steps agree.

    Begins at 1 % of ‖θ‖, doubles while rounding alone explains how the curvatures along the given directions change, else halves
    while they change for other reasons, and takes the step at which they changed least: farther down rounding takes over.

    Args:
        objective: The loss at θ.
        vectors: A few directions ``(k, N)`` to try on.

    Returns:
        The step, with how well it and its half agree.
    """
    theta_norm = float(objective.theta.double().norm())
    first = length = _FIRST_STEP * max(theta_norm, 1.0)
    rounding = torch.finfo(objective.dtype).eps * max(abs(objective.loss()), torch.finfo(torch.float32).tiny)
    squares = float(np.sqrt(np.mean(vectors.double().norm(dim=1).cpu().numpy() ** 4)))
    seen: dict[float, Array] = {}

    def curvatures(step: float) -> Array:
        if step not in seen:
            seen[step] = second_differences(objective, vectors, step)
        return seen[step]

    def compare(step: float) -> DifferenceStep:
        half = curvatures(step / 2)
        scale = max(float(np.sqrt(np.mean(half**2))), np.finfo(float).tiny)
        disagreement = float(np.sqrt(np.mean((curvatures(step) - half) ** 2))) / scale
        noise = 4 * rounding * squares / (step / 2) ** 2 / scale
        rounding_seen = min(disagreement, 2 * noise) * scale
        return DifferenceStep(step / 2, disagreement, noise, 2 * len(vectors) * len(seen), rounding=rounding_seen)

    found = best = compare(length)
    while best.noise > _ENOUGH and best.disagreement <= 2 * best.noise and length < first * 2**_MOST_DOUBLINGS:
        longer = compare(2 * length)
        if longer.disagreement >= best.disagreement:
            break
        length, found, best = 2 * length, longer, longer
    before = worst = kinked = 0.0
    for _ in range(_MOST_HALVINGS):
        if before > _SMOOTH_GAIN * max(found.disagreement, found.noise) and worst > _KINK_REMARK:
            kinked = worst
        before, worst = found.disagreement, max(worst, found.disagreement)
        if found.disagreement < best.disagreement:
            best = found
        if best.disagreement < _ENOUGH or found.noise > max(best.disagreement, _ENOUGH):
            break
        length /= 2
        found = compare(length)
    return dataclasses.replace(best, evaluations=2 * len(vectors) * len(seen), kink_disagreement=kinked)


def difference_matrix(objective: Objective, directions: Directions, step: DifferenceStep) -> tuple[Array, float, int]:
    """Project the Hessian by differences of losses alone.

    The off-diagonal entries follow by polarization along the unit vectors u: u_iᵀHu_j = ½[(u_i+u_j)ᵀH(u_i+u_j) − u_iᵀHu_i −
    u_jᵀHu_j].

    Args:
        objective: The loss at θ.
        directions: k directions.
        step: From `choose_step`.

    Returns:
        The matrix ``(k, k)``, the bound on the error of its eigenvalues that the disagreement of two steps gives, and the loss
        evaluations spent.
    """
    count = len(directions)
    norms = directions.norms
    units = directions.vectors.double() / torch.from_numpy(norms).to(directions.vectors.device).unsqueeze(1)
    pairs = [(i, j) for i in range(count) for j in range(i)]
    probes = torch.cat([units] + [(units[i] + units[j]).unsqueeze(0) for i, j in pairs]).to(directions.vectors.dtype)
    curvatures = second_differences(objective, probes, step.length)
    # A probe's own length is that of the vector as rounded, u_i + u_j in particular: the difference is vᵀHv of that very vector.
    matrix = np.diag(curvatures[:count])
    for (i, j), both in zip(pairs, curvatures[count:], strict=True):
        matrix[i, j] = matrix[j, i] = (both - curvatures[i] - curvatures[j]) / 2
    matrix *= np.outer(norms, norms)
    error = count * max(step.disagreement, step.noise) * float(np.abs(matrix).max())
    return matrix, error, 2 * len(probes)
