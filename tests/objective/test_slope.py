"""A gradient that is not the slope of the loss is told, and no other is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from curvwidget.objective import Objective
from tests.cases import CASES, Case


def pair(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return torch.randn(20, 3, dtype=dtype), torch.arange(20) % 2


class Stopped(nn.Module):
    """Uses its features twice, once without their gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.tanh(self.first(x))
        return self.second(torch.cat([features, features.detach()], dim=1))


class StraightThrough(nn.Module):
    """Rounds its weights and hands gradients through as if it did not."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.linear.weight
        return F.linear(x, weight + (weight.round() - weight).detach(), self.linear.bias)


def reversed_by_a_hook() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model[1].register_full_backward_hook(lambda module, grad_input, grad_output: (-grad_input[0],))
    return model


def householder() -> nn.Module:
    # PyTorch truncates the signs ±1 of its parameters to whole numbers, so that the loss jumps at the first step.
    return nn.Sequential(parametrizations.orthogonal(nn.Linear(3, 3), orthogonal_map="householder"))


DOUBTFUL: dict[str, Callable[[], nn.Module]] = {
    "detach": Stopped, "straight-through": StraightThrough, "hook": reversed_by_a_hook, "jump": householder
}  # fmt: skip


@pytest.mark.parametrize("make", DOUBTFUL.values(), ids=DOUBTFUL.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_that_is_not_the_slope_of_the_loss_is_told(make: Callable[[], nn.Module], dtype: torch.dtype) -> None:
    with pytest.warns(UserWarning, match="the gradient that autograd gives is not the slope of the loss: .*detach"):
        objective = Objective(make().to(dtype), F.cross_entropy, pair(dtype))
    assert "not the slope of the loss" in objective.notes[-1]


def test_the_two_slopes_that_are_told_are_those_of_the_loss_and_of_the_gradient() -> None:
    def loss(theta: Tensor) -> Tensor:
        return (theta * theta.detach()).sum()  # its slope is 2·θ, its gradient θ

    with pytest.warns(UserWarning, match="not the slope") as told:
        Objective.from_function(loss, torch.arange(1.0, 9.0).double())
    given, true = (float(word) for word in str(told[0].message).split("loss: ")[1].split(" along")[0].split(" against "))
    assert true == pytest.approx(2 * given, rel=1e-2)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_case_is_doubted(case: Case) -> None:
    problem = case.build()
    for options in ({}, {"dtype": torch.float32}) if problem.model is not None else ({},):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not any("slope" in note for note in problem.objective(**options).notes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Hardtanh, nn.LeakyReLU, nn.Tanh])
def test_neither_kinks_nor_single_precision_are_doubted(activation: type[nn.Module], seed: int) -> None:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 60), activation(), nn.Linear(60, 60), activation(), nn.Linear(60, 2))
    for parameter in model.parameters():
        parameter.data *= 1 + seed  # from gentle to wild
    assert Objective(model, F.cross_entropy, pair(torch.float32)).notes == ()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_critical_point_is_not_doubted(scale: float) -> None:
    def loss(theta: Tensor) -> Tensor:
        return scale * ((theta[:4] ** 2).sum() + (theta[4:] ** 3).sum() + 1)

    for dtype in (torch.float32, torch.float64):
        assert Objective.from_function(loss, torch.zeros(8, dtype=dtype)).notes == ()


def test_a_gradient_that_is_not_a_number_where_the_loss_is_one_is_told() -> None:
    """The textbook trap: torch.where chooses the loss, but not the gradient."""

    def masked(output: Tensor, target: Tensor) -> Tensor:
        return torch.where(target.isnan(), torch.zeros_like(output), (output - target) ** 2).mean()

    x, y = torch.randn(9, 3).double(), torch.randn(9, 2).double()
    y[2, 1] = float("nan")
    with pytest.warns(UserWarning, match=r"the gradient holds NaN or inf \(in weight, say\) where the loss is finite"):
        objective = Objective(nn.Linear(3, 2).double(), masked, (x, y))
    assert math.isfinite(objective.loss())
    assert not objective.gradient().isfinite().all()
