"""Every estimator on every case, against the dense Hessian of a loss that shares no code with the package."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import curvwidget as cw
from curvwidget._interrupt import interruptible
from curvwidget.curvature.ensemble import SAMPLE_METHODS, SampleMethod
from curvwidget.curvature.project import METHODS, ProjectionMethod
from curvwidget.curvature.trace import TRACE_METHODS, TraceMethod
from tests.cases import CASES, Case, Problem, dense_gradient, dense_hessian
from tests.objective.conftest import Witness

Array = np.ndarray[Any, Any]
PRODUCT = {"rtol": 0.0, "atol": 1e-7}
MISSES = 1e-4  # how often an estimate may lie outside of what is allowed here; the seeds are fixed
every_case = pytest.mark.parametrize("case", CASES, ids=str)
with_data = pytest.mark.parametrize("case", [case for case in CASES if case.name != "quadratic form"], ids=str)


def by_method(methods: Sequence[str], *, of_values: Sequence[str]) -> pytest.MarkDecorator:
    """Every case by every method, but those that take curvature from losses on smooth cases alone: kinks bend a loss too."""
    return pytest.mark.parametrize(
        ("case", "method"),
        [
            pytest.param(case, method, id=f"{case}-{method}")
            for case in CASES
            for method in methods
            if case.smooth or method not in of_values
        ],
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Problems of some dozen parameters are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sigmas(samples: int) -> float:
    """How many standard errors an estimate from so many samples keeps within: Student's law, as few samples tell little of it."""
    return float(scipy.stats.t.isf(MISSES / 2, max(samples - 1, 1)))


@lru_cache
def known(case: Case) -> tuple[Problem, cw.Objective, Array]:
    """The problem, ours, and the dense Hessian."""
    problem = case.build()
    return problem, problem.objective(), dense_hessian(problem).detach().numpy()


@every_case
def test_losses_gradient_and_products(case: Case) -> None:
    problem, objective, H = known(case)
    thetas = torch.stack([problem.point, problem.point * 1.1, problem.point + 0.05])
    truth = torch.stack([problem.whole_loss(theta).detach() for theta in thetas])
    torch.testing.assert_close(objective.losses(thetas), truth, **PRODUCT)
    torch.testing.assert_close(objective.gradient(), dense_gradient(problem), **PRODUCT)
    block = torch.randn(3, len(H), dtype=torch.float64)
    torch.testing.assert_close(objective.hvp(block), block @ torch.from_numpy(H), **PRODUCT)
    torch.testing.assert_close(objective.hvp(block[0]), torch.from_numpy(H) @ block[0], **PRODUCT)


@every_case
def test_extreme_eigenpairs(case: Case) -> None:
    _, objective, H = known(case)
    truth = np.linalg.eigvalsh(H)[::-1]
    pairs = cw.extreme_eigenpairs(objective, largest=2, smallest=1, tol=1e-6)
    assert pairs.converged.all()
    np.testing.assert_allclose(pairs.values, [*truth[:2], truth[-1]], rtol=0, atol=1e-5 * abs(truth).max())
    vectors = pairs.vectors.numpy()
    residuals = np.linalg.norm(vectors @ H - pairs.values[:, None] * vectors, axis=1)
    np.testing.assert_allclose(pairs.residuals, residuals, rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-8)


@by_method(TRACE_METHODS, of_values=["slices"])
def test_trace(case: Case, method: TraceMethod) -> None:
    _, objective, H = known(case)
    estimate = cw.estimate_trace(objective, method=method, samples=40, seed=3)
    rounding = 1e-9 * np.abs(np.linalg.eigvalsh(H)).sum()
    # Differences of the loss are off by what two steps disagree, besides.
    bias = 0.0 if estimate.step_disagreement is None else 2 * estimate.step_disagreement * np.linalg.norm(H)
    width = sigmas(len(estimate.samples))
    assert abs(estimate.trace - np.trace(H)) <= width * estimate.stderr + rounding + bias
    if method == "exact":
        assert estimate.stderr == 0
    square = np.sum(H * H)
    assert estimate.trace_of_square_stderr >= 0
    assert abs(estimate.trace_of_square - square) <= width * estimate.trace_of_square_stderr + 1e-9 * square + bias * square**0.5


@with_data
@pytest.mark.parametrize("method", ["exact", "hutchinson"])
def test_trace_by_block_comes_from_the_same_products(case: Case, method: TraceMethod) -> None:
    _, objective, H = known(case)
    estimate = cw.estimate_trace(objective, method=method, samples=60, seed=5)
    truth = {block.name: np.trace(H[block.slice, block.slice]) for block in objective.blocks}
    assert list(estimate.by_block) == list(truth)
    assert sum(estimate.by_block.values()) == pytest.approx(estimate.trace, rel=1e-9, abs=1e-12)
    for name, trace in truth.items():
        assert abs(estimate.by_block[name] - trace) <= sigmas(60) * estimate.by_block_stderr[name] + 1e-9 * np.abs(H).sum()
    assert estimate.hvps == (len(H) if method == "exact" else 60)


def assert_projected(matrix: Array, vectors: Tensor, H: Array, *, error: float, method: str) -> None:
    directions = vectors.numpy()
    truth = directions @ H @ directions.T
    size = float(np.linalg.norm(H, 2) * (directions**2).sum(axis=1).max())
    # Products are as good as rounding; losses as their stated error says, which has to say something.
    np.testing.assert_allclose(matrix, truth, rtol=0, atol=1e-7 * max(1.0, size) if method == "hvp" else error)
    assert error < 0.05 * size


@by_method(METHODS, of_values=["difference", "fit"])
def test_projected_curvature(case: Case, method: ProjectionMethod) -> None:
    _, objective, H = known(case)
    for directions in (cw.random_directions(objective, 3, seed=8), cw.hessian_directions(objective)):
        seen = cw.project_curvature(objective, directions, method=method)
        assert_projected(seen.matrix, directions.vectors, H, error=seen.error, method=method)
        np.testing.assert_allclose(seen.principal, np.linalg.eigvalsh(seen.matrix), rtol=1e-12, atol=1e-15)
        slopes = directions.vectors @ dense_gradient(known(case)[0])
        np.testing.assert_allclose(seen.gradient, slopes.numpy(), rtol=0, atol=1e-7)


@by_method(SAMPLE_METHODS, of_values=["difference"])
def test_sampled_projections(case: Case, method: SampleMethod) -> None:
    _, objective, H = known(case)
    sample = cw.sample_projections(objective, samples=6, method=method, seed=2)
    for index, matrix in enumerate(sample.matrices):
        vectors = sample.directions(index).vectors
        assert_projected(matrix, vectors, H, error=float(sample.errors[index]), method=method)


def cut(problem: Problem, places: list[int]) -> list[Any]:
    """The data in batches: all tensors are cut alike, but those of one row, which belong to every batch."""
    items = list(problem.data.items() if isinstance(problem.data, dict) else enumerate(problem.data))
    columns = {key: list(value.tensor_split(places)) if len(value) > 1 else [value] * (len(places) + 1) for key, value in items}
    batches = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return batches if isinstance(problem.data, dict) else [tuple(batch.values()) for batch in batches]


@with_data
@pytest.mark.parametrize("places", [[3], [1, 2, 6]], ids=str)
def test_any_partition_gives_the_same_numbers(case: Case, places: list[int]) -> None:
    """Trap 5: any partition of the data into batches gives the same loss, gradient, products and trace."""
    problem, whole, H = known(case)
    batches = cut(problem, places)
    sizes: list[dict[str, Any]] = [{}] if problem.criterion is None else [{}, {"batch_size": 4}]
    for options in sizes if places == [3] else sizes[:1]:
        objective = cw.Objective(problem.model, problem.criterion, batches, **{**problem.options, **options})
        assert objective.loss() == pytest.approx(whole.loss(), rel=1e-12)
        assert objective.loss(1.2 * problem.point) == pytest.approx(whole.loss(1.2 * problem.point), rel=1e-12)
        torch.testing.assert_close(objective.gradient(), whole.gradient(), rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(objective.hvp(torch.eye(len(H)).double()).numpy(), H, rtol=0, atol=1e-9)
        parts, one = (cw.estimate_trace(each, samples=5, seed=1) for each in (objective, whole))
        np.testing.assert_allclose(parts.samples, one.samples, rtol=1e-8, atol=1e-10)


def net_in_training() -> tuple[nn.Sequential, Tensor, Tensor]:
    """In train mode with one layer in eval mode and one frozen, gradients accumulated, statistics running."""
    model = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ELU(inplace=True), nn.Dropout(0.5), nn.Linear(6, 2))
    model[3].eval()
    model[0].bias.requires_grad_(False)
    x, y = torch.randn(16, 3), torch.arange(16) % 2
    F.cross_entropy(model(x), y).backward()
    return model, x, y


CALLS: dict[str, Callable[[cw.Objective], Iterator[object]]] = {
    "losses": lambda objective: iter([objective.losses(objective.theta.repeat(3, 1) + 0.1)]),
    "gradient": lambda objective: iter([objective.gradient(objective.theta + 0.1)]),
    "hvp": lambda objective: iter([objective.hvp(torch.ones(3, objective.n_parameters))]),
    "eigenpairs": cw.stream_eigenpairs,
    **{
        f"trace by {method}": lambda objective, method=method: cw.stream_trace(objective, method=method, samples=6)
        for method in TRACE_METHODS
    },
    **{
        f"projections by {method}": lambda objective, method=method: cw.stream_projections(objective, samples=3, method=method)
        for method in SAMPLE_METHODS
    },
    "projection by fit": lambda objective: iter([cw.project_curvature(objective, cw.random_directions(objective), method="fit")]),
    "slice": lambda objective: cw.stream_slice(objective, cw.hessian_directions(objective), resolution=5),
}


class StopError(Exception):
    """Raised in the middle of a computation."""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("batchnorm", ["running", "batch"])
def test_the_users_model_is_untouched_by_every_call(call: Callable[[cw.Objective], Iterator[object]], batchnorm: str) -> None:
    """Trap 1: weights, mode, requires_grad, .grad, buffers and generators are bit-equal, also after an exception or a cancel."""
    broken = False
    evaluations = 0

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        nonlocal evaluations
        evaluations += 1
        torch.rand(1)
        np.random.rand()
        if broken and evaluations > 2:
            raise StopError
        return F.cross_entropy(output, target)

    model, x, y = net_in_training()
    witness = Witness(model, x, y)
    objective = cw.Objective(model, criterion, (x, y), batchnorm=batchnorm)
    witness.assert_untouched()
    for snapshot in call(objective):
        assert snapshot is not None
        witness.assert_untouched()  # between two steps as well
    witness.assert_untouched()

    stream = call(objective.at(objective.theta + 0.01))
    next(stream)
    if hasattr(stream, "close"):
        stream.close()  # a cancel between two snapshots
    witness.assert_untouched()

    for allowed in (0, 1, 4):  # a cancel within a step
        left = iter(range(allowed))

        def check(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise StopError

        with contextlib.suppress(StopError), interruptible(check):
            list(call(objective.at(objective.theta + 0.02)))
        witness.assert_untouched()

    broken, evaluations = True, 0
    with contextlib.suppress(StopError):  # some end before the third evaluation
        list(call(objective.at(objective.theta + 0.03)))
    witness.assert_untouched()
    broken = False
    fresh = cw.Objective(model, criterion, (x, y), batchnorm=batchnorm)
    torch.testing.assert_close(objective.gradient(), fresh.gradient(), rtol=0, atol=0)
