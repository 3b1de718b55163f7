"""Convolutions in groups, as in MobileNet and ConvNeXt, whose second derivative takes one call for all groups.

PyTorch differentiates the gradient of such a convolution group by group, some four operations each: a product with the Hessian
then waits for thousands of small ones. A convolution is bilinear in image and weight, so that its second derivative consists of
convolutions and gradients of convolutions of the same form, which there are kernels for.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

__all__ = ["join_groups"]

_aten = torch.ops.aten
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def join_groups(model: nn.Module) -> None:
    """Let convolutional layers with groups differentiate them together.

    Args:
        model: The private copy; changed in place.
    """
    for module in model.modules():
        for layer in _LAYERS:
            if isinstance(module, layer) and module.groups > 1 and type(module)._conv_forward is layer._conv_forward:
                module._conv_forward = partial(_convolve, module, module._conv_forward)  # type: ignore[method-assign]


def _convolve(module: Any, otherwise: Any, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padding = _symmetric_padding(module)
    batched = image.ndim == weight.ndim
    if padding is None or not batched or not torch.is_grad_enabled() or _is_transformed():
        return otherwise(image, weight, bias)  # type: ignore[no-any-return]
    if module.padding_mode != "zeros":
        image = F.pad(image, module._reversed_padding_repeated_twice, mode=module.padding_mode)
        padding = (0,) * len(padding)
    form = _Form(tuple(module.stride), padding, tuple(module.dilation), module.groups)
    result: Tensor = _Convolution.apply(image, weight, form)  # type: ignore[no-untyped-call]
    return result if bias is None else result + bias.view(-1, *(1 for _ in form.stride))


# In numbers; None where it is not the same at both ends.
def _symmetric_padding(module: Any) -> tuple[int, ...] | None:
    if not isinstance(module.padding, str):
        return tuple(module.padding)
    ends = module._reversed_padding_repeated_twice[::-1]
    first, last = ends[0::2], ends[1::2]
    return tuple(first) if first == last else None


# Whether `torch.func` or forward-mode derivatives look on: they do not see through what is differentiated by hand.
def _is_transformed() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


class _Form(NamedTuple):
    # A convolution's options, and what can be computed with them.
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def convolve(self, image: Tensor, weight: Tensor) -> Tensor:
        none = [0] * len(self.stride)
        result: Tensor = _aten.convolution(image, weight, None, *self[:3], False, none, self.groups)
        return result

    def gradients(
        self, gradient: Tensor, image: Tensor, weight: Tensor, *, of: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        # Of ⟨gradient, convolution⟩, for image and weight.
        if not any(of):
            return None, None
        none = [0] * len(self.stride)
        found = _aten.convolution_backward(gradient, image, weight, None, *self[:3], False, none, self.groups, [*of, False])
        return found[0] if of[0] else None, found[1] if of[1] else None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, form: _Form) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(image, weight)
        return form.convolve(image, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        image, weight = ctx.saved_tensors
        of = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled() and not _is_transformed():
            return (*_Gradients.apply(gradient, image, weight, ctx.form, of), None)  # type: ignore[no-untyped-call]
        return (*ctx.form.gradients(gradient, image, weight, of=of), None)


class _Gradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, image: Tensor, weight: Tensor, form: _Form, of: tuple[bool, bool]) -> Any:
        ctx.form = form
        ctx.save_for_backward(gradient, image, weight)
        ctx.set_materialize_grads(False)
        return form.gradients(gradient, image, weight, of=of)

    @staticmethod
    def backward(ctx: Any, *along: Tensor | None) -> Any:
        gradient, image, weight = ctx.saved_tensors
        form, (of_gradient, of_image, of_weight) = ctx.form, ctx.needs_input_grad[:3]
        along_image, along_weight = along
        terms: list[Tensor] = []
        image_part = weight_part = None
        if along_image is not None:
            terms += [form.convolve(along_image, weight)] if of_gradient else []
            weight_part = form.gradients(gradient, along_image, weight, of=(False, of_weight))[1]
        if along_weight is not None:
            terms += [form.convolve(image, along_weight)] if of_gradient else []
            image_part = form.gradients(gradient, image, along_weight, of=(of_image, False))[0]
        return sum(terms[1:], terms[0]) if terms else None, image_part, weight_part, None, None
