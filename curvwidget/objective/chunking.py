"""How many samples go through a model at once."""

from __future__ import annotations

import torch
from torch import Tensor

from curvwidget.objective.risk import ModelRisk

__all__ = ["rows_within_budget"]

MEMORY_BUDGET = 256 * 2**20  # bytes that the graph of one Hessian-vector product may take
_GRAPH_FACTOR = 6  # a double backward keeps about this much more than the forward pass saves
_PROBE_ROWS = (4, 8)


def rows_within_budget(risk: ModelRisk, theta: Tensor, budget: int = MEMORY_BUDGET) -> int:
    """Choose the batch size from what the graph of a few samples holds.

    The choice depends on sizes alone, not on timings, so that a run can be repeated to the last bit.

    Args:
        risk: The loss on divisible batches.
        theta: ``(N,)``.
        budget: Bytes that the graph of one Hessian-vector product may take.

    Returns:
        Samples a batch, at least one and at most all.
    """
    count = risk.batches.n_samples
    few, more = (min(rows, count) for rows in _PROBE_ROWS)
    if few == more:
        return count
    per_sample = (_graph_bytes(risk, theta, more) - _graph_bytes(risk, theta, few)) / (more - few)
    if per_sample <= 0:
        return count
    return max(1, min(count, int(budget / (_GRAPH_FACTOR * per_sample))))


def _graph_bytes(risk: ModelRisk, theta: Tensor, rows: int) -> int:
    """Bytes that autograd saves in a forward pass, each storage counted once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        leaf = theta.detach().clone().requires_grad_()
        value = risk.probe(leaf, rows)
        del value
    return sum(storages.values())
