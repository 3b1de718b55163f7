"""Second differences of a trained network's loss against its Hessian, at each step, and the step that is chosen."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.curvature.differences import DifferenceStep, choose_step, second_differences

ACTIVATIONS = {"tanh": nn.Tanh, "SiLU": nn.SiLU, "ReLU": nn.ReLU}
DIRECTIONS = 60
smooth_nets = pytest.mark.parametrize("activation", ["tanh", "SiLU"])


@cache
def trained(activation: str) -> tuple[cw.Objective, torch.Tensor, np.ndarray]:
    """An MLP 10-64-64-2 with a loss below 0.003, 60 directions from N(0, I), and vᵀHv by products."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = torch.randn(64, 10, dtype=torch.float64)
        y = torch.stack([torch.sin(x[:, 0]), x[:, 1] * x[:, 2]], dim=1)
        act = ACTIVATIONS[activation]
        net = nn.Sequential(nn.Linear(10, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, 2)).double()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(2000):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x), y)
            if loss.item() < 0.003:
                break
            loss.backward()
            optimizer.step()
    objective = cw.Objective(net, nn.MSELoss(), (x, y))
    assert objective.loss() < 0.003
    vectors = cw.random_directions(objective, DIRECTIONS, seed=1).vectors
    return objective, vectors, (vectors * objective.hvp(vectors)).sum(dim=1).numpy()


def at_step(activation: str, alpha: float) -> np.ndarray:
    objective, vectors, _ = trained(activation)
    return np.array([second_differences(objective, v[None], alpha * float(v.norm()))[0] for v in vectors])


@smooth_nets
def test_differences_of_a_smooth_net_are_its_curvature_from_a_thousandth_down(activation) -> None:
    """Trap 11: differences are off at 0.1, and the ratio of the means is 1 within 1 % at 1e-3, 1e-4 and 1e-5."""
    exact = trained(activation)[2]
    assert np.abs(at_step(activation, 0.1) - exact).mean() > 0.05 * exact.mean()
    for alpha in (1e-3, 1e-4, 1e-5):
        seen = at_step(activation, alpha)
        assert seen.mean() / exact.mean() == pytest.approx(1, abs=0.01)
        np.testing.assert_allclose(seen, exact, rtol=0.01, atol=1e-3 * np.abs(exact).max())


def test_differences_of_a_relu_net_see_its_kinks_until_they_step_between_them() -> None:
    """Trap 11: 10 to 35 % more than the Hessian at 1e-3 and 1e-4, beyond what 60 directions leave to chance; none at 1e-5."""
    exact = trained("ReLU")[2]
    assert at_step("ReLU", 0.1).mean() / exact.mean() > 1.10
    for alpha in (1e-3, 1e-4):
        seen = at_step("ReLU", alpha)
        assert 1.10 <= seen.mean() / exact.mean() <= 1.35
        excess = seen - exact
        assert excess.mean() > 2 * excess.std(ddof=1) / DIRECTIONS**0.5
    assert at_step("ReLU", 1e-5).mean() / exact.mean() == pytest.approx(1, abs=1e-3)


@smooth_nets
def test_the_chosen_step_serves_a_smooth_net(activation) -> None:
    """Trap 11: the automatic step is within 2 % of vᵀHv, with nothing to remark; so is the trace on the same directions."""
    objective, vectors, exact = trained(activation)
    step = choose_step(objective, vectors[:4])
    seen = second_differences(objective, vectors, step.length)
    assert seen.mean() / exact.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(seen, exact, rtol=0.02, atol=1e-3 * np.abs(exact).max())
    assert step.notes == ()
    assert step.kink_disagreement == 0
    slices = cw.estimate_trace(objective, method="slices", samples=DIRECTIONS)
    assert slices.notes == ()
    products = cw.estimate_trace(objective, samples=DIRECTIONS, seed=7)
    assert abs(slices.trace - products.trace) < 4 * np.hypot(slices.stderr, products.stderr)


def test_a_relu_net_gets_a_note_that_names_its_kinks() -> None:
    """Trap 11: whether the step ends between the kinks or not, the reader is told of them."""
    objective, vectors, _ = trained("ReLU")
    for first in range(0, DIRECTIONS, 4):
        step = choose_step(objective, vectors[first : first + 4])
        assert any("kinks" in note for note in step.notes)
        assert max(step.kink_disagreement, step.disagreement) > 0.02
    assert "kinks" in cw.estimate_trace(objective, method="slices", samples=4).notes[0]


def test_a_note_is_there_where_rounding_does_not_explain_what_two_steps_disagree() -> None:
    assert DifferenceStep(1e-3, 0.3, 0.0, 8).notes[0].startswith("differences over a step and over half of it disagree by 30%")
    assert DifferenceStep(1e-3, 0.3, 0.2, 8).notes == ()
    assert DifferenceStep(1e-3, 1e-4, 0.0, 8).notes == ()
    assert "‖Δθ‖ = 0.001" in DifferenceStep(1e-3, 1e-6, 0.0, 8, kink_disagreement=0.2).notes[0]


@pytest.mark.parametrize("power", [4, 6, 8])
def test_a_smooth_loss_of_any_order_is_not_taken_for_a_kinked_one(power) -> None:
    """The error falls by 4, 16 or 64 a halving; each is far from the step within which a kink is left behind."""
    objective = cw.Objective.from_function(
        lambda t: (t**2).sum() + 1e3 ** (power / 2) * (t**power).sum(), torch.zeros(30, dtype=torch.float64)
    )
    step = choose_step(objective, cw.random_directions(objective, 4, seed=2).vectors)
    assert step.notes == ()
    np.testing.assert_allclose(second_differences(objective, torch.eye(30).double(), step.length), 2, rtol=0.02)


class Few(nn.Module):
    """Fifty samples, fifty numbers, a loss of about one and a trace of a half: rounding is seen at a hundredth of ‖θ‖."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(6, 5), activation, nn.Linear(5, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def few(activation: nn.Module) -> cw.Objective:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(50, 6, generator=generator), torch.randint(3, (50,), generator=generator)
    return cw.Objective(Few(activation), nn.CrossEntropyLoss(), (x, y))


@pytest.mark.parametrize("seed", range(3))
def test_in_single_precision_the_step_grows_until_rounding_does_not_show(seed: int) -> None:
    """The centre's rounding is in every sample with one sign: no number of samples takes it out."""
    objective = few(nn.GELU())
    exact = cw.estimate_trace(objective, method="exact").trace
    found = cw.estimate_trace(objective, method="slices", samples=1500, seed=seed)
    assert found.step > 0.011 * float(objective.theta.norm())
    assert abs(found.trace - exact) < 4 * found.stderr
    assert found.stderr < 0.1 * exact


@pytest.mark.parametrize("seed", range(3))
def test_rounding_that_kinks_leave_no_room_to_step_over_is_part_of_the_standard_error(seed: int) -> None:
    objective = few(nn.LeakyReLU(0.2))
    exact = cw.estimate_trace(objective, method="exact").trace
    found = cw.estimate_trace(objective, method="slices", samples=400, seed=seed)
    alone = float(found.samples.std(ddof=1) / np.sqrt(400))
    assert found.stderr == pytest.approx(np.hypot(alone, found.rounding), rel=1e-9)
    assert abs(found.trace - exact) < 4 * found.stderr or found.notes
    *_, taken_up = cw.stream_trace(objective, method="slices", samples=410, seed=seed, resume=found)
    assert taken_up.rounding == found.rounding
