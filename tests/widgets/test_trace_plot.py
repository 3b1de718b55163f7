"""`TracePlot` draws the numbers of the estimates, at the cost that was spent, and says whether they agree."""

from __future__ import annotations

import dataclasses
import html
import itertools

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.curvature.agreement import compare_traces
from curvwidget.linalg import TraceEstimate, stream_exact, stream_hutchpp, stream_xtrace
from curvwidget.widgets.trace_plot import TracePlot

DIAGONAL = torch.linspace(-1, 3, 30, dtype=torch.float64)
TRACE = float(DIAGONAL.sum())


@pytest.fixture(scope="module")
def objective() -> cw.Objective:
    return cw.Objective.from_function(lambda t: 0.5 * (DIAGONAL * t**2).sum(), torch.zeros(30, dtype=torch.float64))


@pytest.fixture(scope="module")
def slices(objective: cw.Objective) -> TraceEstimate:
    return cw.estimate_trace(objective, method="slices", samples=50, seed=1)


@pytest.fixture(scope="module")
def hutchinson(objective: cw.Objective) -> TraceEstimate:
    return cw.estimate_trace(objective, samples=50)


def text(view: TracePlot) -> str:
    return html.unescape(view.children[0].value)


def test_lines_and_bands_are_the_running_estimates_over_what_they_cost(slices, hutchinson) -> None:
    view = TracePlot([slices, hutchinson], hvp_cost=4.0)
    marks = view._marks
    for method, estimate, unit in (("slices", slices, 1.0), ("hutchinson", hutchinson, 4.0)):
        line, band = marks.lines[method], marks.bands[method]
        count = np.arange(1, 51)
        np.testing.assert_allclose(line.y[-30:], (np.cumsum(estimate.samples) / count)[-30:], rtol=1e-12)
        np.testing.assert_allclose(line.x, estimate.history[:, 2] * unit)
        np.testing.assert_allclose(band.y[1][-1] - band.y[0][-1], 2 * estimate.stderr)
        assert line.visible
        assert band.visible
    assert marks.lines["slices"].x[-1] == slices.evaluations
    assert marks.lines["hutchinson"].x[-1] == 4 * hutchinson.hvps == 200


def test_the_cost_of_a_product_is_said_on_the_axis(slices, hutchinson) -> None:
    view = TracePlot([slices, hutchinson], hvp_cost=4.0)
    assert "one HVP counts as 4" in view.children[2].value
    view.hvp_cost = 9.0
    assert "one HVP counts as 9" in view.children[2].value
    assert view._marks.lines["hutchinson"].x[-1] == 9 * 50


def test_the_legend_has_the_last_numbers_their_errors_and_whether_they_agree(slices, hutchinson) -> None:
    said = text(TracePlot([slices, hutchinson]))
    assert f"slices alone {slices.trace:.1f} ± {slices.stderr:.1f}" in said
    assert f"Hutchinson {hutchinson.trace:.1f} ± {hutchinson.stderr:.1f}" in said
    apart = abs(slices.trace - hutchinson.trace) / np.hypot(slices.stderr, hutchinson.stderr)
    assert f"They agree: {abs(slices.trace - hutchinson.trace):.1f} ± " in said
    assert f"({apart:.2g} standard errors)" in said


def test_of_many_estimates_those_that_disagree_are_named(slices, hutchinson) -> None:
    exact = TraceEstimate(TRACE, 0.0, 30, "exact", np.array([TRACE]), np.array([[TRACE, 0.0, 30.0]]), hvps=30)
    apart = max(compare_traces(*pair).in_stderrs for pair in itertools.combinations((slices, hutchinson, exact), 2))
    assert f"All agree: no two are more than {apart:.2g} standard errors apart." in text(TracePlot([slices, hutchinson, exact]))
    wrong = dataclasses.replace(exact, trace=2 * TRACE)
    assert "exact do not agree:" in text(TracePlot([slices, hutchinson, wrong]))


def test_all_methods_are_drawn_and_each_pair_is_compared(objective, slices, hutchinson) -> None:
    others = [list(stream(objective.hessian(), seed=5))[-1] for stream in (stream_hutchpp, stream_xtrace, stream_exact)]
    view = TracePlot([slices, hutchinson, *others])
    assert len(view.agreements) == 10
    assert all(view._marks.lines[estimate.method].visible for estimate in view.estimates)
    exact = view._marks.lines["exact"]
    np.testing.assert_allclose(exact.y, TRACE)  # a level through all of the plot
    np.testing.assert_allclose(exact.x, [0, max(slices.evaluations, 6 * 100)])
    assert "exact 30" in text(view)


def test_every_last_estimate_and_three_of_its_errors_fit_into_the_plot(slices, hutchinson) -> None:
    marks = TracePlot([slices, hutchinson])._marks
    for estimate in (slices, hutchinson):
        assert marks._y.min < estimate.trace - 3 * estimate.stderr
        assert estimate.trace + 3 * estimate.stderr < marks._y.max


def test_an_end_mark_stands_at_its_lines_end_and_beside_another_that_ends_there(slices, hutchinson) -> None:
    marks = TracePlot([slices, hutchinson])._marks
    assert slices.evaluations != 6 * hutchinson.hvps
    for method in ("slices", "hutchinson"):
        assert marks.ends[method].x[0] == marks.lines[method].x[-1]
        assert set(marks.errors[method].x) == {marks.lines[method].x[-1]}
    at_one_cost = TracePlot([slices, hutchinson], hvp_cost=slices.evaluations / hutchinson.hvps)._marks
    assert at_one_cost.lines["slices"].x[-1] == pytest.approx(at_one_cost.lines["hutchinson"].x[-1])
    assert at_one_cost.ends["slices"].x[0] == at_one_cost.lines["slices"].x[-1]
    assert 0.98 * slices.evaluations < at_one_cost.ends["hutchinson"].x[0] < 0.99 * slices.evaluations


def test_one_sample_has_no_band_and_no_error(objective) -> None:
    view = TracePlot([cw.estimate_trace(objective, samples=1)])
    assert not view._marks.bands["hutchinson"].visible
    assert not view._marks.errors["hutchinson"].visible
    assert "Hutchinson" in text(view)
    assert "±" not in text(view)


def test_a_trace_that_is_no_number_leaves_the_plot_standing() -> None:
    nan = float("nan")
    view = TracePlot([TraceEstimate(nan, nan, 5, "slices", np.array([nan]), np.array([[nan, nan, 2.0]]), evaluations=2)])
    assert not view._marks.lines["slices"].visible
    assert "slices alone NaN" in text(view)


def test_a_method_that_is_taken_away_is_no_longer_drawn(slices, hutchinson) -> None:
    view = TracePlot([slices, hutchinson])
    view.estimates = (slices,)
    assert not view._marks.lines["hutchinson"].visible
    assert not view._marks.ends["hutchinson"].visible
    view.estimates = ()
    assert "no estimate of the trace yet" in text(view)


def test_long_histories_are_thinned_and_keep_their_ends(objective) -> None:
    long = cw.estimate_trace(objective, samples=1000)
    line = TracePlot([long])._marks.lines["hutchinson"]
    assert len(line.x) <= 200
    assert line.y[-1] == long.trace


@pytest.mark.parametrize(
    ("estimates", "error", "message"),
    [
        (lambda e: [1.0], TypeError, "estimates must be TraceEstimates, got float"),
        (lambda e: [e, e], ValueError, "estimates must each be by another method, got slices, slices"),
    ],
)
def test_what_cannot_be_compared_is_refused(estimates, error, message, slices) -> None:
    with pytest.raises(error, match=message):
        TracePlot(estimates(slices))


def test_estimates_of_two_matrices_and_a_cost_of_nothing_are_refused(slices) -> None:
    other = TraceEstimate(1.0, 0.1, 7, "hutchinson", np.array([1.0]), np.array([[1.0, 0.1, 1.0]]))
    with pytest.raises(ValueError, match="estimates must be of matrices of one size, got 7, 30"):
        TracePlot([slices, other])
    with pytest.raises(ValueError, match="hvp_cost must be positive, got 0"):
        TracePlot(hvp_cost=0.0)
