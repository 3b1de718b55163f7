"""Outputs of layers that are computed once for all points along directions.

A batch costs an evaluation to find out which outputs are known, one to keep them, and two to see that the loss with them is the
loss without them, at a point off the centre.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from curvwidget._interrupt import checkpoint
from curvwidget.objective.known_outputs import AffineOutput, ConstantOutput, KnownOutputs, shape_of
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.still_layers import LINEAR_LAYERS, Forward, StillCall, find_still_calls, patched
from curvwidget.objective.trial import FAILURES, LOSS_TOLERANCE, trial_steps

__all__ = ["ReusedLayers", "reuse_layers"]

Stretches = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class ReusedLayers:
    """What is known beforehand of a loss along directions.

    Attributes:
        chunks: The known outputs of each batch; None where it is evaluated as it is.
        names: The layers whose output is affine in the coordinates or constant, as the model names them.
        stretches: The stretches of θ that have to be written at each point; None for all of it.
        declined: Why nothing is reused, or not for all batches; None if it is.
    """

    chunks: tuple[KnownOutputs | None, ...]
    names: tuple[str, ...] = ()
    stretches: Stretches | None = None
    declined: str | None = None


def reuse_layers(risk: ModelRisk, theta: Tensor, vectors: Tensor) -> ReusedLayers:
    """Find, keep and verify what is known beforehand, within the budget of memory.

    Args:
        risk: The loss.
        theta: The origin ``(N,)``.
        vectors: The directions ``(k, N)``.

    Returns:
        What is known; nothing of a batch on which the two losses differ.
    """
    chunks: list[KnownOutputs | None] = [None] * len(risk.weights)
    if risk.needs_grad:
        return ReusedLayers(tuple(chunks), declined="the loss differentiates inside")
    if risk.draws_random:
        return ReusedLayers(tuple(chunks), declined="the loss draws random numbers")
    declined, left = None, risk.ways.budget
    buffers: dict[tuple[nn.Module, torch.Size], Tensor] = {}
    for index in range(len(chunks)):
        checkpoint()
        with risk.held(theta.device, order=0):
            chunks[index], declined = _know(risk, index, theta, vectors, left, buffers)
        known = chunks[index]
        if known is None:
            break  # the batches are alike
        left -= known.bytes
    for index, known in enumerate(chunks):
        if known is not None:
            checkpoint()
            with risk.held(theta.device, order=0):
                if not _verified(risk, index, known, theta, vectors):
                    chunks[index], declined = None, "the loss with known outputs is not the loss without them"
    names = {module: name for name, module in risk.model.named_modules()}
    found = {names[module]: None for known in chunks if known is not None for module in known.outputs}
    return ReusedLayers(tuple(chunks), tuple(found), _stretches(risk, chunks), declined)


def _know(
    risk: ModelRisk, index: int, theta: Tensor, vectors: Tensor, budget: int, buffers: dict[Any, Tensor]
) -> tuple[KnownOutputs | None, str | None]:
    moves = torch.stack([(vectors[:, block.slice] != 0).any() for block in risk.blocks]).tolist()
    moved = [tensor for tensor, moves_it in zip(risk.parameters.tensors, moves, strict=True) if moves_it]
    leaves = risk.place(theta)

    def evaluate() -> Tensor:
        return risk.single_number(risk.evaluate(index, leaves))

    try:
        with torch.enable_grad(), _no_grad_for(set(leaves) - set(moved)):
            found = find_still_calls(risk.model, evaluate, moved, len(vectors), theta.dtype)
        calls = found.calls
        if not calls:
            return None, "no layer's output is known beforehand"
        if sum(call.bytes * (len(vectors) + 2 if call.affine else call.needed) for call in calls) > budget:
            return None, "what is known beforehand takes more memory than the budget"
        keeper = _Keeper(risk, calls, vectors, buffers)
        with patched({call.module: keeper.around(call) for call in calls}):
            evaluate()
    except FAILURES as error:
        return None, f"an evaluation that looks at the layers failed: {error}"
    return KnownOutputs(keeper.outputs, found.read), None


class _Keeper:
    # Keeps outputs in an evaluation at the origin.

    def __init__(self, risk: ModelRisk, calls: Sequence[StillCall], vectors: Tensor, buffers: dict[Any, Tensor]) -> None:
        self.outputs: dict[nn.Module, ConstantOutput | AffineOutput] = {}
        self._vectors = vectors
        self._places: dict[Tensor, slice] = {
            tensor: block.slice for tensor, block in zip(risk.parameters.tensors, risk.blocks, strict=True)
        }
        self._buffers = buffers
        self._outermost = _Outermost()

    def around(self, call: StillCall) -> Forward:
        plain = call.module.forward

        def keep(output: Any, args: tuple[Any, ...]) -> None:
            if call.affine:
                slopes = self._slopes(call.module, args[0])
                self.outputs[call.module] = AffineOutput(call.module, plain, args, output, slopes, self._buffers)
            else:
                self.outputs[call.module] = ConstantOutput(call, plain, args, output)

        return self._outermost.around(call.module, keep)

    def _slopes(self, module: nn.Module, x: Tensor) -> list[Tensor]:
        linear = LINEAR_LAYERS[type(module)]
        weight, bias = module._parameters["weight"], module._parameters["bias"]
        assert weight is not None
        return [
            linear(module, x, self._stretch(weight, row), None if bias is None else self._stretch(bias, row))
            for row in range(len(self._vectors))
        ]

    def _stretch(self, parameter: Tensor, row: int) -> Tensor:
        place = self._places.get(parameter)
        return torch.zeros_like(parameter) if place is None else self._vectors[row, place].view(parameter.shape)


class _Outermost:
    # Looks at the outputs of modules, but not of those that run within one of them.

    def __init__(self) -> None:
        self._inside = False

    def around(self, module: nn.Module, look: Callable[[Any, tuple[Any, ...]], None]) -> Forward:
        plain = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return plain(*args, **kwargs)
            self._inside = True
            try:
                output = plain(*args, **kwargs)
                look(output, args)
            finally:
                self._inside = False
            return output

        return forward


def _verified(risk: ModelRisk, index: int, known: KnownOutputs, theta: Tensor, vectors: Tensor) -> bool:
    for steps in trial_steps(theta, vectors):
        try:
            expected, agree = _plain_loss(risk, index, known, theta, vectors, steps)
            if not math.isfinite(expected):
                continue
            risk.place(theta)  # so that nothing of the point is left where the fast way does not write
            risk.placer(theta, vectors, _stretches(risk, [known]))(steps)
            with known.standing_in(steps):
                value = float(risk.term(index, risk.parameters.tensors))
        except FAILURES:
            return False
        close = abs(value - expected) <= LOSS_TOLERANCE[theta.dtype] * max(abs(value), abs(expected))
        return agree and close and not known.spoiled
    return False


def _plain_loss(
    risk: ModelRisk, index: int, known: KnownOutputs, theta: Tensor, vectors: Tensor, steps: list[float]
) -> tuple[float, bool]:
    # The loss as it is, and whether each output in it is the one that is known.
    outermost = _Outermost()
    differing: list[nn.Module] = []

    def compare(known_output: ConstantOutput | AffineOutput) -> Callable[[Any, tuple[Any, ...]], None]:
        def look(output: Any, args: tuple[Any, ...]) -> None:
            known_output.begin(steps)
            if shape_of(args) != known_output.shape or not known_output.agrees(output):
                differing.append(known_output.module)

        return look

    risk.placer(theta, vectors)(steps)
    with patched({module: outermost.around(module, compare(output)) for module, output in known.outputs.items()}):
        return float(risk.term(index, risk.parameters.tensors)), not differing


def _stretches(risk: ModelRisk, chunks: Sequence[KnownOutputs | None]) -> Stretches | None:
    # Where the parameters of a layer whose output is known are read nowhere else, they need not be written.
    served = [known for known in chunks if known is not None]
    if not served or len(served) < len(chunks):
        return None
    owners = Counter(
        id(tensor) for module in risk.model.modules() for tensor in module._parameters.values() if tensor is not None
    )
    spared = set.intersection(*(known.spared for known in served)) & {tensor for tensor, count in owners.items() if count == 1}
    needed: list[slice] = []
    for tensor, block in zip(risk.parameters.tensors, risk.blocks, strict=True):
        if id(tensor) in spared:
            continue
        if needed and needed[-1].stop == block.slice.start:
            needed[-1] = slice(needed[-1].start, block.slice.stop)
        else:
            needed.append(block.slice)
    return tuple(needed)


@contextmanager
def _no_grad_for(parameters: set[Tensor]) -> Iterator[None]:
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
