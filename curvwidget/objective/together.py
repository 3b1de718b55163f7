"""Losses at several points in one batched call.

A small network's evaluation costs mostly the calls of its operations, not their arithmetic: under `torch.func.vmap` one call
serves many points. That is for devices that are slow to be called. On a CPU only networks of some hundred numbers gain, larger
ones lose, and the first batched call takes a second to load what PyTorch needs for it: there, it is done for who asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode

from curvwidget._interrupt import checkpoint
from curvwidget.objective.kernels import batched_kernels
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.risk import Risk
from curvwidget.objective.trial import FAILURES, LOSS_TOLERANCE, trial_steps

__all__ = ["AT_ONCE", "FEWEST_TOGETHER", "PointsTogether", "put_together"]

Array = np.ndarray[Any, Any]
Evaluate = Callable[[Array, Array], object]

AT_ONCE, FEWEST_TOGETHER = 64, 8
_PART = 8  # one of so many of them is compared with the loss that it has alone
# On a CPU sizes alone decide, so that a run can be repeated to the last bit: bytes of θ and of all results of an evaluation.
_SMALL = 48 * 2**10
_GAIN = 0.8  # elsewhere by the time: the part of it that points together may take at most


class PointsTogether:
    """Evaluates a loss at as many points as fit one call."""

    def __init__(self, risk: ModelRisk, theta: Tensor, vectors: Tensor) -> None:
        """Hold the loss and the directions.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions ``(k, N)``.
        """
        self._risk = risk
        self._theta = theta
        self._vectors = vectors
        self._loss = _LossOfBatch(risk)

    def losses(self, coordinates: Array) -> Array:
        """Evaluate, while the model is held.

        Args:
            coordinates: ``(B, k)``.

        Returns:
            The losses ``(B,)`` float64.
        """
        amounts = torch.as_tensor(coordinates).to(self._theta)
        points = self._theta.repeat(len(amounts), 1)
        for amount, vector in zip(amounts.T, self._vectors, strict=True):
            points.addcmul_(amount.unsqueeze(1), vector)
        count = len(amounts)
        named = {f"model.{block.name}": points[:, block.slice].reshape(count, *block.shape) for block in self._risk.blocks}
        total = np.zeros(count)
        for index, weight in enumerate(self._risk.weights):
            checkpoint()
            terms = vmap(lambda tensors, index=index: functional_call(self._loss, tensors, (index,)))(named)
            total += weight * terms.double().cpu().numpy()
        return total


def put_together(
    risk: Risk, theta: Tensor, vectors: Tensor, alone: Evaluate | None = None
) -> tuple[PointsTogether | None, str | None]:
    """Choose whether points are evaluated together, and see that their losses are those that they have one by one.

    Args:
        risk: The loss.
        theta: The origin ``(N,)``.
        vectors: The directions ``(k, N)``.
        alone: What evaluates them otherwise, given coordinates ``(B, k)`` and where the losses are written; None for the model.

    Returns:
        What evaluates them, or why it does not.
    """
    if not isinstance(risk, ModelRisk):
        return None, "an analytic loss is called at each point"
    if risk.needs_grad or risk.draws_random or risk.writes_batches:
        return None, "the loss differentiates inside, draws random numbers or changes its batches"
    if any(tensor.dtype != theta.dtype for tensor in risk.parameters.tensors):
        return None, "parameters of several dtypes"
    on_cpu = theta.device.type == "cpu"
    measured, kind = risk.ways.points_alone, (len(vectors), alone is not None)
    if measured.get(kind):
        return None, measured[kind]
    held = theta.numel() * theta.element_size()
    with risk.held(theta.device, order=0):
        leaves = risk.place(theta)
        if held <= _SMALL or not on_cpu:
            with _Sizes() as sizes:
                risk.term(0, leaves)
            held += sizes.bytes
        if on_cpu and held > _SMALL:
            return None, "an evaluation is large enough by itself"
        if AT_ONCE * held > risk.ways.budget:
            return None, "points together take more memory than the budget"
        found = _compared(PointsTogether(risk, theta, vectors), risk, theta, vectors)
        if isinstance(found, str):
            return None, found
        together, rows = found
        if not on_cpu and kind not in measured:
            few, evaluate = rows[::_PART], alone or _by_model(risk, theta, vectors)
            losses = np.empty(len(few))
            evaluate(few, losses)  # or what is prepared for many would be measured
            at_once = _seconds(lambda: together.losses(rows)) / len(rows)
            one = _seconds(lambda: evaluate(few, losses)) / len(few)
            reason = f"a point takes {1e3 * at_once:.2f} ms in a batched call and {1e3 * one:.2f} ms alone"
            measured[kind] = reason if at_once > _GAIN * one else ""
            if measured[kind]:
                return None, measured[kind]
        return together, None


# See that the losses are the same, and return where that was seen; or say why not.
def _compared(together: PointsTogether, risk: ModelRisk, theta: Tensor, vectors: Tensor) -> tuple[PointsTogether, Array] | str:
    turns = np.cos(np.arange(AT_ONCE)[:, None] * np.arange(1, len(vectors) + 1))
    alone, evaluate = np.empty(AT_ONCE // _PART), _by_model(risk, theta, vectors)
    for steps in trial_steps(theta, vectors):
        rows = turns * steps
        try:
            with batched_kernels():
                found = together.losses(rows)[::_PART]
            evaluate(rows[::_PART], alone)
        except FAILURES as error:
            return f"a batched call fails: {str(error).partition(chr(10))[0]}"
        if np.isfinite(alone).all():
            same = np.abs(found - alone) <= LOSS_TOLERANCE[theta.dtype] * np.abs(alone)  # NaN is not the same
            return (together, rows) if same.all() else "a batched call gives other losses"
    return "no finite loss to compare at"


def _by_model(risk: ModelRisk, theta: Tensor, vectors: Tensor) -> Evaluate:
    place = risk.placer(theta, vectors)

    def evaluate(rows: Array, losses: Array) -> None:
        for index, row in enumerate(rows.tolist()):
            leaves = place(row)
            losses[index] = sum(weight * float(risk.term(number, leaves)) for number, weight in enumerate(risk.weights))

    return evaluate


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()  # which waits for the device, to return numbers
    return time.perf_counter() - began


class _LossOfBatch(nn.Module):
    # A loss as a module, so that its model can be called with other parameters.

    def __init__(self, risk: ModelRisk) -> None:
        super().__init__()
        self.model = risk.model
        self._risk = risk

    def forward(self, index: int) -> Tensor:
        return self._risk.term(index, ())


class _Sizes(TorchFunctionMode):
    # Adds up the bytes of what operations give.

    bytes = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.bytes += result.numel() * result.element_size()
        return result
