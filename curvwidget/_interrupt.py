"""A place where long work may be interrupted.

The objective calls `checkpoint` between batches. Whoever runs the work (a worker thread, say) may set, for its own thread only,
a function that raises there; the exception then leaves the computation with nothing changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["checkpoint", "interruptible", "rest", "shielded"]

_NAP = 0.005  # seconds

_CHECK: ContextVar[Callable[[], None] | None] = ContextVar("curvwidget_interrupt", default=None)


def checkpoint() -> None:
    """Give whoever runs this work the chance to interrupt it (by an exception)."""
    check = _CHECK.get()
    if check is not None:
        check()


def rest(seconds: float) -> None:
    """Let others work for a while; whoever runs this work may interrupt that, too.

    Args:
        seconds: How long.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        checkpoint()
        time.sleep(min(left, _NAP))


@contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Within the block, and in this thread alone, let `checkpoint` call ``check``.

    Args:
        check: Raises where the work shall stop.

    Yields:
        Nothing.
    """
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


@contextmanager
def shielded() -> Iterator[None]:
    """Within the block, and in this thread alone, let `checkpoint` do nothing: for one step of work that shall be taken up again.

    Yields:
        Nothing.
    """
    token = _CHECK.set(None)
    try:
        yield
    finally:
        _CHECK.reset(token)
