"""Long work is a generator of snapshots; the plain function drains it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["last"]

Snapshot = TypeVar("Snapshot")


def last(stream: Iterable[Snapshot]) -> Snapshot:
    """Drain a stream and return its last snapshot.

    Args:
        stream: A non-empty stream of better and better results.

    Returns:
        The last and best of them.

    Raises:
        RuntimeError: If the stream is empty.
    """
    found = False
    for snapshot in stream:
        found = True
        result = snapshot
    if not found:
        raise RuntimeError("the stream ended without a result")
    return result
