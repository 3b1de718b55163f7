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
from curvwidget.objective.trees import tensors_of

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
    storages = _saved(risk, theta, lambda leaves: risk.probe(rows, leaves))
    return None if storages is None else sum(storages.values())


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
    storages: dict[int, int] = {}
    for tensor in constants:
        _count(tensor, storages)
    storages.pop(theta.untyped_storage().data_ptr(), None)
    graph = _term_bytes(risk, theta, index)
    return math.inf if graph is None else _beside(risk, index, storages) / max(1, graph)


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
    storages = _saved(risk, theta, lambda leaves: risk.evaluate(index, leaves))
    return None if storages is None else _beside(risk, index, storages)


# All bytes but those of model and data.
def _beside(risk: Risk, index: int, storages: dict[int, int]) -> int:
    known = [*risk.parameters.tensors, *tensors_of(risk.batches.items[index])] if isinstance(risk, ModelRisk) else []
    for tensor in known:
        if tensor.layout is torch.strided:
            storages.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(storages.values())


# What a graph of the gradient saves: bytes by the address of their storage.
def _saved(risk: Risk, theta: Tensor, evaluate: Callable[[tuple[Tensor, ...]], object]) -> dict[int, int] | None:
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        _count(tensor, storages)
        return tensor.detach()  # an output that its own node saves would keep itself alive

    try:
        with (
            risk.session(theta, order=2) as leaves,
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        ):
            graph = differentiate_with_graph(risk, risk.single_number(evaluate(leaves)), leaves)
            del graph  # not before all is counted: an address stands for a storage only as long as that lives
    except RuntimeError as error:
        if "saved tensor hooks" in str(error):
            return None
        raise
    return storages


def _count(tensor: Tensor, storages: dict[int, int]) -> None:
    if tensor.layout is torch.strided:  # a sparse one has no storage of its own, and its parts come here too or are small
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
