"""How long work will still take, from how it went so far."""

from __future__ import annotations

import math

__all__ = ["TimeLeft"]

_KNOWN_AFTER = 1.0  # seconds: what went on for less says little
_WORTH_SAYING = 2.0  # seconds
_MINUTE = 60
_IN_MINUTES = 90  # seconds from which on minutes are the better unit


class TimeLeft:
    """Follows the progress of one stage of work after another.

    Example:
        >>> left = TimeLeft()
        >>> left.words(0.0, now=100.0), left.words(0.2, now=103.0)
        ('', '12 s left')
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._began: tuple[float, float] | None = None  # when, and how far it was
        self._last = 0.0

    def words(self, progress: float, *, now: float) -> str:
        """Say how long the stage will still take.

        Args:
            progress: Share of the stage that is done, in [0, 1]; less than before begins another stage.
            now: Seconds on a steady clock.

        Returns:
            It, in words; nothing where it is not known yet, or next to nothing.
        """
        if self._began is None or progress < self._last:
            self._began = (now, progress)
        self._last = progress
        began, before = self._began
        elapsed, done = now - began, progress - before
        if elapsed < _KNOWN_AFTER or done <= 0:
            return ""
        seconds = elapsed * (1 - progress) / done
        if seconds < _WORTH_SAYING:
            return ""
        return f"{round(seconds)} s left" if seconds < _IN_MINUTES else f"{math.ceil(seconds / _MINUTE)} min left"

    def forget(self) -> None:
        """Begin anew, with other work."""
        self._began = None
