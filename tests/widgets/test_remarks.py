"""The explorer's numbers carry their errors, and what is not to be trusted is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.linalg import Eigenpairs, TraceEstimate, spectral_density
from curvwidget.widgets.comparison import predict
from curvwidget.widgets.remarks import Remarks, remark
from curvwidget.widgets.request import Request
from curvwidget.widgets.update import Known

DIAGONAL = torch.tensor([3.0] + [1.0] * 30 + [-1.0] * 8 + [-2.0], dtype=torch.float64)


@pytest.fixture(scope="module")
def objective() -> cw.Objective:
    return cw.Objective.from_function(lambda t: 2 + 0.5 * (DIAGONAL * t**2).sum(), torch.zeros(40, dtype=torch.float64))


@pytest.fixture(scope="module")
def known(objective: cw.Objective) -> Known:
    return Known(
        eigenpairs=cw.extreme_eigenpairs(objective),
        trace=cw.estimate_trace(objective, samples=40),
        slice_trace=cw.estimate_trace(objective, method="slices", samples=40, seed=1),
        sample=cw.sample_projections(objective, samples=50),
    )


def say(objective: cw.Objective, known: Known, request: Request | None = None) -> Remarks:
    request = Request() if request is None else request
    prediction = predict(objective, request, trace=known.trace, eigenpairs=known.eigenpairs)
    return remark(objective, cw.project_curvature(objective, cw.random_directions(objective)), known, prediction)


def found(said: Remarks, words: str) -> bool:
    return any(words in note for note in said.notes)


def test_every_estimate_among_the_facts_has_its_error(objective, known) -> None:
    facts = {name: value for name, value, _ in say(objective, known).facts}
    assert facts["L(θ)"] == "2"
    assert facts["N"] == "40"
    for name, trace in (("tr H", known.trace), ("tr H, slices", known.slice_trace)):
        assert facts[name] == f"{trace.trace:.3g} ± {trace.stderr:.2g}"
    alone = dataclasses.replace(known, trace=cw.estimate_trace(objective, samples=1))
    assert dict(fact[:2] for fact in say(objective, alone).facts)["tr H"].endswith(" ± ?")


def test_eigenvalues_come_with_their_residuals(objective, known) -> None:
    pairs = known.eigenpairs
    pairs = dataclasses.replace(pairs, residuals=np.array([0.012, 0.034]))
    said = say(objective, dataclasses.replace(known, eigenpairs=pairs))
    assert found(said, "λ_max = 3.000 ± 0.012; λ_min = −2.000 ± 0.034")
    assert found(said, f"{pairs.hvps} HVPs")
    assert not found(said, "not converged")


def test_an_eigenpair_that_has_not_converged_is_said_not_to_be_trusted(objective, known) -> None:
    pairs = dataclasses.replace(known.eigenpairs, converged=np.array([True, False]))
    said = say(objective, dataclasses.replace(known, eigenpairs=pairs))
    assert found(said, "λ_min = −2 (± ")
    assert found(said, ", not converged (tolerance")
    assert found(said, "a more extreme eigenvalue may be there")
    assert "λ_min has not converged" in said.statement.sentence or found(said, "λ_min has not converged")


def test_further_eigenvalues_are_named_by_their_rank_from_their_end(objective, known) -> None:
    pairs = cw.extreme_eigenpairs(objective, largest=2, smallest=2)
    said = say(objective, dataclasses.replace(known, eigenpairs=pairs))
    note = next(note for note in said.notes if note.startswith("Eigenvalues, each"))
    assert [part.split(" = ")[0].split(" ")[-1] for part in note.split("; ")] == ["λ_max", "λ_2", "λ_N−1", "λ_min"]


def test_few_samples_are_said_with_the_error_of_the_error(objective, known) -> None:
    few = dataclasses.replace(known, trace=cw.estimate_trace(objective, samples=9))
    assert found(say(objective, few), "only 9 samples; the standard error itself is uncertain by about 25 %")  # 1/√16
    assert not found(say(objective, known), "samples; the standard error itself")


def test_slices_that_disagree_with_derivatives_are_put_down_to_kinks(objective, known) -> None:
    assert found(say(objective, known), "Slices alone and Hutchinson agree")
    slices = known.slice_trace
    kinked = dataclasses.replace(slices, trace=slices.trace + 30 * slices.stderr, notes=("differences over two steps disagree",))
    said = say(objective, dataclasses.replace(known, slice_trace=kinked))
    assert found(said, "do not agree")
    assert found(said, "Kinks, as of ReLU, do that")
    assert found(said, "Trace from slices alone: differences over two steps disagree.")


def test_the_share_of_saddles_has_its_error(objective, known) -> None:
    shares = known.sample.probabilities["saddle"]
    hits = round(50 * shares)
    assert 0 < hits < 50
    error = 100 * (shares * (1 - shares) / 50) ** 0.5
    assert 1 < error < 10
    assert found(say(objective, known), f": {100 * shares:.1f} ± {error:.1f} % ({hits} of 50)")


def test_of_a_share_of_nothing_an_upper_bound_is_said() -> None:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(40, dtype=torch.float64))
    none = Known(sample=cw.sample_projections(bowl, samples=30))
    # 0.905^30 = 0.05: no saddle in 30 planes has at least this chance as long as there is one saddle or fewer in 10.5
    assert found(say(bowl, none), "0 of 30, so it is below 9.5 % at 95 % confidence")


def test_notes_of_every_result_and_of_the_loss_are_kept(objective, known, monkeypatch) -> None:
    monkeypatch.setattr(objective, "_notes", ("a parameter is not used",))
    pairs = dataclasses.replace(known.eigenpairs, notes=("small beside its residual",))
    trace = dataclasses.replace(known.trace, notes=("the samples were used up",))
    other = TraceEstimate(1.0, 1.0, 40, "xtrace", np.ones(30), np.ones((1, 3)), notes=("rank 3",))
    said = say(objective, dataclasses.replace(known, eigenpairs=pairs, trace=trace, other_traces=(other,)))
    for words in ("parameter is not used.", "mall beside its residual.", "he samples were used up.", "Trace by XTrace: rank 3."):
        assert found(said, words)


def test_a_prediction_that_is_not_to_be_trusted_says_so(objective, known) -> None:
    unsure = dataclasses.replace(known, eigenpairs=dataclasses.replace(known.eigenpairs, converged=np.array([False, True])))
    assert found(say(objective, unsure), "λ_max alone carries")
    assert found(say(objective, unsure), "How the law of random planes is predicted: closed form.")
    sure = say(objective, known)  # the eigenvalues themselves then go into the prediction
    assert not found(sure, "λ_max alone carries")
    assert found(sure, "How the law of random planes is predicted: Monte Carlo (an eigenvalue dominates)")
    filtered = dataclasses.replace(known, sample=dataclasses.replace(known.sample, normalization="filter"))
    assert found(say(objective, filtered, Request(normalization="filter")), "No prediction is drawn for filter-normalized")


def test_the_density_says_what_it_cost_and_how_well_its_mean_is_known(objective, known) -> None:
    density = spectral_density(objective, probes=3, steps=10)
    said = say(objective, dataclasses.replace(known, density=dataclasses.replace(density, notes=("not symmetric",))))
    mean, error = density.moment(1)
    assert found(said, f"from 3 probes of up to 10 products ({density.hvps} HVPs)")
    assert found(said, f"tr(H)/N, is {mean:.2f} ± {error:.2f}")
    assert found(said, "Density of eigenvalues: not symmetric.")


def test_nothing_but_the_plane_is_enough_to_say_something(objective) -> None:
    said = say(objective, Known())
    assert said.statement.sentence.startswith("This plane")
    assert [name for name, _, _ in said.facts] == ["L(θ)", "‖∇L‖", "N"]


def test_eigenpairs_of_one_end_are_named_from_that_end(objective, known) -> None:
    pairs = known.eigenpairs
    lower = Eigenpairs(pairs.values[1:], pairs.vectors[1:], pairs.residuals[1:], pairs.converged[1:], 0, 1e-3, 0, 10)
    note = next(
        n for n in say(objective, dataclasses.replace(known, eigenpairs=lower)).notes if n.startswith("Eigenvalues, each")
    )
    assert "λ_min = −2" in note
    assert "λ_max" not in note
