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
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.still_layers import LINEAR_LAYERS, Forward, StillCall, find_still_calls, patched, plain_leaves

__all__ = ["KnownOutputs", "ReusedLayers", "reuse_layers"]

Stretches = tuple[slice, ...]

_STEP = 0.05  # of ‖θ‖, or of 1 near θ = 0: how far off the centre the two are compared
_SHORTER = 0.125  # where the loss there is not finite
_MOST_STEPS = 3
# Of an output, a sum of as many rounded products as a weight has in a row; and of the loss, from which it has passed all layers.
_OUTPUT_TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-5}
_LOSS_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError, ArithmeticError)


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
    none: list[KnownOutputs | None] = [None] * len(risk.weights)
    if risk.needs_grad:
        return ReusedLayers(tuple(none), declined="the loss differentiates inside")
    if risk.draws_random:
        return ReusedLayers(tuple(none), declined="the loss draws random numbers")
    chunks, declined, left = list(none), None, risk.ways.budget
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


class KnownOutputs:
    """The outputs that are known of one batch.

    Attributes:
        outputs: One a module.
        read: The parameters that are read elsewhere than in these modules, by identity.
        bytes: What the outputs hold.
    """

    def __init__(self, outputs: dict[nn.Module, _Constant | _Affine], read: frozenset[int]) -> None:
        """Hold the outputs.

        Args:
            outputs: One a module.
            read: The parameters that are read elsewhere.
        """
        self.outputs = outputs
        self.read = read
        self.bytes = sum(output.bytes for output in outputs.values())

    @contextmanager
    def standing_in(self, coefficients: Sequence[float]) -> Iterator[None]:
        """Let the modules give what is known instead of computing it.

        Args:
            coefficients: a_i.

        Yields:
            Nothing.
        """
        for output in self.outputs.values():
            output.begin(coefficients)
        with patched({module: output.give for module, output in self.outputs.items()}):
            yield

    @property
    def spared(self) -> set[int]:
        """The parameters, by identity, that an evaluation with these outputs does not read."""
        layers = [module for module, output in self.outputs.items() if isinstance(output, _Affine)]
        return {id(tensor) for layer in layers for tensor in layer._parameters.values()} - self.read

    @property
    def spoiled(self) -> bool:
        """Whether, in the last evaluation, a module was called otherwise than where its output was kept."""
        return any(output.spoiled for output in self.outputs.values())


class _Output:
    # The known output of one module.

    def __init__(self, module: nn.Module, plain: Forward, args: tuple[Any, ...]) -> None:
        self.module = module
        self.plain = plain
        self.shape = _shape(args)
        self.bytes = 0
        self.coefficients: Sequence[float] = ()
        self.asked = self.spoiled = False

    def begin(self, coefficients: Sequence[float]) -> None:
        self.coefficients = coefficients
        self.asked = self.spoiled = False

    def give(self, *args: Any, **kwargs: Any) -> Any:
        if self.asked or _shape(args) != self.shape:
            self.spoiled = True
            return self.plain(*args, **kwargs)
        self.asked = True
        return self.value()

    def value(self) -> Any:
        raise NotImplementedError


class _Constant(_Output):
    # An output that does not depend on the coordinates.

    def __init__(self, call: StillCall, plain: Forward, args: tuple[Any, ...], output: Any) -> None:
        super().__init__(call.module, plain, args)
        self._needed, self._overwritten = call.needed, call.overwritten
        # Where none but modules that stand in themselves take it, nobody reads it.
        keep = (torch.clone if call.overwritten else Tensor.detach) if call.needed else _hollow
        self._kept = _mapped(output, keep)
        self.bytes = call.bytes if call.needed else 0

    def value(self) -> Any:
        return _mapped(self._kept, torch.clone if self._overwritten else _same)

    def agrees(self, output: Any) -> bool:
        kept, given = plain_leaves(self._kept), plain_leaves(output)
        if kept is None or given is None or len(kept) != len(given):
            return False
        return not self._needed or all(_close(ours, theirs) for ours, theirs in zip(kept, given, strict=True))


class _Affine(_Output):
    # F(x; W) + Σ a_i·F(x; V_i).

    def __init__(
        self,
        module: nn.Module,
        plain: Forward,
        args: tuple[Any, ...],
        output: Tensor,
        slopes: list[Tensor],
        buffers: dict[Any, Tensor],
    ) -> None:
        super().__init__(module, plain, args)
        self._origin = output.clone()  # whoever comes next may change it in place
        self._slopes = slopes
        self.bytes = (1 + len(slopes)) * output.numel() * output.element_size()
        place = (module, output.shape)
        if place not in buffers:
            buffers[place] = torch.empty_like(output)
            self.bytes += output.numel() * output.element_size()
        self._buffer = buffers[place]

    def value(self) -> Tensor:
        first, *others = zip(self._slopes, self.coefficients, strict=True)
        total = torch.add(self._origin, first[0], alpha=first[1], out=self._buffer)
        for slope, coefficient in others:
            total.add_(slope, alpha=coefficient)
        return total

    def agrees(self, output: Any) -> bool:
        return isinstance(output, Tensor) and _close(self.value(), output)


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
    except _FAILURES as error:
        return None, f"an evaluation that looks at the layers failed: {error}"
    return KnownOutputs(keeper.outputs, found.read), None


class _Keeper:
    # Keeps outputs in an evaluation at the origin.

    def __init__(self, risk: ModelRisk, calls: Sequence[StillCall], vectors: Tensor, buffers: dict[Any, Tensor]) -> None:
        self.outputs: dict[nn.Module, _Constant | _Affine] = {}
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
                self.outputs[call.module] = _Affine(call.module, plain, args, output, slopes, self._buffers)
            else:
                self.outputs[call.module] = _Constant(call, plain, args, output)

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
    length = _STEP * max(float(theta.norm(dtype=torch.float64)), 1.0)
    norms = [float(vector.norm(dtype=torch.float64)) for vector in vectors]
    for attempt in range(_MOST_STEPS):
        steps = [length * _SHORTER**attempt * (-0.7) ** row / norm for row, norm in enumerate(norms)]
        try:
            expected, agree = _plain_loss(risk, index, known, theta, vectors, steps)
            if not math.isfinite(expected):
                continue
            risk.place(theta)  # so that nothing of the point is left where the fast way does not write
            risk.place_along(theta, vectors, steps, _stretches(risk, [known]))
            with known.standing_in(steps):
                value = float(risk.term(index, risk.parameters.tensors))
        except _FAILURES:
            return False
        close = abs(value - expected) <= _LOSS_TOLERANCE[theta.dtype] * max(abs(value), abs(expected))
        return agree and close and not known.spoiled
    return False


def _plain_loss(
    risk: ModelRisk, index: int, known: KnownOutputs, theta: Tensor, vectors: Tensor, steps: list[float]
) -> tuple[float, bool]:
    # The loss as it is, and whether each output in it is the one that is known.
    outermost = _Outermost()
    differing: list[nn.Module] = []

    def compare(known_output: _Constant | _Affine) -> Callable[[Any, tuple[Any, ...]], None]:
        def look(output: Any, args: tuple[Any, ...]) -> None:
            known_output.begin(steps)
            if _shape(args) != known_output.shape or not known_output.agrees(output):
                differing.append(known_output.module)

        return look

    risk.place_along(theta, vectors, steps)
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


def _shape(args: tuple[Any, ...]) -> torch.Size | None:
    return args[0].shape if args and isinstance(args[0], Tensor) else None


def _close(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    if not theirs.is_floating_point():
        return bool(torch.equal(ours, theirs))
    if not theirs.numel():
        return True
    tolerance = _OUTPUT_TOLERANCE.get(theirs.dtype, 0.0)
    return float((ours - theirs).abs().max()) <= tolerance * float(theirs.abs().max())


def _mapped(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    # For what `plain_leaves` can read.
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: _mapped(part, function) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(part, function) for part in value)
    return value


def _hollow(tensor: Tensor) -> Tensor:
    return tensor.new_empty(()).expand(tensor.shape)


def _same(tensor: Tensor) -> Tensor:
    return tensor
