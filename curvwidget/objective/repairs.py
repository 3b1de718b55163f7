"""Layers of PyTorch whose second derivative is wrong, done otherwise in a private copy.

Weight normalization, w = g·v/‖v‖, runs as one fused operation whose backward pass takes ‖v‖ for a constant when it is itself
differentiated: a Hessian from it is not even symmetric (PyTorch 2.13, CPU). The same formula in elementary operations is right.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.weight_norm import WeightNorm

__all__ = ["repair_weight_norm"]


def repair_weight_norm(model: nn.Module) -> None:
    """Let weight normalization compute with elementary operations.

    Args:
        model: The private copy; changed in place.
    """
    for module in model.modules():
        if isinstance(module, parametrizations._WeightNorm):
            module.forward = partial(_normalized, dim=module.dim)  # type: ignore[method-assign]
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):
                hook.compute_weight = partial(_compute_weight, hook)  # type: ignore[method-assign]


def _compute_weight(hook: WeightNorm, module: nn.Module) -> Tensor:
    return _normalized(getattr(module, hook.name + "_g"), getattr(module, hook.name + "_v"), dim=hook.dim)


def _normalized(weight_g: Tensor, weight_v: Tensor, dim: int) -> Tensor:
    return weight_v * (weight_g / torch.norm_except_dim(weight_v, 2, dim))
