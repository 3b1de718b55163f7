"""Data as a list of batches with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from curvwidget.objective.trees import is_plain, map_tensors, structure_of, tensors_of

__all__ = ["Batches", "make_batches"]


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

    @property
    def versions(self) -> tuple[int, ...]:
        """How often each tensor has been written to in place, as far as PyTorch counts that."""
        tensors = (tensor for item in self.items for tensor in tensors_of(item))
        return tuple(tensor._version for tensor in tensors if not tensor.is_inference())

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

    def take(self, samples: Tensor) -> Batches:
        """Pick samples.

        Args:
            samples: Their numbers ``(n,)``, ascending, counted through the batches; which can be cut.

        Returns:
            One batch of these samples, in their order.
        """
        starts = torch.tensor([0, *self.sizes]).cumsum(0)
        here = [samples[(samples >= start) & (samples < stop)] - start for start, stop in pairwise(starts)]
        parts = [_pick(item, rows) for item, rows in zip(self.items, here, strict=True) if len(rows)]
        return Batches(items=(parts[0] if len(parts) == 1 else _merge(parts),), sizes=(len(samples),), divisible=True)

    @property
    def agree(self) -> bool:
        """Whether all tensors of each batch have one first dimension, if any."""
        return all(len({len(tensor) for tensor in tensors_of(item) if tensor.ndim}) <= 1 for item in self.items)

    def counted_by_target(self) -> Batches:
        """Count the samples of pairs (x, y) whose x is no tensor by their targets.

        Returns:
            The same pairs: what such an x is made of (the tokens of all texts, the nodes of all graphs) may be more than samples.
        """
        sizes = []
        for (x, y), size in zip(self.items, self.sizes, strict=True):
            sizes.append(len(y) if not isinstance(x, Tensor) and isinstance(y, Tensor) and y.ndim else size)
        _refuse_empty(sizes)
        return Batches(self.items, tuple(sizes), self.divisible)

    def rechunk(self, rows: int) -> Batches:
        """Merge and cut the batches into batches of nearly one size.

        Nearly: a small rest costs a call of its own, and a rest of one sample loses a dimension in many a model's ``squeeze``.

        Args:
            rows: Samples a batch at most.

        Returns:
            The same samples in the same order; unchanged where batches cannot be cut.
        """
        if not self.divisible:
            return self
        whole = self.items[0] if len(self.items) == 1 else _merge(self.items)
        pieces = -(-self.n_samples // rows)
        bounds = [self.n_samples * piece // pieces for piece in range(pieces + 1)]
        sizes = tuple(stop - start for start, stop in pairwise(bounds))
        items = (whole,) if pieces == 1 else tuple(_cut(whole, start, size) for start, size in zip(bounds, sizes, strict=False))
        return Batches(items=items, sizes=sizes, divisible=True)


def make_batches(items: Sequence[Any]) -> Batches:
    """Count samples, and see whether the batches may be cut and merged; a `ValueError` says which one is empty.

    Args:
        items: The batches.

    Returns:
        They, with their sizes.
    """
    sizes = tuple(_count_samples(item) for item in items)
    _refuse_empty(sizes)
    return Batches(items=tuple(items), sizes=sizes, divisible=_is_divisible(items))


def _refuse_empty(sizes: Sequence[int]) -> None:
    if 0 in sizes:
        raise ValueError(f"data must hold at least one sample a batch, got an empty batch (number {sizes.index(0)})")


def _count_samples(batch: Any) -> int:
    # The first dimension of the first tensor; a batch without tensors, or of scalars, counts as one.
    tensors = [tensor for tensor in tensors_of(batch) if tensor.ndim]
    return tensors[0].size(0) if tensors else 1


def _is_divisible(items: Sequence[Any]) -> bool:
    # Each batch is only tensors of one first dimension, and all batches have the same structure and shapes beyond it.
    signatures = set()
    for item in items:
        if not is_plain(item):
            return False
        tensors = tensors_of(item)
        if not tensors or any(tensor.ndim == 0 for tensor in tensors) or len({len(tensor) for tensor in tensors}) > 1:
            return False
        signatures.add((structure_of(item), tuple((tensor.shape[1:], tensor.dtype) for tensor in tensors)))
    return len(signatures) == 1


def _cut(batch: Any, start: int, count: int) -> Any:
    return map_tensors(batch, lambda tensor: tensor[start : start + count])


def _pick(batch: Any, rows: Tensor) -> Any:
    return map_tensors(batch, lambda tensor: tensor[rows.to(tensor.device)])


def _merge(items: Sequence[Any]) -> Any:
    columns = iter([torch.cat(column) for column in zip(*(tensors_of(item) for item in items), strict=True)])
    return map_tensors(items[0], lambda _: next(columns))
