"""Results that are kept in memory, within a bound: what was not asked for longest is forgotten first."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["Kept", "bytes_of"]


class Kept:
    """Keeps values by keys, as long as they take no more than so many bytes together.

    Any number of threads may use it at the same time.

    Example:
        >>> from curvwidget.runs import Kept
        >>> kept = Kept(100)
        >>> kept.put("a", "a result", 60)
        >>> kept.put("b", "another", 40)
        >>> kept.get("a")
        'a result'
        >>> kept.put("c", "a third", 30)  # there is no room for all: "b" was not asked for longest
        >>> "a" in kept, "b" in kept, kept.nbytes
        (True, False, 90)
    """

    def __init__(self, most_bytes: int) -> None:
        """Begin with nothing.

        Args:
            most_bytes: The bound.
        """
        self._most_bytes = most_bytes
        self._nbytes = 0
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that all values take, as they were told."""
        return self._nbytes

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._held)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether there is a value under a key; that is no use of it."""
        return key in self._held

    def get(self, key: Hashable) -> Any:
        """Look a value up.

        Args:
            key: Its key.

        Returns:
            The value, from now on the one most recently used; None where there is none.
        """
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Hashable, value: Any, nbytes: int) -> None:
        """Keep a value, in place of what was under its key, and forget others where there is no room for all.

        Args:
            key: Its key.
            value: The value; one that alone is beyond the bound is not kept.
            nbytes: Bytes that it takes.
        """
        with self._lock:
            _, before = self._held.pop(key, (None, 0))
            self._nbytes -= before
            if nbytes > self._most_bytes:
                return
            self._held[key] = value, nbytes
            self._nbytes += nbytes
            while self._nbytes > self._most_bytes:
                _, (_, forgotten) = self._held.popitem(last=False)
                self._nbytes -= forgotten


def bytes_of(result: object) -> int:
    """Count the bytes of the arrays and tensors in a result.

    Args:
        result: A dataclass, or a tuple, list or mapping of such; anything else counts as nothing.

    Returns:
        Bytes; memory that two arrays share is counted twice.
    """
    if isinstance(result, (np.ndarray, Tensor)):
        return int(result.nbytes)
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return sum(bytes_of(getattr(result, field.name)) for field in dataclasses.fields(result))
    if isinstance(result, Mapping):
        return sum(map(bytes_of, result.values()))
    return sum(map(bytes_of, result)) if isinstance(result, (tuple, list)) else 0
