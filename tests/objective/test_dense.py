"""Losses, gradients and products with the Hessian, against dense truth and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.cases import CASES, QUADRATIC_SPECTRUM, Case, case_named, dense_gradient, dense_hessian

# float64: sums of some hundred products of size one
CLOSE = {"rtol": 1e-9, "atol": 1e-11}

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def somewhere_else(point: Tensor) -> Tensor:
    return point + 0.1 * torch.randn(len(point), generator=torch.Generator().manual_seed(3), dtype=point.dtype)


@every_case
def test_theta_is_the_parameters_one_after_the_other(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    torch.testing.assert_close(objective.theta, problem.point, rtol=0, atol=0)
    assert objective.n_parameters == len(problem.point)
    assert objective.dtype == torch.float64


@every_case
def test_the_loss_is_that_of_the_whole_data(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    assert objective.loss() == pytest.approx(float(problem.whole_loss(problem.point)), rel=1e-12)


@every_case
def test_losses_elsewhere_are_those_of_the_whole_data(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    thetas = torch.stack([problem.point, somewhere_else(problem.point), -problem.point])
    truth = torch.stack([problem.whole_loss(theta) for theta in thetas])
    torch.testing.assert_close(objective.losses(thetas), truth, **CLOSE)
    assert objective.loss(thetas[1]) == objective.losses(thetas)[1]


@every_case
def test_the_gradient_is_that_of_the_whole_data(case: Case) -> None:
    problem = case.build()
    torch.testing.assert_close(problem.objective().gradient(), dense_gradient(problem), **CLOSE)


@every_case
def test_products_with_the_unit_vectors_are_the_dense_hessian(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    H = dense_hessian(problem)
    torch.testing.assert_close(objective.hvp(torch.eye(len(H), dtype=torch.float64)), H, **CLOSE)


@every_case
def test_products_elsewhere_are_those_with_the_dense_hessian_there(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    there = somewhere_else(problem.point)
    vectors = torch.randn(2, len(there), dtype=torch.float64)
    truth = vectors @ torch.autograd.functional.hessian(problem.whole_loss, there)
    torch.testing.assert_close(objective.hvp(vectors, there), truth, **CLOSE)
    torch.testing.assert_close(objective.hessian(there) @ vectors, truth, **CLOSE)
    torch.testing.assert_close(objective.at(there).hvp(vectors), truth, **CLOSE)
    torch.testing.assert_close(objective.at(there).gradient(), objective.gradient(there), **CLOSE)


@every_case
def test_the_gradient_is_the_slope_of_the_loss(case: Case) -> None:
    objective = case.build().objective()
    theta, step = objective.theta, 1e-5
    direction = torch.nn.functional.normalize(torch.randn_like(theta), dim=0)
    ahead, behind = objective.losses(torch.stack([theta + step * direction, theta - step * direction]))
    # Truncation is of the order of step², rounding of 1e-16/step.
    assert float(ahead - behind) / (2 * step) == pytest.approx(float(objective.gradient() @ direction), abs=1e-8)


@every_case
def test_products_are_the_change_of_the_gradient(case: Case) -> None:
    objective = case.build().objective()
    theta, step = objective.theta, 1e-6  # short enough not to meet a kink of a ReLU here
    direction = torch.nn.functional.normalize(torch.randn_like(theta), dim=0)
    change = (objective.gradient(theta + step * direction) - objective.gradient(theta - step * direction)) / (2 * step)
    torch.testing.assert_close(objective.hvp(direction), change, rtol=0, atol=1e-8)


@every_case
def test_a_block_of_vectors_gives_what_each_vector_gives(case: Case) -> None:
    objective = case.build().objective()
    vectors = torch.randn(3, objective.n_parameters, dtype=torch.float64)
    together = objective.hvp(vectors)
    for vector, product in zip(vectors, together, strict=True):
        torch.testing.assert_close(objective.hvp(vector), product, rtol=0, atol=0)


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "quadratic form"], ids=str)
def test_float32_agrees_with_float64_to_its_precision(case: Case) -> None:
    problem = case.build()
    single, double = problem.objective(dtype=torch.float32), problem.objective()
    vector = torch.randn(double.n_parameters, dtype=torch.float64)
    assert single.dtype == single.hvp(vector.float()).dtype == torch.float32
    assert single.loss() == pytest.approx(double.loss(), rel=1e-5)
    torch.testing.assert_close(single.gradient().double(), double.gradient(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(single.hvp(vector.float()).double(), double.hvp(vector), rtol=1e-3, atol=1e-4)


@every_case
def test_blocks_tile_theta_with_the_parameters(case: Case) -> None:
    problem = case.build()
    objective = problem.objective()
    ends = [block.slice.stop for block in objective.blocks]
    assert [block.offset for block in objective.blocks] == [0, *ends[:-1]]
    assert ends[-1] == objective.n_parameters
    if problem.model is not None:
        for block in objective.blocks:
            parameter = problem.model.get_parameter(block.name)
            torch.testing.assert_close(objective.theta[block.slice].view(block.shape), parameter.detach(), rtol=0, atol=0)


def test_the_operator_knows_the_blocks_by_name() -> None:
    objective = case_named("MLP with tanh").build().objective()
    operator = objective.hessian()
    assert operator.blocks == {
        "0.weight": slice(0, 20),
        "0.bias": slice(20, 25),
        "2.weight": slice(25, 40),
        "2.bias": slice(40, 43),
    }
    assert (operator.size, operator.dtype, operator.device) == (43, torch.float64, torch.device("cpu"))


def test_the_quadratic_form_has_the_spectrum_that_it_was_made_of() -> None:
    objective = case_named("quadratic form").build().objective()
    H = objective.hessian() @ torch.eye(objective.n_parameters, dtype=torch.float64)
    truth = torch.tensor(sorted(QUADRATIC_SPECTRUM)).double()
    torch.testing.assert_close(torch.linalg.eigvalsh(H), truth, rtol=0, atol=1e-12)


def test_tied_weights_count_once_and_get_the_derivatives_of_both_places() -> None:
    problem = case_named("tied language model").build()
    objective = problem.objective()
    assert [block.name for block in objective.blocks] == ["read.weight", "mix.weight", "mix.bias"]
    torch.testing.assert_close(objective.gradient()[:24], dense_gradient(problem)[:24], **CLOSE)
