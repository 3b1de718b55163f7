"""Two estimates of one trace agree where chance explains their difference, and at the rate at which it does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.curvature.agreement import compare_traces
from curvwidget.linalg import TraceEstimate


def estimate(trace: float, stderr: float, method: str = "hutchinson", size: int = 10) -> TraceEstimate:
    return TraceEstimate(trace, stderr, size, method, np.array([trace]), np.array([[trace, stderr, 1.0]]))


def test_the_error_of_a_difference_is_that_of_both_together() -> None:
    seen = compare_traces(estimate(10.0, 3.0, "slices"), estimate(5.0, 4.0))
    assert (seen.difference, seen.stderr, seen.in_stderrs) == (5.0, 5.0, 1.0)
    assert seen.words == "Slices alone and Hutchinson agree: 5.0 ± 5.0 apart (1 standard errors)."


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (1.9, "agree: 1.9 ± 1.0 apart"),
        (2.5, "chance does that once in 81 times."),  # 1/(1 − 0.98758), tables of the normal law
        (3.5, "do not agree: 3.5 ± 1.0 apart"),
    ],
)
def test_what_is_said_depends_on_the_standard_errors_between_them(difference: float, words: str) -> None:
    assert words in compare_traces(estimate(difference, 0.6), estimate(0.0, 0.8, "slices")).words


def test_exact_traces_agree_only_where_they_are_equal() -> None:
    assert compare_traces(estimate(1.0, 0.0, "exact"), estimate(1.0, 0.0)).in_stderrs == 0
    assert compare_traces(estimate(1.0, 0.0, "exact"), estimate(2.0, 0.0)).in_stderrs == math.inf


def test_one_sample_says_nothing_of_its_error() -> None:
    assert "cannot be compared yet" in compare_traces(estimate(1.0, math.nan), estimate(1.0, 0.1, "slices")).words


def test_estimates_of_different_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="must be of matrices of one size, got 10 and 11"):
        compare_traces(estimate(1.0, 0.1), estimate(1.0, 0.1, size=11))


def test_slices_and_hutchinson_differ_by_one_standard_error_as_often_as_a_normal_law_says() -> None:
    diagonal = torch.linspace(-1, 3, 40, dtype=torch.float64)
    bowl = cw.Objective.from_function(lambda t: 0.5 * (diagonal * t**2).sum(), torch.zeros(40, dtype=torch.float64))
    runs = 60
    ratios = np.array(
        [
            compare_traces(
                cw.estimate_trace(bowl, method="slices", samples=40, seed=seed),
                cw.estimate_trace(bowl, samples=40, seed=1000 + seed),
            ).in_stderrs
            for seed in range(runs)
        ]
    )
    # the share below one standard error is binomial with p = 0.683
    assert abs((ratios < 1).mean() - 0.683) < 3 * math.sqrt(0.683 * 0.317 / runs)
    assert (ratios < 2).mean() > 0.954 - 3 * math.sqrt(0.954 * 0.046 / runs)


def test_a_wrong_trace_is_found_out() -> None:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(50, dtype=torch.float64))
    right = cw.estimate_trace(bowl, samples=100)
    wrong = dataclasses.replace(cw.estimate_trace(bowl, method="slices", samples=100, seed=1), trace=right.trace * 1.5)
    assert "do not agree" in compare_traces(wrong, right).words
