"""What every estimator of a trace owes: no bias, and an error that covers the truth as often as it says, over 200 seeds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from curvwidget._streams import last
from curvwidget.linalg import stream_hutchinson, stream_hutchpp, stream_xtrace
from tests.linalg.spectra import dense, rotated, semicircle

SEEDS = 200
# Some outliers over a bulk, on a matrix with no axis of its own: the shape of a network's Hessian.
VALUES = np.concatenate([[6.0, 4.0, 3.0, -1.5], 0.5 + semicircle(56)])
A = rotated(VALUES, seed=3)
TRACE, SQUARE = np.trace(A), (A**2).sum()
METHODS = {
    "gaussian": lambda seed: stream_hutchinson(dense(A), samples=32, seed=seed),
    "rademacher": lambda seed: stream_hutchinson(dense(A), samples=32, distribution="rademacher", seed=seed),
    "hutch++": lambda seed: stream_hutchpp(dense(A), samples=36, seed=seed),
    "xtrace": lambda seed: stream_xtrace(dense(A), samples=32, seed=seed),
}
every_method = pytest.mark.parametrize("method", METHODS)


@cache
def estimates(method):
    return [last(METHODS[method](seed)) for seed in range(SEEDS)]


@every_method
def test_estimates_have_no_bias(method) -> None:
    """Trap 8: means over 200 seeds are within four of their own standard errors of tr(A) and tr(A²)."""
    traces = np.array([estimate.trace for estimate in estimates(method)])
    squares = np.array([estimate.trace_of_square for estimate in estimates(method)])
    assert abs(traces.mean() - TRACE) < 4 * traces.std(ddof=1) / SEEDS**0.5
    assert abs(squares.mean() - SQUARE) < 4 * squares.std(ddof=1) / SEEDS**0.5


@every_method
def test_two_standard_errors_cover_the_truth_as_often_as_they_should(method) -> None:
    """Trap 8: |error| ≤ 2 stderr in about 95 % of 200 runs, between binomial quantiles of 1e-4.

    Few samples of a skewed law cover somewhat less (92 %), a normal law of known width 95.4 %; between these two lies the truth.
    """
    inside = sum(abs(estimate.trace - TRACE) <= 2 * estimate.stderr for estimate in estimates(method))
    assert binom.ppf(1e-4, SEEDS, 0.92) <= inside <= binom.ppf(1 - 1e-4, SEEDS, 0.954)


@every_method
def test_the_stated_error_is_the_spread_of_the_estimates(method) -> None:
    """Trap 8: the root-mean-square of the stated errors is the deviation over seeds, which 200 seeds tell to 5 %."""
    spread = np.std([estimate.trace for estimate in estimates(method)], ddof=1)
    stated = np.sqrt(np.mean([estimate.stderr**2 for estimate in estimates(method)]))
    assert stated == pytest.approx(spread, rel=4 * 0.05)


@every_method
def test_the_error_of_the_trace_of_the_square_is_its_spread_too(method) -> None:
    spread = np.std([estimate.trace_of_square for estimate in estimates(method)], ddof=1)
    stated = np.sqrt(np.mean([estimate.trace_of_square_stderr**2 for estimate in estimates(method)]))
    assert stated == pytest.approx(spread, rel=4 * 0.07)  # a skewed law: its deviation is known to 7 %


def test_variances_of_the_samples_are_those_of_the_theory() -> None:
    """Claim 2 for any matrix: 2·tr(A²) for Gaussian probes, 2·(tr(A²) − Σ aᵢᵢ²) for signs, from 6400 samples."""
    for method, variance in (("gaussian", 2 * SQUARE), ("rademacher", 2 * (SQUARE - (np.diag(A) ** 2).sum()))):
        samples = np.concatenate([estimate.samples for estimate in estimates(method)])
        centered = (samples - TRACE) ** 2
        assert abs(centered.mean() - variance) < 4 * centered.std() / len(samples) ** 0.5


def test_clever_estimators_beat_hutchinson_where_the_spectrum_decays() -> None:
    """At equal cost the error of XTrace is the least, then Hutch++, then Hutchinson, as both papers say."""
    values = 0.7 ** np.arange(60)
    operator = dense(rotated(values, seed=1))

    def spread(stream):
        return np.std([last(stream(operator, samples=24, seed=seed)).trace - values.sum() for seed in range(30)])

    hutchinson, hutchpp, xtrace = spread(stream_hutchinson), spread(stream_hutchpp), spread(stream_xtrace)
    assert xtrace < 0.5 * hutchpp < 0.25 * hutchinson
