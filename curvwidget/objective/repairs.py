"""Layers of PyTorch whose derivatives are not those of what they compute, done otherwise in a private copy.

Weight normalization
    w = g·v/‖v‖ runs as one fused operation whose backward pass takes ‖v‖ for a constant when it is itself differentiated: a
    Hessian from it is not even symmetric (PyTorch 2.13, CPU). The same formula in elementary operations is right.
Embeddings
    With ``padding_idx`` the gradient of that row is set to zero while the loss goes on to depend on it, which keeps training from
    moving the row: here the row that is read stays as it is wherever θ goes, so that the loss keeps to that too. With
    ``scale_grad_by_freq`` rows that are read often get less than their derivative: that says how to train and nothing of the
    loss, and is switched off.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.weight_norm import WeightNorm

__all__ = ["repair_embeddings", "repair_weight_norm"]


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


def repair_embeddings(model: nn.Module) -> dict[str, Tensor]:
    """Let embeddings have the derivatives of what they give.

    Args:
        model: The private copy; changed in place.

    Returns:
        The weights, by name, of which the padding row is read as it stands now.
    """
    held = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            module.scale_grad_by_freq = False
        if isinstance(module, nn.Embedding) and module.padding_idx is not None and type(module).forward is nn.Embedding.forward:
            padding = module.weight.detach()[module.padding_idx].clone()
            module.forward = partial(_embed, module, padding)  # type: ignore[method-assign]
            held[f"{name}.weight".removeprefix(".")] = module.weight
    return held


def _compute_weight(hook: WeightNorm, module: nn.Module) -> Tensor:
    return _normalized(getattr(module, hook.name + "_g"), getattr(module, hook.name + "_v"), dim=hook.dim)


def _normalized(weight_g: Tensor, weight_v: Tensor, dim: int) -> Tensor:
    return weight_v * (weight_g / torch.norm_except_dim(weight_v, 2, dim))


def _embed(module: nn.Embedding, padding: Tensor, indices: Tensor) -> Tensor:
    rows = F.embedding(indices, module.weight, None, module.max_norm, module.norm_type)
    assert module.padding_idx is not None
    return torch.where(torch.eq(indices, module.padding_idx).unsqueeze(-1), padding.to(rows.dtype), rows)
