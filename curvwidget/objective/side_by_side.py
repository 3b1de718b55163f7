"""Pieces of work on several threads, each of which computes its operations alone.

PyTorch on a CPU divides every operation among threads that wait for each other at its end. That pays for large operations; where
there are several pieces of work that do not depend on each other, points of a slice or vectors to be multiplied, it is faster to
give each thread a piece. How many threads there may be is what the caller has set (`torch.get_num_threads`), and stays so.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import cache, partial

import torch
from threadpoolctl import ThreadpoolController

from curvwidget._interrupt import checkpoint, interruptible

__all__ = ["PIECES", "Work", "choose_threads", "do_side_by_side", "most_threads"]

Work = Callable[[int, Iterator[int]], None]
"""Does pieces of work, given the number of its thread and those of the pieces, which others share."""

PIECES = 64
"""As many as `choose_threads` asks for at a time, at most."""

_NAP = 0.005  # seconds between looks whether the work shall be interrupted
_MOST = 16  # threads; Python's own part of a piece is done by one at a time
_LONGEST = 0.25  # seconds of a piece: on one thread it takes several times as long, and is not interrupted
_SHORTEST = 0.0003  # seconds of a piece of which Python's own part is too large for several threads
_MEASURED = 0.005  # seconds of pieces that a thread is given, to see what they take, or one piece
_RUNS = 3  # the first of them while PyTorch's threads still look out for work, as they do for some time after an operation


class _Stopped(BaseException):
    """Another piece of the same work has failed, or the work is interrupted."""


def most_threads() -> int:
    """Say on how many threads work may be done: PyTorch's for an operation that the calling thread asks for.

    Returns:
        Their number; 1 where threads cannot be kept from dividing their operations (PyTorch was not built with OpenMP).
    """
    count = min(torch.get_num_threads(), _MOST)
    return count if count > 1 and _can_compute_alone() else 1


def choose_threads(work: Work, most: int) -> int:
    """Measure on how many threads a piece of work takes least, on the average.

    Args:
        work: Pieces, `PIECES` of them, which are done for nothing.
        most: Threads that there may be.

    Returns:
        Their number; 0 where operations are best divided among all threads that PyTorch has.
    """
    if most < 2:
        return 0
    alone = _seconds(lambda: work(0, iter(range(1))))
    if alone > _LONGEST:
        return 0
    several = max(1, min(PIECES // most, int(_MEASURED / alone)))

    def seconds(threads: int) -> float:
        pieces = several * max(1, threads)
        once = partial(do_side_by_side, work, pieces, threads) if threads else lambda: work(0, iter(range(pieces)))
        return min(_seconds(once) for _ in range(_RUNS)) / pieces

    divided = seconds(0)
    if divided < _SHORTEST:
        return 0
    # From the most downwards: where an operation is divided among many threads, a few that compute alone are slower than that.
    best, fastest = 0, math.inf
    threads = most
    while threads > 1 and (took := seconds(threads)) < fastest:
        best, fastest = threads, took
        threads //= 2
    return best if fastest < divided else 0


def do_side_by_side(work: Work, count: int, threads: int) -> None:
    """Do pieces of work on several threads, in any order.

    The calling thread is one of them. Where its `curvwidget._interrupt.checkpoint` raises, or one of the threads does, the others
    stop at their own next one: none is at work any more when this returns or raises.

    Args:
        work: Called on each thread, once at most. Modes of PyTorch that hold for a thread alone (`torch.inference_mode`, say) are
            its own to enter.
        count: How many pieces.
        threads: On so many threads; the calling one is number 0.
    """
    pieces = deque(range(count))
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise _Stopped

    def help_out(thread: int) -> None:
        try:
            with interruptible(check):
                work(thread, _taken(pieces, stopped))
        except BaseException:
            stopped.set()
            raise

    others: list[Future[None]] = []
    try:
        others.extend(_pool(os.getpid()).submit(help_out, thread) for thread in range(1, min(threads, count)))
        with _openmp().limit(limits=1):
            work(0, _taken(pieces, stopped))
        while wait(others, _NAP, FIRST_EXCEPTION).not_done:
            checkpoint()
            if stopped.is_set():
                break
    finally:
        stopped.set()
        wait(others)
    errors = [error for other in others if (error := other.exception()) is not None]
    for error in errors:
        if not isinstance(error, _Stopped):
            raise error


def _taken(pieces: deque[int], stopped: threading.Event) -> Iterator[int]:
    while not stopped.is_set():
        checkpoint()
        try:
            piece = pieces.popleft()  # as a whole: no other thread takes the same
        except IndexError:
            return
        yield piece


@cache
def _openmp() -> ThreadpoolController:
    # Its limits hold for the thread that sets them alone.
    return ThreadpoolController().select(user_api="openmp")


@cache
def _can_compute_alone() -> bool:
    with _openmp().limit(limits=1):
        return torch.get_num_threads() == 1


@cache
def _pool(_: int) -> ThreadPoolExecutor:
    # One for each process, since threads do not pass to a fork of it.
    return ThreadPoolExecutor(max(_MOST, os.cpu_count() or 1), "curvwidget-side-by-side", _compute_alone)


def _compute_alone() -> None:
    torch.get_num_threads()  # which a thread is given once, at the first question or operation
    _openmp().limit(limits=1)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
