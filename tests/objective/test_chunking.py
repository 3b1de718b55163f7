"""The batch size that a memory budget allows, against the memory that is really taken."""

from __future__ import annotations

import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from curvwidget.objective import Objective
from curvwidget.objective.chunking import rows_within_budget
from curvwidget.objective.graph_memory import graph_bytes
from curvwidget.objective.model_risk import ModelRisk

MEGABYTE = 2**20


def mlp() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5)), torch.randn(4000, 20)


def convolution() -> tuple[nn.Module, Tensor]:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    return model, torch.randn(400, 3, 10, 10)


def attention() -> tuple[nn.Module, Tensor]:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(128, 5)), torch.randn(400, 8, 16)


def peak_bytes(objective: Objective) -> int:
    """The most that a product takes at a time, as the allocator reports it."""
    vector = torch.randn(objective.n_parameters)
    objective.hvp(vector)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        objective.hvp(vector)
    held = peak = 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@pytest.mark.parametrize("make", [mlp, convolution, attention])
def test_a_product_takes_no_more_than_its_budget_and_most_of_it(make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = make()  # type: ignore[operator]
    monkeypatch.setenv("CURVWIDGET_PLAIN", "1")  # no graph is kept, so that it is made while the product is looked at
    whole = Objective(model, F.cross_entropy, (x, torch.arange(len(x)) % 5))
    assert isinstance(whole._risk, ModelRisk)
    budget = 4 * MEGABYTE
    rows = rows_within_budget(whole._risk, whole.theta, budget)
    assert 1 < rows < len(x)
    cut = Objective(model, F.cross_entropy, (x, torch.arange(len(x)) % 5), batch_size=rows)
    assert 0.4 * budget < peak_bytes(cut) < budget


def test_small_data_stays_one_batch_and_large_data_is_cut_alike_every_time() -> None:
    model, x = mlp()
    assert len(Objective(model, F.cross_entropy, (x, torch.arange(len(x)) % 5))._risk.weights) == 1
    wide = nn.Sequential(nn.Linear(4, 2000), nn.Tanh(), nn.Linear(2000, 1))
    data = torch.randn(20000, 4), torch.randn(20000, 1)
    sizes = [Objective(wide, F.mse_loss, data)._risk.weights for _ in range(2)]
    assert len(sizes[0]) > 1
    assert sizes[0] == sizes[1]


def test_the_graph_grows_with_the_samples_by_what_a_linear_net_saves() -> None:
    # mean((x·w)²) keeps x (three numbers a sample), x·w for the square's derivative, and 2/n·x·w for that of the product.
    model = nn.Linear(3, 1, bias=False).double()
    objective = Objective(model, None, torch.randn(64, 3).double(), batch_loss=lambda net, x: net(x).square().mean())
    assert isinstance(objective._risk, ModelRisk)
    few, many = (graph_bytes(objective._risk, objective.theta, rows) for rows in (8, 64))
    assert few is not None
    assert many is not None
    assert (many - few) / 56 == (3 + 1 + 1) * 8


class Remembers(nn.Module):
    """Notes each of its activations without keeping it alive."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.tanh(self.linear(x))
        NOTED.append(weakref.ref(out))
        return out


NOTED: list[weakref.ref[Tensor]] = []


def test_nothing_of_the_checks_outlives_the_building() -> None:
    NOTED.clear()
    objective = Objective(Remembers(), F.cross_entropy, (torch.randn(30, 3), torch.arange(30) % 2))
    assert len(NOTED) > 5
    assert [ref() for ref in NOTED if ref() is not None] == []
    assert objective.loss() > 0


def test_a_compiled_forward_whose_graph_cannot_be_kept_has_losses_and_slopes() -> None:
    class Net(nn.Linear):
        @torch.compile(backend="aot_eager")
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).clamp(-6, 6)

    torch.manual_seed(0)
    model, x, y = Net(6, 3), torch.randn(12, 6), torch.randint(0, 3, (12,))
    objective = Objective(model, F.cross_entropy, (x, y))
    weight = model.weight.detach().double().requires_grad_()
    truth = F.cross_entropy(F.linear(x.double(), weight, model.bias.detach().double()).clamp(-6, 6), y)
    assert objective.loss() == pytest.approx(truth.item(), rel=1e-6)
    (slope,) = torch.autograd.grad(truth, weight)
    torch.testing.assert_close(objective.gradient()[:18].double(), slope.flatten(), rtol=1e-5, atol=1e-7)
