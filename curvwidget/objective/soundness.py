"""Checks of a user's loss when an objective is built: is it one that can be looked at?"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget.objective.risk import ModelRisk, Risk

__all__ = ["check_mean", "check_sound"]

_PROBE_SAMPLES = 64
# Two evaluations on one device may differ by the order of a parallel sum, not by more.
_REPEAT_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
_MEAN_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def check_sound(risk: Risk, theta: Tensor) -> None:
    """Evaluate a loss on a few samples and refuse it where slices and derivatives of it would mean nothing.

    Sets ``risk.needs_grad`` and ``risk.draws_random``.

    Args:
        risk: The loss.
        theta: ``(N,)``.

    Raises:
        TypeError: If the loss is no tensor.
        ValueError: If it is no single number, differs from call to call, or does not depend on θ.
    """
    before = _rng_fingerprint(theta.device)
    first, risk.needs_grad = _first_value(risk, theta)
    risk.draws_random = _rng_fingerprint(theta.device) != before
    with torch.set_grad_enabled(risk.needs_grad):
        # Not guarded: a loss that draws random numbers must get new ones here, to be found out.
        second = float(risk.single_number(risk.probe(theta, _PROBE_SAMPLES)))
    allowed = _REPEAT_TOLERANCE[theta.dtype] * max(abs(first), abs(second), 1e-30)
    if math.isfinite(first) and not abs(first - second) <= allowed:
        raise ValueError(
            f"{risk.loss_name} must be deterministic, got {first:.9g} and {second:.9g} from the same θ and data. Usual causes: "
            "functional dropout without training=self.training, noise or sampling in the model, augmentation in the loss, "
            "a state that each call changes"
        )
    with torch.enable_grad():
        leaf = theta.detach().clone().requires_grad_()
        value = risk.single_number(risk.probe(leaf, _PROBE_SAMPLES))
    if not value.requires_grad:
        raise ValueError(
            f"{risk.loss_name} must depend on the parameters differentiably, got a value without a gradient: look for detach(), "
            "item(), no_grad() or a conversion to NumPy on the way from the parameters to the loss"
        )


def check_mean(risk: ModelRisk, theta: Tensor) -> str | None:
    """See whether a criterion is a mean over samples, so that batches may be cut and merged.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.

    Returns:
        None where it is; else a remark in words.
    """
    head = risk.batches.head(_PROBE_SAMPLES)
    if head.n_samples < 2:
        return None
    pieces = head.rechunk(max(1, (2 * head.n_samples) // 3))
    with torch.set_grad_enabled(risk.needs_grad):
        whole = float(risk.single_number(risk.evaluate_batch(head.items[0], theta)))
        parts = [float(risk.single_number(risk.evaluate_batch(item, theta))) for item in pieces.items]
    mean = sum(weight * part for weight, part in zip(pieces.weights, parts, strict=True))
    if not math.isfinite(whole) or abs(mean - whole) <= _MEAN_TOLERANCE[theta.dtype] * max(abs(whole), 1e-12):
        return None
    return (
        f"criterion is not a mean over samples: {head.n_samples} samples give {whole:.6g} at once and {mean:.6g} in two parts "
        "(class weights, ignored targets, reduction='sum', or samples that see each other). The loss looked at is the "
        "sample-weighted mean over the batches as they were given"
    )


def _first_value(risk: Risk, theta: Tensor) -> tuple[float, bool]:
    try:
        with torch.no_grad():
            return float(risk.single_number(risk.probe(theta, _PROBE_SAMPLES))), False
    except RuntimeError as error:
        # A loss with derivatives inside (physics-informed) cannot run without gradients; anything else must fail alike with them.
        if "grad" not in str(error):
            raise
    with torch.enable_grad():
        return float(risk.single_number(risk.probe(theta, _PROBE_SAMPLES))), True


def _rng_fingerprint(device: torch.device) -> tuple[Any, ...]:
    states: list[Any] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    state = np.random.get_state()
    states.append((np.asarray(state[1]).tobytes(), state[2]))
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    return tuple(states)
