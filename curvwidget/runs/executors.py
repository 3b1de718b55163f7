"""Where work runs: on a thread of its own, or in place."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Protocol

__all__ = ["Executor", "InlineExecutor", "ThreadExecutor"]


class Executor(Protocol):
    """Something that runs a function, now or soon."""

    def run(self, work: Callable[[], None]) -> None:
        """Run the work.

        Args:
            work: Takes nothing, returns nothing and raises nothing.
        """


class ThreadExecutor:
    """Runs work on a daemon thread that lives as long as the work does."""

    def run(self, work: Callable[[], None]) -> None:
        """Start a thread for the work and return at once.

        Args:
            work: What to run. It runs in a copy of the caller's context: some kernels keep in it where a widget's messages
                belong.
        """
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(work,), name="curvwidget-worker", daemon=True).start()


class InlineExecutor:
    """Runs work in place: for tests, scripts and platforms without threads."""

    def run(self, work: Callable[[], None]) -> None:
        """Run the work before returning.

        Args:
            work: What to run.
        """
        work()
