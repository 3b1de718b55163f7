"""Exact laws of random planes, against closed numbers and against planes drawn in all N dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curvwidget.curvature.exact_law import (
    exact_moments,
    exact_probabilities,
    log_saddle_probability,
    one_against_many,
    two_values,
)
from curvwidget.curvature.sampled_law import SampledLaw, draw_planes
from curvwidget.curvature.spectrum import Spectrum
from tests.oracles_theory import principal, project_diagonal, within_standard_errors


def spectrum(*groups):
    """Pairs (multiplicity, eigenvalue)."""
    return Spectrum.of(np.concatenate([np.full(count, float(value)) for count, value in groups]))


def saddle(*groups):
    return math.exp(log_saddle_probability(spectrum(*groups)))


# ------------------------------------------------------------------------------------------------ theory, section 2, eq. 8

ONE_NEGATIVE = [
    (2, 1, 0.7071068, 1e-6),
    (3, 1, 0.5, 1e-12),
    (9, 1, 0.0625, 1e-12),
    (19, 1, 0.00195, 5e-6),
    (99, 1, 1.8e-15, 5e-17),
    (99, 10, 0.00937, 5e-6),
    (99, 100, 0.614, 5e-4),
]
MANY = [
    (2, 2, math.pi / 4, 1e-13),
    (3, 3, 0.75, 1e-13),
    (5, 5, 0.72917, 5e-6),
    (60, 40, 0.25373, 5e-6),
    (500, 500, 0.707284, 5e-7),
    (520, 480, 0.47368, 5e-6),
    (550, 450, 0.05753, 1e-5),
]


@pytest.mark.parametrize(("n", "c", "chance", "tolerance"), ONE_NEGATIVE)
def test_one_negative_among_n_positive_shows_a_saddle_as_rarely_as_the_theory_says(n, c, chance, tolerance):
    assert one_against_many(n, c)["saddle"] == pytest.approx(chance, abs=tolerance)
    assert exact_probabilities(spectrum((n, 2.5), (1, -2.5 * c))) == pytest.approx(one_against_many(n, c), rel=1e-12, abs=0)


@pytest.mark.parametrize(("n", "c", "chance", "tolerance"), ONE_NEGATIVE)
def test_the_integral_over_half_moments_knows_one_negative_among_n_positive(n, c, chance, tolerance):
    assert saddle((n, 1), (1, -c)) == pytest.approx((1 + 1 / c) ** (-(n - 1) / 2), rel=1e-11, abs=0)


def test_two_vectors_span_the_plane_and_always_see_its_saddle():
    assert exact_probabilities(spectrum((1, 1), (1, -1)))["saddle"] == 1
    assert exact_probabilities(spectrum((1, 3), (1, -0.01), (5, 0)))["saddle"] == 1
    assert saddle((1, 3), (1, -0.01), (5, 0)) == 1


@pytest.mark.parametrize(("n_positive", "n_negative", "chance", "tolerance"), MANY)
def test_ones_and_minus_ones_show_saddles_as_the_largest_root_says(n_positive, n_negative, chance, tolerance):
    found = exact_probabilities(spectrum((n_positive, 1), (n_negative, -1)))
    assert found["saddle"] == pytest.approx(chance, abs=tolerance)
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("n_positive", "n_negative", "c"), [(2, 2, 1), (60, 40, 1), (7, 4, 2.5), (520, 480, 0.9), (3, 200, 0.01)]
)
def test_the_largest_root_and_the_half_moments_agree_for_any_two_values(n_positive, n_negative, c):
    expected = two_values(n_positive, n_negative, c)["saddle"]
    assert saddle((n_positive, 1), (n_negative, -c)) == pytest.approx(expected, rel=1e-10, abs=0)


def test_minima_and_maxima_of_500_and_500_are_14_6_percent_each():
    found = two_values(500, 500)
    assert found["minimum"] == pytest.approx(0.146358, abs=5e-7)
    assert found["maximum"] == pytest.approx(0.146358, abs=5e-7)


def test_a_chance_of_ten_to_the_minus_43_keeps_its_digits():
    """800/200: largest-root formula in 60-digit arithmetic (mpmath). The closed form says 5.8e-40: it is no good so far out."""
    expected = 7.916418147659394e-43
    assert two_values(800, 200)["saddle"] == pytest.approx(expected, rel=1e-10, abs=0)
    assert log_saddle_probability(spectrum((800, 1), (200, -1))) == pytest.approx(math.log(expected), abs=1e-11)


def test_the_largest_root_holds_for_magnitudes_that_differ():
    planes = principal(project_diagonal([1.0] * 7 + [-2.5] * 4, 40_000, seed=3))
    found = two_values(7, 4, 2.5)
    within_standard_errors((planes[:, 0] > 0), found["minimum"])
    within_standard_errors((planes[:, 1] < 0), found["maximum"])


def test_no_closed_formula_is_claimed_for_three_values_or_a_rest():
    assert exact_probabilities(spectrum((3, 1), (2, -1), (1, 4))) is None
    assert exact_probabilities(Spectrum(np.array([-1.0, 1.0]), np.array([2, 2]), noise=0.1)) is None


def test_eigenvalues_of_one_sign_never_show_a_saddle():
    assert exact_probabilities(spectrum((3, 1), (2, 0.5), (4, 0)))["minimum"] == 1
    assert exact_probabilities(spectrum((3, -1), (2, -0.5)))["maximum"] == 1
    assert log_saddle_probability(spectrum((3, 1), (2, 0.5), (4, 0))) == -math.inf


# ------------------------------------------------------------------------------------ any spectrum, against drawn planes

MIXED = [
    np.concatenate([[9.0, 4.0, -3.0], np.full(12, 0.3), np.full(20, -0.2)]),
    np.concatenate([[-6.0], np.linspace(0.1, 1, 30)]),
    np.array([2.0, 1.0, -0.5]),
    np.array([2.0, 2.0, 2.0, -1.0, -1.0]),
]


@pytest.mark.parametrize("eigenvalues", MIXED)
def test_the_exact_numbers_are_those_of_planes_drawn_in_all_dimensions(eigenvalues):
    planes = principal(project_diagonal(eigenvalues, 40_000, seed=11))
    mean, std = exact_moments(Spectrum.of(eigenvalues))
    within_standard_errors(planes, mean)
    within_standard_errors((planes - mean) ** 2, std**2)
    chance = math.exp(log_saddle_probability(Spectrum.of(eigenvalues)))
    within_standard_errors((planes[:, 0] < 0) & (planes[:, 1] > 0), chance)


@pytest.mark.parametrize("eigenvalues", MIXED)
@pytest.mark.parametrize(("unit", "orthogonalize"), [(False, False), (True, False), (True, True)])
def test_planes_drawn_from_eigenvalues_are_like_those_drawn_in_all_dimensions(eigenvalues, unit, orthogonalize):
    direct = principal(project_diagonal(eigenvalues, 20_000, seed=5, unit=unit, orthogonalize=orthogonalize))
    drawn = draw_planes(Spectrum.of(eigenvalues), 50_000, seed=6, unit=unit, orthogonalize=orthogonalize)
    # two samples: the standard error of the difference of means, squares and products
    for first, second in [(direct, drawn), (direct**2, drawn**2), (direct.prod(1), drawn.prod(1)), (direct > 0, drawn > 0)]:
        first, second = (np.asarray(part, dtype=float).reshape(len(part), -1) for part in (first, second))
        error = np.sqrt(first.var(0) / len(first) + second.var(0) / len(second))
        assert (np.abs(first.mean(0) - second.mean(0)) < 4 * np.maximum(error, 1e-12)).all()


def test_a_single_eigenvalue_bends_the_plane_one_way_by_its_size_times_two_on_average():
    """M = κ·g·gᵀ: κ₋ = 0 and κ₊ = κ|g|², a χ² variable of two degrees of freedom."""
    mean, std = exact_moments(spectrum((1, 3.0), (7, 0)))
    np.testing.assert_allclose(mean, [0, 6], atol=1e-12)
    np.testing.assert_allclose(std, [0, 6], atol=1e-6)


def test_the_800_to_200_case_has_the_finite_n_deviations_of_the_theory():
    mean, std = exact_moments(spectrum((800, 1), (200, -1), (1, 0)))
    np.testing.assert_allclose(mean, [560.37, 639.63], atol=0.02)
    np.testing.assert_allclose(std, [37.15, 38.46], atol=0.06)  # theory: from 10⁶ planes


def test_many_small_eigenvalues_are_told_by_their_noise():
    """A rest of 4,000 small eigenvalues, listed, in bins, and as noise around their mean, which leaves out its third moment."""
    rng = np.random.default_rng(0)
    rest = rng.normal(0.002, 0.02, 4000)
    outliers = np.array([3.0, 1.0, -0.8])
    listed = Spectrum.of(np.concatenate([outliers, rest]))
    summed = Spectrum.of(outliers).with_rest(float(rest.sum()), float((rest**2).sum()), len(rest))
    for reduced, tolerance in ((summed, 5e-3), (listed.compressed(100), 2e-5)):
        assert reduced.trace == pytest.approx(listed.trace)
        assert reduced.trace_of_square == pytest.approx(listed.trace_of_square)
        np.testing.assert_allclose(exact_moments(reduced), exact_moments(listed), rtol=tolerance)
        assert log_saddle_probability(reduced) == pytest.approx(log_saddle_probability(listed), abs=tolerance)
    assert len(listed.compressed(100).values) < 70
    assert int(listed.compressed(100).counts.sum()) == 4003


def test_planes_with_a_rest_have_its_noise_and_its_shift():
    known = Spectrum.of(np.array([3.0, -1.0])).with_rest(2.0, 5.0, None)
    planes = draw_planes(known, 100_000, seed=1)
    mean, std = exact_moments(known)
    within_standard_errors(planes, mean)
    within_standard_errors((planes - mean) ** 2, std**2)
    within_standard_errors((planes[:, 0] < 0) & (planes[:, 1] > 0), math.exp(log_saddle_probability(known)))


def test_eigenvalues_that_differ_by_rounding_are_one():
    found = Spectrum.of(np.array([1.0, 1 + 1e-15, -1.0, -1 - 2e-16, 1e-16]))
    np.testing.assert_allclose(found.values, [-1, 0, 1], rtol=1e-14)
    assert found.counts.tolist() == [2, 1, 2]
    assert found.values[1] == 0


eigenvalue = st.floats(0.01, 10) | st.floats(-10, -0.01)


@given(st.lists(eigenvalue, min_size=3, max_size=12), st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_turning_and_scaling_the_hessian_turns_and_scales_what_planes_show(values, factor):
    plain = Spectrum.of(np.array(values))
    turned = Spectrum.of(-factor * np.array(values))
    mean, std = exact_moments(plain)
    turned_mean, turned_std = exact_moments(turned)
    size = math.sqrt(plain.trace_of_square)
    np.testing.assert_allclose(turned_mean, -factor * mean[::-1], rtol=1e-9, atol=1e-9 * factor * size)
    np.testing.assert_allclose(turned_std, factor * std[::-1], rtol=1e-5, atol=1e-5 * factor * size)
    chance, turned_chance = log_saddle_probability(plain), log_saddle_probability(turned)
    assert chance <= 0
    assert turned_chance == pytest.approx(chance, abs=1e-8)
    assert (chance == -math.inf) == (min(values) > 0 or max(values) < 0)


# ------------------------------------------------------------------------------------------------------ smoothed densities


def test_a_smoothed_density_is_that_of_the_normal_law_it_was_drawn_from():
    """S = 200,000: the kernel's bias is 0.3 % and its noise 0.5 % of the peak."""
    rng = np.random.default_rng(2)
    sample = rng.normal([5.0, 105.0], 2.0, (200_000, 2))
    law = SampledLaw.of(sample)
    x = np.linspace(-4, 14, 300)
    normal = np.exp(-0.5 * ((x - 5) / 2) ** 2) / (2 * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(law.density(x)[0], normal, atol=0.02 * normal.max())
    np.testing.assert_allclose(law.density(x + 100)[1], normal, atol=0.02 * normal.max())
    wide = np.linspace(-20, 130, 20_001)
    np.testing.assert_allclose(np.trapezoid(law.density(wide), wide, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.trapezoid(wide * law.density(wide), wide, axis=1), sample.mean(axis=0), atol=1e-3)


def test_a_curvature_that_is_certain_becomes_a_narrow_spike():
    sample = np.stack([np.zeros(20_000), np.random.default_rng(0).chisquare(2, 20_000)], axis=1)
    law = SampledLaw.of(sample)
    assert law.bandwidths[0] < 1e-8
    assert law.density(np.array([0.0]))[0, 0] > 1e6
