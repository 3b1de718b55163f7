"""The trace from slices alone, with an error that can be believed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw


def objective_of(values, *, quartic: float = 0.0) -> cw.Objective:
    diagonal = torch.as_tensor(values, dtype=torch.float64)
    return cw.Objective.from_function(
        lambda t: 1 + 0.5 * (diagonal * t**2).sum() + t.sum() + quartic * (t**4).sum(),
        torch.zeros(len(diagonal), dtype=torch.float64),
    )


SPECTRUM = np.concatenate([np.linspace(-1, 4, 60), [20.0]])


def test_claim_10_the_slice_trace_of_a_quadratic_is_the_mean_of_exact_forms() -> None:
    objective = objective_of(SPECTRUM)
    estimate = cw.estimate_trace(objective, method="slices", samples=50)
    assert estimate.hvps == 0
    # The history's evaluations are two a direction on top of the choice of the step.
    np.testing.assert_array_equal(np.diff(estimate.history[:, 2]), 2)
    assert abs(estimate.trace - SPECTRUM.sum()) < 4 * estimate.stderr
    assert estimate.stderr == pytest.approx((2 * (SPECTRUM**2).sum() / 50) ** 0.5, rel=0.5)
    assert estimate.mean_curvature == estimate.trace / len(SPECTRUM)
    assert estimate.notes == ()


def test_the_stated_error_covers_the_truth_as_often_as_it_should() -> None:
    objective = objective_of(SPECTRUM)
    runs = [cw.estimate_trace(objective, method="slices", samples=30, seed=seed) for seed in range(200)]
    inside = np.mean([abs(run.trace - SPECTRUM.sum()) <= 2 * run.stderr for run in runs])
    # 30 samples of a skewed law cover somewhat less than the 95.4 % of a normal one; 200 runs tell ±3 %.
    assert 0.88 <= inside <= 0.99
    squares = np.array([run.trace_of_square for run in runs])
    truth = (SPECTRUM**2).sum()
    assert abs(squares.mean() - truth) < 4 * squares.std() / 200**0.5


def test_a_quartic_loss_needs_a_small_step_and_gets_it() -> None:
    objective = objective_of(SPECTRUM, quartic=100.0)
    exact = objective_of(SPECTRUM)
    bent = cw.estimate_trace(objective, method="slices", samples=20, seed=1)
    straight = cw.estimate_trace(exact, method="slices", samples=20, seed=1)
    np.testing.assert_allclose(bent.samples, straight.samples, rtol=5e-3, atol=0.5)
    assert bent.step < 0.02


def test_slices_and_hutchinson_agree() -> None:
    objective = objective_of(SPECTRUM)
    slices = cw.estimate_trace(objective, method="slices", samples=200, seed=1)
    hutchinson = cw.estimate_trace(objective, samples=200, seed=2)
    assert hutchinson.evaluations == 0
    assert abs(slices.trace - hutchinson.trace) < 3 * np.hypot(slices.stderr, hutchinson.stderr)


def test_it_stops_when_the_error_asked_for_is_reached() -> None:
    estimate = cw.estimate_trace(objective_of(SPECTRUM), method="slices", samples=10_000, target_stderr=5.0)
    assert estimate.stderr <= 5.0
    assert 10 <= len(estimate.samples) < 200
    assert estimate.progress == 1


def test_a_stream_that_is_taken_up_again_ends_with_the_same_numbers() -> None:
    objective = objective_of(SPECTRUM)
    whole = cw.estimate_trace(objective, method="slices", samples=12)
    stream = cw.stream_trace(objective, method="slices", samples=12)
    part = [next(stream) for _ in range(5)][-1]
    rest = list(cw.stream_trace(objective, method="slices", samples=12, resume=part))[-1]
    np.testing.assert_array_equal(rest.samples, whole.samples)
    assert (rest.trace, rest.stderr, rest.evaluations) == (whole.trace, whole.stderr, whole.evaluations)


@pytest.mark.parametrize(
    "options",
    [{"method": "x"}, {"samples": 0}, {"target_stderr": 0.0}, {"seed": -1}, {"method": "slices", "distribution": "rademacher"}],
)
def test_bad_options_are_refused_by_name_at_once(options) -> None:
    with pytest.raises(ValueError, match=list(options)[-1]):
        cw.stream_trace(objective_of(SPECTRUM), **options)
