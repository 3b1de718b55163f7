"""How many samples go through a model at once."""

from __future__ import annotations

from torch import Tensor

from curvwidget.objective.graph_memory import PEAK_OVER_GRAPH, graph_bytes
from curvwidget.objective.model_risk import ModelRisk

__all__ = ["rows_within_budget"]

_PROBE_ROWS = (4, 8)


def rows_within_budget(risk: ModelRisk, theta: Tensor, budget: int) -> int:
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
    less, greater = graph_bytes(risk, theta, few), graph_bytes(risk, theta, more)
    if less is None or greater is None or greater <= less:
        return count
    per_sample = (greater - less) / (more - few)
    return max(1, min(count, int(budget / (PEAK_OVER_GRAPH * per_sample))))
