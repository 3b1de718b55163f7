"""A private copy of the user's model, so that the user's is never touched."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["PrivateModel", "check_model", "copy_privately", "foreign_hooks", "shared_memory"]

PrivateModel = tuple[nn.Module, Any]  # the copy, and the criterion that belongs to it
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def check_model(model: nn.Module, device: torch.device | str | None) -> torch.device:
    """Refuse a model that cannot be copied or run as it is.

    Args:
        model: The user's.
        device: Where the user wants to compute; None for where the model is.

    Returns:
        Where to compute.

    Raises:
        ValueError: If its parameters have no shape or no memory yet, if it lies on several devices, or if the device is none.
    """
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if nn.parameter.is_lazy(tensor):
            raise ValueError(f"model must be initialized: {name!r} has no shape yet; run one batch through the model first")
    for name, tensor in tensors:
        if tensor.device.type == "meta":
            raise ValueError(f"model must have its weights in memory, got {name!r} on the meta device")
    if device is not None:
        try:
            chosen = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"device must be a torch.device or its name, got {device!r}") from error
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device must be one that PyTorch finds here, got {str(chosen)!r}, and no CUDA device is found")
        return chosen
    found = {tensor.device for _, tensor in tensors}
    if len(found) > 1:
        raise ValueError(f"model must be on one device, got {', '.join(sorted(map(str, found)))}; say device=")
    return found.pop() if found else torch.device("cpu")


def copy_privately(model: nn.Module, criterion: Any, *, device: torch.device, dtype: torch.dtype | None) -> PrivateModel:
    """Copy a model and, where it is a module too, its criterion.

    The two are copied as one: a criterion that holds the model, or some of its parameters, holds those of the copy afterwards.

    Args:
        model: The user's; wrappers for parallel training and compilation are left out of the copy, at any depth.
        criterion: The user's; left as it is where it is no module.
        device: Where the copy goes.
        dtype: Of its floating-point tensors (complex ones follow in width); None leaves them as they are.

    Returns:
        The copies, in eval mode and without gradients; parameters require grad as the user's do.

    Raises:
        TypeError: If the model cannot be copied.
    """
    together = nn.ModuleList([model, criterion] if isinstance(criterion, nn.Module) else [model])
    modules = list(together.modules())
    memo: dict[int, Any] = {}
    # Gradients are left out of the copy: they would double its memory, and one with a graph cannot be copied.
    for parameter in together.parameters():
        if parameter.grad is not None:
            memo[id(parameter.grad)] = None
    # What a forward pass left on a module (weight_norm's weight, a cached feature) has a graph, and cannot be copied either.
    for module in modules:
        for value in (*vars(module).values(), *module._buffers.values()):
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        with torch.no_grad():  # or a scripted model's parameters become results of a copying operation
            for module in reversed(modules):  # the innermost wrapper first
                inner = _unwrap(module)
                if inner is not module:
                    memo[id(module)] = copy.deepcopy(inner, memo)
            copies = copy.deepcopy(together, memo)
    except (RuntimeError, TypeError, NotImplementedError, AttributeError) as error:
        kind = type(model).__name__
        raise TypeError(f"model must be copyable (copy.deepcopy), got a {kind} that is not: {error}") from error

    def move(tensor: Tensor) -> Tensor:
        if dtype is not None and tensor.is_floating_point():
            return tensor.to(device, dtype)
        if dtype is not None and tensor.is_complex():
            return tensor.to(device, _COMPLEX[dtype])
        return tensor.to(device)

    copies._apply(move)  # type: ignore[no-untyped-call]
    copies.eval()
    for mine, theirs in zip(copies.parameters(), together.parameters(), strict=True):
        mine.grad = None
        mine.requires_grad_(theirs.requires_grad)
    return copies[0], copies[1] if len(copies) > 1 else criterion


def foreign_hooks(model: nn.Module) -> list[str]:
    """List the modules with hooks that did not come with PyTorch.

    Args:
        model: The model.

    Returns:
        Their names.
    """
    names = []
    for name, module in model.named_modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks):
            for hook in hooks.values():
                home = getattr(hook, "__module__", None) or type(hook).__module__
                if not home.startswith("torch."):
                    names.append(name or "(the model)")
    return list(dict.fromkeys(names))


def shared_memory(model: nn.Module) -> list[str]:
    """List the tensors of a model that lie in a parameter's memory and are not that parameter (``head.weight.data = w.data``).

    In the copy each of them is on its own, and only `nn.Parameter` objects that are the same count once.

    Args:
        model: The user's.

    Returns:
        Pairs of names, as ``"head.weight and emb.weight"``.
    """
    parameters = dict(model.named_parameters())
    others = {**parameters, **dict(model.named_buffers())}
    for prefix, module in model.named_modules():
        held = ((f"{prefix}.{name}".lstrip("."), value) for name, value in vars(module).items())
        others |= {name: value for name, value in held if isinstance(value, Tensor)}
    starts: dict[tuple[torch.device, int], str] = {}
    pairs = []
    for name, tensor in others.items():
        if tensor.layout != torch.strided or tensor.is_nested or not tensor.numel():
            continue
        place = tensor.device, tensor.data_ptr()
        first = starts.setdefault(place, name)
        if first in parameters and tensor is not parameters[first]:
            pairs.append(f"{name} and {first}")
    return pairs


def _unwrap(module: nn.Module) -> nn.Module:
    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):  # what torch.compile returns
            module = inner
        else:
            return module
