"""Products with the Hessian at one point.

The graph of the gradient is kept and walked once a product. Where many products follow, the operations of a walk are recorded, if
memory allows, and done without the graph: nothing of the model is touched any more then, and no other thread has to wait for it.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.derivatives import GradientGraph, explained, graph_of_gradient, graph_product, graph_products
from curvwidget.objective.graph_memory import graphs_fit, record_over_graph, records_fit, vectors_within_budget
from curvwidget.objective.recorded_walk import RecordedWalk, record_walk
from curvwidget.objective.recording import NotRecordableError
from curvwidget.objective.risk import Risk
from curvwidget.objective.side_by_side import PIECES, Work, choose_threads, do_side_by_side, most_threads
from curvwidget.objective.storages import Storages
from curvwidget.objective.ways import FEWEST_AT_ONCE, clock

__all__ = ["HessianProducts"]

Multiply = Callable[[Tensor], Tensor]

_HOLD_SECONDS = 0.02  # that the model is kept from other threads at a time, or one product's where that takes longer
_WALKS = 8  # of a graph, before they are recorded: that takes as long as some five to twenty of them


class HessianProducts:
    """v ↦ H(θ)·v at one θ, with the graphs of the gradient where they are kept.

    Attributes:
        graphs: The graphs that are kept, by the index of their term.
        records: What took their place, likewise.
        takes_threads: Whether several vectors may be multiplied at the same time, on a CPU. ``False``, set on the class, has them
            multiplied one after another.
    """

    takes_threads: bool = True

    def __init__(self, risk: Risk, theta: Tensor, *, repeated: bool) -> None:
        """Prepare for products.

        Args:
            risk: The loss.
            theta: The point ``(N,)``.
            repeated: Whether there will be other calls, so that graphs are worth keeping.
        """
        self._risk = risk
        self._theta = theta
        self._repeated = repeated
        self._walks: Counter[int] = Counter()
        self._many = False
        self.graphs: dict[int, GradientGraph] = {}
        self.records: dict[int, RecordedWalk] = {}

    def expect_many(self) -> None:
        """Record from the next walk on, so that an estimate of many products is computed in one way, however often taken up."""
        self._many = True

    def of(self, vectors: Tensor) -> Tensor:
        """Multiply vectors.

        `curvwidget._interrupt.checkpoint` is called before each walk of a graph.

        Args:
            vectors: ``(k, N)``.

        Returns:
            H(θ)·v of each, ``(k, N)``.
        """
        if len(vectors) >= FEWEST_AT_ONCE:
            self.expect_many()
            self.rows_at_once()
        weights = self._risk.weights
        if len(weights) == len(vectors) == 1:
            checkpoint()
            multiply, held = self._multiplier(0, 1)
            with held():
                return multiply(vectors[0]).unsqueeze(0)
        total = torch.zeros_like(vectors)
        for index, weight in enumerate(weights):
            if len(vectors):
                checkpoint()
                self._add(index, vectors, weight, total)
        return total

    def rows_at_once(self) -> int:
        """Say how many vectors are best given at once; measured where it is not known yet.

        Returns:
            Their number, 1 where nothing is gained by more.
        """
        risk, ways = self._risk, self._risk.ways
        if not ways.measured(repeated=self._repeated):
            checkpoint()
            with self._held():  # or the waiting for another thread would be measured
                known = 0 in self.graphs or 0 in self.records
                self._keeps()
                began = clock(self._theta.device)
                graph = None if known else self._graph(0)
                built_in = 0.0 if known else clock(self._theta.device) - began
                if not ways.measured(repeated=self._repeated):  # no other thread has measured meanwhile
                    self.expect_many()
                    record = self._record(0, 1)
                    multiply = record or partial(self._walk, graph or self._graph(0))
                    ways.by_record = record is not None
                    ways.choose(
                        lambda vectors: multiply(vectors[0] if len(vectors) == 1 else vectors).view(len(vectors), -1),
                        self._theta,
                        built_in=built_in,
                        most=lambda: vectors_within_budget(risk, self._theta, ways.budget),
                    )
                    if record is not None:
                        self._choose_threads(record)
        return (ways.at_once or 1) * max(1, ways.threads)

    def _choose_threads(self, record: RecordedWalk) -> None:
        # As if all terms were as large as the first, whose record this is.
        ways, theta = self._risk.ways, self._theta
        if theta.device.type != "cpu" or not self.takes_threads:
            return
        rows = ways.at_once or 1
        held = len(self._risk.weights) * Storages(record.constants).bytes_beside([theta])
        each = rows * (record.scratch + 2 * theta.nbytes)  # with the vectors, of which so many more are asked for at once
        most = min(most_threads(), (ways.budget - held) // each)
        vectors = torch.randn(rows, len(theta), dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(theta)
        ways.threads = choose_threads(_adder(record, vectors, [slice(rows)] * PIECES, 1.0, torch.zeros_like(vectors)), most)

    def _add(self, index: int, vectors: Tensor, weight: float, total: Tensor) -> None:
        # Add w·H_b·v to the total.
        count, done = len(vectors), 0
        multiply, held = self._multiplier(index, count)
        ways = self._risk.ways
        recorded = isinstance(multiply, RecordedWalk)
        rows = ways.rows(recorded=recorded)
        threads = min(ways.threads, most_threads()) if recorded and self.takes_threads else 0
        if threads > 1 and count > 1:
            rows = min(rows, math.ceil(count / threads)) if count >= ways.fewest else 1
            parts = [slice(start, start + rows) for start in range(0, count, rows)]
            do_side_by_side(_adder(multiply, vectors, parts, weight, total), len(parts), threads)
            return
        while done < count:
            checkpoint()  # not while the model is held: whoever waits for it need not wait for that
            with held():
                began = time.perf_counter()
                while done < count and time.perf_counter() - began < _HOLD_SECONDS:
                    step = rows if count - done >= ways.fewest else 1
                    part = done if step == 1 else slice(done, done + step)
                    total[part].add_(multiply(vectors[part]), alpha=weight)
                    done += step

    def _multiplier(self, index: int, count: int) -> tuple[Multiply, Callable[[], AbstractContextManager[None]]]:
        # What multiplies one vector (N,) or several (k, N), so many in all, and what has to be held meanwhile.
        if (found := self._record(index, count)) is not None:
            return found, nullcontext
        return partial(self._walk, self._graph(index)), self._held

    @contextmanager
    def _held(self) -> Iterator[None]:
        # Activation checkpointing runs parts of the forward pass a second time: θ has to be in the model.
        with self._risk.held(self._theta.device, order=2), explained("second"):
            self._risk.place(self._theta)
            yield

    def _walk(self, graph: GradientGraph, vectors: Tensor) -> Tensor:
        with self._risk.quiet(self._theta.device):
            return (graph_product if vectors.ndim == 1 else graph_products)(self._risk, graph, vectors)

    def _record(self, index: int, count: int) -> RecordedWalk | None:
        # The record of a term's walk, where there is one, or so many walks more make one worth its while.
        found = self.records.get(index)
        if found is not None and not found.current:
            self.records.pop(index, None)
            return None
        if found is not None or self._risk.ways.records is False or not self._repeated:
            return found
        self._walks[index] += count
        if self._walks[index] <= _WALKS and not self._many:
            return None
        with self._held():
            return self._recorded(index)

    def _recorded(self, index: int) -> RecordedWalk | None:
        ways = self._risk.ways
        if index not in self.records:  # no other thread has recorded meanwhile
            graph, first = self._graph(index), ways.records is None
            if first:
                ways.records = bool(self._keeps()) and records_fit(self._risk, self._theta, ways.budget)
            if ways.records:
                try:
                    found = record_walk(partial(self._walk, graph), self._theta, graph.leaves)
                except NotRecordableError as error:
                    ways.records, ways.no_record = False, str(error)
                else:
                    if first:
                        held = record_over_graph(self._risk, self._theta, index, found.constants)
                        ways.records = records_fit(self._risk, self._theta, ways.budget, held)
                    if ways.records:
                        self.records[index] = found
                        self.graphs.pop(index, None)
            if not ways.records and not ways.no_record:
                ways.no_record = "it would not fit the memory budget"
        return self.records.get(index)

    def _graph(self, index: int) -> GradientGraph:
        graph = self.graphs.get(index)
        if graph is None:
            graph = graph_of_gradient(self._risk, index, self._theta)
            if self._repeated and self._keeps():
                graph = self.graphs.setdefault(index, graph)
        return graph

    def _keeps(self) -> bool:
        ways = self._risk.ways
        if ways.keeps_graphs is None:
            # Memory for the graph of a single term is needed in any case.
            ways.keeps_graphs = len(self._risk.weights) == 1 or graphs_fit(self._risk, self._theta, ways.budget)
        return ways.keeps_graphs


# Adds weighted products to the total, part by part of the vectors.
def _adder(multiply: Multiply, vectors: Tensor, parts: Sequence[slice], weight: float, total: Tensor) -> Work:
    def add(_: int, pieces: Iterator[int]) -> None:
        for piece in pieces:
            part = parts[piece]
            several = vectors[part]
            products = multiply(several[0] if len(several) == 1 else several)
            total[part].add_(products.view_as(several), alpha=weight)

    return add
