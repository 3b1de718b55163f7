"""On a GPU: the same numbers as on the CPU, whatever comes from where."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import curvwidget as cw
from curvwidget.curvature.trace import TRACE_METHODS, TraceMethod
from curvwidget.objective import Objective, recorded_terms, together, ways
from curvwidget.objective.replay import Replay
from tests.cases import CASES, Case, case_named

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

with_model = pytest.mark.parametrize("case", [case for case in CASES if case.name != "quadratic form"], ids=str)
CLOSE = {"rtol": 1e-8, "atol": 1e-9}


@pytest.fixture(autouse=True)
def untouched_generator() -> Iterator[None]:
    """The generator of the device belongs to the user as that of the CPU does."""
    before = torch.cuda.get_rng_state()
    yield
    assert torch.equal(torch.cuda.get_rng_state(), before)


@with_model
def test_loss_gradient_and_products_are_those_of_the_cpu(case: Case) -> None:
    problem = case.build()
    here, there = problem.objective(), problem.objective(device="cuda")
    assert there.device.type == "cuda"
    assert all(parameter.device.type == "cpu" for parameter in problem.model.parameters())
    assert there.loss() == pytest.approx(here.loss(), rel=1e-10)
    losses = there.losses(torch.stack([here.theta, here.theta + 0.1]))  # points may come from the CPU
    assert losses.device.type == "cpu"
    torch.testing.assert_close(losses, here.losses(torch.stack([here.theta, here.theta + 0.1])), **CLOSE)
    torch.testing.assert_close(there.gradient().cpu(), here.gradient(), **CLOSE)
    vectors = torch.randn(3, here.n_parameters, dtype=torch.float64)
    torch.testing.assert_close(there.hvp(vectors).cpu(), here.hvp(vectors), **CLOSE)


@pytest.mark.parametrize("method", TRACE_METHODS)
def test_traces_are_those_of_the_cpu_for_the_same_seed(method: TraceMethod) -> None:
    problem = case_named("MLP with tanh").build()
    one, other = (cw.estimate_trace(problem.objective(device=place), method=method, samples=12) for place in ("cpu", "cuda"))
    np.testing.assert_allclose(other.samples, one.samples, rtol=1e-4 if method == "slices" else 1e-7, atol=1e-6)


def test_eigenpairs_density_projections_and_slices_are_those_of_the_cpu() -> None:
    problem = case_named("convolution with BatchNorm").build()
    here, there = problem.objective(), problem.objective(device="cuda")
    pairs = [cw.extreme_eigenpairs(objective, tol=1e-8) for objective in (here, there)]
    np.testing.assert_allclose(pairs[1].values, pairs[0].values, rtol=1e-8)
    samples = [cw.sample_projections(objective, samples=4) for objective in (here, there)]
    np.testing.assert_allclose(samples[1].matrices, samples[0].matrices, rtol=1e-7, atol=1e-8)
    planes = [cw.slice_loss(objective, cw.random_directions(objective), resolution=5) for objective in (here, there)]
    np.testing.assert_allclose(planes[1].values, planes[0].values, rtol=1e-8)


def test_directions_from_a_file_are_moved_to_where_the_objective_is(tmp_path: Path) -> None:
    problem = case_named("MLP with tanh").build()
    there = problem.objective(device="cuda")
    cw.random_directions(there).save(tmp_path / "directions.npz")
    loaded = cw.Directions.load(tmp_path / "directions.npz")
    assert loaded.vectors.device.type == "cpu"
    for method in ("hvp", "difference"):
        seen = cw.project_curvature(there, loaded, method=method)
        truth = cw.project_curvature(problem.objective(), loaded, method=method)
        np.testing.assert_allclose(seen.matrix, truth.matrix, rtol=1e-4, atol=1e-5)
    assert cw.slice_loss(there, loaded, resolution=3).values.shape == (3, 3)


def test_recurrent_layers_have_derivatives_without_cudnn_which_is_put_back() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)[0][:, -1]

    before = torch.backends.cudnn.enabled
    model, x, y = Last().double(), torch.randn(6, 3, 3).double(), torch.arange(6) % 4
    here, there = (cw.Objective(model, F.cross_entropy, (x, y), device=place) for place in ("cpu", "cuda"))
    v = torch.randn(here.n_parameters, dtype=torch.float64)
    torch.testing.assert_close(there.hvp(v).cpu(), here.hvp(v), **CLOSE)
    assert torch.backends.cudnn.enabled is before


def test_a_model_on_two_devices_is_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2).cuda())
    with pytest.raises(ValueError, match="model must be on one device, got cpu, cuda:0; say device="):
        cw.Objective(model, F.cross_entropy, (torch.randn(4, 3), torch.arange(4) % 2))
    with contextlib.suppress(RuntimeError):  # their forward pass may not agree; that is theirs to say
        cw.Objective(model, F.cross_entropy, (torch.randn(4, 3), torch.arange(4) % 2), device="cuda")


def test_data_on_the_cpu_is_moved_once() -> None:
    x, y = torch.randn(8, 3), torch.arange(8) % 2
    objective = cw.Objective(nn.Linear(3, 2).cuda(), F.cross_entropy, (x, y))
    assert objective._risk.batches.items[0][0].device.type == "cuda"
    assert objective._risk.batches.items[0][0].data_ptr() == objective._risk.batches.items[0][0].to("cuda").data_ptr()


def test_float32_has_all_its_digits_whatever_the_process_allows() -> None:
    """TF32, which cuDNN takes unless told otherwise, would be 1e-3 off: more than a loss changes along a step of a slice."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 32, 3), nn.Tanh(), nn.Conv2d(32, 16, 3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(5))
    x, y = torch.randn(64, 8, 12, 12), torch.arange(64) % 5
    model(x)
    truth = cw.Objective(model.double(), F.cross_entropy, (x.double(), y))
    vectors = torch.randn(12, truth.n_parameters, dtype=torch.float64)
    products = truth.hvp(vectors)
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = True
        there = cw.Objective(model.float(), F.cross_entropy, (x, y), device="cuda")
        one_by_one = torch.stack([there.hvp(vector) for vector in vectors.float()])  # by the graph, then from a record
        for found in (one_by_one, there.hvp(vectors.float())):
            assert (found.cpu().double() - products).norm() < 1e-5 * products.norm()
        rows = np.linspace(-1, 1, 40)[:, None]
        directions = vectors[:1] / vectors[:1].norm()
        np.testing.assert_allclose(there.along(directions.float()).at(rows), truth.along(directions).at(rows), rtol=2e-6)
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = before


def test_points_of_a_small_network_go_through_it_together_and_have_the_losses_of_the_cpu() -> None:
    problem = case_named("convolution with BatchNorm").build()
    here, there = problem.objective(), problem.objective(device="cuda")
    vectors = torch.randn(2, here.n_parameters, dtype=torch.float64)
    along, plain = there.along(vectors), here.along(vectors)
    rows = np.random.default_rng(0).normal(size=(8 + 64 + 20, 2)) * 0.3
    np.testing.assert_allclose(along.at(rows), plain.at(rows), rtol=1e-9)
    assert along.points_at_once == 64, along.declined
    np.testing.assert_allclose(along.at(rows[:3]), plain.at(rows[:3]), rtol=1e-9)  # too few for that


def test_whether_points_go_together_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = Mock(wraps=together._seconds)
    monkeypatch.setattr(together, "_seconds", timed)
    objective = case_named("convolution with BatchNorm").build().objective(device="cuda")
    at_once = []
    for _ in range(3):
        along = objective.along(torch.randn(2, objective.n_parameters, dtype=torch.float64))
        along.at(np.random.default_rng(0).normal(size=(40, 2)) * 0.3)
        at_once.append(along.points_at_once)
    assert timed.call_count == 2  # together and alone
    assert len(set(at_once)) == 1


def test_a_graph_is_made_once_though_the_first_losses_are_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Mock(wraps=recorded_terms.Replay)
    monkeypatch.setattr(recorded_terms, "Replay", made)
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(model.weight)
    data = torch.ones(4, 1).double(), torch.zeros(4, 1).double()
    objective = Objective(model, lambda output, _: output.log().mean(), data, device="cuda")
    along = objective.along(torch.ones(1, 1).double())
    along.joins_points = False
    along.expect_many()
    for _ in range(3):
        assert np.isnan(along.at(np.full((9, 1), -2.0))).all()  # log(1 − 2)
    steps = np.linspace(0.1, 1, 9)
    np.testing.assert_allclose(along.at(steps[:, None]), np.log(1 + steps), rtol=1e-12)
    assert along._plane._replay is not None
    assert made.call_count == 1


@pytest.mark.parametrize(
    "name", ["MLP with tanh", "convolution with BatchNorm", "residual convolution", "transformer encoder layer"]
)
def test_replayed_products_and_losses_are_those_of_the_cpu(name: str) -> None:
    problem = case_named(name).build()
    here, there = problem.objective(), problem.objective(device="cuda")
    vectors = torch.randn(2, here.n_parameters, dtype=torch.float64)
    for vector in (*vectors, *vectors):  # a replay must not give the product of the vector before
        for _ in range(12):
            found = there.hvp(vector)
        torch.testing.assert_close(found.cpu(), here.hvp(vector), **CLOSE)
    (walk,) = there._products.records.values()
    assert list(walk._replays) == [torch.Size([here.n_parameters])]
    along, plain = there.along(vectors), here.along(vectors)
    along.joins_points = False
    rows = np.random.default_rng(0).normal(size=(60, 2)) * 0.3
    np.testing.assert_allclose(along.at(rows), plain.at(rows), rtol=1e-9)
    assert along._plane is not None, along.declined
    np.testing.assert_allclose(along.at(rows[:20]), plain.at(rows[:20]), rtol=1e-9)
    assert along._plane._replay is not None
    kept = found.clone()
    there.hvp(vectors[0])
    assert torch.equal(found, kept)  # a result is the caller's own


def test_a_block_of_four_that_loses_does_not_keep_eight_and_sixteen_from_being_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    now, seconds = 0.0, {1: 1.4e-3, 4: 7e-3, 8: 8.6e-3, 16: 14e-3}

    def walk(vectors: torch.Tensor) -> torch.Tensor:
        nonlocal now
        now += seconds[len(vectors)]
        return 3 * vectors

    monkeypatch.setattr(ways, "clock", lambda _: now)
    found = ways.Ways(plain=False, budget=2**30)
    found.choose(walk, torch.zeros(5, dtype=torch.float64, device="cuda"), built_in=0.0, most=lambda: 100)
    assert (found.at_once, found.fewest) == (16, 8)


def test_threads_that_replay_get_their_own_products() -> None:
    problem = case_named("MLP with tanh").build()
    here, there = problem.objective(), problem.objective(device="cuda")
    vectors = torch.randn(4, here.n_parameters, dtype=torch.float64)
    expected = torch.stack([here.hvp(vector) for vector in vectors])
    for _ in range(12):
        there.hvp(vectors[0])

    def work(row: int) -> torch.Tensor:
        with torch.cuda.stream(torch.cuda.Stream()):
            return torch.stack([there.hvp(vectors[row]) for _ in range(50)]).cpu()

    with ThreadPoolExecutor(4) as pool:
        for row, products in enumerate(pool.map(work, range(4))):
            torch.testing.assert_close(products, expected[row].expand(50, -1), **CLOSE)


def test_what_cannot_be_replayed_leaves_the_device_as_it_was() -> None:
    x = torch.arange(3.0, device="cuda")
    with pytest.raises(RuntimeError):
        Replay(lambda v: v * float(v.sum()), (x,))  # asks for a number
    before = torch.cuda.get_rng_state()
    assert torch.rand(3, device="cuda").isfinite().all()  # which an unfinished graph would forbid
    torch.cuda.set_rng_state(before)
    doubled = Replay(lambda v: 2 * v, (x,))
    torch.testing.assert_close(doubled(x + 1), 2 * (x + 1))
