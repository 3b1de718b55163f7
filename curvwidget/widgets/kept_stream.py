"""A stream of snapshots that outlives an interruption: who asks again goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    def __init__(self, start: Callable[[], Iterator[Snapshot]]) -> None:
        """Say how to begin, without beginning.

        Args:
            start: Makes the stream.
        """
        self.latest: Snapshot | None = None
        self._start = start
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
                with shielded():  # an interruption waits for the end of a step
                    self.latest = next(self._stream)
            except StopIteration:
                return
            except BaseException:
                self._stream = self.latest = None
                raise
            yield self.latest
            if self.latest.progress >= 1:
                self._stream = None
                return
