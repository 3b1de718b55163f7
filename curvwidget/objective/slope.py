"""Is the gradient that autograd gives the slope of the loss?"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from curvwidget.objective.derivatives import explained
from curvwidget.objective.risk import Risk

__all__ = ["doubt_slope", "value_beside"]

_PROBE_SAMPLES = 64
_STEP = 1e-2  # of max(‖θ‖, 1), the longest
_SHORTER = 5.0
_STEPS = 5
_AGREE = 0.02  # relative, of two slopes; a convergent difference gets there within the steps
_SETTLED = 0.1  # of what it is off the slope: a difference that changes less with the step is settled
_ROUNDINGS = 4  # of a loss, in units of its spacing


def doubt_slope(risk: Risk, theta: Tensor) -> str | None:
    """Compare the gradient with differences of the loss along one random direction, on a few samples.

    They part where a gradient is stopped or made up on the way (``detach()``, straight-through estimators, hooks): the loss is
    then not the function whose Hessian autograd gives. Steps get shorter until both agree, so that neither bends nor kinks of a
    loss raise a doubt: only differences that settle elsewhere do, or that grow as they do where a loss jumps. A gradient that is
    not finite is one at once.

    Args:
        risk: The loss.
        theta: ``(N,)``.

    Returns:
        A doubt in words, or None.
    """
    with risk.session(theta, order=1) as leaves:
        value = risk.single_number(risk.probe(_PROBE_SAMPLES, leaves))
        if min(leaf.dtype.itemsize for leaf in leaves) < 4:  # differences of such a loss say nothing
            return None
        with explained("first"):
            gradient = risk.flatten(torch.autograd.grad(value, leaves, allow_unused=True))
    if math.isfinite(float(value.detach())) and not bool(gradient.isfinite().all()):
        block = next(block.name for block in risk.blocks if not bool(gradient[block.slice].isfinite().all()))
        return (
            f"the gradient holds NaN or inf (in {block}, say) where the loss is finite: so do all products with the Hessian, and "
            "only what needs losses alone can be computed. Look for torch.where() around what is NaN or inf (leave such samples "
            "out by an index instead), and for sqrt() or norm() of 0"
        )
    direction = torch.randn(len(theta), generator=torch.Generator().manual_seed(0)).to(theta)
    direction /= direction.norm()
    slope = float(direction.double() @ gradient.double())
    longest = _STEP * max(float(theta.norm()), 1.0)
    rounding = _ROUNDINGS * torch.finfo(theta.dtype).eps * abs(float(value.detach()))
    found: list[float] = []
    for index in range(_STEPS):
        step = longest / _SHORTER**index
        if found and rounding / step > _SETTLED * abs(found[-1] - slope):
            break  # from here on rounding would be all that is seen
        ahead, behind = (value_beside(risk, theta + way * step * direction) for way in (1, -1))
        found.append((ahead - behind) / (2 * step))
        if not abs(found[-1] - slope) > _AGREE * max(abs(slope), abs(found[-1])) + rounding / step:  # NaN raises no doubt
            return None
    settled = len(found) > 1 and abs(found[-1] - found[-2]) <= _SETTLED * abs(found[-1] - slope)
    jumps = len(found) > 2 and all(abs(b) > 0.5 * _SHORTER * abs(a) for a, b in pairwise(found[-3:]))
    if not settled and not jumps:
        return None
    return (
        f"the gradient that autograd gives is not the slope of the loss: {slope:.4g} against {found[-1]:.4g} along a random "
        "direction. Look for detach(), straight-through estimators, hooks that change gradients, jumps (rounding, argmax), or "
        "a θ on a kink. Slices show the loss; gradient and Hessian belong to another function"
    )


def value_beside(risk: Risk, theta: Tensor) -> float:
    """Evaluate a loss on a few samples at a point that nobody asked for.

    Args:
        risk: The loss.
        theta: The point ``(N,)``.

    Returns:
        Its value; NaN where it raises an error there: a matrix that has no factors, say.
    """
    try:
        with risk.session(theta, order=0) as leaves:
            return float(risk.single_number(risk.probe(_PROBE_SAMPLES, leaves)).detach())
    except (RuntimeError, ValueError, ArithmeticError):
        return math.nan
