"""Images in memory place by place, the channels of each next to one another, as convolutions on a CPU compute with them.

Where a channel's numbers are next to one another instead, a convolution of PyTorch on a CPU (by oneDNN) lays its input and its
result anew each time, which takes a fifth of the time of a small residual network. In a list of operations the constants decide:
what comes from images that are laid place by place lies like them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, fx

from curvwidget.objective.rewriting import DEVICE, DTYPE, SHAPE, VALUE

__all__ = ["has_many_channels", "laid_channels_last"]

_aten = torch.ops.aten
_WEIGHTS: dict[Any, int] = {_aten.convolution.default: 1, _aten.convolution_backward.default: 2}  # which argument they are
_FEWEST = 16  # channels; with fewer, laying images anew takes as little as it does


def has_many_channels(graph: fx.Graph) -> bool:
    """Say whether a list of operations may gain by images that are laid place by place.

    Args:
        graph: The operations as they were traced, each node with its `SHAPE`, `DTYPE` and `DEVICE`, or its `VALUE`.

    Returns:
        Whether there are convolutions, all of them of images in single precision on a CPU, to many channels.
    """
    convolutions = [node for target in _WEIGHTS for node in graph.find_nodes(op="call_function", target=target)]
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and bool(convolutions) and all(map(_gains, convolutions))


def laid_channels_last(tensors: Iterable[Tensor], may: Callable[[Tensor], bool] = lambda _: True) -> list[Tensor]:
    """Lay images so that the channels of a place are next to one another.

    Args:
        tensors: Images ``(n, channels, height, width)`` among others.
        may: Whether one may be laid anew; not where it is better shared as it lies.

    Returns:
        The same numbers; those that are no images, or have one channel alone, as they are.
    """
    laid: dict[tuple[int, torch.Size], Tensor] = {}
    found = []
    for tensor in tensors:
        if _is_image(tensor) and may(tensor):
            key = tensor.data_ptr(), tensor.shape  # the same image may be several tensors
            if key not in laid:
                laid[key] = tensor.detach().contiguous(memory_format=torch.channels_last)
            tensor = laid[key]
        found.append(tensor)
    return found


def _gains(convolution: fx.Node) -> bool:
    image: Any = convolution.args[0]
    weight: Any = convolution.args[_WEIGHTS[convolution.target]]
    value = image.meta.get(VALUE)
    dtype, device = (image.meta[DTYPE], image.meta[DEVICE]) if value is None else (value.dtype, value.device)
    many = weight.meta[SHAPE][0] >= _FEWEST
    return many and len(image.meta[SHAPE]) == 4 and dtype is torch.float32 and device.type == "cpu"


def _is_image(tensor: Tensor) -> bool:
    return tensor.ndim == 4 and tensor.dtype is torch.float32 and tensor.is_contiguous() and min(tensor.shape[1:]) > 1
