"""A first look is a slice on a subset of the samples, and says so."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.objective.subset import take_subset
from curvwidget.slices import first_look
from curvwidget.slices.first_look import choose_subset, stream_first_look


class Slow(nn.Module):
    """A linear model that takes its time for each sample."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.layer = nn.Linear(3, 1).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds * len(x))
        return self.layer(x)


def objective(seconds: float = 0.0, count: int = 1024) -> cw.Objective:
    torch.manual_seed(0)
    x = torch.randn(count, 3).double()
    return cw.Objective(Slow(seconds), nn.functional.mse_loss, (x, x.sum(1, keepdim=True) ** 2), batch_size=count)


def test_a_look_is_the_slice_of_the_subset_with_its_sampling_error() -> None:
    whole = objective()
    subset = take_subset(whole, 128, seed=1)
    assert subset is not None
    directions = cw.random_directions(whole, seed=2)
    looks = list(stream_first_look(subset, directions, span=(0.5, 1.0), zoom=2.0, resolution=41))
    plain = cw.slice_loss(subset.objective, directions, span=(1.0, 2.0), resolution=11)
    np.testing.assert_allclose(looks[-1].plane.values, plain.values, rtol=1e-12)
    assert looks[-1].plane.progress == 1
    assert {(look.samples, look.n_samples) for look in looks} == {(128, 1024)}
    corners = [[a, b] for a in (-1.0, 0.0, 1.0) for b in (-2.0, 0.0, 2.0)]
    assert looks[0].sampling_error == subset.sampling_error(directions.vectors, corners).max() > 0
    # and the loss on all samples is within a few of these errors everywhere
    true = cw.slice_loss(whole, directions, span=(1.0, 2.0), resolution=11)
    assert np.abs(true.values - plain.values).max() < 5 * looks[-1].sampling_error


def test_the_span_of_a_look_is_that_of_the_subsets_own_curvature() -> None:
    subset = take_subset(objective(), 128, seed=1)
    assert subset is not None
    directions = cw.random_directions(subset.objective, seed=2)
    *_, look = stream_first_look(subset, directions, span=None, resolution=5)
    assert look.plane.span == cw.slice_loss(subset.objective, directions, resolution=5).span
    assert look.plane.values.shape == (5, 5)


@pytest.mark.parametrize(
    ("seconds", "count", "evaluations"),
    [(0.0, 1024, 100), (1e-5, 1024, 20), (1e-3, 255, 1000)],
    ids=["that is fast", "of few points", "of few samples"],
)
def test_a_slice_is_not_looked_at_beforehand(seconds: float, count: int, evaluations: int) -> None:
    assert choose_subset(objective(seconds, count), evaluations) is None


def test_a_slice_that_takes_long_is_looked_at_on_as_many_samples_as_a_moment_allows() -> None:
    # 0.1 ms a sample: 1024 samples at 100 points take ten seconds; 121 points of a look at 0.3 s leave 25 samples a point.
    subset = choose_subset(objective(1e-4), 100)
    assert subset is not None
    assert subset.samples == 64
    assert subset.n_samples == 1024


def test_a_network_that_takes_no_longer_for_more_samples_is_not_looked_at_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls cost, not samples: 64 of 2048 that take a millisecond do not make it 32 milliseconds for all."""
    measured = []

    def seconds(objective: cw.Objective) -> float:
        measured.append(objective.n_samples)
        return 1e-3

    monkeypatch.setattr(first_look, "_seconds", seconds)
    assert choose_subset(objective(count=2048), 118) is None
    assert measured == [64, 2048]
    measured.clear()
    assert choose_subset(objective(count=8192), 118) is not None  # all of them might take longer than one would like to try
    assert measured == [64]
