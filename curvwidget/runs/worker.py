"""One worker that answers the latest request and forgets all older ones."""

from __future__ import annotations

import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from curvwidget._interrupt import interruptible
from curvwidget.runs.executors import Executor, ThreadExecutor

__all__ = ["End", "Failure", "Interrupted", "Worker"]

_PATIENCE = 5.0  # seconds that the end of the interpreter waits for a step to end

Request = TypeVar("Request")
Result = TypeVar("Result")


class Interrupted(BaseException):
    """Leaves the work of a request that nobody waits for any more.

    Not an `Exception`, so that a user's ``except Exception`` inside a loss does not swallow it.
    """


@dataclass(frozen=True)
class Failure:
    """An error in the work.

    Attributes:
        message: The error in one line.
        traceback: Where it came from, in full.
        exception: The error itself.
    """

    message: str
    traceback: str
    exception: Exception


@dataclass(frozen=True)
class End:
    """How a request ended.

    Attributes:
        state: ``"complete"``, ``"cancelled"`` or ``"failed"``.
        failure: The error, where it failed.
    """

    state: Literal["complete", "cancelled", "failed"]
    failure: Failure | None = None


class Worker(Generic[Request, Result]):
    """Turns a request into a stream of results; a newer request replaces the one that waits and interrupts the one that runs.

    Results of a request are delivered only while it is the latest: after `submit` or `cancel` has returned, nothing of an older
    one is delivered. Deliveries hold `lock`; whoever else touches what they touch takes the same lock.

    The work is interrupted between two results, and wherever the computation calls ``checkpoint`` on the way to one; also when
    the interpreter ends.
    """

    def __init__(
        self,
        respond: Callable[[Request], Iterator[Result]],
        *,
        on_result: Callable[[Request, Result], None],
        on_end: Callable[[Request, End], None],
        executor: Executor | None = None,
    ) -> None:
        """Say what to do, without doing anything yet.

        Args:
            respond: Turns a request into its results, one after the other; runs on the worker.
            on_result: Takes each result; runs on the worker, under the lock.
            on_end: Learns how a request ended, unless a newer one replaced it; runs on the worker, under the lock.
            executor: Where to run; None for a thread.

        Raises:
            TypeError: If the executor is none.
        """
        self.lock = threading.RLock()
        self._respond = respond
        self._on_result = on_result
        self._on_end = on_end
        if executor is not None and (isinstance(executor, type) or not callable(getattr(executor, "run", None))):
            given = f"the class {executor.__name__}" if isinstance(executor, type) else repr(executor)
            raise TypeError(f"executor must be None or an executor, such as InlineExecutor(), got {given}")
        self._executor: Executor = ThreadExecutor() if executor is None else executor
        self._ticket = 0
        self._pending: tuple[int, Request] | None = None
        self._active = False
        self._closed = False
        self._idle = threading.Event()
        self._idle.set()
        self._leaving = threading.Event()
        # When the interpreter ends, too: a thread that is still inside torch then would abort the whole process.
        weakref.finalize(self, _leave, self._leaving, self._idle)

    @property
    def busy(self) -> bool:
        """Whether there is work under way or waiting."""
        return not self._idle.is_set()

    def submit(self, request: Request) -> None:
        """Ask for results; whatever was asked before is forgotten.

        Args:
            request: What to answer.

        Raises:
            RuntimeError: If the worker is closed.
        """
        with self.lock:
            if self._closed:
                raise RuntimeError("the worker is closed: it takes no more requests")
            self._ticket += 1
            self._pending = (self._ticket, request)
            self._idle.clear()
            start, self._active = not self._active, True
        if start:
            self._executor.run(self._drain)

    def cancel(self) -> None:
        """Stop the work under way and forget the request that waits."""
        with self.lock:
            self._ticket += 1
            self._pending = None

    def close(self) -> None:
        """Cancel, and take no more requests."""
        with self.lock:
            self._closed = True
            self.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is nothing left to do.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Returns:
            Whether the work is done.
        """
        return self._idle.wait(timeout)

    def _drain(self) -> None:
        while (job := self._take()) is not None:
            try:
                self._answer(*job)
            except BaseException:  # a keyboard interrupt in place, or an error in the delivery of an end: the worker stays usable
                with self.lock:
                    self._pending = None
                    self._take()
                raise

    def _take(self) -> tuple[int, Request] | None:
        # The waiting request; where there is none, the worker is idle from that moment on.
        with self.lock:
            job, self._pending = self._pending, None
            if job is None:
                self._active = False
                self._idle.set()
            return job

    def _answer(self, ticket: int, request: Request) -> None:
        def check() -> None:
            if ticket != self._ticket or self._leaving.is_set():
                raise Interrupted

        try:
            with interruptible(check):
                for result in self._respond(request):
                    with self.lock:
                        check()
                        self._on_result(request, result)
            end = End("complete")
        except Interrupted:
            end = End("cancelled")
        except Exception as error:  # noqa: BLE001 - the user's model may raise anything; it is shown, and kept in full
            first_line = str(error).strip().split("\n", 1)[0]
            message = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
            end = End("failed", Failure(message, traceback.format_exc(), error))
        with self.lock:
            if self._pending is not None:
                return
            self._on_end(request, end if ticket == self._ticket else End("cancelled"))


def _leave(leaving: threading.Event, idle: threading.Event) -> None:
    leaving.set()
    idle.wait(_PATIENCE)
