"""In which way the products of one loss's Hessian, and its values along directions, are computed, chosen once.

The graph of the gradient is kept where it fits the memory budget, and walked once a product; its operations are recorded where
that fits, too. One walk may take several vectors: that is up to six times as fast where a walk costs mostly its bookkeeping (nets
of some thousand parameters on some hundred samples) and slower where it costs arithmetic. Which it is, is measured.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from curvwidget.objective.trial import PRODUCT_TOLERANCE

__all__ = ["FEWEST_AT_ONCE", "Ways", "clock"]

Product = Callable[[Tensor], Tensor]

# Vectors that one walk is tried with, on a CPU and elsewhere, where four may cost more than one by one and sixteen far less.
_AT_ONCE = {True: (4, 16), False: (4, 8, 16)}
FEWEST_AT_ONCE = 4
"""Fewer vectors never gain by a common walk, and nothing is measured for them; `Ways.fewest` is what was measured."""
# Seconds, on a CPU and elsewhere, where a common walk gains with arithmetic, too:
_SLOW = {True: 0.02, False: 0.2}  # of a product whose bookkeeping is too small a part of it to be worth measuring
_LONGEST = {True: 0.1, False: 1.0}  # that a walk with several may be expected to take, to be tried at all
_HOPELESS = 0.2  # seconds to build a graph; less may be a first call on a busy machine
_GAIN = 0.95  # of the time: what a common walk is chosen at
_LOSS = {True: 1.2, False: math.inf}  # and what a larger one is not tried at
_RUNS, _ENOUGH = 5, 0.1  # of each; two where they take so many seconds
_PREPARED = 4  # calls on other devices than a CPU, in which what is asked for in one call later on is prepared


@dataclass
class Ways:
    """How products and losses along directions are computed, the same for all points of a loss.

    Attributes:
        plain: Whether the user wants the plain way: a graph for each call, a walk for each vector.
        budget: Bytes that a product may take beyond model, data and vectors.
        keeps_graphs: Whether the graphs of the gradient are kept; None as long as nobody needed to know.
        records: Whether walks that are done again and again are recorded; None as long as there were too few of them.
        no_record: Why not, in words.
        at_once: Vectors in one walk of a graph, 1 for one by one; None before it is measured.
        fewest: Vectors in all that are not multiplied one by one where more than one are taken at once.
        threads: On how many threads vectors are multiplied by a record, so many on each; 0 for one after another.
        by_record: Whether that was measured upon a record; None for either.
        reason: Why, in words.
        points_alone: Why points along so many directions, with a record of the loss or without one, are evaluated one by one on a
            device that is no CPU; empty where they go together.
        point_threads: On how many threads points along directions are evaluated on a CPU, by what is recorded of the loss; 0 for
            one after another, in the calling thread.
    """

    plain: bool
    budget: int
    keeps_graphs: bool | None = None
    records: bool | None = None
    no_record: str = ""
    at_once: int | None = None
    fewest: int = FEWEST_AT_ONCE
    threads: int = 0
    by_record: bool | None = None
    reason: str = ""
    points_alone: dict[tuple[int, bool], str] = field(default_factory=dict)
    point_threads: dict[Hashable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Leave nothing to choose where the plain way is wanted."""
        if self.plain:
            self.keeps_graphs, self.records, self.at_once, self.reason = False, False, 1, "CURVWIDGET_PLAIN is set"

    def choose(self, walk: Product, theta: Tensor, *, built_in: float, most: Callable[[], int]) -> None:
        """Measure how many vectors one walk should take.

        Nothing that is measured is used as a result, so that an objective's products are the same before and after.

        Args:
            walk: Maps vectors ``(k, N)`` to their products by one walk.
            theta: Says how long the vectors are, in which dtype and where.
            built_in: Seconds that it took to build the graph, about as long as a product takes.
            most: Says how many vectors the memory budget allows; asked where it matters alone.
        """
        if built_in > _HOPELESS:
            self._settle(1, f"building the graph took {1e3 * built_in:.0f} ms")
            return
        on_cpu = theta.device.type == "cpu"
        generator = torch.Generator().manual_seed(0)
        vectors = torch.randn(max(_AT_ONCE[on_cpu]), len(theta), generator=generator, dtype=torch.float64).to(theta)
        alone, truth = _timed(walk, vectors[:1])
        if alone > _SLOW[on_cpu]:
            self._settle(1, f"a product takes {1e3 * alone:.1f} ms")
            return
        best, fastest, allowed = 1, alone, most()
        fewest = max(_AT_ONCE[on_cpu])
        for count in _AT_ONCE[on_cpu]:
            if count * fastest > _LONGEST[on_cpu]:
                break
            if count > allowed:
                self._settle(best, f"the memory budget allows {allowed}", fewest)
                return
            try:
                seconds, products = _timed(walk, vectors[:count])
            except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:  # no rule for an operation
                self._settle(1, f"a common walk fails: {str(error).partition(chr(10))[0][:80]}")
                return
            if not bool((products[0] - truth[0]).norm() <= PRODUCT_TOLERANCE[theta.dtype] * truth.norm()):
                self._settle(1, "a common walk gives other products")
                return
            if seconds / count <= alone:
                fewest = min(fewest, count)
            if seconds / count <= _GAIN * fastest:
                best, fastest = count, seconds / count
            elif seconds / count > _LOSS[on_cpu] * fastest:
                break
        self._settle(best, f"a product takes {1e3 * fastest:.2f} ms, alone {1e3 * alone:.2f} ms", fewest)

    def measured(self, *, repeated: bool) -> bool:
        """Say whether it is known how many vectors to give at once.

        Args:
            repeated: Whether for walks that are going to be recorded, where that can be.

        Returns:
            Whether it was measured upon such.
        """
        return self.at_once is not None and (self.by_record is not False or self.records is False or not repeated)

    def rows(self, *, recorded: bool) -> int:
        """Say how many vectors to give at once.

        Args:
            recorded: Whether to a record, or to a walk of a graph, which may not take several where a record does.

        Returns:
            Their number: 1 where another kind was measured.
        """
        return self.at_once or 1 if self.by_record in (None, recorded) else 1

    def _settle(self, at_once: int, reason: str, fewest: int = FEWEST_AT_ONCE) -> None:
        self.at_once, self.reason, self.fewest = at_once, reason, fewest

    def __str__(self) -> str:
        # The ways in words.
        if self.keeps_graphs is None:
            kept = "graphs not needed so far"
        else:
            kept = "graphs of the gradient kept" if self.keeps_graphs else "a graph of the gradient for each call"
            if self.records:
                kept += " until their walks are recorded"
            elif self.no_record:
                kept += f", not recorded ({self.no_record})"
        if self.at_once is None:
            walked = "vectors at once not measured so far"
        else:
            walked = "vectors one by one" if self.at_once == 1 else f"{self.at_once} vectors at once"
            walked += (f" on each of {self.threads} threads" if self.threads else "") + f" ({self.reason})"
        return f"{kept}; {walked}"


# The shortest of some runs, which other programs disturb least, and what came out.
def _timed(function: Product, argument: Tensor) -> tuple[float, Tensor]:
    seconds: list[float] = []
    result = argument
    for _ in range(0 if argument.device.type == "cpu" else _PREPARED):
        function(argument)
    while len(seconds) < 2 or (len(seconds) < _RUNS and sum(seconds) < _ENOUGH):
        began = clock(argument.device)
        result = function(argument)
        seconds.append(clock(argument.device) - began)
    return min(seconds), result


def clock(device: torch.device) -> float:
    """Read a clock that other programs disturb little: this thread's own time on a CPU.

    Args:
        device: Where is computed; what was begun there is waited for.

    Returns:
        Seconds.
    """
    if device.type == "cpu" and sys.platform != "win32":  # whose clock of a thread is a coarse one
        return time.thread_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
