"""What normalized planes show on average is predicted from a trace of the Hessian that is scaled as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.directions.normalize import entry_scales
from curvwidget.widgets.comparison import predict
from curvwidget.widgets.request import Request
from tests.cases import case_named, dense_hessian

BLOCKWISE = ("filter", "layer", "model")
EVERY = pytest.mark.parametrize("normalization", [None, "unit", *BLOCKWISE])


@pytest.fixture(scope="module")
def problem():
    """A network whose filters differ in length, with its dense Hessian."""
    found = case_named("convolution with BatchNorm").build()
    with torch.no_grad():
        for parameter in found.model.parameters():
            parameter.mul_(torch.linspace(0.3, 2, len(parameter)).view(-1, *[1] * (parameter.ndim - 1)))
    return found.objective(), found.model, dense_hessian(found).numpy()


def expected_by_hand(model: nn.Module, dense: np.ndarray, normalization: str) -> float:
    """Σ_b ‖θ_b‖²·tr(H_bb)/n_b, block by block."""
    diagonal, theta = np.diagonal(dense), torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()
    if normalization == "model":
        return float(theta @ theta * diagonal.mean())
    total, offset = 0.0, 0
    for parameter in model.parameters():
        rows = 1 if normalization == "layer" else len(parameter)
        size = parameter.numel() // rows
        for row in range(rows):
            block = slice(offset + row * size, offset + (row + 1) * size)
            if normalization == "layer" or parameter.ndim > 1:
                total += float(theta[block] @ theta[block]) * float(diagonal[block].mean())
        offset += parameter.numel()
    return total


@EVERY
def test_scales_are_the_root_mean_squares_of_drawn_directions(problem, normalization) -> None:
    """Within 5 standard errors of the mean of x², at most √2 of itself a draw."""
    objective, *_ = problem
    draws = cw.random_directions(objective, 2000, normalization=normalization, seed=1).vectors
    scales = entry_scales(objective, normalization)
    mean = draws.pow(2).mean(dim=0)
    assert ((mean - scales**2).abs() <= 5 * (2 / 2000) ** 0.5 * scales**2).all()


@pytest.mark.parametrize("normalization", BLOCKWISE)
def test_the_scaled_trace_is_the_sum_over_blocks_within_its_error(problem, normalization) -> None:
    objective, model, dense = problem
    estimate = cw.estimate_normalized_trace(objective, normalization=normalization, samples=400, seed=2)
    expected = expected_by_hand(model, dense, normalization)
    assert abs(estimate.trace - expected) < 4 * estimate.stderr
    assert estimate.stderr < 0.3 * abs(expected)
    scales = entry_scales(objective, normalization).numpy()
    square = np.linalg.norm(dense * np.outer(scales, scales)) ** 2
    assert abs(estimate.trace_of_square - square) < 4 * estimate.trace_of_square_stderr
    assert sum(estimate.by_block.values()) == pytest.approx(estimate.trace, rel=1e-9)


@pytest.mark.parametrize("normalization", BLOCKWISE)
def test_normalized_planes_average_to_what_is_predicted(problem, normalization) -> None:
    """Theory, eq. 12: E A = Σ_b ‖θ_b‖²·tr(H_bb)/n_b, and Var B = tr((SHS)²), within 4 standard errors of both together."""
    objective, *_ = problem
    sample = cw.sample_projections(objective, samples=250, normalization=normalization, seed=3)
    scaled = cw.estimate_normalized_trace(objective, normalization=normalization, samples=250, seed=4)
    predicted = cw.predict_projections(scaled=scaled, normalization=normalization)
    means = sample.principal.mean(axis=1)
    error = np.hypot(means.std(ddof=1) / 250**0.5, scaled.stderr)
    assert abs(means.mean() - predicted.curvature_of_expectation) < 4 * error
    assert predicted.stderr.shape == (2,)
    assert (predicted.stderr > 0).all()
    squares = sample.matrices[:, 0, 1] ** 2
    error = np.hypot(squares.std(ddof=1) / 250**0.5, scaled.trace_of_square_stderr)
    assert abs(squares.mean() - scaled.trace_of_square) < 4 * error
    assert any("Gaussian in each block" in note for note in predicted.notes)


def test_a_stream_that_is_taken_up_again_ends_with_the_same_numbers(problem) -> None:
    objective, *_ = problem
    whole = cw.estimate_normalized_trace(objective, samples=6, seed=5)
    part = cw.estimate_normalized_trace(objective, samples=2, seed=5)
    *_, rest = cw.stream_normalized_trace(objective, samples=6, seed=5, resume=part)
    assert rest.samples.tolist() == whole.samples.tolist()


def test_traces_of_different_matrices_are_not_taken_for_one_another(problem) -> None:
    objective, *_ = problem
    plain, scaled = cw.estimate_trace(objective, samples=2), cw.estimate_normalized_trace(objective, samples=2)
    slices, exact = (cw.estimate_trace(objective, method=method, samples=2) for method in ("slices", "exact"))
    assert [found.normalization for found in (plain, slices, exact, scaled)] == ["none", "none", "none", "filter"]
    assert cw.estimate_normalized_trace(objective, normalization=None, samples=2).normalization == "none"
    for other in (plain, scaled):
        with pytest.raises(ValueError, match=f"resume must be .* normalization 'model', got one with '{other.normalization}'"):
            cw.stream_normalized_trace(objective, normalization="model", samples=4, resume=other)
        with pytest.raises(ValueError, match=f"scaled must be .* normalization='model', got one for '{other.normalization}'"):
            cw.predict_projections(normalization="model", scaled=other)
    with pytest.raises(ValueError, match=r"resume must be .* normalization 'none', got one with 'filter'"):
        cw.stream_trace(objective, samples=4, resume=scaled)


def test_an_estimate_from_an_older_file_which_does_not_say_its_normalization_is_taken(problem, tmp_path) -> None:
    objective, *_ = problem
    whole, part = (cw.estimate_normalized_trace(objective, samples=samples, seed=5) for samples in (6, 2))
    part.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as archive:
        arrays = dict(archive)
    header = json.loads(str(arrays["__header__"]))
    assert header["result"]["fields"].pop("normalization") == {"kind": "plain", "value": "filter"}
    np.savez(tmp_path / "old.npz", **{**arrays, "__header__": np.array(json.dumps(header))})
    old = cw.TraceEstimate.load(tmp_path / "old.npz")
    assert old.normalization is None
    expected = cw.predict_projections(normalization="filter", scaled=part).expected_principal
    assert (cw.predict_projections(normalization="filter", scaled=old).expected_principal == expected).all()
    *_, rest = cw.stream_normalized_trace(objective, samples=6, seed=5, resume=old)
    assert (rest.trace, rest.normalization) == (whole.trace, "filter")


def test_as_many_products_are_taken_at_once_as_the_objective_finds_best(problem, monkeypatch) -> None:
    objective, *_ = problem
    heights = []
    multiply = objective.hvp
    monkeypatch.setattr(objective, "_rows_at_once", lambda: 4)
    monkeypatch.setattr(objective, "hvp", lambda rows: heights.append(len(rows)) or multiply(rows))
    assert cw.estimate_normalized_trace(objective, samples=8).hvps == 8
    assert heights == [4, 4]


def test_the_explorer_predicts_what_its_estimates_know(problem) -> None:
    objective, model, dense = problem
    trace = cw.estimate_trace(objective, method="exact")
    known = {name: predict(objective, Request(normalization=name), trace=trace, eigenpairs=None) for name in BLOCKWISE}
    for name in ("layer", "model"):
        assert known[name].curvature_of_expectation == pytest.approx(expected_by_hand(model, dense, name), rel=1e-8)
    assert known["layer"].method == "expectation only"
    assert known["filter"] is None
    scaled = cw.estimate_normalized_trace(objective, samples=50)
    found = predict(objective, Request(normalization="filter"), trace=trace, eigenpairs=None, scaled=scaled)
    assert found.curvature_of_expectation == scaled.trace
    assert found.normalization == "filter"
    assert np.isfinite(found.expected_principal).all()


def test_what_does_not_belong_together_is_refused(problem) -> None:
    objective, *_ = problem
    scaled = cw.estimate_normalized_trace(objective, samples=5)
    with pytest.raises(ValueError, match="scaled is for the normalizations 'filter', 'layer' and 'model'"):
        cw.predict_projections(scaled=scaled, trace=1.0)
    with pytest.raises(ValueError, match=r"needs blocks, .* or scaled"):
        cw.predict_projections(normalization="filter", trace=1.0)
    with pytest.raises(ValueError, match="normalization must be one of"):
        cw.stream_normalized_trace(objective, normalization="filters")
