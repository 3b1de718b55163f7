"""The graph of the gradient is kept where the data is one batch: faster, equal, and without a leak."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from curvwidget.objective import Objective
from tests.cases import CASES, Case, case_named

every_case = pytest.mark.parametrize("case", CASES, ids=str)


class Saved:
    """A tensor that autograd keeps."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@pytest.fixture
def saved() -> Iterator[weakref.WeakSet[Saved]]:
    """All tensors that graphs made in the test still keep."""
    living: weakref.WeakSet[Saved] = weakref.WeakSet()

    def pack(tensor: Tensor) -> Saved:
        packed = Saved(tensor.detach())  # or an output that its own node saves would keep itself alive
        living.add(packed)
        return packed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed.tensor):
        yield living


@every_case
def test_a_kept_graph_gives_what_a_fresh_one_gives(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = case.build().objective()
    vectors = torch.randn(4, objective.n_parameters, dtype=torch.float64)
    kept = [objective.hvp(vector) for vector in vectors]
    assert objective._graph is not None
    monkeypatch.setattr(Objective, "_keeps_graph", False)
    plain = case.build().objective()
    fresh = [plain.hvp(vector) for vector in vectors]
    assert plain._graph is None
    torch.testing.assert_close(torch.stack(kept), torch.stack(fresh), rtol=1e-13, atol=1e-15)


@every_case
def test_a_kept_graph_stays_right_after_looks_elsewhere(case: Case) -> None:
    objective = case.build().objective()
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    first = objective.hvp(vector)
    there = objective.theta + 0.5
    objective.loss(there)
    objective.gradient(there)
    sibling = objective.at(there)
    assert sibling._graph is None
    elsewhere = sibling.hvp(vector)
    assert sibling._graph is not objective._graph
    assert torch.equal(objective.hvp(vector), first)
    assert torch.equal(sibling.hvp(vector), elsewhere)
    assert torch.equal(objective.hvp(vector, there), elsewhere)


def test_several_batches_keep_no_graph() -> None:
    objective = case_named("MLP with tanh").build().objective(batch_size=8)
    objective.hvp(objective.theta)
    assert objective._graph is None


@pytest.mark.parametrize(("batch_size", "graphs"), [(None, 1), (8, 0)], ids=["one batch", "several batches"])
def test_many_calls_leave_no_more_behind_than_the_kept_graph(
    batch_size: int | None, graphs: int, saved: weakref.WeakSet[Saved]
) -> None:
    objective = case_named("MLP with tanh").build().objective(batch_size=batch_size)
    gc.collect()
    assert len(saved) == 0
    objective.hvp(objective.theta)
    one_graph = len(saved)
    assert (one_graph > 0) == (graphs == 1)
    for _ in range(5):
        objective.loss(objective.theta + 1)
        objective.gradient(objective.theta + 1)
        objective.hvp(objective.theta)
        objective.hvp(objective.theta, objective.theta + 1)
        objective.at(objective.theta + 1).hvp(objective.theta)
        _ = objective.hessian(objective.theta + 1) @ objective.theta
        assert len(saved) == one_graph  # without a garbage collection: there are no cycles


def test_the_graph_dies_with_its_objective() -> None:
    objective = case_named("MLP with tanh").build().objective()
    sibling = objective.at(objective.theta + 1)
    sibling.hvp(objective.theta)
    graph = weakref.ref(sibling._graph)
    operator = sibling.hessian()
    del sibling
    assert graph() is not None  # the operator needs it
    del operator
    gc.collect()
    assert graph() is None


def test_an_objective_dies_with_its_last_name() -> None:
    objective = case_named("MLP with tanh").build().objective()
    objective.hvp(objective.theta)
    risk = weakref.ref(objective._risk)
    del objective
    gc.collect()
    assert risk() is None
