"""The trace of a loss by its methods, from slices alone above all, with an error that can be believed."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget import zoo
from curvwidget.curvature.differences import second_differences
from curvwidget.linalg.probes import draw_probes
from tests.cases import case_named, dense_hessian


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


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 1.0, 30.0])
def test_symmetric_differences_of_the_theorys_loss_are_exact_at_any_step(alpha) -> None:
    """Claim 10: the trace by differences equals Σ hᵢηᵢ² to 1e−10: the loss is a cubic, whose odd terms cancel; any H will do."""
    mixed = torch.randn(1000, 1000, dtype=torch.float64)
    signs = [torch.from_numpy(np.repeat([1.0, -1.0], [n, 1000 - n])) for n in (500, 800)]
    for h in (signs[0].diag(), signs[1].diag(), (mixed + mixed.T) / 2000**0.5):

        def loss(theta: torch.Tensor, h: torch.Tensor = h) -> torch.Tensor:
            return 0.5 * theta[-1] * (theta[:-1] @ h @ theta[:-1])

        point = torch.zeros(1001, dtype=torch.float64)
        point[-1] = 1
        objective = cw.Objective.from_function(loss, point)
        for eta in cw.random_directions(objective, 3, seed=3).vectors:
            exact = float(eta[:-1] @ h @ eta[:-1])
            [seen] = second_differences(objective, eta[None], alpha * float(eta.norm()))
            assert seen == pytest.approx(exact, rel=0, abs=1e-10)


@pytest.mark.parametrize(("n_positive", "trace"), [(500, 0.0), (800, 600.0)])
def test_the_running_mean_of_a_thousand_slices_is_near_the_trace(n_positive, trace) -> None:
    """Claim 10: within 5.7 of 0 and 600 at S = 10³, which is four times √(2000/S)."""
    estimate = cw.estimate_trace(zoo.saddle_loss(n_positive, 1000 - n_positive), method="slices", samples=1000)
    assert abs(estimate.trace - trace) < 5.7
    assert abs(estimate.history[-1, 0] - trace) < 5.7
    assert (np.abs(estimate.history[20:, 0] - trace) < 4 * estimate.history[20:, 1]).all()
    np.testing.assert_allclose(estimate.history[:, 0], np.cumsum(estimate.samples) / np.arange(1, 1001), rtol=1e-9, atol=1e-9)
    assert estimate.stderr == pytest.approx(2**0.5, rel=4 / 2000**0.5)


def test_the_stated_error_covers_the_truth_as_often_as_it_should() -> None:
    """Trap 8: by slices, the estimates over 200 seeds have no bias, and two standard errors cover the truth in about 95 %."""
    objective = objective_of(SPECTRUM)
    runs = [cw.estimate_trace(objective, method="slices", samples=30, seed=seed) for seed in range(200)]
    inside = np.mean([abs(run.trace - SPECTRUM.sum()) <= 2 * run.stderr for run in runs])
    # 30 samples of a skewed law cover somewhat less than the 95.4 % of a normal one; 200 runs tell ±3 %.
    assert 0.88 <= inside <= 0.99
    traces = np.array([run.trace for run in runs])
    assert abs(traces.mean() - SPECTRUM.sum()) < 4 * traces.std(ddof=1) / 200**0.5
    stated = np.sqrt(np.mean([run.stderr**2 for run in runs]))
    assert stated == pytest.approx(traces.std(ddof=1), rel=4 * 0.05)  # which 200 seeds tell to 5 %
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
    assert (estimate.history[9:-1, 1] > 5.0).all()
    assert (estimate.progress, estimate.notes) == (1, ())


@pytest.mark.parametrize("method", ["hutchinson", "hutch++", "xtrace", "slices"])
def test_a_note_says_that_the_samples_ended_before_the_error_asked_for(method) -> None:
    stream = list(cw.stream_trace(objective_of(SPECTRUM), method=method, samples=60, target_stderr=1e-4))
    last = stream[-1]
    assert last.notes == (f"The samples were used up at a standard error of {last.stderr:.3g}; 0.0001 was asked for.",)
    assert last.progress == 1
    assert not any(snapshot.notes for snapshot in stream[:-1])


def test_slices_taken_up_again_say_only_what_holds_now() -> None:
    objective = objective_of(SPECTRUM)

    def run(samples, target, resume=None):
        return list(cw.stream_trace(objective, method="slices", samples=samples, target_stderr=target, resume=resume))[-1]

    short = run(12, 5.0)
    assert "5 was asked for" in short.notes[0]
    longer = run(1000, 5.0, short)
    assert (longer.notes, longer.progress) == ((), 1)
    np.testing.assert_array_equal(longer.samples, run(1000, 5.0).samples)
    again = run(12, 4.0, short)
    assert again.notes == (f"The samples were used up at a standard error of {short.stderr:.3g}; 4 was asked for.",)
    assert (len(again.samples), again.progress) == (12, 1)


def test_a_stream_that_is_taken_up_again_ends_with_the_same_numbers() -> None:
    objective = objective_of(SPECTRUM)
    whole = cw.estimate_trace(objective, method="slices", samples=12)
    stream = cw.stream_trace(objective, method="slices", samples=12)
    part = [next(stream) for _ in range(5)][-1]
    rest = list(cw.stream_trace(objective, method="slices", samples=12, resume=part))[-1]
    np.testing.assert_array_equal(rest.samples, whole.samples)
    assert (rest.trace, rest.stderr, rest.evaluations) == (whole.trace, whole.stderr, whole.evaluations)


@pytest.mark.parametrize("method", ["hutch++", "xtrace", "exact"])
def test_what_cannot_be_taken_up_again_is_refused(method) -> None:
    objective = objective_of(SPECTRUM)
    found = cw.estimate_trace(objective, method=method, samples=8)
    with pytest.raises(ValueError, match=f"resume must be None for method '{re.escape(method)}'"):
        cw.stream_trace(objective, method=method, samples=12, resume=found)


def test_an_estimate_of_another_stream_is_not_taken_up() -> None:
    objective = objective_of(SPECTRUM)
    found = cw.estimate_trace(objective, method="slices", samples=4, seed=1)
    for options in ({"method": "slices", "seed": 2}, {"method": "hutchinson", "seed": 1}):
        with pytest.raises(ValueError, match="resume must be an estimate by the same method"):
            cw.stream_trace(objective, samples=8, resume=found, **options)


def test_the_exact_trace_of_too_many_parameters_is_refused_before_any_product() -> None:
    calls = []

    def loss(theta: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return (theta**2).sum()

    objective = cw.Objective.from_function(loss, torch.zeros(5001))
    before = len(calls)
    with pytest.raises(ValueError, match="one product for each of the 5001 parameters"):
        cw.stream_trace(objective, method="exact")
    assert len(calls) == before


@pytest.mark.parametrize("name", ["MLP with tanh", "convolution with BatchNorm", "tied language model"])
def test_the_same_probes_give_the_same_numbers_by_every_method_that_shares_them(name) -> None:
    """A sample of Hutchinson is zᵀHz of the dense Hessian, and so is one of Hutch++ before its sketch is done, to 1e-7."""
    problem = case_named(name).build()
    objective, H = problem.objective(), dense_hessian(problem)
    Z = draw_probes(objective.hessian(), 6, seed=9)
    exact = torch.einsum("ki,ij,kj->k", Z, H, Z).detach().numpy()
    squares = ((Z @ H) ** 2).sum(dim=1).detach().numpy()
    for method, samples in (("hutchinson", 6), ("hutch++", 18)):
        seen = next(s for s in cw.stream_trace(objective, method=method, samples=samples, seed=9) if s.hvps == 6)
        np.testing.assert_allclose(seen.samples, exact, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(seen.square_samples, squares, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("method", ["hutchinson", "hutch++", "xtrace", "slices", "exact"])
def test_blocks_are_there_where_the_method_gives_them(method, tmp_path) -> None:
    """Blocks add up to the trace, have errors of their own and come back from a file; the other methods have none."""
    problem = case_named("MLP with tanh").build()
    found = cw.estimate_trace(problem.objective(), method=method, samples=12, seed=1)
    found.save(tmp_path / "trace.npz")
    back = cw.TraceEstimate.load(tmp_path / "trace.npz")
    assert (back.by_block, back.by_block_stderr) == (found.by_block, found.by_block_stderr)
    data = found.to_xarray()
    if method in ("hutchinson", "exact"):
        assert list(found.by_block) == [name for name, _ in problem.model.named_parameters()]
        assert sum(found.by_block.values()) == pytest.approx(found.trace, rel=1e-10)
        np.testing.assert_array_equal(data["block_trace"], list(found.by_block.values()))
        assert all(error == 0 if method == "exact" else error > 0 for error in found.by_block_stderr.values())
    else:
        assert found.by_block == {}
        assert "block" not in data.dims


@pytest.mark.parametrize(
    "options",
    [{"method": "x"}, {"samples": 0}, {"target_stderr": 0.0}, {"seed": -1}, {"method": "slices", "distribution": "rademacher"}],
)
def test_bad_options_are_refused_by_name_at_once(options) -> None:
    with pytest.raises(ValueError, match=list(options)[-1]):
        cw.stream_trace(objective_of(SPECTRUM), **options)
