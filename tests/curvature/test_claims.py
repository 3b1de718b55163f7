"""The reproducible claims on known spectra: 10⁴ planes drawn in R^1001, and what is predicted for them.

H₁ has 500 eigenvalues 1 and 500 of −1, H₂ 800 and 200, both one eigenvalue 0; so tr(H) = 0 and 600, and tr(H²) = 1000. The
planes are drawn and projected by `tests.oracles_theory`, and summed up by `ProjectionSample`; `test_ensemble.py` has smaller
samples that `sample_projections` drew itself. The tolerances are those that the theory states, four standard errors.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import curvwidget as cw
from tests.oracles_theory import principal, project_diagonal

SAMPLES = 10_000
SPECTRA = {0: np.repeat([1.0, -1.0, 0.0], [500, 500, 1]), 600: np.repeat([1.0, -1.0, 0.0], [800, 200, 1])}
TRACES = pytest.mark.parametrize("trace", SPECTRA)


def summed_up(entries: np.ndarray, normalization: str | None = None) -> cw.ProjectionSample:
    a, b, c = entries.T
    return cw.ProjectionSample(
        matrices=np.stack([np.stack([a, b], axis=1), np.stack([b, c], axis=1)], axis=1),
        principal=principal(entries),
        errors=np.zeros(len(entries)),
        seeds=np.arange(len(entries), dtype=np.uint64),
        distribution="gaussian",
        normalization=normalization,
        method="hvp",
        seed=0,
    )


@pytest.fixture(scope="module")
def samples() -> dict[int, cw.ProjectionSample]:
    return {trace: summed_up(project_diagonal(values, SAMPLES, seed=5)) for trace, values in SPECTRA.items()}


@TRACES
def test_entries_average_to_the_trace_and_to_zero(samples, trace) -> None:
    """Claim 1: |⟨A⟩ − tr| < 1.8, |⟨C⟩ − tr| < 1.8, |⟨B⟩| < 1.3."""
    mean = samples[trace].matrices.mean(axis=0)
    assert abs(mean[0, 0] - trace) < 1.8
    assert abs(mean[1, 1] - trace) < 1.8
    assert abs(mean[0, 1]) < 1.3


@TRACES
def test_entries_vary_by_twice_and_once_the_trace_of_the_square(samples, trace) -> None:
    """Claim 2: Var A = 2000 ± 6 %, Var B = 1000 ± 6 %."""
    variance = samples[trace].matrices.var(axis=0, ddof=1)
    np.testing.assert_allclose(variance, [[2000, 1000], [1000, 2000]], rtol=0.06)


@TRACES
def test_curvatures_average_to_the_trace_minus_and_plus_the_gap(samples, trace) -> None:
    """Claim 3: ⟨κ±⟩ = tr ± 39.63 ± 1.5 and sd κ± = 37.8 ± 5 %, of the planes and as predicted."""
    sample = samples[trace]
    np.testing.assert_allclose(sample.mean_principal, [trace - 39.63, trace + 39.63], atol=1.5)
    np.testing.assert_allclose(sample.principal.std(axis=0, ddof=1), 37.8, rtol=0.05)
    np.testing.assert_allclose(sample.mean_principal_stderr, 0.378, rtol=0.05)
    for options in ({"trace": trace, "trace_of_square": 1000.0}, {"eigenvalues": SPECTRA[trace]}):
        predicted = cw.predict_projections(**options)
        np.testing.assert_allclose(predicted.expected_principal, sample.mean_principal, atol=1.5)
        np.testing.assert_allclose(predicted.std, sample.principal.std(axis=0, ddof=1), rtol=0.05)
        assert predicted.curvature_of_expectation == trace


def test_the_deviations_of_the_uneven_spectrum_are_those_of_its_size() -> None:
    """Claim 3: for H₂ they are 37.15 for κ₋ and 38.46 for κ₊, as 10⁶ drawn planes know them: ± 4·38/√(2·10⁶)."""
    np.testing.assert_allclose(cw.predict_projections(eigenvalues=SPECTRA[600]).std, [37.15, 38.46], atol=0.11)


@TRACES
def test_half_the_sum_of_the_curvatures_is_half_that_of_the_entries(samples, trace) -> None:
    """Claim 4: ½(⟨κ₊⟩ + ⟨κ₋⟩) = ½(⟨A⟩ + ⟨C⟩) to 1e−10."""
    sample = samples[trace]
    assert sample.mean_principal.mean() == pytest.approx(np.trace(sample.matrices.mean(axis=0)) / 2, abs=1e-10)


@TRACES
def test_the_curvatures_of_the_average_meet_while_the_average_of_the_curvatures_does_not(samples, trace) -> None:
    """Claim 5: κ̃± within tr ± 2.0, while ⟨κ₊⟩ − ⟨κ₋⟩ = 79.3 ± 2."""
    np.testing.assert_allclose(samples[trace].curvature_of_mean, trace, atol=2.0)
    low, high = samples[trace].mean_principal
    assert high - low == pytest.approx(79.3, abs=2)


@pytest.mark.parametrize(("trace", "tolerance"), [(0, 100), (600, 1520)])
def test_the_gauss_curvature_averages_to_the_difference_of_the_squares(samples, trace, tolerance) -> None:
    """Claim 6: ⟨κ₊κ₋⟩ = tr² − tr(H²): −1000 ± 100 for H₁, 359,000 ± 1,520 for H₂."""
    assert samples[trace].principal.prod(axis=1).mean() == pytest.approx(trace**2 - 1000, abs=tolerance)


def test_shares_of_saddles_minima_and_maxima(samples) -> None:
    """Claim 7: H₁ .7073 ± .018 saddles, .1464 ± .014 minima and maxima; H₂ 100 % minima."""
    found = samples[0].probabilities
    predicted = cw.predict_projections(eigenvalues=SPECTRA[0]).probabilities
    for shares in (found, predicted):
        assert shares["saddle"] == pytest.approx(0.7073, abs=0.018)
        assert shares["minimum"] == pytest.approx(0.1464, abs=0.014)
        assert shares["maximum"] == pytest.approx(0.1464, abs=0.014)
    assert predicted["saddle"] == pytest.approx(0.707284, abs=1e-6)
    assert samples[600].probabilities == {"minimum": 1.0, "maximum": 0.0, "saddle": 0.0}
    assert cw.predict_projections(eigenvalues=SPECTRA[600]).probabilities["saddle"] < 1e-38


@pytest.mark.parametrize(("trace", "height", "place"), [(0, 1.06e-2, 38), (600, 1.04e-2, 639)])
def test_the_histogram_of_the_upper_curvature_peaks_where_it_should(samples, trace, height, place) -> None:
    """Claim 8: H₁ 1.06e−2 near 38, H₂ 1.04e−2 near 639; by a parabola through the bars about the peak, and as predicted."""
    width = 8.0
    counts, edges = np.histogram(samples[trace].principal[:, 1], bins=np.arange(place - 28, place + 28.1, width))
    bars = counts / (SAMPLES * width)
    middles = (edges[1:] + edges[:-1]) / 2 - place
    # A bar of n planes is uncertain by √n of them.
    (bend, slope, top), covariance = np.polyfit(middles, bars, 2, w=SAMPLES * width / np.sqrt(counts), cov="unscaled")
    error = covariance[2, 2] ** 0.5
    assert error < 0.02 * height
    assert bend < 0
    assert top - slope**2 / (4 * bend) == pytest.approx(height, abs=4 * error)
    assert -slope / (2 * bend) == pytest.approx(0, abs=12)
    curve = np.linspace(place - 28, place + 28, 561)
    density = cw.predict_projections(trace=trace, trace_of_square=1000.0).density(curve)[1]
    assert density.max() == pytest.approx(height, rel=0.025)
    assert curve[density.argmax()] == pytest.approx(place, abs=2)


@pytest.mark.parametrize(
    ("positive", "negative", "chance", "digits"),
    [
        (9, 1, 0.0625, 1e-12),
        (3, 1, 0.5, 1e-12),
        (1, 1, 1.0, 1e-12),
        (2, 2, math.pi / 4, 1e-12),
        (3, 3, 0.75, 1e-12),
        (5, 5, 0.72917, 5e-6),
        (60, 40, 0.25373, 5e-6),
        (520, 480, 0.47368, 5e-6),
        (550, 450, 0.05753, 1e-5),
    ],
)
def test_the_chance_of_a_saddle_is_known_exactly(positive, negative, chance, digits) -> None:
    """Claim 9: ones and minus ones; planes drawn in all dimensions show it, too."""
    eigenvalues = np.repeat([1.0, -1.0], [positive, negative])
    assert cw.predict_projections(eigenvalues=eigenvalues).probabilities["saddle"] == pytest.approx(chance, abs=digits)
    if positive + negative <= 100:
        shown = summed_up(project_diagonal(eigenvalues, SAMPLES, seed=9)).probabilities["saddle"]
        assert shown == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / SAMPLES) + 1e-12)


@pytest.mark.parametrize("spectrum", ["balanced", "uneven", "outliers"])
def test_unit_pairs_average_to_the_mean_curvature_of_any_hessian(spectrum) -> None:
    """Claim 12: ½(κ₊ + κ₋) averages to tr/N, within 4 standard errors."""
    values = {"balanced": SPECTRA[0], "uneven": SPECTRA[600], "outliers": np.r_[np.linspace(20, 1, 10), np.full(490, 0.01), -5]}
    eigenvalues = values[spectrum]
    means = summed_up(project_diagonal(eigenvalues, SAMPLES, seed=6, unit=True), "unit").principal.mean(axis=1)
    expected = eigenvalues.mean()
    assert abs(means.mean() - expected) < 4 * means.std(ddof=1) / SAMPLES**0.5
    predicted = cw.predict_projections(
        trace=eigenvalues.sum(),
        trace_of_square=(eigenvalues**2).sum(),
        n_parameters=len(eigenvalues),
        normalization="unit",
    )
    assert predicted.curvature_of_expectation == pytest.approx(expected, abs=1e-15)


def test_two_random_directions_are_nearly_orthogonal() -> None:
    """Claim 12: cos(η, δ) has standard deviation 1/√N, .0316 at N = 1001, within 4 of its standard errors."""
    objective = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(1001, dtype=torch.float64))
    pairs = 1000
    vectors = cw.random_directions(objective, 2 * pairs, normalization="unit", seed=2).vectors
    cosines = (vectors[:pairs] * vectors[pairs:]).sum(dim=1).numpy()
    assert cosines.std() == pytest.approx(0.0316, rel=4 / (2 * pairs) ** 0.5)
    assert abs(cosines.mean()) < 4 * 0.0316 / pairs**0.5
