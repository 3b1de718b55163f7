"""Products at one point: when a record takes the place of a graph, within which memory, and for whoever multiplies."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective
from curvwidget.objective.graph_memory import graphs_fit, record_over_graph, records_fit
from tests.cases import case_named, dense_hessian

KEPT = "graphs of the gradient kept"
TOO_LARGE = ", not recorded (it would not fit the memory budget)"


def recording(objective: Objective) -> Objective:
    """Let it record at the first product."""
    objective._products.expect_many()
    return objective


def test_what_was_measured_upon_a_graph_is_measured_again_upon_a_record() -> None:
    objective = case_named("MLP with tanh").build().objective()
    vectors = torch.randn(6, objective.n_parameters, dtype=torch.float64)
    there = objective.theta + 0.1
    elsewhere = objective.hvp(vectors, there)  # makes a graph for this call alone
    ways = objective._risk.ways
    assert (ways.at_once is not None, ways.by_record, ways.records) == (True, False, None)
    objective.hvp(vectors)
    assert (ways.by_record, ways.records) == (True, True)
    reason = ways.reason
    torch.testing.assert_close(objective.hvp(vectors, there), elsewhere, rtol=1e-12, atol=1e-14)
    assert ways.reason == reason
    assert ways.rows(recorded=False) == 1


def test_other_threads_need_not_let_go_of_the_model() -> None:
    objective = recording(case_named("tied language model").build().objective())
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    product = objective.hvp(vector)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with objective._risk.lock:
            held.set()
            done.wait(timeout=30)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(timeout=30)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(objective.hvp, vector)
        assert torch.equal(waiting.result(timeout=20), product)
        assert not objective._risk.lock.acquire(blocking=False)
        done.set()
    other.join(timeout=30)


def test_many_threads_get_the_same_bits() -> None:
    objective = recording(case_named("transformer encoder layer").build().objective(batch_size=4))
    objective._risk.ways.at_once = 4
    vectors = torch.randn(7, objective.n_parameters, dtype=torch.float64)
    single, block = objective.hvp(vectors[0]), objective.hvp(vectors)
    start = threading.Barrier(6)

    def multiply() -> list[bool]:
        torch.set_num_threads(1)
        start.wait(timeout=30)
        return [torch.equal(objective.hvp(vectors[0]), single) and torch.equal(objective.hvp(vectors), block) for _ in range(8)]

    with ThreadPoolExecutor(6) as pool:
        assert all(all(run.result(timeout=60)) for run in [pool.submit(multiply) for _ in range(6)])


def test_threads_that_all_come_first_make_one_record() -> None:
    objective = recording(case_named("MLP with tanh").build().objective(batch_size=8))
    vector, start = torch.randn(objective.n_parameters, dtype=torch.float64), threading.Barrier(6)

    def multiply() -> Tensor:
        torch.set_num_threads(1)
        start.wait(timeout=30)
        return objective.hvp(vector)

    with ThreadPoolExecutor(6) as pool:
        products = [run.result(timeout=60) for run in [pool.submit(multiply) for _ in range(6)]]
    assert all(torch.equal(product, products[0]) for product in products)
    assert len(objective._products.records) == 3


@pytest.mark.parametrize(
    "mode",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad],
    ids=["no grad", "inference", "autocast", "grad"],
)
@pytest.mark.parametrize("when", ["recorded", "used"])
def test_the_callers_modes_change_nothing(mode: Callable[[], AbstractContextManager[Any]], when: str) -> None:
    problem = case_named("MLP with tanh").build()
    truth = recording(problem.objective(dtype=torch.float32))
    vectors = torch.randn(5, truth.n_parameters)
    truth._risk.ways.at_once = 4
    single, block = truth.hvp(vectors[0]), truth.hvp(vectors)
    objective = recording(problem.objective(dtype=torch.float32))
    objective._risk.ways.at_once = 4
    if when == "used":
        objective.hvp(vectors[0])
    with mode():
        found = objective.hvp(vectors[0]), objective.hvp(vectors)
    assert len(objective._products.records) == 1
    for product, expected in zip(found, (single, block), strict=True):
        assert torch.equal(product, expected)
        assert not product.is_inference()
        assert not product.requires_grad
        (2 * torch.ones((), requires_grad=True) * product).sum().backward()  # an ordinary tensor, which can be saved


def test_the_callers_default_dtype_changes_nothing() -> None:
    problem = case_named("transformer encoder layer").build()
    objective, other = recording(problem.objective()), recording(problem.objective())
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    product = objective.hvp(vector)
    torch.set_default_dtype(torch.float16)
    try:
        assert torch.equal(objective.hvp(vector), product)
        assert torch.equal(other.hvp(vector), product)
    finally:
        torch.set_default_dtype(torch.float32)


def test_data_that_its_owner_writes_to_is_looked_at_anew() -> None:
    x, y = torch.randn(12, 3, dtype=torch.float64), torch.randn(12, 1, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    objective = recording(Objective(model, F.mse_loss, (x, y), batch_size=6))
    vectors = torch.randn(5, objective.n_parameters, dtype=torch.float64)
    before = objective.hvp(vectors)
    records = dict(objective._products.records)
    x[:6].mul_(2)  # the two batches are parts of one tensor
    fresh = Objective(model, F.mse_loss, (x.clone(), y), batch_size=6)
    after = objective.hvp(vectors)
    assert float((after - before).norm()) > 0.1 * float(before.norm())
    torch.testing.assert_close(after, fresh.hvp(vectors), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(objective.hvp(vectors), after, rtol=1e-12, atol=1e-14)
    assert len(objective._products.records) == 2
    assert all(record.current and record is not records[index] for index, record in objective._products.records.items())
    assert not any(record.current for record in records.values())


@pytest.mark.parametrize("before", [1, 20], ids=["by a graph", "by a record"])
@pytest.mark.parametrize("read", ["as they are", "halved first"])
def test_a_product_is_that_of_the_data_as_they_are_now(before: int, read: str) -> None:
    class Net(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x if read == "as they are" else x / 2)  # no constant of a graph or a record is the data

    x, y = torch.randn(12, 3, dtype=torch.float64), torch.randint(0, 2, (12,))
    objective = Objective(Net(3, 2).double(), F.cross_entropy, (x, y))
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    for _ in range(before):
        objective.hvp(vector)
    x.mul_(3)

    def loss(theta: Tensor) -> Tensor:
        inputs = x if read == "as they are" else x / 2
        return F.cross_entropy(inputs @ theta[:6].view(2, 3).T + theta[6:], y)

    dense = torch.autograd.functional.hessian(loss, objective.theta)
    assert isinstance(dense, Tensor)
    torch.testing.assert_close(objective.hvp(vector), dense @ vector, rtol=1e-10, atol=1e-12)


def test_products_of_a_loss_that_is_linear_in_theta_are_zero() -> None:
    foreign = torch.ones(3, dtype=torch.float64, requires_grad=True)  # so that its gradient has a graph, without θ
    objective = Objective.from_function(lambda theta: (foreign * theta).sum(), torch.ones(3, dtype=torch.float64))
    for count in (1, 8):
        vectors = torch.randn(count, 3, dtype=torch.float64)
        torch.testing.assert_close(objective.hvp(vectors), torch.zeros_like(vectors))


def test_records_are_made_where_they_fit_the_memory_and_else_the_graphs_are_kept() -> None:
    problem = case_named("MLP with tanh").build()
    asked = recording(problem.objective())
    theta, vector = asked.theta, torch.randn(asked.n_parameters, dtype=torch.float64)
    asked.hvp(vector)
    over = record_over_graph(asked._risk, asked._theta, 0, asked._products.records[0].constants)
    assert 0.5 < over < 1.6
    graph = next(budget for budget in range(100, 10**6, 100) if graphs_fit(asked._risk, theta, budget))
    record = next(budget for budget in range(100, 10**6, 100) if records_fit(asked._risk, theta, budget))
    assert record == pytest.approx(1.3 * graph, rel=0.05)  # 1.6 for the record and 1 for a walk, where a graph needs 1 and 1
    for budget, fits in ((graph, False), (record - 100, False), (record, True)):
        objective = recording(problem.objective())
        objective._risk.ways.budget = budget
        torch.testing.assert_close(objective.hvp(vector), dense_hessian(problem) @ vector, rtol=1e-9, atol=1e-12)
        assert (len(objective._products.graphs), len(objective._products.records)) == ((0, 1) if fits else (1, 0))
        assert objective.ways.startswith(f"{KEPT} until their walks are recorded; " if fits else f"{KEPT}{TOO_LARGE}; ")


def test_a_record_that_holds_more_than_was_thought_is_not_kept() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2))
    data = (torch.randn(64, 3), torch.arange(64) % 2)
    objective = recording(Objective(model, F.cross_entropy, data))
    objective.hvp(objective.theta)
    over = record_over_graph(objective._risk, objective._theta, 0, objective._products.records[0].constants)
    assert over > 1.8
    needed = {over: next(b for b in range(100, 10**6, 100) if records_fit(objective._risk, objective._theta, b, over))}
    for budget, fits in ((needed[over] - 100, False), (needed[over], True)):
        other = recording(Objective(model, F.cross_entropy, data))
        other._risk.ways.budget = budget
        assert records_fit(other._risk, other._theta, budget)
        other.hvp(other.theta)
        assert (len(other._products.graphs), len(other._products.records)) == ((0, 1) if fits else (1, 0))
        assert (TOO_LARGE in other.ways) == (not fits)


@pytest.mark.parametrize("how", ["released", "with the objective"])
def test_what_a_record_holds_is_let_go_with_it(how: str) -> None:
    objective = recording(case_named("convolution with BatchNorm").build().objective(batch_size=5))
    sibling = recording(objective.at(objective.theta + 0.1))
    sibling.hvp(objective.theta)
    known = {id(tensor) for item in objective._risk.batches.items for tensor in item}
    constants = [constant for record in sibling._products.records.values() for constant in record.constants]
    held = [weakref.ref(constant) for constant in constants if id(constant) not in known]
    assert len(held) > 20
    assert all(constant.grad_fn is None and not constant.requires_grad for constant in constants)
    del constants
    if how == "released":
        sibling.release()
    else:
        del sibling
    assert sum(reference() is not None for reference in held) == 0  # without a garbage collection


def test_up_to_eight_single_products_are_walks_and_the_next_is_recorded() -> None:
    objective = case_named("MLP with tanh").build().objective(batch_size=8)
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    assert objective.ways == "graphs not needed so far; vectors at once not measured so far"
    walks = [objective.hvp(vector) for _ in range(8)]
    assert not objective._products.records
    assert objective.ways == f"{KEPT}; vectors at once not measured so far"
    recorded = [objective.hvp(vector) for _ in range(3)]
    assert len(objective._products.records) == 3
    assert not objective._products.graphs
    assert objective.ways == f"{KEPT} until their walks are recorded; vectors at once not measured so far"
    assert all(torch.equal(walk, walks[0]) for walk in walks)
    assert all(torch.equal(product, recorded[0]) for product in recorded)
    torch.testing.assert_close(recorded[0], walks[0], rtol=1e-12, atol=1e-14)


def test_three_blocks_of_three_vectors_are_nine_products() -> None:
    objective = case_named("MLP with tanh").build().objective()
    vectors = torch.randn(3, objective.n_parameters, dtype=torch.float64)
    for records in (0, 0, 1):
        objective.hvp(vectors)
        assert len(objective._products.records) == records


def test_the_operator_of_the_hessian_records_at_its_first_product() -> None:
    problem = case_named("MLP with tanh").build()
    objective = problem.objective()
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    objective.hvp(vector)
    hessian = objective.hessian()
    assert not objective._products.records
    first = hessian @ vector
    assert len(objective._products.records) == 1
    assert torch.equal(hessian @ vector, first)
    torch.testing.assert_close(first, dense_hessian(problem) @ vector, rtol=1e-9, atol=1e-12)


def test_other_points_are_recorded_for_themselves_and_calls_at_one_are_not() -> None:
    problem = case_named("MLP with tanh").build()
    objective = recording(problem.objective())
    vector = torch.randn(objective.n_parameters, dtype=torch.float64)
    objective.hvp(vector)
    there = objective.theta + 0.3
    sibling = objective.at(there)
    for _ in range(10):
        objective.hvp(vector, there)
    assert not sibling._products.records
    truth = dense_hessian(problem, there) @ vector
    torch.testing.assert_close(recording(sibling).hvp(vector), truth, rtol=1e-9, atol=1e-12)
    assert len(sibling._products.records) == 1
    torch.testing.assert_close(objective.hvp(vector, there), truth, rtol=1e-9, atol=1e-12)


def test_the_plain_way_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1")
    objective = recording(case_named("MLP with tanh").build().objective())
    vectors = torch.randn(12, objective.n_parameters, dtype=torch.float64)
    for product in (objective.hvp(vectors), torch.stack([objective.hessian() @ vector for vector in vectors])):
        assert torch.equal(product, torch.stack([objective.hvp(vector) for vector in vectors]))
    assert not objective._products.records
    assert not objective._products.graphs
    assert objective.ways == "a graph of the gradient for each call; vectors one by one (CURVWIDGET_PLAIN is set)"
