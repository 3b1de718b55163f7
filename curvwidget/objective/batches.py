"""Data as a list of batches with their weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

__all__ = ["Batches", "map_tensors", "read_batches"]

_PIECE = 256  # samples of a Dataset that are collated at a time


@dataclass(frozen=True)
class Batches:
    """A data set as batches.

    Attributes:
        items: The batches.
        sizes: Number of samples of each.
        divisible: Whether the batches may be cut and merged along the first dimension of all their tensors.
    """

    items: tuple[Any, ...]
    sizes: tuple[int, ...]
    divisible: bool

    @property
    def n_samples(self) -> int:
        """Number of samples in all."""
        return sum(self.sizes)

    @property
    def weights(self) -> tuple[float, ...]:
        """Share of the samples that each batch holds; the weights sum to 1."""
        return tuple(size / self.n_samples for size in self.sizes)

    def head(self, rows: int) -> Batches:
        """Return the first samples of the first batch, as one batch.

        Args:
            rows: How many at most.

        Returns:
            One batch; the whole first one where batches cannot be cut.
        """
        first, size = self.items[0], self.sizes[0]
        if self.divisible and rows < size:
            first, size = _cut(first, 0, rows), rows
        return Batches(items=(first,), sizes=(size,), divisible=self.divisible)

    def rechunk(self, rows: int) -> Batches:
        """Merge and cut the batches to a given size.

        Args:
            rows: Samples a batch; the last may be smaller.

        Returns:
            The same samples in the same order; unchanged where batches cannot be cut.
        """
        if not self.divisible:
            return self
        whole = self.items[0] if len(self.items) == 1 else _merge(self.items)
        count = self.n_samples
        starts = range(0, count, rows)
        return Batches(
            items=tuple(_cut(whole, start, min(rows, count - start)) if rows < count else whole for start in starts),
            sizes=tuple(min(rows, count - start) for start in starts),
            divisible=True,
        )


def read_batches(data: Any, *, device: torch.device, dtype: torch.dtype | None) -> Batches:
    """Read data once, and move it where it shall be.

    Args:
        data: One data set in memory (a tensor, or a tuple or mapping of tensors or arrays), a `Dataset`, a `DataLoader`, or an
            iterable of batches.
        device: Where all tensors go.
        dtype: Of the floating-point tensors; None leaves them as they are.

    Returns:
        The batches. Tensors already of the right kind are not copied.

    Raises:
        TypeError: If the data is none of these.
        ValueError: If it is empty, or holds an empty batch.
    """
    kind = type(data).__name__
    if isinstance(data, (Tensor, np.ndarray)) or isinstance(data, (tuple, Mapping)):
        items: list[Any] = [data]
    elif isinstance(data, DataLoader):
        items = list(data)
    elif isinstance(data, Dataset):
        items = _read_dataset(data)
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        items = list(data)
    else:
        raise TypeError(f"data must be (x, y), a Dataset, a DataLoader or a list of batches, got {kind}")
    if not items:
        raise ValueError(f"data must hold at least one batch, got an empty {kind}")
    items = [map_tensors(item, lambda tensor: _move(tensor, device, dtype)) for item in items]
    sizes = [_count_samples(item) for item in items]
    if 0 in sizes:
        raise ValueError(f"data must hold at least one sample a batch, got an empty batch in the {kind}")
    return Batches(items=tuple(items), sizes=tuple(sizes), divisible=_is_divisible(items))


def map_tensors(batch: Any, function: Any) -> Any:
    """Apply a function to each tensor (or NumPy array, as a tensor) of a batch, however nested.

    Args:
        batch: A tensor, an array, or tuples, lists and mappings of them; anything else is left alone.
        function: Takes and returns a tensor.

    Returns:
        A batch of the same structure.
    """
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, np.ndarray) and batch.dtype != object:
        return function(torch.from_numpy(np.ascontiguousarray(batch)))
    if isinstance(batch, Mapping):
        mapped = {key: map_tensors(value, function) for key, value in batch.items()}
        # Mappings with a class of their own (Hugging Face's BatchEncoding) offer attributes that a loss may use.
        return mapped if type(batch) is dict else _rebuild_mapping(batch, mapped)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(map_tensors(value, function) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(map_tensors(value, function) for value in batch)
    return batch


def _rebuild_mapping(batch: Mapping[Any, Any], mapped: dict[Any, Any]) -> Any:
    try:
        return type(batch)(mapped)  # type: ignore[call-arg]
    except TypeError:
        return mapped


def _read_dataset(data: Dataset[Any]) -> list[Any]:
    if isinstance(data, IterableDataset):
        samples: Sequence[Any] = list(data)
        count = len(samples)
    else:
        if not hasattr(data, "__len__"):
            raise TypeError(f"data must have a length, got a {type(data).__name__} without __len__; wrap it in a DataLoader")
        samples, count = data, len(data)  # type: ignore[assignment]
    return [
        default_collate([samples[index] for index in range(start, min(start + _PIECE, count))])
        for start in range(0, count, _PIECE)
    ]


def _move(tensor: Tensor, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach()
    return tensor.to(device, dtype) if dtype is not None and tensor.is_floating_point() else tensor.to(device)


def _tensors(batch: Any) -> list[Tensor]:
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(batch, note)
    return found


def _count_samples(batch: Any) -> int:
    """Samples in a batch: the first dimension of its first tensor; a batch without tensors, or of scalars, counts as one."""
    tensors = [tensor for tensor in _tensors(batch) if tensor.ndim]
    return len(tensors[0]) if tensors else 1


def _is_divisible(items: Sequence[Any]) -> bool:
    """Whether each batch is only tensors of one first dimension, and all batches have the same structure and shapes beyond it."""
    signatures = set()
    for item in items:
        if not _only_tensors(item):
            return False
        tensors = _tensors(item)
        if not tensors or any(tensor.ndim == 0 for tensor in tensors) or len({len(tensor) for tensor in tensors}) > 1:
            return False
        signatures.add((_structure(item), tuple((tensor.shape[1:], tensor.dtype) for tensor in tensors)))
    return len(signatures) == 1


def _only_tensors(batch: Any) -> bool:
    if isinstance(batch, Mapping):
        return type(batch) is dict and all(_only_tensors(value) for value in batch.values())
    if isinstance(batch, (tuple, list)):
        return all(_only_tensors(value) for value in batch)
    return isinstance(batch, Tensor)


def _structure(batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return tuple((key, _structure(value)) for key, value in batch.items())
    if isinstance(batch, (tuple, list)):
        return tuple(_structure(value) for value in batch)
    return None


def _cut(batch: Any, start: int, count: int) -> Any:
    return map_tensors(batch, lambda tensor: tensor[start : start + count])


def _merge(items: Sequence[Any]) -> Any:
    columns = [torch.cat(column) for column in zip(*(_tensors(item) for item in items), strict=True)]
    remaining = iter(columns)
    return map_tensors(items[0], lambda _: next(remaining))
