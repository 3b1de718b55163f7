"""Operations on a CUDA device, asked for in one call.

Such a device does most operations faster than Python asks for them, one after another. A CUDA graph holds all that a function has
asked for, and asks for it again in one call. Nothing in it may wait for the device, which can be seen from a list of operations.
"""

from __future__ import annotations

import operator
import re
import threading
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

__all__ = ["Replay", "is_replayable"]

Function = Callable[..., Tensor]

_aten = torch.ops.aten
# By libraries that wait for the device, or whose results have to be looked at; beginnings of names.
_WAITS = re.compile(
    r"_?(?!linalg_vector_norm)(linalg|cholesky|lu_|svd|eig|symeig|qr\b|ormqr|geqrf|lstsq|triangular_solve|inverse|det\b|logdet|slogdet"
    r"|unique|bincount|histc|nonzero|masked_select|repeat_interleave|_local_scalar_dense|item)"
)
_WARM = 3  # calls before it is written down, in which libraries choose and load what they need


class Replay:
    """A function of tensors, whose operations are replayed.

    For any number of threads: one waits for another, and the device does one call after the other.
    """

    def __init__(self, function: Function, arguments: Sequence[Tensor]) -> None:
        """Call the function, then write down what it asks the device for; a `RuntimeError` says that this cannot be.

        Args:
            function: Reads, beside its arguments, nothing that is going to lie elsewhere in memory.
            arguments: Of the shapes that it is going to be called with.
        """
        self._device = arguments[0].device
        self._arguments = [argument.clone() for argument in arguments]
        self._lock = threading.Lock()
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.device(self._device):
            beside, current = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(current)
            with torch.cuda.stream(beside):
                for _ in range(_WARM):
                    function(*self._arguments)
            current.wait_stream(beside)
            try:
                self._graph, self._result = _written_down(function, self._arguments)
            except BaseException:
                # A graph that was not finished leaves torch's generator behind as if one were still being written.
                _written_down(operator.neg, self._arguments[:1])
                raise
            self._done.record()

    def __call__(self, *arguments: Tensor) -> Tensor:
        """Compute.

        Args:
            arguments: Of the same shapes.

        Returns:
            The result, in memory of its own.
        """
        with self._lock, torch.cuda.device(self._device):
            self._done.wait()  # the other thread's stream may be another
            for place, argument in zip(self._arguments, arguments, strict=True):
                place.copy_(argument)
            self._graph.replay()
            result = self._result.clone()
            self._done.record()
        return result


def _written_down(function: Function, arguments: Sequence[Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may do there what they like
        result = function(*arguments)
    return graph, result


def is_replayable(operations: fx.Graph, constants: Iterable[Tensor]) -> bool:
    """Say whether a CUDA device could be asked for a list of operations in one call.

    Args:
        operations: The list.
        constants: What the operations take beside the arguments.

    Returns:
        Whether all is on one device, and no operation waits for it.
    """
    tensors = list(constants)
    if len({tensor.device for tensor in tensors if tensor.ndim > 0 or tensor.device.type != "cpu"}) > 1:
        return False
    masks = any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors)
    for node in operations.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        target = node.target
        if not isinstance(target, OpOverload) or target.namespace != "aten" or _WAITS.match(target._opname):
            return False
        if target is _aten.index.Tensor and masks:  # the device would be asked how many are true
            return False
    return True
