"""Implementations of an operation that can be differentiated as often as is needed, in arithmetic as fine as the numbers.

The fused kernels of scaled dot-product attention have no second derivative, and cuDNN's recurrent layers have no first one in
eval mode. Transformer layers take a fast path where nothing is differentiated, upon which padded positions come out as zeros: the
loss would then be another function than the one whose derivatives are taken. On a CUDA device cuDNN rounds the factors of float32
products to 11 bits (TF32), unless it is told otherwise: that is one part in a thousand of a loss, whose differences along a
direction are smaller than that. Which implementation runs is a setting of the whole process: it is held while anybody needs it,
then put back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, TypeVar

import torch

__all__ = ["batched_kernels", "differentiable_kernels", "full_precision"]

Value = TypeVar("Value")


class _Held(AbstractContextManager[None], Generic[Value]):
    """A setting of the process that is held at a value by any number of threads at a time."""

    def __init__(self, read: Callable[[], Value], write: Callable[[Value], None], value: Value) -> None:
        self._read, self._write, self._value = read, write, value
        self._lock = threading.Lock()
        self._holders = 0
        self._before: Value | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._before = self._read()
                self._write(self._value)
            self._holders += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                assert self._before is not None
                self._write(self._before)


AttentionFlags = tuple[bool, bool, bool, bool]


def _read_attention() -> AttentionFlags:
    cuda = torch.backends.cuda
    cudnn = bool(cuda.cudnn_sdp_enabled()) if hasattr(cuda, "cudnn_sdp_enabled") else False  # type: ignore[no-untyped-call]
    read = (cuda.flash_sdp_enabled, cuda.mem_efficient_sdp_enabled, cuda.math_sdp_enabled)
    flash, efficient, math = (bool(enabled()) for enabled in read)  # type: ignore[no-untyped-call]
    return flash, efficient, math, cudnn


def _write_attention(flags: AttentionFlags) -> None:
    cuda = torch.backends.cuda
    cuda.enable_flash_sdp(flags[0])
    cuda.enable_mem_efficient_sdp(flags[1])
    cuda.enable_math_sdp(flags[2])
    if hasattr(cuda, "enable_cudnn_sdp"):
        cuda.enable_cudnn_sdp(flags[3])


def _write_cudnn(enabled: bool) -> None:
    torch.backends.cudnn.enabled = enabled


def _read_fast_path() -> bool:
    mha = getattr(torch.backends, "mha", None)  # PyTorch 2.3 and later
    return bool(mha.get_fastpath_enabled()) if mha else True


def _write_fast_path(enabled: bool) -> None:
    if mha := getattr(torch.backends, "mha", None):
        mha.set_fastpath_enabled(enabled)


def _read_fallback() -> bool:
    enabled = getattr(torch._C._functorch, "_is_vmap_fallback_enabled", None)
    return bool(enabled()) if enabled else True


def _write_fallback(enabled: bool) -> None:
    if write := getattr(torch._C._functorch, "_set_vmap_fallback_enabled", None):
        write(enabled)


class _Precision(NamedTuple):
    # Whether TF32 is allowed, by the older names and by those of PyTorch 2.9 and later. Either may be all that can be read: the
    # newer ones were not there, or set so that the older ones raise an error.
    matmul: str | None
    cudnn: bool | None
    newer: tuple[str, ...]


_FULL = _Precision("highest", False, ("ieee",) * 3)


def _newer_places() -> tuple[Any, ...]:
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return (cuda, cudnn.conv, cudnn.rnn) if hasattr(cudnn, "conv") else ()


def _read_precision() -> _Precision:
    newer = tuple(place.fp32_precision for place in _newer_places())
    try:
        return _Precision(torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, newer)
    except RuntimeError:
        return _Precision(None, None, newer)


def _write_precision(precision: _Precision) -> None:
    # The older names first: they set the newer ones too, and could not be read within the model if they said something else.
    if precision.matmul is not None and precision.cudnn is not None:
        torch.set_float32_matmul_precision(precision.matmul)
        torch.backends.cudnn.allow_tf32 = precision.cudnn
    for place, value in zip(_newer_places(), precision.newer, strict=False):
        place.fp32_precision = value


_NO_FALLBACK = _Held(_read_fallback, _write_fallback, False)
_NO_FAST_PATH = _Held(_read_fast_path, _write_fast_path, False)
_MATH_ATTENTION = _Held(_read_attention, _write_attention, (False, False, True, False))
_FULL_PRECISION = _Held(_read_precision, _write_precision, _FULL)
_NO_CUDNN = _Held(lambda: bool(torch.backends.cudnn.enabled), _write_cudnn, False)


class _All:
    """Several settings held together."""

    def __init__(self, *settings: AbstractContextManager[None]) -> None:
        self._settings = settings

    def __enter__(self) -> None:
        for setting in self._settings:
            setting.__enter__()

    def __exit__(self, *_: object) -> None:
        for setting in self._settings:
            setting.__exit__(None, None, None)


def differentiable_kernels(
    order: int, device: torch.device, *, recurrent: bool, fast: bool = False
) -> AbstractContextManager[None]:
    """Let operations run that can be differentiated ``order`` times.

    Args:
        order: 0 for a value, 1 for a gradient, 2 for a product with the Hessian.
        device: Where they compute.
        recurrent: Whether the model has recurrent layers on a CUDA device.
        fast: Whether transformer layers may take their fast path, for a value alone.

    Returns:
        A context in which they do, from any number of threads at a time.
    """
    return _All(
        *([] if fast else [_NO_FAST_PATH]),
        *([_MATH_ATTENTION] if order > 1 else []),
        *([_NO_CUDNN] if recurrent else []),
        full_precision(device),
    )


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Compute with all digits of the numbers' dtype, whatever the caller has allowed.

    Args:
        device: Where is computed.

    Returns:
        A context without autocast and, on a CUDA device, without TF32, from any number of threads at a time.
    """
    settings = [_FULL_PRECISION] if device.type == "cuda" else []
    return _All(torch.autocast(device.type, enabled=False), *settings)


def batched_kernels() -> AbstractContextManager[None]:
    """Have `torch.func.vmap` refuse operations that it would run once a point, with a warning to the user.

    Returns:
        A context in which it does, from any number of threads at a time.
    """
    return _NO_FALLBACK
