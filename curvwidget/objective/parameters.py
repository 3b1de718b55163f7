"""Which parameters of a model make up θ, and where each of them stands in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

from torch import Tensor, nn

__all__ = ["ParameterBlock", "ParameterFilter", "select_parameters"]

ParameterFilter = str | Sequence[str] | Callable[[str, Tensor], bool] | None


@dataclass(frozen=True)
class ParameterBlock:
    """One parameter tensor's place in θ.

    Attributes:
        name: Its name in the model.
        shape: Its shape in the model.
        offset: Index in θ of its first entry.
    """

    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of its entries."""
        return prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its stretch of θ."""
        return slice(self.offset, self.offset + self.size)


def select_parameters(model: nn.Module, parameters: ParameterFilter) -> dict[str, nn.Parameter]:
    """Pick the parameters that make up θ.

    Args:
        model: The model; a tensor tied to several names counts once, under its first name, and may be chosen by any of them.
        parameters: None for all that require grad; a name or names, with globs (``"layers.3.*"``); or a predicate
            ``(name, tensor) -> bool``.

    Returns:
        The chosen tensors by name, in the model's order.

    Raises:
        TypeError: If a parameter is not of a real floating-point type, or the filter is of no known kind.
        ValueError: If nothing is chosen, or a name matches nothing.
    """
    named = dict(model.named_parameters())
    if not named:
        raise ValueError(f"model must have parameters, got {type(model).__name__} without any")
    if parameters is None:
        chosen = {name: tensor for name, tensor in named.items() if tensor.requires_grad}
        if not chosen:
            raise ValueError("model must have a parameter that requires grad, got none; choose some with parameters=")
    elif callable(parameters):
        picked = {id(tensor) for name, tensor in model.named_parameters(remove_duplicate=False) if parameters(name, tensor)}
        chosen = {name: tensor for name, tensor in named.items() if id(tensor) in picked}
        if not chosen:
            raise ValueError("parameters must accept at least one parameter, got a predicate that accepts none")
    elif isinstance(parameters, Iterable):
        chosen = _match_names(model, named, [parameters] if isinstance(parameters, str) else list(parameters))
    else:
        raise TypeError(f"parameters must be names, a predicate or None, got {type(parameters).__name__}")
    for name, tensor in chosen.items():
        if not tensor.is_floating_point():
            raise TypeError(f"parameters must be real floating-point tensors, got {name!r} of {tensor.dtype}")
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"model must have finite parameters, got NaN or inf in {name!r}")
    if sum(tensor.numel() for tensor in chosen.values()) == 0:
        raise ValueError("parameters must hold at least one number, got only empty tensors")
    return {name: tensor for name, tensor in chosen.items() if tensor.numel()}


def _match_names(model: nn.Module, named: dict[str, nn.Parameter], patterns: Sequence[object]) -> dict[str, nn.Parameter]:
    if not patterns:
        raise ValueError("parameters must name at least one parameter, got an empty list")
    first_name = {id(tensor): name for name, tensor in named.items()}
    picked: set[str] = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"parameters must be names, a predicate or None, got {type(pattern).__name__} in it")
        matches = {
            first_name[id(tensor)]
            for name, tensor in model.named_parameters(remove_duplicate=False)
            if fnmatchcase(name, pattern)
        }
        if not matches:
            known = ", ".join(list(named)[:8]) + (", …" if len(named) > 8 else "")
            raise ValueError(f"parameters must match the model's names, got {pattern!r}; the model has {known}")
        picked |= matches
    return {name: tensor for name, tensor in named.items() if name in picked}
