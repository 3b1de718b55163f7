"""Outputs of a model's layers that are given at each point along directions without computing them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from curvwidget.objective.still_layers import Forward, StillCall, plain_leaves

__all__ = ["AffineOutput", "ConstantOutput", "KnownOutputs", "shape_of"]

# Relative to its largest number: an output is a sum of as many rounded products as a weight has in a row.
_TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-5}


class KnownOutputs:
    """The outputs that are known of one batch.

    Attributes:
        outputs: One a module.
        read: The parameters that are read elsewhere than in these modules, by identity.
        bytes: What the outputs hold.
    """

    def __init__(self, outputs: dict[nn.Module, ConstantOutput | AffineOutput], read: frozenset[int]) -> None:
        """Hold the outputs.

        Args:
            outputs: One a module.
            read: The parameters that are read elsewhere.
        """
        self.outputs = outputs
        self.read = read
        self.bytes = sum(output.bytes for output in outputs.values())
        self._patches: list[tuple[dict[str, Any], Forward | None, Forward]] = [
            (vars(module), vars(module).get("forward"), output.give) for module, output in outputs.items()
        ]

    def standing_in(self, coefficients: Sequence[float]) -> KnownOutputs:
        """Let the modules give what is known instead of computing it, within a ``with`` block.

        Args:
            coefficients: a_i.

        Returns:
            The context.
        """
        for output in self.outputs.values():
            output.begin(coefficients)
        return self

    def __enter__(self) -> None:
        """Put functions in the place of the modules' own."""
        for attributes, _own, give in self._patches:
            attributes["forward"] = give

    def __exit__(self, *_: object) -> None:
        """Put the modules' own functions back."""
        for attributes, own, _give in self._patches:
            if own is None:
                del attributes["forward"]
            else:
                attributes["forward"] = own

    @property
    def spared(self) -> set[int]:
        """The parameters, by identity, that an evaluation with these outputs does not read."""
        layers = [module for module, output in self.outputs.items() if isinstance(output, AffineOutput)]
        return {id(tensor) for layer in layers for tensor in layer._parameters.values()} - self.read

    @property
    def spoiled(self) -> bool:
        """Whether, in the last evaluation, a module was called otherwise than where its output was kept."""
        return any(output.spoiled for output in self.outputs.values())


class _Output(ABC):
    # What is known of one module's output.

    def __init__(self, module: nn.Module, plain: Forward, args: tuple[Any, ...]) -> None:
        self.module = module
        self.shape = shape_of(args)
        self.bytes = 0
        self.spoiled = False
        self.coefficients: Sequence[float] = ()
        self._plain = plain
        self._asked = False

    def begin(self, coefficients: Sequence[float]) -> None:
        self.coefficients = coefficients
        self._asked = self.spoiled = False

    def give(self, *args: Any, **kwargs: Any) -> Any:
        if self._asked or shape_of(args) != self.shape:
            self.spoiled = True
            return self._plain(*args, **kwargs)
        self._asked = True
        return self.value()

    @abstractmethod
    def value(self) -> Any:
        """Make the output."""

    @abstractmethod
    def agrees(self, output: Any) -> bool:
        """Say whether an output is the known one."""


class ConstantOutput(_Output):
    """An output that does not depend on the coordinates."""

    def __init__(self, call: StillCall, plain: Forward, args: tuple[Any, ...], output: Any) -> None:
        """Keep the output, if anybody reads it.

        Args:
            call: What is known of the call.
            plain: The module's own function.
            args: What it was called with.
            output: What it gave.
        """
        super().__init__(call.module, plain, args)
        self._needed, self._overwritten = call.needed, call.overwritten
        keep = (torch.clone if call.overwritten else Tensor.detach) if call.needed else _hollow
        self._kept = _mapped(output, keep)
        self.bytes = call.bytes if call.needed else 0

    def value(self) -> Any:
        """Make the output.

        Returns:
            It, in containers of its own.
        """
        return _mapped(self._kept, torch.clone if self._overwritten else _same)

    def agrees(self, output: Any) -> bool:
        """Say whether an output is the known one.

        Args:
            output: What the module gave.

        Returns:
            Whether it is, at rounding error; True where nobody reads it.
        """
        kept, given = plain_leaves(self._kept), plain_leaves(output)
        if kept is None or given is None or len(kept) != len(given):
            return False
        return not self._needed or all(_close(ours, theirs) for ours, theirs in zip(kept, given, strict=True))


class AffineOutput(_Output):
    """F(x; W) + Σ a_i·F(x; V_i)."""

    def __init__(
        self,
        module: nn.Module,
        plain: Forward,
        args: tuple[Any, ...],
        output: Tensor,
        slopes: list[Tensor],
        buffers: dict[Any, Tensor],
    ) -> None:
        """Keep the terms.

        Args:
            module: F.
            plain: Its own function.
            args: x.
            output: F(x; W).
            slopes: F(x; V_i).
            buffers: What outputs are added up in, shared by those of one module and shape in all batches.
        """
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
        """Make the output.

        Returns:
            It, in memory that the next one takes again.
        """
        first, *others = zip(self._slopes, self.coefficients, strict=True)
        total = torch.add(self._origin, first[0], alpha=first[1], out=self._buffer)
        for slope, coefficient in others:
            total.add_(slope, alpha=coefficient)
        return total

    def agrees(self, output: Any) -> bool:
        """Say whether an output is the known one.

        Args:
            output: What the module gave.

        Returns:
            Whether it is, at rounding error.
        """
        return isinstance(output, Tensor) and _close(self.value(), output)


def shape_of(args: tuple[Any, ...]) -> torch.Size | None:
    """Tell the calls of a module apart.

    Args:
        args: What it is called with.

    Returns:
        The shape of the first tensor.
    """
    return args[0].shape if args and isinstance(args[0], Tensor) else None


def _close(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    if torch.equal(ours, theirs):
        return True
    tolerance = _TOLERANCE.get(theirs.dtype, 0.0)
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
    # Of its shape, without its numbers, for modules that do not look.
    return tensor.new_empty(()).expand(tensor.shape)


def _same(tensor: Tensor) -> Tensor:
    return tensor
