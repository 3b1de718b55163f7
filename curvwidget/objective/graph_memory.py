"""Bytes that the graphs of gradients hold, and what therefore fits a budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.derivatives import differentiate_with_graph
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.risk import Risk
from curvwidget.objective.storages import Storages

__all__ = ["PEAK_OVER_GRAPH", "graph_bytes", "graphs_fit", "record_over_graph", "records_fit", "vectors_within_budget"]

PEAK_OVER_GRAPH = 2.0
"""A product's peak over the bytes of the graph that it walks: 1.4 to 1.9 on MLPs, convolutions with BatchNorm and attention."""
_RECORD_OVER_GRAPH = 1.6  # 0.8 to 1.9 on the same nets, 3.3 with LayerNorm or statistics of batches: measured once there is one


def graph_bytes(risk: ModelRisk, theta: Tensor, rows: int) -> int | None:
    """Measure the graph from which Hessian-vector products come: all that is saved by a forward pass and its differentiation.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.
        rows: Samples.

    Returns:
        Bytes, each storage counted once; None where they cannot be counted, since the loss differentiates by `torch.func`.
    """
    saved = _saved(risk, theta, lambda leaves: risk.probe(rows, leaves))
    return None if saved is None else saved.bytes_beside([])


def graphs_fit(risk: Risk, theta: Tensor, budget: int) -> bool:
    """Say whether the graphs of all terms may be kept: they and what a product takes besides.

    Args:
        risk: The loss.
        theta: ``(N,)``.
        budget: Bytes that one Hessian-vector product may take.

    Returns:
        Whether they fit; not where they cannot be counted. No more of them are made than do.
    """
    return _fit(risk, theta, budget, kept=1.0)


def records_fit(risk: Risk, theta: Tensor, budget: int, over_graph: float = _RECORD_OVER_GRAPH) -> bool:
    """Say whether the walks of all terms may be recorded, in place of their graphs.

    Args:
        risk: The loss.
        theta: ``(N,)``.
        budget: Bytes that one Hessian-vector product may take.
        over_graph: What a record holds over what its graph does; a guess, before there is a record.

    Returns:
        Whether they fit; not where they cannot be counted.
    """
    return _fit(risk, theta, budget, kept=over_graph)


def record_over_graph(risk: Risk, theta: Tensor, index: int, constants: Iterable[Tensor]) -> float:
    """Measure what a record holds over what the graph that it takes the place of does: what is computed once is kept, too.

    Args:
        risk: The loss.
        theta: ``(N,)``.
        index: Which term.
        constants: Of the record.

    Returns:
        The ratio of bytes beside model, data and θ; infinite where those of the graph cannot be counted.
    """
    held = Storages(constants).bytes_beside([theta, *_there(risk, index)])
    graph = _term_bytes(risk, theta, index)
    return math.inf if graph is None else held / max(1, graph)


def _fit(risk: Risk, theta: Tensor, budget: int, *, kept: float) -> bool:
    held = largest = 0.0
    by_size: dict[int, int | None] = {}
    for index in range(len(risk.weights)):
        checkpoint()
        size = risk.batches.sizes[index] if isinstance(risk, ModelRisk) and risk.batches.divisible else -1 - index
        if size not in by_size:
            by_size[size] = _term_bytes(risk, theta, index)
        graph = by_size[size]
        if graph is None:
            return False
        held, largest = held + kept * graph, max(largest, graph)
        if held + (PEAK_OVER_GRAPH - 1) * largest > budget:
            return False
    return True


def vectors_within_budget(risk: Risk, theta: Tensor, budget: int) -> int:
    """Choose how many vectors may be multiplied by one walk of the graph of the first term.

    Args:
        risk: The loss.
        theta: ``(N,)``.
        budget: Bytes that the walk may take.

    Returns:
        Their number, at least one, since one has to be; one where the graph cannot be measured.
    """
    graph = _term_bytes(risk, theta, 0)
    if graph is None:
        return 1
    return max(1, int((budget / max(1, graph) - 1) / (PEAK_OVER_GRAPH - 1)))


# Bytes of the graph of one term, beside model and data.
def _term_bytes(risk: Risk, theta: Tensor, index: int) -> int | None:
    saved = _saved(risk, theta, lambda leaves: risk.evaluate(index, leaves))
    return None if saved is None else saved.bytes_beside(_there(risk, index))


def _there(risk: Risk, index: int) -> list[Tensor]:
    return risk.tensors_there(index) if isinstance(risk, ModelRisk) else []


# What a graph of the gradient saves.
def _saved(risk: Risk, theta: Tensor, evaluate: Callable[[tuple[Tensor, ...]], object]) -> Storages | None:
    storages = Storages()

    def pack(tensor: Tensor) -> Tensor:
        storages.add(tensor)
        return tensor.detach()  # an output that its own node saves would keep itself alive

    try:
        with (
            risk.session(theta, order=2) as leaves,
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        ):
            graph = differentiate_with_graph(risk, risk.single_number(evaluate(leaves)), leaves)
            del graph  # not before all is counted: an address stands for a storage only as long as that lives
    except RuntimeError as error:
        if "saved tensor hooks" in str(error) or "donated buffer" in str(error):
            return None
        raise
    return storages
