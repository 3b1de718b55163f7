"""Points in one batched call: where it is asked for on a CPU, their losses are those of one after another at rounding error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curvwidget.objective import Objective, affine
from curvwidget.objective.along import LossesAlong
from tests.cases import CASES, Case, case_named

REFUSED = {
    "transformer encoder layer": "a batched call fails",
    "LSTM": "a batched call fails",
    "physics-informed": "differentiates inside",
    "quadratic form": "an analytic loss is called at each point",
}


def coordinates(points: int = 8 + 64 + 5) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(points, 2)) * 0.3


def along(objective: Objective, *, joins_points: bool | None) -> LossesAlong:
    vectors = torch.randn(2, objective.n_parameters, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = objective.along(vectors)
    found.records_losses, found.joins_points = False, joins_points
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_joined_points_have_the_losses_that_they_have_alone(case: Case) -> None:
    objective = case.build().objective()
    joined, alone = along(objective, joins_points=True), along(objective, joins_points=False)
    np.testing.assert_allclose(joined.at(coordinates()), alone.at(coordinates()), rtol=1e-12, atol=1e-14)
    assert alone.points_at_once == 1
    assert joined.points_at_once == (1 if case.name in REFUSED else 64)
    if case.name in REFUSED:
        assert REFUSED[case.name] in joined.declined[0]


@pytest.mark.parametrize("options", [{"batch_size": 7}, {"dtype": torch.float32}, {"batchnorm": "batch"}, {"parameters": "0.*"}])
def test_options_of_the_objective_hold_for_joined_points(options: dict[str, object]) -> None:
    objective = case_named("convolution with BatchNorm").build().objective(**options)
    joined, alone = along(objective, joins_points=True), along(objective, joins_points=False)
    rtol = 1e-12 if objective.dtype == torch.float64 else 2e-6
    np.testing.assert_allclose(joined.at(coordinates()), alone.at(coordinates()), rtol=rtol)
    assert joined.points_at_once == 64


def test_on_a_cpu_points_are_joined_for_who_asks_for_it_alone() -> None:
    objective = case_named("MLP with tanh").build().objective()
    found = along(objective, joins_points=None)
    found.at(coordinates())
    assert found._chosen
    assert found.points_at_once == 1


def test_points_of_larger_networks_are_not_joined_on_a_cpu() -> None:
    model = nn.Sequential(nn.Linear(50, 300), nn.Tanh(), nn.Linear(300, 2)).double()
    objective = Objective(model, F.mse_loss, (torch.randn(4, 50).double(), torch.randn(4, 2).double()))
    assert along(objective, joins_points=True).declined == ("an evaluation is large enough by itself",)


def test_points_are_not_joined_beyond_the_budget_of_memory() -> None:
    objective = case_named("MLP with tanh").build().objective()
    objective._risk.ways.budget = 64 * 1000
    assert along(objective, joins_points=True).declined == ("points together take more memory than the budget",)


class Branches(nn.Module):
    """Does this or that, as its parameters say."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if self.layer.bias[0] > 0 else 2 * self.layer(x)


class WritesInPlace(nn.Module):
    """Adds what moves to what does not, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        copied = x.clone()
        copied += self.layer(x)
        return copied[:, :1]


@pytest.mark.parametrize("model", [Branches(), WritesInPlace()], ids=["branches", "in place"])
def test_models_that_cannot_be_batched_are_evaluated_point_by_point(model: nn.Module) -> None:
    torch.manual_seed(0)
    objective = Objective(model.double(), F.mse_loss, (torch.randn(9, 3).double(), torch.randn(9, 1).double()))
    joined, alone = along(objective, joins_points=True), along(objective, joins_points=False)
    np.testing.assert_array_equal(joined.at(coordinates()), alone.at(coordinates()))
    assert "a batched call fails" in joined.declined[0]


def test_a_batched_call_that_gives_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Different(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            batched = torch._C._functorch.is_batchedtensor(self.layer.weight)
            return self.layer(x) * (1.001 if batched else 1.0)

    torch.manual_seed(0)
    objective = Objective(Different().double(), F.mse_loss, (torch.randn(9, 3).double(), torch.randn(9, 1).double()))
    joined, alone = along(objective, joins_points=True), along(objective, joins_points=False)
    np.testing.assert_array_equal(joined.at(coordinates()), alone.at(coordinates()))
    assert joined.declined == ("a batched call gives other losses",)


def test_the_same_calls_give_the_same_losses_to_the_last_bit() -> None:
    objective = case_named("MLP with tanh").build().objective()
    first, second = (along(objective, joins_points=True) for _ in range(2))
    for points in (3, 70, 64, 1):
        np.testing.assert_array_equal(first.at(coordinates(points)), second.at(coordinates(points)))


def test_the_first_points_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0.1)
    objective = case_named("MLP with tanh").build().objective()
    found = objective.along(along(objective, joins_points=None)._vectors)
    found.at(coordinates(5))
    found.at(coordinates(3))
    assert not found._chosen
    found.at(coordinates(1))
    assert found._chosen
    assert found.spared_parameters == ("0.weight", "0.bias")


def test_everything_is_plain_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "_MULTIPLICATIONS_A_TERM", 0.1)
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1")
    objective = case_named("MLP with tanh").build().objective()
    found = objective.along(torch.ones(2, objective.n_parameters))
    assert found.spared_parameters == ()
    assert found.declined == ("CURVWIDGET_PLAIN is set",)
    assert found.points_at_once == 1
    thetas = torch.stack([objective.theta + a + b for a, b in coordinates(20)])
    np.testing.assert_allclose(found.at(coordinates(20)), objective.losses(thetas).numpy(), rtol=1e-13)
