"""What the explorer predicts for random planes, beside planes that were drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.widgets.comparison import predict
from curvwidget.widgets.request import Request


def form(diagonal: torch.Tensor) -> cw.Objective:
    return cw.Objective.from_function(lambda t: 0.5 * (diagonal * t**2).sum(), torch.zeros(len(diagonal), dtype=torch.float64))


def outlier() -> cw.Objective:
    """One eigenvalue of 20 beside 200 from −1 to 1: it carries most of tr(H²)."""
    return form(torch.cat([torch.tensor([20.0]), torch.linspace(-1, 1, 200)]).double())


def test_where_an_eigenvalue_dominates_the_eigenvalues_found_mend_the_prediction() -> None:
    objective = outlier()
    sample = cw.sample_projections(objective, samples=400)
    trace, pairs = cw.estimate_trace(objective, samples=400, seed=1), cw.extreme_eigenpairs(objective)
    mended = predict(objective, Request(), trace=trace, eigenpairs=pairs)
    closed = predict(objective, Request(), trace=trace, eigenpairs=None)
    assert mended.method.startswith("Monte Carlo")
    assert closed.method.startswith("closed form")
    seen, error = sample.principal.mean(axis=0), sample.principal.std(axis=0) / 20
    assert (np.abs(seen - mended.expected_principal) < 4 * np.hypot(error, mended.stderr)).all()
    # the closed form puts as much spread below as above, where one large eigenvalue makes κ₊ alone spread; what remains in κ₋
    # comes from the error of tr(H²)
    spread = sample.principal.std(axis=0)
    assert spread[1] > 3 * spread[0]
    assert closed.std[1] == pytest.approx(closed.std[0])
    assert (np.abs(mended.std - spread) < 0.5 * np.abs(closed.std - spread)).all()


def test_an_eigenpair_that_has_not_converged_and_a_trace_under_way_are_not_built_on() -> None:
    objective = outlier()
    trace, pairs = cw.estimate_trace(objective, samples=50), cw.extreme_eigenpairs(objective)
    unsure = dataclasses.replace(pairs, converged=np.array([True, False]))
    growing = dataclasses.replace(trace, progress=0.5)
    for given in ({"trace": trace, "eigenpairs": unsure}, {"trace": growing, "eigenpairs": pairs}):
        found = predict(objective, Request(), **given)
        assert found.method.startswith("closed form")
        assert any("λ_max alone carries" in note for note in found.notes)


def test_where_all_eigenvalues_are_known_no_trace_is_needed_but_asked_for() -> None:
    objective = form(torch.tensor([3.0, -1.0], dtype=torch.float64))
    pairs = cw.extreme_eigenpairs(objective)
    found = predict(objective, Request(), trace=cw.estimate_trace(objective, samples=50), eigenpairs=pairs)
    assert found.method.startswith("exact")
    assert found.trace == pytest.approx(2.0, abs=1e-6)
    # det of a 2 × 2 Gaussian product: both directions see diag(3, −1), whose projection is a saddle whatever they are
    assert found.probabilities["saddle"] == pytest.approx(1.0, abs=1e-9)


def test_without_a_dominating_eigenvalue_the_closed_form_stays() -> None:
    objective = form(torch.linspace(-1, 2, 2000).double())
    trace, pairs = cw.estimate_trace(objective, samples=50), cw.extreme_eigenpairs(objective)
    found = predict(objective, Request(), trace=trace, eigenpairs=pairs)
    assert found.method == "closed form"
    assert not any("carries" in note for note in found.notes)


@pytest.mark.parametrize("known", ["trace", "both ends", "all eigenvalues"])
def test_the_prediction_is_for_the_distribution_that_is_asked_for(known: str) -> None:
    objective = form(torch.linspace(0.9, 1.1, 3 if known == "all eigenvalues" else 50).double())
    trace = cw.estimate_trace(objective, method="exact")
    pairs = None if known == "trace" else cw.extreme_eigenpairs(objective, largest=2)
    found = predict(objective, Request(distribution="sphere"), trace=trace, eigenpairs=pairs)
    # with Gaussian directions κ₊ would spread at least twice as much
    seen = cw.sample_projections(objective, samples=1000, distribution="sphere").principal.std(axis=0)
    assert found.std == pytest.approx(seen, rel=0.1)
    signs = predict(objective, Request(distribution="rademacher"), trace=trace, eigenpairs=pairs)
    assert any("Rademacher" in note for note in signs.notes)
