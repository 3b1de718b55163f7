"""Bytes of memory that tensors lie in, each counted once, however many of them share it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["Storages"]


class Storages:
    """The memory that tensors lie in, known by its addresses: it says nothing once that memory is let go.

    A sparse tensor has no memory of its own; its parts are tensors that have.
    """

    def __init__(self, tensors: Iterable[Tensor] = ()) -> None:
        """Count some.

        Args:
            tensors: Which.
        """
        self._bytes: dict[int, int] = {}
        for tensor in tensors:
            self.add(tensor)

    def add(self, tensor: Tensor) -> None:
        """Count one more.

        Args:
            tensor: Which.
        """
        if tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            self._bytes[storage.data_ptr()] = storage.nbytes()

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.layout is torch.strided and tensor.untyped_storage().data_ptr() in self._bytes

    def bytes_beside(self, others: Iterable[Tensor]) -> int:
        """Sum up the memory that other tensors do not lie in.

        Args:
            others: What is there anyway.

        Returns:
            Bytes.
        """
        known = Storages(others)._bytes
        return sum(size for address, size in self._bytes.items() if address not in known)
