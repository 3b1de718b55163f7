"""Vectors at once or one by one: the same products, chosen once, within the memory budget, and in the plain way on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget._interrupt import interruptible
from curvwidget.objective import Objective, ways
from curvwidget.objective.graph_memory import vectors_within_budget
from curvwidget.objective.settings import MEMORY_BUDGET, computes_plainly, memory_budget
from curvwidget.objective.ways import Ways
from tests.cases import CASES, Case, case_named, dense_hessian

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def chosen(seconds: Callable[[int], float], *, built_in: float = 0.0, most: int = 100) -> tuple[Ways, list[int]]:
    """What is chosen where k vectors at once take so many seconds, by a clock of its own, and how many were walked with."""
    now, walks = 0.0, []

    def walk(vectors: Tensor) -> Tensor:
        nonlocal now
        now += seconds(len(vectors))
        walks.append(len(vectors))
        return 3 * vectors

    found = Ways(plain=False, budget=MEMORY_BUDGET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "clock", lambda _: now)
        found.choose(walk, torch.zeros(5, dtype=torch.float64), built_in=built_in, most=lambda: most)
    return found, walks


@every_case
@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("at_once", [4, 16])
def test_vectors_at_once_have_the_products_of_the_dense_hessian(case: Case, batch_size: int | None, at_once: int) -> None:
    problem = case.build()
    divisible = problem.model is not None and case.name != "physics-informed"
    objective = problem.objective(batch_size=batch_size) if divisible else problem.objective()
    objective._risk.ways.at_once = at_once
    vectors = torch.randn(22, objective.n_parameters, dtype=torch.float64)  # whole blocks, and a rest that goes one by one
    assert torch.equal(objective.hvp(vectors[:3]), torch.stack([objective.hvp(vector) for vector in vectors[:3]]))
    products = objective.hvp(vectors)
    alone = torch.stack([objective.hvp(vector) for vector in vectors])
    torch.testing.assert_close(products, alone, rtol=1e-12, atol=1e-13 * float(alone.abs().max()))
    if batch_size is None:
        torch.testing.assert_close(products, vectors @ dense_hessian(problem), rtol=1e-9, atol=1e-12)


@every_case
def test_measuring_changes_no_result_but_by_rounding_and_is_done_once(case: Case) -> None:
    objective = case.build().objective()
    vectors = torch.randn(16, objective.n_parameters, dtype=torch.float64)
    assert objective._risk.ways.at_once is None
    first = objective.hvp(vectors)
    taken = objective._risk.ways.at_once
    assert taken in (1, 4, 16)
    sibling = objective.at(objective.theta + 0.1)
    assert sibling.ways == objective.ways
    before = objective._risk.ways.reason
    sibling.hvp(vectors)
    assert objective._risk.ways.reason == before
    assert torch.equal(objective.hvp(vectors), first)  # what was measured on was no result


def test_the_plain_way_is_taken_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1")
    objective = case_named("MLP with tanh").build().objective()
    vectors = torch.randn(20, objective.n_parameters, dtype=torch.float64)
    assert torch.equal(objective.hvp(vectors), torch.stack([objective.hvp(vector) for vector in vectors]))
    assert objective._risk.ways.at_once == 1
    assert not objective._products.graphs
    assert objective.ways == "a graph of the gradient for each call; vectors one by one (CURVWIDGET_PLAIN is set)"


def test_more_vectors_are_taken_at_once_as_long_as_that_is_faster() -> None:
    assert chosen(lambda count: 1e-3)[0].at_once == 16  # bookkeeping alone
    assert chosen(lambda count: 1e-4 * (4 + count))[0].at_once == 16
    found, walks = chosen(lambda count: 3e-4 * count)  # arithmetic alone
    assert found.at_once == 1
    assert max(walks) == 16
    found, walks = chosen(lambda count: 5e-4 * count - 2e-4)  # and more of it for several
    assert (found.at_once, max(walks)) == (1, 4)
    found, walks = chosen(lambda count: {1: 1e-3, 4: 1e-3, 16: 8e-3}[count])  # the larger block leaves the cache
    assert found.at_once == 4
    assert max(walks) == 16


def test_fewer_vectors_than_gain_by_a_common_walk_go_one_by_one() -> None:
    found, _ = chosen(lambda count: {1: 1e-3, 4: 4.2e-3, 16: 8e-3}[count])
    assert (found.at_once, found.fewest) == (16, 16)
    found, _ = chosen(lambda count: {1: 1e-3, 4: 3.9e-3, 16: 8e-3}[count])
    assert (found.at_once, found.fewest) == (16, 4)
    objective = case_named("MLP with tanh").build().objective()
    vectors = torch.randn(15, objective.n_parameters, dtype=torch.float64)
    objective._risk.ways.at_once, objective._risk.ways.fewest = 16, 16
    alone = torch.stack([objective.hvp(vector) for vector in (*vectors, *vectors)])[-15:]  # from the record at last
    assert torch.equal(objective.hvp(vectors), alone)


def test_slow_products_are_not_measured_at_length() -> None:
    found, walks = chosen(lambda count: 1e-3, built_in=0.5)
    assert (found.at_once, walks) == (1, [])
    assert "building the graph took 500 ms" in str(found)
    found, walks = chosen(lambda count: 22e-3)
    assert (found.at_once, walks) == (1, [1, 1, 1, 1, 1])
    found, walks = chosen(lambda count: 8e-3 * count)
    assert (found.at_once, max(walks)) == (1, 4)  # sixteen would take more than a tenth of a second
    found, walks = chosen(lambda count: 0.3, built_in=0.1)
    assert (found.at_once, walks) == (1, [1, 1])


def test_no_more_vectors_are_taken_than_the_budget_allows() -> None:
    assert chosen(lambda count: 1e-3, most=15)[0].at_once == 4
    assert chosen(lambda count: 1e-3, most=3)[0].at_once == 1
    objective = case_named("MLP with tanh").build().objective()
    one, ten = (vectors_within_budget(objective._risk, objective.theta, budget) for budget in (10_000, 100_000))
    assert 1 <= one < ten


def test_a_way_that_fails_or_disagrees_is_dropped() -> None:
    found = Ways(plain=False, budget=MEMORY_BUDGET)

    def fails(vectors: Tensor) -> Tensor:
        if len(vectors) > 1:
            raise RuntimeError("Batching rule not implemented for aten::something")
        return vectors

    found.choose(fails, torch.zeros(5), built_in=0.0, most=lambda: 100)
    assert found.at_once == 1
    assert "aten::something" in found.reason

    found.choose(lambda vectors: vectors * (1 + 0.01 * (len(vectors) > 1)), torch.zeros(5), built_in=0.0, most=lambda: 100)
    assert (found.at_once, found.reason) == (1, "a common walk gives other products")


class Doubled(torch.autograd.Function):
    """y = 2·x², whose backward pass looks at numbers, which several vectors at once do not have."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return 2 * x**2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return Slope.apply(x, gradient)


class Slope(torch.autograd.Function):
    """The derivative of `Doubled`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(x, gradient)
        return 4 * x * gradient

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor]:
        x, gradient = ctx.saved_tensors
        size = float(outer.abs().sum())  # a number of one vector
        return (4 * gradient * outer, 4 * x * outer) if size >= 0 else (outer, outer)


def test_an_operation_that_takes_one_vector_only_gets_one_by_one() -> None:
    objective = Objective.from_function(lambda theta: Doubled.apply(theta).sum(), torch.arange(1.0, 7.0))
    vectors = torch.randn(8, 6)
    torch.testing.assert_close(objective.hvp(vectors), 4 * vectors)
    assert objective._risk.ways.at_once == 1
    assert "fails" in objective.ways


def test_activation_checkpointing_takes_the_point_of_its_own_graph() -> None:
    class Recomputed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            hidden: Tensor = torch.utils.checkpoint.checkpoint(lambda x: torch.tanh(self.first(x)), x, use_reentrant=False)
            return self.last(hidden)

    torch.manual_seed(0)
    model, data = Recomputed().double(), (torch.randn(12, 4).double(), torch.arange(12) % 3)
    objective = Objective(model, F.cross_entropy, data, batch_size=5)
    there = objective.at(objective.theta + 0.5)
    vectors = torch.randn(6, objective.n_parameters).double()
    here, elsewhere = objective.hvp(vectors), there.hvp(vectors)
    objective.loss(objective.theta + 3)  # leaves another point in the model
    torch.testing.assert_close(objective.hvp(vectors), here, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(there.hvp(vectors), elsewhere, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(objective.hvp(vectors[0], there.theta), elsewhere[0], rtol=1e-12, atol=1e-14)


def test_a_block_may_be_interrupted_between_its_walks() -> None:
    objective = case_named("MLP with tanh").build().objective()
    objective._risk.ways.at_once = 4
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), interruptible(stop):
        objective.hvp(torch.randn(400, objective.n_parameters, dtype=torch.float64))
    assert objective.hvp(objective.theta).isfinite().all()


@pytest.mark.parametrize(
    ("text", "size"),
    [("", MEMORY_BUDGET), ("1000", 1000), ("512MB", 512_000_000), ("1.5 GiB", 3 * 2**29), ("2k", 2000), ("64mib", 2**26)],
)
def test_the_memory_budget_is_what_the_user_sets(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURVWIDGET_MEMORY", text)
    assert memory_budget(torch.device("cpu")) == size


@pytest.mark.parametrize(
    ("free", "held", "budget"), [(7 << 30, 0, 1 << 29), (1 << 30, 0, 1 << 28), (1 << 30, 1 << 30, 1 << 29), (0, 0, 1)]
)
def test_on_a_gpu_it_is_a_share_of_what_that_has_and_of_what_is_free(free, held, budget, monkeypatch) -> None:
    monkeypatch.delenv("CURVWIDGET_MEMORY", raising=False)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 8 << 30))
    monkeypatch.setattr(
        torch.cuda, "memory_reserved", lambda device: 3 * held
    )  # of torch: what it holds for nobody is free as well
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2 * held)
    assert memory_budget(torch.device("cuda")) == budget
    monkeypatch.setenv("CURVWIDGET_MEMORY", "1000")
    assert memory_budget(torch.device("cuda")) == 1000


@pytest.mark.parametrize("text", ["much", "-5MB", "0", "5 parsecs"])
def test_what_is_no_memory_is_refused_when_an_objective_is_built(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURVWIDGET_MEMORY", text)
    with pytest.raises(ValueError, match="CURVWIDGET_MEMORY must be a number of bytes, such as 512MB or 2GiB, got"):
        case_named("MLP with tanh").build().objective()


def test_the_plain_switch_is_on_or_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, plain in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("CURVWIDGET_PLAIN", text)
        assert computes_plainly() is plain
    monkeypatch.setenv("CURVWIDGET_PLAIN", "yes")
    with pytest.raises(ValueError, match="CURVWIDGET_PLAIN must be 0 or 1, got 'yes'"):
        computes_plainly()


def test_a_smaller_budget_cuts_the_data_into_more_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = case_named("MLP with tanh").build()
    assert len(problem.objective()._risk.weights) == 1
    monkeypatch.setenv("CURVWIDGET_MEMORY", "8kB")
    objective = problem.objective()
    assert len(objective._risk.weights) > 1
    torch.testing.assert_close(objective.hvp(objective.theta), dense_hessian(problem) @ objective.theta, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_loss_by_torch_func_whose_graphs_cannot_be_measured_is_multiplied_all_the_same(batch_size: int | None) -> None:
    class Slopes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 1)).double()

        def forward(self, x: Tensor) -> Tensor:
            return torch.func.vmap(torch.func.jacrev(lambda point: self.net(point).squeeze(-1)))(x)

    torch.manual_seed(0)
    data = (torch.randn(12, 1).double(), torch.randn(12, 1).double())
    objective = Objective(Slopes(), F.mse_loss, data, batch_size=batch_size)
    assert len(objective._risk.weights) == (1 if batch_size is None else 3)
    products = objective.hvp(torch.eye(objective.n_parameters).double())
    torch.testing.assert_close(products, products.T)
    step = 1e-5 * torch.ones(objective.n_parameters).double()
    slope = objective.gradient(objective.theta + step) - objective.gradient(objective.theta - step)
    torch.testing.assert_close(products.sum(dim=0), slope / 2e-5, rtol=1e-6, atol=1e-7)
