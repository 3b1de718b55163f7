"""Checks of a user's loss when an objective is built: is it one that can be looked at?"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget.objective.batches import Batches
from curvwidget.objective.derivatives import explained, graph_nodes, term_value
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.risk import Risk
from curvwidget.objective.slope import value_beside

__all__ = ["accepts_cuts", "check_sound", "is_mean", "nudged", "refuse_sum", "try_all"]

_PROBE_SAMPLES = 64
_CUT = 4  # samples; not one, which BatchNorm does not take
# Two evaluations on one device may differ by the order of a parallel sum, not by more.
_REPEAT_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
_MEAN_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
_NUDGE = 0.01  # of a block's own size; a block below this share of its usual size (1/√fan-in) counts as zero, and
_NUDGE_OF_ZERO = 0.1  # is moved by this share of it


def nudged(risk: Risk, theta: Tensor) -> Tensor:
    """Move a little way from θ, to where a loss hides nothing that it hides at θ alone.

    A head of zeros makes all samples' losses equal, whatever comes before it; so do ReZero's α = 0, and a perfect fit.

    Args:
        risk: The loss.
        theta: ``(N,)``.

    Returns:
        A point near θ ``(N,)``, always the same one; no block is zero there. The global generators stay as they are. θ itself
        where the loss has no value at that point.
    """
    generator = torch.Generator(device=theta.device).manual_seed(0)
    moved = theta.clone()
    for block in risk.blocks:
        here = moved[block.slice]
        size = float(here.norm()) / math.sqrt(block.size)
        usual = math.sqrt(block.shape[0] / block.size) if block.shape else 1.0
        step = _NUDGE * size if size > _NUDGE * usual else _NUDGE_OF_ZERO * usual
        way = torch.empty_like(here).uniform_(-1, 1, generator=generator)
        here.add_(way + way.sign(), alpha=step)  # 1 to 2 steps either way: a block of a single number moves too
    return moved if math.isfinite(value_beside(risk, moved)) else theta


def check_sound(risk: Risk, theta: Tensor, foreign: Iterable[Tensor] = ()) -> list[str]:
    """Evaluate a loss on a few samples and refuse it where slices and derivatives of it would mean nothing.

    At θ and at a point near it: what is multiplied by zeros at θ (dropout before a head of zeros) is not seen there.

    Sets ``risk.needs_grad``.

    Args:
        risk: The loss.
        theta: ``(N,)``.
        foreign: Tensors that the loss must not depend on: the parameters of the user's own model.

    Returns:
        Names of parameters that the loss does not depend on.

    Raises:
        ValueError: If the loss is no single number, differs from call to call, or does not depend on θ alone.
    """
    first, unused = _differentiate_once(risk, theta, foreign)
    try:
        second = _probe(risk, theta)
    except (RuntimeError, TypeError, AttributeError):
        # It ran with gradients: a loss with derivatives inside (physics-informed) cannot do without.
        risk.needs_grad = True
    else:
        # Where the two modes disagree, either the loss differs from call to call, or it does something else without gradients.
        risk.needs_grad = not _agree(first, second, theta.dtype)
    if risk.needs_grad:
        second = _probe(risk, theta)
    moved = nudged(risk, theta)
    once, again = _probe(risk, moved), _probe(risk, moved)
    for one, other in ((first, second), (once, again)):
        if not _agree(one, other, theta.dtype):
            raise ValueError(
                f"{risk.loss_name} must be deterministic, got {one:.9g} and {other:.9g} from the same θ and data. Usual causes: "
                "functional dropout without training=self.training, noise or sampling in the model, augmentation in the loss, "
                "a state that each call changes"
            )
    if unused:
        _refuse_hidden(risk, theta, unused, first)
        _refuse_hidden(risk, moved, unused, once)
    return [block.name for block in risk.blocks if block.name in unused]


def try_all(risk: Risk, theta: Tensor) -> float:
    """Evaluate the whole loss once, on copies of the data, and learn what it does besides.

    Sets ``risk.draws_random`` and, for a model, ``risk.writes_batches``.

    Args:
        risk: The loss.
        theta: ``(N,)``.

    Returns:
        L(θ).

    Raises:
        ValueError: If it is not finite, or the model changes its own parameters.
    """
    before = _rng_fingerprint(theta.device)
    total, writes = 0.0, False
    for index, weight in enumerate(risk.weights):
        with risk.session(theta, order=0) as leaves:
            if isinstance(risk, ModelRisk):
                value, wrote = risk.evaluate_copy(risk.batches.items[index])
                writes |= wrote
                if not torch.equal(risk.parameters.read(), theta):
                    raise ValueError(
                        "model must leave its parameters as they are in forward, got a model that writes to them: an "
                        "nn.Embedding with max_norm, or weights that are clipped on the way"
                    )
            else:
                value = risk.evaluate(index, leaves)
            total += weight * float(risk.single_number(value).detach())
    risk.draws_random = _rng_fingerprint(theta.device) != before
    if isinstance(risk, ModelRisk):
        risk.writes_batches = writes
    if not math.isfinite(total):
        raise ValueError(f"{risk.loss_name} must be finite at the point to look at, got {total}: look at the data or the point")
    return total


def accepts_cuts(risk: ModelRisk, theta: Tensor) -> bool:
    """Say whether the model takes another number of samples than it was given.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.

    Returns:
        Whether it does. Where its own batch does not run either, the reason is not in the number: True.
    """
    first = risk.batches.items[0]
    few = (risk.batches.head(_CUT) if risk.batches.sizes[0] > _CUT else _twice(risk.batches.head(_CUT))).items[0]
    with risk.session(theta, order=2):
        try:
            risk.evaluate_copy(few)
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
            try:
                risk.evaluate_copy(first)
            except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
                return True
            return False
    return True


def refuse_sum(risk: ModelRisk, theta: Tensor) -> None:
    """Refuse a criterion that sums over samples: it doubles where every sample comes twice, which no mean does.

    It is evaluated near θ: at a perfect fit a sum is zero, as a mean is.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.

    Raises:
        ValueError: If it is a sum.
    """
    head = risk.batches.head(_PROBE_SAMPLES // 2)
    with risk.session(nudged(risk, theta), order=0):
        values = [risk.single_number(risk.evaluate_copy(batch)[0]) for batch in (head.items[0], _twice(head).items[0])]
    once, doubled = (float(value.detach()) for value in values)
    if once and abs(doubled - 2 * once) <= _MEAN_TOLERANCE[theta.dtype] * abs(once):
        raise ValueError(
            f"criterion must return the mean over the samples, got a sum: {head.n_samples} samples give {once:.6g}, each of them "
            f"twice gives {doubled:.6g} (near θ); use reduction='mean'"
        )


def is_mean(pieces: ModelRisk, theta: Tensor, other: float) -> bool:
    """Say whether a loss is a mean over samples, so that batches may be merged and cut: does another cut give the same?

    Where all batches have the same loss (a head of zeros) any cut does, and at a perfect fit rounding is all there is of it: two
    cuts are then compared near θ.

    Args:
        pieces: The loss on other batches of the same samples.
        theta: ``(N,)``.
        other: The loss over the batches in question.

    Returns:
        Whether the two agree.
    """
    tolerance = _MEAN_TOLERANCE[theta.dtype]
    mean, terms = _mean_of_terms(pieces, theta)
    scale = max(abs(other), *map(abs, terms))
    agree = abs(mean - other) <= tolerance * scale
    if agree and max(terms) - min(terms) > tolerance * scale:
        return True
    longest = max(pieces.batches.sizes)
    recut = pieces.rebatched(pieces.batches.rechunk(max(1, 2 * longest // 3) if longest > 1 else 2))
    moved = nudged(pieces, theta)
    (one, terms), (two, others) = (_mean_of_terms(cut, moved) for cut in (pieces, recut))
    if not math.isfinite(one - two):
        return agree
    return abs(one - two) <= tolerance * max(map(abs, (*terms, *others)))


def _mean_of_terms(risk: Risk, theta: Tensor) -> tuple[float, list[float]]:
    terms = [term_value(risk, index, theta) for index in range(len(risk.weights))]
    return sum(weight * term for weight, term in zip(risk.weights, terms, strict=True)), terms


def _twice(batch: Batches) -> Batches:
    return Batches(items=batch.items * 2, sizes=batch.sizes * 2, divisible=True).rechunk(2 * batch.n_samples)


def _differentiate_once(risk: Risk, theta: Tensor, foreign: Iterable[Tensor]) -> tuple[float, set[str]]:
    with risk.session(theta, order=2) as leaves:
        value = risk.single_number(risk.probe(_PROBE_SAMPLES, leaves))
        theirs = {id(tensor) for tensor in foreign}
        if any(id(getattr(node, "variable", None)) in theirs for node in graph_nodes(value)):
            raise ValueError(
                f"{risk.loss_name} must take the parameters from the model that it is given, got one that uses those of your own "
                "model (which this objective never moves); write batch_loss(model, batch) and take them from its model. Or the "
                "model itself holds on to them, in a function kept as an attribute, which its copy shares: make that a method"
            )
        with explained("first"):
            found = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else (None,) * len(leaves)
    unused = {block.name for block, piece in zip(risk.blocks, found, strict=True) if piece is None}
    if len(unused) == len(risk.blocks):
        raise ValueError(
            f"{risk.loss_name} must depend on the parameters differentiably, got a value without a gradient: look for "
            "detach(), item(), no_grad(), checkpoint(use_reentrant=True) or a conversion to NumPy on the way to the loss"
        )
    return float(value.detach()), unused


def _refuse_hidden(risk: Risk, theta: Tensor, unused: set[str], value: float) -> None:
    # Refuse parameters that move the loss while autograd says that they do not.
    moved = theta.clone()
    for block in risk.blocks:
        if block.name in unused:
            steps = torch.arange(block.size, dtype=theta.dtype, device=theta.device)
            moved[block.slice] = 1.01 * moved[block.slice] + _NUDGE_OF_ZERO * torch.cos(steps)
    if not _agree(_probe(risk, moved), value, theta.dtype):
        names = ", ".join(sorted(unused))
        raise ValueError(
            f"{risk.loss_name} must depend on the parameters differentiably, got a value that moves with {names} but has no "
            "gradient for them: use checkpoint(..., use_reentrant=False) for activation checkpointing, look for detach() or "
            "no_grad(), or leave them out with parameters="
        )


def _probe(risk: Risk, theta: Tensor) -> float:
    with risk.session(theta, order=0) as leaves:
        return float(risk.single_number(risk.probe(_PROBE_SAMPLES, leaves)).detach())


def _agree(first: float, second: float, dtype: torch.dtype) -> bool:
    if not math.isfinite(first):
        return not math.isfinite(second)
    return abs(first - second) <= _REPEAT_TOLERANCE[dtype] * max(abs(first), abs(second), 1e-30)


def _rng_fingerprint(device: torch.device) -> tuple[Any, ...]:
    states: list[Any] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    _, words, position, *_ = np.random.get_state()
    states.append((np.asarray(words).tobytes(), position))
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    return tuple(states)
