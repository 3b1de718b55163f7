"""What the tests of objectives share: one thread, and a look at everything that belongs to the user."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Problems of some dozen parameters are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def process_state() -> dict[str, Any]:
    """Everything of the process that belongs to the user."""
    _, words, *rest = np.random.get_state()
    cuda = torch.backends.cuda
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (np.asarray(words).tobytes(), *rest),
        "python": random.getstate(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "attention": (
            cuda.flash_sdp_enabled(),
            cuda.mem_efficient_sdp_enabled(),
            cuda.math_sdp_enabled(),
            cuda.cudnn_sdp_enabled(),
        ),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "cudnn": torch.backends.cudnn.enabled,
        "dtype": torch.get_default_dtype(),
    }


def tensor_state(tensor: Tensor | None) -> Any:
    """All that a bit-equal tensor has in common with itself."""
    if tensor is None:
        return None
    plain = tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return (
        plain, tensor.shape, tensor.dtype, tensor.data_ptr(), tensor._version, tensor.requires_grad, id(tensor.grad),
        tensor_state(tensor.grad), tensor.is_leaf,
    )  # fmt: skip


def model_state(model: nn.Module) -> dict[str, Any]:
    """All that a bit-equal model has in common with itself."""
    return {
        "parameters": {name: (id(tensor), tensor_state(tensor)) for name, tensor in model.named_parameters()},
        "buffers": {name: (id(tensor), tensor_state(tensor)) for name, tensor in model.named_buffers()},
        "modules": {
            name: (id(module), module.training, sorted(vars(module)), len(module._forward_hooks), len(module._forward_pre_hooks))
            for name, module in model.named_modules()
        },
    }


class Witness:
    """Remembers how everything stood, and says whether it still does."""

    def __init__(self, model: nn.Module, *tensors: Tensor) -> None:
        self._model, self._tensors = model, tensors
        self._before = self._look()

    def _look(self) -> tuple[Any, ...]:
        return process_state(), model_state(self._model), [tensor_state(tensor) for tensor in self._tensors]

    def assert_untouched(self) -> None:
        for before, after in zip(self._before, self._look(), strict=True):
            assert before == after
