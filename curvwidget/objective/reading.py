"""Reading the user's data once, without touching it."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, default_collate

from curvwidget._interrupt import checkpoint
from curvwidget.objective.batches import Batches, make_batches
from curvwidget.objective.trees import map_tensors, tensors_of

__all__ = ["read_batches", "remark_on_data"]

_PIECE = 256  # samples of a Dataset that are collated at a time
_BUFFERS = 2  # that an iterator may fill in turn: batches for which their content is remembered
_READINGS = 5  # of one sample; a coin that is tossed for it falls on one side in all of them once in 16 times


def read_batches(data: Any, *, device: torch.device, dtype: torch.dtype | None, piece: int | None = None) -> Batches:
    """Read data once, and move it where it shall be.

    Args:
        data: One data set in memory (a tensor, or a tuple or mapping of tensors or arrays), a `Dataset`, a `DataLoader`, or an
            iterable of batches.
        device: Where all tensors go.
        dtype: Of the floating-point tensors; None leaves them as they are.
        piece: Samples of a `Dataset` that make a batch.

    Returns:
        The batches. Tensors already of the right kind are not copied, unless their memory was filled again for a later batch.

    Raises:
        TypeError: If the data is none of these.
        ValueError: If it is empty, or holds an empty batch.
    """
    kind = type(data).__name__
    if isinstance(data, (Tensor, np.ndarray, tuple, Mapping)):
        items: list[Any] = [data] if len(data) else []
    elif isinstance(data, DataLoader):
        with _kept_generators(data):
            items = _drain(data)
    elif isinstance(data, Dataset):
        items = _read_dataset(data, piece or _PIECE)
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        items = _drain(data)
    else:
        raise TypeError(f"data must be (x, y), a Dataset, a DataLoader or a list of batches, got {kind}")
    if not items:
        raise ValueError(f"data must hold at least one batch, got an empty {kind}")
    return make_batches([map_tensors(_own(item, device), lambda tensor: _move(tensor, device, dtype)) for item in items])


def remark_on_data(data: Any) -> list[str]:
    """Say what a data set or a loader makes of its samples that a user may not think of.

    Args:
        data: The user's. The first sample of a data set is read a few times more.

    Returns:
        Remarks: samples that are left out, samples that differ from one reading to the next.
    """
    loader = data if isinstance(data, DataLoader) else None
    dataset = data if loader is None else loader.dataset
    if not isinstance(dataset, Dataset) or isinstance(dataset, IterableDataset):
        return []
    if loader is not None and not isinstance(loader.sampler, (SequentialSampler, RandomSampler)):
        return []  # another one may count, and name its samples, as it likes
    remarks = []
    if loader is not None and loader.drop_last and loader.batch_size:
        count = len(loader.sampler)  # type: ignore[arg-type]
        if left_out := count % loader.batch_size:
            remarks.append(f"the loader leaves out {left_out} of {count} samples (drop_last=True)")
    if _is_drawn(dataset, loader):
        remarks.append(
            "the data set gives other samples at each reading (augmentation): the loss is that of the ones that were read"
        )
    return remarks


def _is_drawn(dataset: Dataset[Any], loader: DataLoader[Any] | None) -> bool:
    # Is a sample another one when it is read again? Where workers read, one does it: what a data set opens may not be for us.
    options: dict[str, Any] = {"batch_size": 1}
    if loader is not None:
        options["batch_size"] = None if loader.batch_sampler is None else 1
        options |= {name: getattr(loader, name) for name in ("collate_fn", "worker_init_fn", "multiprocessing_context")}
        options["num_workers"] = min(loader.num_workers, 1)
    first, *others = [tensors_of(batch) for batch in DataLoader(dataset, sampler=[0] * _READINGS, **options)]
    return not all(len(first) == len(other) and all(map(_equal, first, other)) for other in others)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))


def _drain(source: Iterable[Any]) -> list[Any]:
    items: list[Any] = []
    copies: deque[tuple[int, Any]] = deque(maxlen=_BUFFERS)
    for item in source:
        checkpoint()
        if not isinstance(source, list):
            _restore(items, copies)
            copies.append((len(items), map_tensors(item, lambda tensor: tensor.detach().clone())))
        items.append(item)
    _restore(items, copies)
    return items


def _restore(items: list[Any], copies: Iterable[tuple[int, Any]]) -> None:
    # Put a copy in place of each batch that has been written to since it came, as a loader does that fills one buffer each time.
    for index, copied in copies:
        now, then = tensors_of(items[index]), tensors_of(copied)
        if len(now) != len(then) or not all(map(_stays, now, then)):
            items[index] = copied


def _stays(now: Tensor, then: Tensor) -> bool:
    if now.layout != torch.strided or now.is_nested:
        return True  # such tensors are made anew, and some cannot be compared
    return now.dtype == then.dtype and (torch.equal(now, then) or _equal(now, then))


def _read_dataset(data: Dataset[Any], piece: int) -> list[Any]:
    if isinstance(data, IterableDataset):
        samples: Iterator[Any] = iter(data)
    elif hasattr(data, "__len__"):
        samples = (data[index] for index in range(len(data)))
    else:
        raise TypeError(f"data must have a length, got a {type(data).__name__} without __len__; wrap it in a DataLoader")
    items = []
    while some := list(islice(samples, piece)):
        checkpoint()
        items.append(default_collate(some))
    return items


@contextmanager
def _kept_generators(loader: DataLoader[Any]) -> Iterator[None]:
    """Leave the generators that the user gave to a loader as they were: a pass over the data must not change the next epoch."""
    holders = (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None))
    generators = [getattr(holder, "generator", None) for holder in holders]
    states = [(generator, generator.get_state()) for generator in generators if isinstance(generator, torch.Generator)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def _own(item: Any, device: torch.device) -> Any:
    # Nobody can say what a loss does to a batch of an unknown class: it gets a copy. Such a class (a graph of PyTorch Geometric)
    # moves its tensors itself.
    if isinstance(item, (Tensor, np.ndarray, Sequence, Mapping)) or tensors_of(item):
        return item
    copied = copy.deepcopy(item)
    return copied.to(device) if device.type != "cpu" and hasattr(copied, "to") else copied


def _move(tensor: Tensor, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach()
    moved = tensor.to(device, dtype) if dtype is not None and tensor.is_floating_point() else tensor.to(device)
    return moved.clone() if moved.is_inference() else moved  # autograd cannot save what was made in inference mode
