"""A loss without a second derivative in PyTorch is explored by its values, and the explorer says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import curvwidget as cw
from curvwidget.curvature.plane_descent import PlaneDescent
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import EigenAxis, Explorer


class Gate(nn.Module):
    """A small network with a hard sigmoid, as MobileNetV3 has many."""

    def __init__(self, sigmoid: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.sigmoid = nn.Linear(3, 6), nn.Linear(6, 2), sigmoid

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.one(x)
        return self.two(torch.tanh(hidden) * self.sigmoid(hidden))


def gated(sigmoid: Callable[[Tensor], Tensor]) -> cw.Objective:
    x = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return cw.Objective(Gate(sigmoid).double(), F.cross_entropy, (x, (x[:, 0] > 0).long()))


def bag() -> cw.Objective:
    torch.manual_seed(0)
    net = nn.Sequential(nn.EmbeddingBag(9, 4, mode="mean"), nn.Linear(4, 2)).double()
    words = torch.randint(9, (20, 5), generator=torch.Generator().manual_seed(1))
    return cw.Objective(net, F.cross_entropy, (words, words[:, 0] % 2))


def explored(objective: cw.Objective) -> Explorer:
    return cw.explore(objective, resolution=11, planes=12, probes=20, seed=1, executor=InlineExecutor())


@pytest.mark.parametrize("make", [lambda: gated(F.hardsigmoid), bag], ids=["hard sigmoid", "bag of words"])
def test_the_picture_is_there_with_curvatures_from_losses_and_the_reason(make: Callable[[], cw.Objective]) -> None:
    explorer = explored(make())
    assert (explorer.state, explorer.error) == ("idle", None)
    assert explorer.slice.progress == explorer.loss_map.slice.progress == 1
    assert explorer.curvature.method == explorer.sample.method == "difference"
    assert len(explorer.sample) == 12
    assert len(explorer.slice_trace.samples) == 20
    assert explorer.eigenpairs is explorer.trace is None
    notes = [note for note in explorer.verdict_bar.notes if "no second derivative" in note]
    assert len(notes) == 1
    assert "losses alone" in notes[0]


def test_what_comes_from_losses_agrees_with_the_hessian_of_the_same_loss_written_otherwise() -> None:
    explorer, smooth = explored(gated(F.hardsigmoid)), gated(lambda x: (x / 6 + 0.5).clamp(0, 1))
    assert explorer.slice.center == pytest.approx(smooth.loss(), rel=1e-12)
    seen = cw.project_curvature(smooth, explorer.directions)
    assert np.abs(explorer.curvature.matrix - seen.matrix).max() < explorer.curvature.error < 1e-3
    sample = cw.sample_projections(smooth, samples=12, seed=1)
    np.testing.assert_allclose(explorer.sample.matrices, sample.matrices, atol=1e-3)
    trace = cw.estimate_trace(smooth, method="exact").trace
    assert abs(explorer.slice_trace.trace - trace) < 4 * explorer.slice_trace.stderr


def test_another_loss_without_a_second_derivative_stands_beside_it() -> None:
    explorer = explored(gated(F.hardsigmoid))
    both = cw.SideBySide(explorer, gated(F.hardsigmoid), executor=InlineExecutor())
    assert (both.state, both.error, both.slice.progress) == ("idle", None, 1)
    expected = cw.project_curvature(explorer.objective, explorer.directions, method="difference")
    np.testing.assert_array_equal(both.curvature.matrix, expected.matrix)
    assert both.verdict_bar.sentence.count("κ₋") == 2
    reasons = [note for note in both.verdict_bar.notes if "no second derivative" in note]
    assert [note.partition(":")[0] for note in reasons] == ["On training data", "On test data"]


def test_the_hessian_s_axes_are_refused_with_the_reason_and_the_picture_stays() -> None:
    explorer = explored(gated(F.hardsigmoid))
    before = explorer.slice
    explorer.request = dataclasses.replace(explorer.request, axes=(EigenAxis(0), EigenAxis(-1)))
    assert explorer.state == "failed"
    assert "no second derivative" in explorer.verdict_bar.sentence
    assert explorer.slice is before


def test_the_curvature_at_a_minimum_counts_the_losses_that_it_takes() -> None:
    objective = gated(F.hardsigmoid)
    descent = PlaneDescent(objective, cw.random_directions(objective, seed=0))
    place = np.array([0.01, -0.02])
    expected = cw.project_curvature(
        objective.at(descent.point(place)), cw.random_directions(objective, seed=0), method="difference"
    )
    seen = descent.curvature(place)
    np.testing.assert_array_equal(seen.matrix, expected.matrix)
    assert descent.evaluations == expected.evaluations > 0
    assert descent.hvps == 0
