"""A subset of the samples estimates the loss on all of them, and says how well."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.objective.batches import make_batches
from curvwidget.objective.subset import take_subset

N_SAMPLES = 1200


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def data(count: int = N_SAMPLES) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 5, generator=generator).double(), torch.randint(0, 3, (count,), generator=generator)


def objective(**options) -> cw.Objective:
    return cw.Objective(network(), nn.functional.cross_entropy, data(), **options)


def test_it_is_the_loss_of_the_samples_drawn_made_by_hand() -> None:
    x, y = data()
    whole = objective(batch_size=500)  # three batches, through all of which samples are drawn
    subset = take_subset(whole, 96, seed=3)
    assert subset is not None
    drawn = torch.randperm(N_SAMPLES, generator=torch.Generator().manual_seed(3))[:96]
    by_hand = cw.Objective(network(), nn.functional.cross_entropy, (x[drawn], y[drawn]))
    assert (subset.samples, subset.n_samples) == (96, N_SAMPLES)
    assert subset.objective.loss() == pytest.approx(by_hand.loss(), rel=1e-12)
    vectors = cw.random_directions(whole, seed=2).vectors
    torch.testing.assert_close(subset.objective.hvp(vectors), by_hand.hvp(vectors), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(subset.objective.gradient(), by_hand.gradient(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(np.mean([part.loss() for part in subset.parts]), by_hand.loss(), rtol=1e-12)
    # 8 parts of twelve samples, in the order in which they were drawn; 96 of 1,200 samples are left out of what may vary
    parts = [nn.functional.cross_entropy(network()(x[rows]), y[rows]).item() for rows in drawn.reshape(8, 12)]
    error = np.sqrt(np.sum((parts - np.mean(parts)) ** 2) / 7 / 8 * (1 - 96 / 1200))
    np.testing.assert_allclose(subset.sampling_error(vectors, [[0.0, 0.0]]), [error], rtol=1e-10)
    assert whole.loss() == objective().loss() != subset.objective.loss()


def test_the_sampling_error_covers_the_loss_on_all_samples_as_often_as_it_says() -> None:
    whole = objective()
    vectors = cw.random_directions(whole, seed=2).vectors
    points = [[0.0, 0.0], [0.2, -0.1]]
    true = whole.along(vectors).at(points)
    scores = []
    for seed in range(200):
        subset = take_subset(whole, 160, seed=seed)
        assert subset is not None
        scores.append((subset.objective.along(vectors).at(points) - true) / subset.sampling_error(vectors, points))
    score = np.array(scores)
    # Student's t with 15 degrees of freedom: 95 % within 2.13, a standard deviation of √(15/13); 200 draws know it to a tenth.
    assert np.all(np.abs(score.mean(axis=0)) < 4 * 1.07 / 200**0.5)
    np.testing.assert_allclose((np.abs(score) < 2.131).mean(axis=0), 0.95, atol=4 * (0.95 * 0.05 / 200) ** 0.5)
    np.testing.assert_allclose(score.std(axis=0), (15 / 13) ** 0.5, rtol=0.2)


def test_the_sampling_error_is_that_of_the_samples_own_losses() -> None:
    x, y = data()
    whole = objective()
    each = nn.functional.cross_entropy(network()(x), y, reduction="none").detach()
    expected = float(each.std()) / 300**0.5 * (1 - 300 / N_SAMPLES) ** 0.5
    found = []
    for seed in range(40):
        subset = take_subset(whole, 300, seed=seed)
        assert subset is not None
        found.append(subset.sampling_error(cw.random_directions(whole, seed=2).vectors, [[0.0, 0.0]])[0] ** 2)
    # A variance from 16 parts is known to √(2/15), the mean of 40 such to a sixth of that.
    assert np.mean(found) == pytest.approx(expected**2, rel=4 * (2 / 15 / 40) ** 0.5)


def test_all_of_the_samples_have_no_sampling_error() -> None:
    whole = objective()
    subset = take_subset(whole, N_SAMPLES)
    assert subset is not None
    assert subset.objective.loss() == pytest.approx(whole.loss(), rel=1e-12)
    assert subset.sampling_error(cw.random_directions(whole).vectors, [[0.0, 0.0]])[0] == 0


def test_samples_are_picked_through_batches_of_any_sizes() -> None:
    x = torch.arange(10.0).unsqueeze(1)
    batches = make_batches([(x[:3], x[:3, 0]), (x[3:8], x[3:8, 0]), (x[8:], x[8:, 0])])
    picked = batches.take(torch.tensor([1, 3, 7, 9]))
    assert picked.sizes == (4,)
    assert picked.items[0][0].flatten().tolist() == picked.items[0][1].tolist() == [1, 3, 7, 9]
    assert batches.take(torch.tensor([4])).items[0][1].tolist() == [4]


def weighted(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(output, target, weight=torch.tensor([1.0, 5.0, 0.2], dtype=output.dtype))


def normalized() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)).double()


@pytest.mark.parametrize(
    "whole",
    [
        lambda: cw.Objective.from_function(lambda t: (t**2).sum(), torch.ones(5)),
        lambda: cw.Objective(network(), weighted, data()),
        lambda: cw.Objective(normalized(), nn.functional.cross_entropy, data(), batchnorm="batch"),
        lambda: cw.Objective(normalized(), nn.functional.cross_entropy, data(), batchnorm="recalibrate"),
        lambda: cw.Objective(
            network(), None, data(), batch_loss=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1])
        ),
    ],
    ids=["an analytic loss", "class weights", "statistics of a batch", "statistics of the data", "a batch_loss"],
)
def test_there_is_none_where_a_part_of_the_data_does_not_estimate_the_whole(whole) -> None:
    assert take_subset(whole(), 96) is None


def test_it_moves_neither_the_global_generator_nor_the_whole() -> None:
    whole = objective()
    state, loss, gradient = torch.get_rng_state(), whole.loss(), whole.gradient()
    subset = take_subset(whole, 96)
    assert subset is not None
    subset.objective.gradient()
    assert torch.equal(torch.get_rng_state(), state)
    assert whole.loss() == loss
    assert torch.equal(whole.gradient(), gradient)
    assert torch.equal(whole.at(whole.theta).gradient(), gradient)


def test_what_is_fastest_for_it_does_not_bind_the_whole() -> None:
    whole = objective()
    subset = take_subset(whole, 64)
    assert subset is not None
    subset.objective.hvp(torch.zeros(8, whole.n_parameters, dtype=torch.float64))
    assert subset.objective.ways != whole.ways == objective().ways


def test_more_samples_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at most the number in the data, 1200, got 1201"):
        take_subset(objective(), N_SAMPLES + 1)
    with pytest.raises(ValueError, match="samples must be at least 16, got 15"):
        take_subset(objective(), 15)
