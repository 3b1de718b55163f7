"""A stream of snapshots that outlives an interruption: who asks again goes on where it stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Generic, Protocol, TypeVar

from curvwidget._interrupt import shielded

__all__ = ["KeptStream"]


class _Snapshot(Protocol):
    @property
    def progress(self) -> float: ...


Snapshot = TypeVar("Snapshot", bound=_Snapshot)


class KeptStream(Generic[Snapshot]):
    """Iterates over a stream as often as asked, without computing anything twice.

    Each iteration goes on where the one before was left, and ends with the last snapshot. An error begins the stream anew.

    Attributes:
        latest: The last snapshot so far, None before the first.
    """

    def __init__(self, start: Callable[[], Iterator[Snapshot]], *, long_step: float = math.inf) -> None:
        """Say how to begin, without beginning.

        Args:
            start: Makes the stream.
            long_step: A step is interrupted at once, and the stream begins anew, where the one before took more seconds than
                this, or where it is the first and there is such a bound; other interruptions wait for the end of their step.
        """
        self.latest: Snapshot | None = None
        self._start = start
        self._long_step = long_step
        self._seconds = 0.0 if long_step == math.inf else math.inf  # that the last step took
        self._stream: Iterator[Snapshot] | None = None

    def __iter__(self) -> Iterator[Snapshot]:
        """Go on with the stream.

        Yields:
            Snapshots that were not seen yet; of a stream at its end the last one.
        """
        if self.latest is not None and self.latest.progress >= 1:
            yield self.latest
            return
        while True:
            if self._stream is None:
                self._stream = self._start()
            try:
                began = time.perf_counter()
                with shielded() if self._seconds <= self._long_step else nullcontext():
                    self.latest = next(self._stream)
                self._seconds = time.perf_counter() - began
            except StopIteration:
                return
            except BaseException:
                self._stream = self.latest = None
                raise
            yield self.latest
            if self.latest.progress >= 1:
                self._stream = None
                return
