"""How many samples go through a model at once."""

from __future__ import annotations

import torch
from torch import Tensor

from curvwidget.objective.derivatives import differentiate_with_graph
from curvwidget.objective.model_risk import ModelRisk

__all__ = ["rows_within_budget"]

MEMORY_BUDGET = 256 * 2**20  # bytes that one Hessian-vector product may take beyond model, data and vectors
# A product's peak over the bytes of the graph that it walks: 1.4 to 1.9 on MLPs, convolutions with BatchNorm and attention.
_PEAK_OVER_GRAPH = 2.0
_PROBE_ROWS = (4, 8)


def rows_within_budget(risk: ModelRisk, theta: Tensor, budget: int = MEMORY_BUDGET) -> int:
    """Choose the batch size from what the graph of a few samples holds.

    The choice depends on sizes alone, not on timings, so that a run can be repeated to the last bit.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.
        budget: Bytes that one Hessian-vector product may take.

    Returns:
        Samples a batch, at least one and at most all.
    """
    count = risk.batches.n_samples
    few, more = (min(rows, risk.batches.sizes[0]) for rows in _PROBE_ROWS)
    if few == more:
        return count
    per_sample = (graph_bytes(risk, theta, more) - graph_bytes(risk, theta, few)) / (more - few)
    if per_sample <= 0:
        return count
    return max(1, min(count, int(budget / (_PEAK_OVER_GRAPH * per_sample))))


def graph_bytes(risk: ModelRisk, theta: Tensor, rows: int) -> int:
    """Measure the graph from which Hessian-vector products come: all that is saved by a forward pass and its differentiation.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.
        rows: Samples.

    Returns:
        Bytes, each storage counted once.
    """
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.layout is torch.strided:  # a sparse one has no storage of its own, and its parts come here too or are small
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # an output that its own node saves would keep itself alive

    with (
        risk.session(theta, order=2) as leaves,
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        graph = differentiate_with_graph(risk, risk.single_number(risk.probe(rows, leaves)), leaves)
        del graph  # not before all is counted: an address stands for a storage only as long as that lives
    return sum(storages.values())
