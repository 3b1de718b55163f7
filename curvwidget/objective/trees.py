"""Batches of any shape: tensors inside tuples, lists, mappings and dataclasses, however nested."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["is_plain", "map_tensors", "structure_of", "tensors_of"]

TensorFunction = Callable[[Tensor], Tensor]


def map_tensors(batch: Any, function: TensorFunction) -> Any:
    """Apply a function to each tensor (or NumPy array, as a tensor) of a batch.

    Args:
        batch: A tensor, an array, or tuples, lists, mappings and dataclasses of them; anything else is left alone.
        function: Takes and returns a tensor.

    Returns:
        A batch of the same structure, with containers of its own.
    """
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, np.ndarray) and batch.dtype != object:
        # torch can neither hold negative strides nor promise not to write to what is read-only
        shared = batch if batch.flags.c_contiguous and batch.flags.writeable else batch.copy(order="C")
        return function(torch.from_numpy(shared))
    if isinstance(batch, PackedSequence):  # its lengths have to stay on the CPU as they are
        indices = (batch.sorted_indices, batch.unsorted_indices)
        return PackedSequence(function(batch.data), batch.batch_sizes, *(None if i is None else function(i) for i in indices))
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(map_tensors(value, function) for value in batch))
    if type(batch) in (tuple, list):
        return type(batch)([map_tensors(value, function) for value in batch])
    if isinstance(batch, Mapping):
        mapped = {key: map_tensors(value, function) for key, value in batch.items()}
        # Mappings with a class of their own (Hugging Face's BatchEncoding) offer attributes that a loss may use.
        return mapped if type(batch) is dict else _rebuild_mapping(batch, mapped)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch) if field.init}
        return dataclasses.replace(batch, **{name: map_tensors(value, function) for name, value in fields.items()})
    return batch


def tensors_of(batch: Any) -> list[Tensor]:
    """List the tensors of a batch in order.

    Args:
        batch: As for `map_tensors`.

    Returns:
        The tensors themselves.
    """
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(batch, note)
    return found


def is_plain(batch: Any) -> bool:
    """Say whether a batch is nothing but dense tensors in tuples, lists and dictionaries.

    Args:
        batch: Whatever a loader gives.

    Returns:
        Whether it can be cut and merged along the tensors' first dimension, as far as its structure goes.
    """
    if isinstance(batch, Tensor):
        return batch.layout == torch.strided and not batch.is_nested
    if type(batch) is dict:
        return all(is_plain(value) for value in batch.values())
    return type(batch) in (tuple, list) and all(is_plain(value) for value in batch)


def structure_of(batch: Any) -> Any:
    """Describe how a plain batch is nested.

    Args:
        batch: A plain batch.

    Returns:
        Something that is equal for two batches nested alike.
    """
    if type(batch) is dict:
        return tuple((key, structure_of(value)) for key, value in batch.items())
    if type(batch) in (tuple, list):
        return (type(batch).__name__, *(structure_of(value) for value in batch))
    return None


def _rebuild_mapping(batch: Mapping[Any, Any], mapped: dict[Any, Any]) -> Any:
    try:
        return type(batch)(mapped)  # type: ignore[call-arg]
    except TypeError:
        return mapped
