"""Which layers of a model give what is known beforehand at each point θ + Σ a_i·v_i.

A layer's input stays still if no parameter that the directions move comes before it. Then a layer without such parameters gives
the same output everywhere; and a linear or convolutional layer F(x; W), which is linear in its weight and bias together, gives
F(x; W) + Σ a_i·F(x; V_i), with V_i the stretch of v_i that belongs to it.

Which inputs stay still is found in one evaluation, by following what is computed from moved parameters: by autograd, for which
nothing but these require grad, and by name where autograd is cut off.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["LINEAR_LAYERS", "StillCall", "StillCalls", "find_still_calls", "patched", "plain_leaves"]

LinearLayer = Callable[[Any, Tensor, Tensor, Tensor | None], Tensor]
Forward = Callable[..., Any]

LINEAR_LAYERS: dict[type[nn.Module], LinearLayer] = {
    nn.Linear: lambda _, x, weight, bias: F.linear(x, weight, bias),
    nn.Conv1d: lambda layer, x, weight, bias: layer._conv_forward(x, weight, bias),
    nn.Conv2d: lambda layer, x, weight, bias: layer._conv_forward(x, weight, bias),
    nn.Conv3d: lambda layer, x, weight, bias: layer._conv_forward(x, weight, bias),
}
# A sum of k + 1 outputs reads k + 1 numbers from memory for each that it gives, for which a layer multiplies as many as a row of
# its weight has. On a CPU reading one takes about as long as multiplying sixteen.
_MULTIPLICATIONS_A_TERM = 16
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_MOST_TRIES = 4
# What may be asked of a tensor without reading it.
_QUESTIONS = frozenset(
    [
        *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device", "is_cuda", "requires_grad")),
        *(Tensor.size, Tensor.dim, Tensor.numel, Tensor.is_floating_point),
    ]
)
# What takes numbers out of a tensor, upon which a model may do this or that.
_NUMBERS = frozenset(
    [
        *(getattr(Tensor, f"__{name}__") for name in ("bool", "float", "int", "index", "complex", "array", "contains")),
        *(Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.is_nonzero, Tensor.equal, Tensor.allclose),
        *(torch.is_nonzero, torch.equal, torch.allclose),
    ]
)


@dataclass(eq=False)
class StillCall:
    """A module that is called once in an evaluation, with an input that stays still.

    Attributes:
        module: The module.
        affine: Whether its output is affine in the coordinates; otherwise it is constant.
        bytes: What its output takes.
        needed: Whether anything reads the output beside modules whose own output is known.
        overwritten: Whether the output is changed in place afterwards.
    """

    module: nn.Module
    affine: bool
    bytes: int = 0
    needed: bool = False
    overwritten: bool = False


@dataclass(frozen=True, eq=False)
class StillCalls:
    """What an evaluation has shown.

    Attributes:
        calls: The outermost calls whose output is known, in order.
        read: The parameters that are read elsewhere than in these, by identity.
    """

    calls: tuple[StillCall, ...] = ()
    read: frozenset[int] = frozenset()


def find_still_calls(
    model: nn.Module, evaluate: Callable[[], Any], moved: Sequence[Tensor], n_directions: int, dtype: torch.dtype
) -> StillCalls:
    """Evaluate once, or a few times where a module turns out to be no candidate, and note whose output is known.

    Args:
        model: The model.
        evaluate: Evaluates the loss with gradients enabled, while only ``moved`` require grad.
        moved: The parameters that the directions move.
        n_directions: k.
        dtype: Of θ: layers in another one are left alone.

    Returns:
        The calls; none where they are not found for sure.
    """
    barred: set[nn.Module] = set()
    for _ in range(_MOST_TRIES):
        watch = _Watch(model, moved, n_directions, dtype, barred)
        with (
            # The graph is asked for nothing but who requires grad: it need not save what backward passes need.
            torch.autograd.graph.saved_tensors_hooks(_forget, _forget),
            patched({module: watch.around(module, module.forward) for module in watch.watched}),
            watch,
        ):
            evaluate()
        watch.finish()
        if watch.looks_at_numbers:
            break
        if watch.barred == barred:
            return StillCalls(tuple(watch.calls), frozenset(watch.parameters))
        barred = watch.barred
    return StillCalls()


@contextmanager
def patched(forwards: dict[nn.Module, Forward]) -> Iterator[None]:
    """Let modules run other functions than their own ``forward``.

    Args:
        forwards: A function a module.

    Yields:
        Nothing.
    """
    before: list[tuple[dict[str, Any], Forward | None]] = [(vars(module), vars(module).get("forward")) for module in forwards]
    try:
        for module, forward in forwards.items():
            vars(module)["forward"] = forward
        yield
    finally:
        for attributes, own in before:
            if own is None:
                attributes.pop("forward", None)
            else:
                attributes["forward"] = own


def plain_leaves(value: Any) -> list[Tensor] | None:
    """List the tensors of arguments or of an output.

    Args:
        value: Tensors, numbers and strings in tuples, lists and dictionaries.

    Returns:
        The tensors; None where anything else is among them, in which tensors may hide.
    """
    if type(value) in (Tensor, nn.Parameter):
        return [value] if value.layout is torch.strided and not _is_transformed(value) else None
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device)):
        return []
    if type(value) in (tuple, list, dict):
        parts = [plain_leaves(part) for part in (value.values() if isinstance(value, dict) else value)]
        return None if None in parts else [tensor for part in parts for tensor in part or ()]
    return None


class _Watch(TorchFunctionMode):
    """Sees each call of a module, and each operation outside of still ones."""

    def __init__(
        self, model: nn.Module, moved: Sequence[Tensor], n_directions: int, dtype: torch.dtype, barred: set[nn.Module]
    ) -> None:
        super().__init__()
        self.calls: list[StillCall] = []
        self.barred = set(barred)
        self.watched = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
        theirs = {id(tensor) for tensor in moved}
        self._moving_tensors: dict[int, weakref.ref[Tensor]] = {}
        self._moving_modules = {m for m in self.watched if any(id(tensor) in theirs for tensor in m.parameters())}
        self._hooked = {m for m in self.watched if any(getattr(inner, name) for inner in m.modules() for name in _HOOKS)}
        self._least_row = _MULTIPLICATIONS_A_TERM * (n_directions + 1)
        self._dtype = dtype
        self.parameters: set[int] = set()
        self.looks_at_numbers = False  # that move: elsewhere it may do something else, to inputs that seem still
        self._called: set[nn.Module] = set()
        self._outputs: dict[int, tuple[weakref.ref[Tensor], StillCall, int]] = {}
        self._deaf = False

    def around(self, module: nn.Module, forward: Forward) -> Forward:
        linear = type(module) in LINEAR_LAYERS and "forward" not in vars(module)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if self._deaf:
                return forward(*args, **kwargs)
            with self._looking_away():
                call = self._admit(module, linear, args, kwargs)
                if call is not None:
                    return self._run(call, forward, args, kwargs)
            return forward(*args, **kwargs)

        return watched

    def _admit(self, module: nn.Module, linear: bool, args: Any, kwargs: Any) -> StillCall | None:
        if module in self._called:
            self.barred.add(module)
        self._called.add(module)
        tensors = plain_leaves((args, kwargs))
        still = tensors is not None and not any(self._moves(tensor) for tensor in tensors)
        if still and module not in self.barred and module not in self._hooked:
            if module not in self._moving_modules:
                return StillCall(module, affine=False)
            if linear and len(args) == 1 and not kwargs and self._is_worthwhile(module):
                return StillCall(module, affine=True)
        self._read(_tensors((args, kwargs)))
        return None

    def _run(self, call: StillCall, forward: Forward, args: Any, kwargs: Any) -> Any:
        before = _state(call.module)
        output = forward(*args, **kwargs)
        after = _state(call.module)
        tensors = plain_leaves(output)
        unchanged = len(before) == len(after) and all(a is b and v == w for (a, v), (b, w) in zip(before, after, strict=True))
        if not tensors or not unchanged or any(tensor.requires_grad is not call.affine for tensor in tensors):
            self.barred.add(call.module)
            return output
        call.bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self.calls.append(call)
        for tensor in tensors:
            self._outputs[id(tensor)] = (weakref.ref(tensor), call, tensor._version)
        return output

    def _is_worthwhile(self, module: nn.Module) -> bool:
        weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
        own = module.bias is bias and all(tensor is None or tensor.dtype == self._dtype for tensor in (weight, bias))
        return own and weight is not None and weight[0].numel() >= self._least_row

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._deaf or function in _QUESTIONS:
            return function(*args, **kwargs)
        read = _tensors((args, kwargs))
        self._read(read)
        moves = any(self._moves(tensor) for tensor in read)
        result = function(*args, **kwargs)
        if moves:
            self.looks_at_numbers |= function in _NUMBERS
            written = read[:1] if function is Tensor.__setitem__ else []
            self._moving_tensors.update((id(tensor), weakref.ref(tensor)) for tensor in (*_tensors(result), *written))
        self._look_for_changes(read)
        return result

    @contextmanager
    def _looking_away(self) -> Iterator[None]:
        # Within a still call, which reads what it likes, and while this class itself asks tensors for something.
        self._deaf = True
        try:
            yield
        finally:
            self._deaf = False

    def _moves(self, tensor: Tensor) -> bool:
        reference = self._moving_tensors.get(id(tensor))
        return tensor.requires_grad or (reference is not None and reference() is tensor)

    def _read(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            if type(tensor) is nn.Parameter:
                self.parameters.add(id(tensor))
            reference, call, _ = self._outputs.get(id(tensor), (None, None, 0))
            if reference is not None and call is not None and reference() is tensor:
                call.needed = True

    def _look_for_changes(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            reference, call, version = self._outputs.get(id(tensor), (None, None, 0))
            if reference is not None and call is not None and reference() is tensor and tensor._version != version:
                call.overwritten = True

    def finish(self) -> None:
        # What operations beneath Python did is seen in the end, as far as the tensors live.
        self._look_for_changes([tensor for reference, *_ in self._outputs.values() if (tensor := reference()) is not None])
        for call in self.calls:
            call.needed |= call.affine


def _forget(_: Any) -> Any:
    return None


def _state(module: nn.Module) -> list[tuple[Any, int]]:
    # All that a call could leave behind on a module.
    values = [
        value
        for inner in module.modules()
        for part in (vars(inner), inner._buffers, inner._parameters)
        for name, value in part.items()
        if name != "forward"
    ]
    return [(value, value._version if isinstance(value, Tensor) else 0) for value in values]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in _tensors(part)]
    if isinstance(value, dict):
        return _tensors(list(value.values()))
    return []


def _is_transformed(tensor: Tensor) -> bool:
    # By torch.func, within whose transforms an output of outside means something else.
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))
