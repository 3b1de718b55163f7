"""`SpectrumPlot` draws the density's and the eigensolver's own numbers, and tells the converged from the others by shape."""

from __future__ import annotations

import dataclasses
import html

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.linalg import Eigenpairs, SpectralDensity, spectral_density
from curvwidget.widgets.spectrum_plot import SpectrumPlot

DIAGONAL = torch.cat([torch.linspace(-0.5, 1.5, 160), torch.tensor([6.0, -3.0])]).double()


@pytest.fixture(scope="module")
def objective() -> cw.Objective:
    return cw.Objective.from_function(lambda t: 0.5 * (DIAGONAL * t**2).sum(), torch.zeros(162, dtype=torch.float64))


@pytest.fixture(scope="module")
def density(objective: cw.Objective) -> SpectralDensity:
    return spectral_density(objective, probes=6, steps=40)


@pytest.fixture(scope="module")
def pairs(objective: cw.Objective) -> Eigenpairs:
    return cw.extreme_eigenpairs(objective, largest=2, smallest=2)


def half(pairs: Eigenpairs) -> Eigenpairs:
    return dataclasses.replace(pairs, converged=np.array([True, False, True, False]), residuals=np.array([0.1, 0.2, 0.3, 0.4]))


def text(view: SpectrumPlot) -> str:
    return html.unescape(view.children[0].value)


def test_the_curve_is_the_density_at_the_broadening_that_is_said(density) -> None:
    view = SpectrumPlot(density, log=False)
    curve = view._marks.curve
    assert curve.x[0] < density.nodes.min()
    assert curve.x[-1] > density.nodes.max()
    np.testing.assert_allclose(curve.y, density.density(curve.x), rtol=1e-12)
    area = ((curve.y[1:] + curve.y[:-1]) / 2 * np.diff(curve.x)).sum()
    assert area == pytest.approx(1, abs=0.01)
    assert f"(σ = {density.broadening:.2g})" in text(view)


def test_the_band_is_its_standard_error(density) -> None:
    view = SpectrumPlot(density, log=False)
    low, high = view._marks.band.y
    middle = len(low) // 3
    x = view._marks.band.x[middle]
    assert high[middle] - low[middle] == pytest.approx(2 * float(density.density_stderr(x)))
    alone = dataclasses.replace(
        density,
        nodes=density.nodes[:1],
        weights=density.weights[:1],
        counts=density.counts[:1],
        exhausted=density.exhausted[:1],
    )
    assert not SpectrumPlot(alone)._marks.band.visible


def test_on_the_logarithmic_axis_a_single_eigenvalue_is_still_seen(density) -> None:
    view = SpectrumPlot(density)
    curve = view._marks.curve
    at = int(np.argmin(np.abs(curve.x - 6.0)))
    assert curve.y[at] == pytest.approx(np.log10(density.density(curve.x[at])))
    # one of 162 eigenvalues stands well above the faintest that is drawn, and nothing stands between it and the others
    assert curve.y[at] > curve.y.min() + 0.5
    assert curve.y[int(np.argmin(np.abs(curve.x - 4.0)))] == curve.y.min()
    assert view._marks._y_axis.label == "density (log scale)"
    view.log = False
    assert view._marks._y_axis.label == "density"


def test_converged_and_unconverged_eigenvalues_differ_in_shape_and_have_their_residuals(pairs) -> None:
    view = SpectrumPlot(eigenpairs=half(pairs))
    marks = view._marks
    assert marks.converged.marker != marks.unconverged.marker
    np.testing.assert_allclose(marks.converged.x, pairs.values[[0, 2]])
    np.testing.assert_allclose(marks.unconverged.x, pairs.values[[1, 3]])
    np.testing.assert_allclose(np.diff(marks.residuals.x, axis=1).ravel(), 2 * np.array([0.1, 0.2, 0.3, 0.4]))
    said = text(view)
    assert "2 converged" in said
    assert "2 not converged" in said
    assert "λ_min = −3.00 ± 0.40 (not converged)" in said
    assert "λ_max = 6.00 ± 0.10" in said
    sure = SpectrumPlot(eigenpairs=pairs)
    assert not sure._marks.unconverged.visible
    assert "not converged" not in text(sure)


def test_a_click_selects_the_eigenpair_and_a_second_click_is_heard(pairs) -> None:
    view = SpectrumPlot(eigenpairs=half(pairs))
    heard = []
    view.observe(lambda change: heard.append(change["new"]), "selected")
    view._on_click(view._marks.unconverged, {"data": {"index": 1}})
    assert view.selected == 3
    assert view._marks.chosen.x[0] == pairs.values[3]
    view._on_click(view._marks.converged, {"data": {"index": 1}})
    view._on_click(view._marks.converged, {"data": {"index": 1}})
    assert [index for index in heard if index is not None] == [3, 2, 2]
    view.eigenpairs = pairs
    assert view.selected is None
    assert not view._marks.chosen.visible


def test_the_share_of_negative_eigenvalues_is_right_within_its_error(density, objective) -> None:
    share, error = SpectrumPlot(density).negative_share
    cut = -density.broadening
    truth = float(DIAGONAL.lt(cut).double().mean())
    assert 0 < error < 0.1
    # Chebyshev, Markov and Stieltjes: a Gauss quadrature misses a cumulative distribution by at most the weight of a node there
    at_cut = np.take_along_axis(density.weights, np.abs(density.nodes - cut).argmin(axis=1)[:, None], axis=1)
    assert abs(share - truth) < 3 * error + at_cut.mean()
    assert np.isnan(SpectrumPlot().negative_share).all()


def test_without_anything_it_says_so(pairs) -> None:
    view = SpectrumPlot()
    assert "no eigenvalues yet" in text(view)
    assert not view._marks.curve.visible
    assert not view._marks.residuals.visible
    view.eigenpairs = pairs
    view.eigenpairs = None
    assert not view._marks.converged.visible


def test_an_eigenpair_that_is_not_there_cannot_be_selected(pairs) -> None:
    with pytest.raises(ValueError, match="selected must be None or an index below 4, got 4"):
        SpectrumPlot(eigenpairs=pairs).selected = 4
