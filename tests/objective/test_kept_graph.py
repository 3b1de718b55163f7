"""Graphs of the gradient are kept where they fit the memory budget: faster, equal, and without a leak."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective
from curvwidget.objective.graph_memory import graph_bytes
from curvwidget.objective.model_risk import ModelRisk
from tests.cases import CASES, Case, case_named

every_case = pytest.mark.parametrize("case", CASES, ids=str)
CUT = [(case, 5) for case in CASES if case.name not in ("quadratic form", "physics-informed")]  # whose data can be cut


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


@pytest.mark.parametrize(("case", "batch_size"), [*((case, None) for case in CASES), *CUT], ids=str)
def test_kept_graphs_give_what_fresh_ones_give(case: Case, batch_size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {} if batch_size is None else {"batch_size": batch_size}
    objective = case.build().objective(**options)
    vectors = torch.randn(4, objective.n_parameters, dtype=torch.float64)
    kept = [objective.hvp(vector) for vector in vectors]
    assert len(objective._products.graphs) == len(objective._risk.weights)
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1")
    plain = case.build().objective(**options)
    fresh = [plain.hvp(vector) for vector in vectors]
    assert not plain._products.graphs
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
    assert not sibling._products.graphs
    elsewhere = sibling.hvp(vector)
    assert sibling._products.graphs[0] is not objective._products.graphs[0]
    assert torch.equal(objective.hvp(vector), first)
    assert torch.equal(sibling.hvp(vector), elsewhere)
    assert torch.equal(objective.hvp(vector, there), elsewhere)


def test_several_graphs_are_kept_where_they_fit_together() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 1)).double()
    x, y = torch.randn(60, 16).double(), torch.randn(60, 1).double()
    together = whole_graph_bytes(Objective(model, F.mse_loss, (x, y)))
    for share, fits in ((0.5, False), (0.9, False), (1.2, False), (1.5, True)):  # one of the three graphs comes on top
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CURVWIDGET_MEMORY", str(int(share * together)))
            objective = Objective(model, F.mse_loss, (x, y), batch_size=20)
        product = objective.hvp(objective.theta)
        assert len(objective._products.graphs) == (3 if fits else 0)
        torch.testing.assert_close(product, Objective(model, F.mse_loss, (x, y)).hvp(objective.theta), rtol=1e-12, atol=1e-15)


def whole_graph_bytes(objective: Objective) -> int:
    """What the graph of all data holds, beside the data and the model: its growth from one sample to the next, times all."""
    risk = objective._risk
    assert isinstance(risk, ModelRisk)
    few, many = (graph_bytes(risk, objective.theta, rows) for rows in (20, 40))
    assert few is not None
    assert many is not None
    data_row = (16 + 1) * 8
    return 60 * ((many - few) // 20 - data_row)


@pytest.mark.parametrize("plain", [False, True], ids=["kept", "not kept"])
@pytest.mark.parametrize("batch_size", [None, 8], ids=["one batch", "several batches"])
def test_many_calls_leave_no_more_behind_than_the_kept_graphs(
    batch_size: int | None, plain: bool, saved: weakref.WeakSet[Saved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURVWIDGET_PLAIN", str(int(plain)))
    objective = case_named("MLP with tanh").build().objective(batch_size=batch_size)
    gc.collect()
    assert len(saved) == 0
    objective.hvp(objective.theta)
    kept = len(saved)
    assert (kept > 0) == (not plain)
    for _ in range(5):
        objective.loss(objective.theta + 1)
        objective.gradient(objective.theta + 1)
        objective.hvp(objective.theta)
        objective.hvp(objective.theta.expand(6, -1))
        objective.hvp(objective.theta, objective.theta + 1)
        objective.at(objective.theta + 1).hvp(objective.theta)
        _ = objective.hessian(objective.theta + 1) @ objective.theta
        assert len(saved) <= kept  # without a garbage collection: there are no cycles
    assert len(saved) == 0  # a record took the place of each graph
    assert len(objective._products.records) == (0 if plain else len(objective._risk.weights))


def test_the_graph_dies_with_its_objective() -> None:
    objective = case_named("MLP with tanh").build().objective()
    sibling = objective.at(objective.theta + 1)
    sibling.hvp(objective.theta)
    graph = weakref.ref(sibling._products.graphs[0])
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


def test_what_is_kept_can_be_given_back_and_the_products_stay_the_same() -> None:
    data = (torch.randn(9, 4).double(), torch.randn(9, 1).double())
    objective = Objective(nn.Linear(4, 1).double(), F.mse_loss, data)
    vectors = torch.eye(5, dtype=torch.float64)
    single = objective.hvp(vectors[0])
    assert objective._products.graphs
    objective.release()
    assert not objective._products.graphs
    assert torch.equal(objective.hvp(vectors[0]), single)
    before = objective.hvp(vectors)
    assert objective._products.records
    objective.release()
    assert not objective._products.records
    torch.testing.assert_close(objective.hvp(vectors), before, rtol=0, atol=0)
