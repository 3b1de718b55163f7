"""Products with the Hessian at one point."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.derivatives import GradientGraph, explained, graph_of_gradient, graph_product, graph_products
from curvwidget.objective.graph_memory import graphs_fit, vectors_within_budget
from curvwidget.objective.risk import Risk
from curvwidget.objective.ways import FEWEST_AT_ONCE, clock

__all__ = ["HessianProducts"]

_HOLD_SECONDS = 0.02  # that the model is kept from other threads at a time, or one product's where that takes longer


class HessianProducts:
    """v ↦ H(θ)·v at one θ, with the graphs of the gradient where they are kept.

    Attributes:
        graphs: The graphs that are kept, by the index of their term.
    """

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
        self.graphs: dict[int, GradientGraph] = {}

    def of(self, vectors: Tensor) -> Tensor:
        """Multiply vectors.

        `curvwidget._interrupt.checkpoint` is called before each walk of a graph.

        Args:
            vectors: ``(k, N)``.

        Returns:
            H(θ)·v of each, ``(k, N)``.
        """
        risk = self._risk
        if len(vectors) >= FEWEST_AT_ONCE:
            self.rows_at_once()
        if len(risk.weights) == len(vectors) == 1:
            checkpoint()
            graph = self._graph(0)
            with risk.held(self._theta.device, order=2), explained("second"):
                risk.place(self._theta)
                return self._walk(graph, vectors[0]).unsqueeze(0)
        total = torch.zeros_like(vectors)
        for index, weight in enumerate(risk.weights):
            if len(vectors):
                checkpoint()
                self._add(self._graph(index), vectors, weight, total)
        return total

    def rows_at_once(self) -> int:
        """Say how many vectors are best given at once; measured where it is not known yet.

        Returns:
            Their number, 1 where nothing is gained by more.
        """
        risk, ways = self._risk, self._risk.ways
        if ways.at_once is None:
            checkpoint()
            with (
                risk.held(self._theta.device, order=2),
                explained("second"),
            ):  # or the waiting for another thread would be measured
                known = 0 in self.graphs
                self._keeps()
                began = clock(self._theta.device)
                graph = self._graph(0)
                built_in = 0.0 if known else clock(self._theta.device) - began
                if ways.at_once is None:  # no other thread has measured meanwhile
                    risk.place(self._theta)
                    ways.choose(
                        lambda vectors: self._walk(graph, vectors[0] if len(vectors) == 1 else vectors).view(len(vectors), -1),
                        self._theta,
                        built_in=built_in,
                        most=lambda: vectors_within_budget(risk, self._theta, ways.budget),
                    )
        return ways.at_once or 1

    def _add(self, graph: GradientGraph, vectors: Tensor, weight: float, total: Tensor) -> None:
        # Add w·H_b·v to the total.
        rows = self._risk.ways.at_once or 1
        count, done = len(vectors), 0
        while done < count:
            checkpoint()  # not while the model is held: whoever waits for it need not wait for that
            with self._risk.held(self._theta.device, order=2), explained("second"):
                self._risk.place(self._theta)
                began = time.perf_counter()
                while done < count and time.perf_counter() - began < _HOLD_SECONDS:
                    step = rows if count - done >= FEWEST_AT_ONCE else 1
                    part = done if step == 1 else slice(done, done + step)
                    total[part].add_(self._walk(graph, vectors[part]), alpha=weight)
                    done += step

    def _walk(self, graph: GradientGraph, vectors: Tensor) -> Tensor:
        # Within `held`, θ in the model: activation checkpointing runs parts of the forward pass a second time. One vector (N,) or
        # several (k, N).
        with self._risk.quiet(self._theta.device):
            return (graph_product if vectors.ndim == 1 else graph_products)(self._risk, graph, vectors)

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
