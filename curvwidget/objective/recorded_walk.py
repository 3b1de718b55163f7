"""One term's products with vectors, as a list of operations that needs no graph."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from curvwidget.objective.kernels import batched_kernels, full_precision
from curvwidget.objective.recording import NotRecordableError, Recorded, record
from curvwidget.objective.replay import Replay
from curvwidget.objective.trial import FAILURES, PRODUCT_TOLERANCE
from curvwidget.objective.ways import clock

__all__ = ["RecordedWalk", "record_walk"]

Walk = Callable[[Tensor], Tensor]

_CALLS = 2  # with one size of block, before it is replayed
_SIZES = 2


class RecordedWalk:
    """v ↦ H_b(θ)·v by the operations of a walk that was recorded.

    It owns what it needs of θ and touches nothing of the model, so that any number of threads may use it at the same time.

    Attributes:
        replays: Whether a CUDA device may be asked for all operations in one call. ``False``, set on the class, has them asked
            for one by one.
    """

    replays: bool = True

    def __init__(self, recorded: Recorded, device: torch.device) -> None:
        """Hold the operations.

        Args:
            recorded: Takes a vector ``(N,)``.
            device: Where they compute.
        """
        self._recorded = recorded
        self._device = device
        self._lock = threading.Lock()
        self._calls: Counter[torch.Size] = Counter()
        self._replays: dict[torch.Size, Replay] = {}
        self._replayable = device.type == "cuda" and recorded.replayable

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """What the operations need beside the vector."""
        return self._recorded.constants

    @property
    def scratch(self) -> int:
        """Bytes that one product takes for a while."""
        return self._recorded.scratch

    @property
    def current(self) -> bool:
        """Whether all that was recorded still stands: data are not copied, and their owner may have written to them."""
        return self._recorded.current

    def __call__(self, vectors: Tensor) -> Tensor:
        """Multiply.

        Args:
            vectors: ``(N,)``, or several ``(k, N)``.

        Returns:
            The products, of the same shape.
        """
        with torch.no_grad(), full_precision(self._device):
            replay = self._replay(vectors) if self._replayable and self.replays else None
            return (replay or self._compute)(vectors)

    def _compute(self, vectors: Tensor) -> Tensor:
        if vectors.ndim == 1:
            return self._recorded(vectors)
        with batched_kernels():  # or torch would do some operations one vector after another, and say so on the console
            return self._recorded.several(vectors)

    def _replay(self, vectors: Tensor) -> Replay | None:
        # For blocks that come again; the few latest sizes of them.
        size = vectors.shape
        with self._lock:
            if size not in self._replays:
                self._calls[size] += 1
                if self._calls[size] <= _CALLS or not self._replayable:
                    return None
                try:
                    found = Replay(self._compute, (vectors,))
                    truth = self._compute(vectors)
                    same = bool((found(vectors) - truth).norm() <= PRODUCT_TOLERANCE[truth.dtype] * truth.norm())
                except RuntimeError:
                    same = False
                if not same:
                    self._replayable = False
                    self._replays.clear()
                    return None
                if len(self._replays) == _SIZES:
                    self._replays.pop(next(iter(self._replays)))  # each holds memory of its own
                self._replays[size] = found
            return self._replays[size]


def record_walk(walk: Walk, theta: Tensor, leaves: Iterable[Tensor]) -> RecordedWalk:
    """Record a walk of a graph, and see that the record gives the same products.

    Args:
        walk: Maps a vector ``(N,)`` to its product.
        theta: ``(N,)``; says how long vectors are, in which dtype and where, and is written to by nobody.
        leaves: Where θ stands: other points will be written there, so that what is needed of it is taken from elsewhere.

    Returns:
        The record.

    Raises:
        NotRecordableError: If there can be none, or it gives something else.
    """
    own = _Owner(theta, leaves)
    generator = torch.Generator().manual_seed(0)
    tried, other = (torch.randn(len(theta), generator=generator, dtype=torch.float64).to(theta) for _ in range(2))
    try:
        recorded = record(walk, (tried,), own=own)
        truth = walk(other)
        found, seconds = _verified(recorded, other, truth)
        if recorded.many_channels and (laid := recorded.with_channels_last(lambda constant: constant not in own)) is not None:
            with contextlib.suppress(*FAILURES):
                faster, less = _verified(laid, other, truth)
                found = faster if less < seconds else found
    except NotRecordableError:
        raise
    except FAILURES as error:
        raise NotRecordableError(str(error).partition("\n")[0][:80] or type(error).__name__) from error
    return found


# The record, if it gives the same product, and the seconds that it takes.
def _verified(recorded: Recorded, vector: Tensor, truth: Tensor) -> tuple[RecordedWalk, float]:
    found = RecordedWalk(recorded, vector.device)
    seconds = []
    for _ in range(2):  # whatever wrote to a constant has done so by the second time
        began = clock(vector.device)
        product = found(vector)
        seconds.append(clock(vector.device) - began)
        if not bool((product - truth).norm() <= PRODUCT_TOLERANCE[truth.dtype] * truth.norm()):
            raise NotRecordableError("other products")
    return found, min(seconds)


class _Owner:
    # Puts copies in place of what lies in the leaves' memory: one of each memory, however many constants are views of it (a
    # recurrent layer's weights are one at each step), and none where θ itself is laid out as they are.

    def __init__(self, theta: Tensor, leaves: Iterable[Tensor]) -> None:
        self._theta = theta
        self._memories = {leaf.untyped_storage().data_ptr() for leaf in leaves}
        self._copies: dict[int, torch.UntypedStorage] = {}

    def __call__(self, tensor: Tensor) -> Tensor:
        if tensor.layout is not torch.strided or tensor.untyped_storage().data_ptr() not in self._memories:
            return tensor
        if tensor.is_conj() or tensor.is_neg():
            return tensor.clone()
        copied = self._copy(tensor.untyped_storage())
        return tensor.new_empty(0).set_(copied, tensor.storage_offset(), tensor.size(), tensor.stride())

    def __contains__(self, tensor: Tensor) -> bool:
        return any(tensor.untyped_storage().data_ptr() == copied.data_ptr() for copied in self._copies.values())

    def _copy(self, memory: torch.UntypedStorage) -> torch.UntypedStorage:
        place, own = memory.data_ptr(), self._theta.untyped_storage()
        if place not in self._copies:
            same = len(memory) == len(own) and torch.equal(self._theta.new_empty(0).set_(memory), self._theta)
            self._copies[place] = own if same else memory.clone()  # type: ignore[no-untyped-call]
        return self._copies[place]
