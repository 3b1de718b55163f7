"""The predicted law of a random plane's curvatures, against the theory's numbers and against planes drawn in all N dimensions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from curvwidget.curvature.isotropic_law import IsotropicLaw
from curvwidget.curvature.prediction import ProjectionPrediction, predict_projections
from tests.oracles_theory import principal, project_diagonal, within_standard_errors

EVEN = np.concatenate([np.full(500, 1.0), np.full(500, -1.0), [0.0]])  # H₁ of the theory, section 8
UNEVEN = np.concatenate([np.full(800, 1.0), np.full(200, -1.0), [0.0]])  # H₂
OUTLIERS = np.concatenate([np.linspace(20, 1, 10), np.full(490, 0.01), [-0.05]])


@pytest.fixture(scope="module")
def drawn():
    """10⁴ planes of H₁ and of H₂ in R^1001."""
    return {name: project_diagonal(values, 10_000, seed=7) for name, values in (("even", EVEN), ("uneven", UNEVEN))}


def integrals(prediction, power=0):
    """∫ x^p f(x) dx of both densities, on a grid over ten standard deviations."""
    x = np.linspace(
        prediction.expected_principal.min() - 12 * prediction.std.max(),
        prediction.expected_principal.max() + 12 * prediction.std.max(),
        40_001,
    )
    return np.trapezoid(x**power * prediction.density(x), x, axis=1)


# ------------------------------------------------------------------------------- the closed form, theory section 2, eq. 3 and 7


@pytest.mark.parametrize("trace", [0.0, 600.0])
def test_curvatures_average_to_the_trace_minus_and_plus_39_633(trace):
    found = predict_projections(trace=trace, trace_of_square=1000.0)
    np.testing.assert_allclose(found.expected_principal, [trace - 39.633, trace + 39.633], atol=5e-4)
    np.testing.assert_allclose(found.std, 37.80, atol=0.01)
    assert found.curvature_of_expectation == trace


def test_the_density_of_the_upper_curvature_peaks_at_1_18783_with_0_334480():
    found = predict_projections(trace=0.0, trace_of_square=1.0)
    peak = minimize_scalar(lambda y: -found.density([y])[1, 0], bounds=(0, 3), method="bounded", options={"xatol": 1e-9})
    assert peak.x == pytest.approx(1.18783, abs=5e-6)
    assert -peak.fun == pytest.approx(0.334480, abs=5e-7)


def test_the_figures_peaks_are_1_058e_2_at_37_6():
    found = predict_projections(trace=0.0, trace_of_square=1000.0)
    np.testing.assert_allclose(found.density([-37.56, 37.56])[[0, 1], [0, 1]], 1.058e-2, atol=5e-6)


def test_the_upper_curvature_is_below_the_trace_with_0_146447():
    found = predict_projections(trace=3.0, trace_of_square=1.0)
    below = quad(lambda x: found.density([x])[1, 0], -7, 3, epsabs=1e-12)[0]
    assert below == pytest.approx(0.146447, abs=5e-7)


def test_a_trace_of_zero_shows_71_percent_saddles_and_15_percent_of_minima_and_maxima_each():
    found = predict_projections(trace=0.0, trace_of_square=1000.0).probabilities
    assert found["saddle"] == pytest.approx(1 / math.sqrt(2), rel=1e-14)
    assert found["minimum"] == pytest.approx(0.146447, abs=5e-7)
    assert found["maximum"] == pytest.approx(found["minimum"], rel=1e-12)


def test_the_closed_form_has_6e_minus_40_saddles_at_a_trace_of_600():
    found = predict_projections(trace=600.0, trace_of_square=1000.0)
    assert found.probabilities["saddle"] == pytest.approx(math.exp(-90) / math.sqrt(2), rel=1e-12, abs=0)
    assert found.probabilities["saddle"] == pytest.approx(6e-40, rel=0.05, abs=0)


def test_saddles_collapse_once_the_trace_is_four_times_the_root_of_the_square():
    assert predict_projections(trace=4.0, trace_of_square=1.0).probabilities["saddle"] == pytest.approx(0.013, abs=5e-4)


def test_a_chance_too_small_for_a_number_is_said_in_words_and_as_a_logarithm():
    found = predict_projections(trace=1e4, trace_of_square=1000.0)
    assert found.probabilities["saddle"] == 0
    assert found.log_saddle == pytest.approx(-25_000 - 0.5 * math.log(2), rel=1e-14)
    assert any("10^-10858" in note for note in found.notes)
    exact = predict_projections(eigenvalues=np.repeat([1.0, -1.0], [8000, 2000]))
    assert exact.probabilities["saddle"] == 0
    assert -1000 < exact.log_saddle < -900
    assert any("too small" in note for note in exact.notes)


@pytest.mark.parametrize(("trace", "square"), [(0.0, 4.0), (3.0, 4.0), (-7.0, 4.0), (1.0, 100.0), (12.0, 4.0)])
def test_the_probabilities_are_the_integrals_over_m_and_r(trace, square):
    """P(minimum) = ∫₀^∞ φ(m)·P(R < m) dm, by quadrature."""
    sigma = math.sqrt(square)
    found = predict_projections(trace=trace, trace_of_square=square).probabilities

    def both_on_one_side(side):
        def integrand(m):
            return norm.pdf(side * m, trace, sigma) * -math.expm1(-(m**2) / (2 * square))

        return quad(integrand, 0, abs(trace) + 12 * sigma, epsabs=1e-14, limit=200)[0]

    assert found["minimum"] == pytest.approx(both_on_one_side(1), abs=1e-12)
    assert found["maximum"] == pytest.approx(both_on_one_side(-1), abs=1e-12)
    assert sum(found.values()) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(
    "law",
    [
        IsotropicLaw(1.5, 1.0, np.array([1.0, 1.0])),
        IsotropicLaw(-2.0, 0.3, np.array([1.0, 1.0])),
        IsotropicLaw(0.4, 2.0, np.array([0.5, 0.5])),
        IsotropicLaw(1.0, 0.7, np.array([0.5, 1.5])),
        IsotropicLaw(1.0, 0.0, np.array([0.0, 1.0])),
    ],
)
def test_the_law_with_any_variances_is_that_of_drawn_normal_variables(law):
    rng = np.random.default_rng(1)
    m, d, b = rng.standard_normal((3, 400_000)) * np.array([law.spread, *law.axes])[:, None]
    planes = np.stack([law.center + m - np.hypot(d, b), law.center + m + np.hypot(d, b)], axis=1)
    within_standard_errors(planes, law.expected_principal)
    within_standard_errors((planes - law.expected_principal) ** 2, law.std**2)
    within_standard_errors(planes[:, 0] > 0, law.probabilities["minimum"])
    within_standard_errors((planes[:, 0] < 0) & (planes[:, 1] > 0), law.probabilities["saddle"])
    edges = np.linspace(-3, 4, 15)
    fine = np.linspace(-3, 4, 14 * 200 + 1)
    for column in range(2):
        expected = np.add.reduceat(
            np.append(np.diff(fine) * 0.5 * (law.density(fine)[column][1:] + law.density(fine)[column][:-1]), 0),
            np.arange(0, 2800, 200),
        )
        for left, right, share in zip(edges[:-1], edges[1:], expected, strict=True):
            inside = (planes[:, column] >= left) & (planes[:, column] < right)
            assert abs(inside.mean() - share) < 4.5 * math.sqrt(max(share, 1e-5) / len(planes)) + 2e-4


@pytest.mark.parametrize(
    "options",
    [
        {"trace": 20.0, "trace_of_square": 900.0},
        {"trace": -600.0, "trace_of_square": 900.0},
        {"trace": 20.0, "trace_of_square": 900.0, "n_parameters": 1000, "normalization": "unit"},
        {"trace": 900.0, "trace_of_square": 900.0, "n_parameters": 1000, "normalization": "unit", "orthogonalize": True},
        {"eigenvalues": OUTLIERS, "samples": 20_000},
        {"eigenvalues": OUTLIERS, "normalization": "unit", "samples": 20_000},
    ],
)
def test_densities_integrate_to_one_and_have_the_predicted_means(options):
    found = predict_projections(**options)
    np.testing.assert_allclose(integrals(found), 1, atol=1e-4)
    error = 5 * found.std / math.sqrt(20_000) if "eigenvalues" in options else 1e-5 * found.std
    assert (np.abs(integrals(found, 1) - found.expected_principal) < error + 1e-4 * np.abs(found.expected_principal)).all()


def test_no_curvature_at_all_is_a_law_at_the_trace():
    found = predict_projections(trace=2.0, trace_of_square=0.0)
    assert found.expected_principal.tolist() == [2.0, 2.0]
    assert found.std.tolist() == [0.0, 0.0]
    assert found.probabilities == {"minimum": 1.0, "maximum": 0.0, "saddle": 0.0}
    assert found.density([1.0, 2.0]).tolist() == [[0.0, math.inf]] * 2
    flat = predict_projections(trace=0.0, trace_of_square=0.0)
    assert flat.probabilities == {"minimum": 0.0, "maximum": 0.0, "saddle": 0.0}
    assert predict_projections(eigenvalues=np.zeros(4)).probabilities == flat.probabilities


# ---------------------------------------------------------------------------- planes in R^1001, theory section 8, claims 1 to 8


@pytest.mark.parametrize(("name", "eigenvalues", "trace"), [("even", EVEN, 0.0), ("uneven", UNEVEN, 600.0)])
def test_planes_in_1001_dimensions_do_what_is_predicted(drawn, name, eigenvalues, trace):
    planes = principal(drawn[name])
    closed = predict_projections(trace=trace, trace_of_square=1000.0)
    exact = predict_projections(eigenvalues=eigenvalues)
    for found in (closed, exact):
        within_standard_errors(planes, found.expected_principal)
        np.testing.assert_allclose(planes.std(axis=0), found.std, rtol=0.05)
    within_standard_errors((planes - exact.expected_principal) ** 2, exact.std**2)
    counts, edges = np.histogram(planes[:, 1], bins=np.linspace(trace - 40, trace + 160, 21))
    shares = counts / len(planes)
    for middle, share in zip((edges[1:] + edges[:-1]) / 2, shares, strict=True):
        expected = float(closed.density([middle])[1, 0]) * 10
        assert abs(share - expected) < 4 * math.sqrt(expected / len(planes)) + 0.03 * expected + 1e-3


def test_71_percent_of_planes_of_the_even_spectrum_and_none_of_the_uneven_show_a_saddle(drawn):
    found = predict_projections(eigenvalues=EVEN)
    assert found.method.startswith("exact")
    planes = principal(drawn["even"])
    within_standard_errors((planes[:, 0] < 0) & (planes[:, 1] > 0), found.probabilities["saddle"])
    within_standard_errors(planes[:, 0] > 0, found.probabilities["minimum"])
    within_standard_errors(planes[:, 1] < 0, found.probabilities["maximum"])
    assert (principal(drawn["uneven"]) > 0).all()
    assert predict_projections(eigenvalues=UNEVEN).probabilities["minimum"] == pytest.approx(1, abs=1e-12)


# ----------------------------------------------------------------------------------------------------- eigenvalues


def test_ten_outliers_hide_the_saddle_that_the_closed_form_promises():
    """Theory, eq. 8: closed form .09, true 0 of 100,000."""
    found = predict_projections(eigenvalues=OUTLIERS)
    assert found.method.startswith("Monte Carlo")
    assert found.probabilities["saddle"] < 1e-5
    assert found.probabilities["minimum"] == pytest.approx(1, abs=1e-5)
    closed = predict_projections(trace=found.trace, trace_of_square=found.trace_of_square)
    assert closed.probabilities["saddle"] == pytest.approx(0.09, abs=0.005)


def test_a_dominated_law_is_that_of_planes_drawn_in_all_dimensions():
    eigenvalues = np.concatenate([[8.0, -5.0], np.linspace(-0.5, 0.6, 60)])
    found = predict_projections(eigenvalues=eigenvalues, samples=50_000)
    planes = principal(project_diagonal(eigenvalues, 50_000, seed=21))
    within_standard_errors(planes, found.expected_principal)
    for name, shown in [
        ("minimum", planes[:, 0] > 0),
        ("maximum", planes[:, 1] < 0),
        ("saddle", (planes[:, 0] < 0) & (planes[:, 1] > 0)),
    ]:
        error = math.hypot(shown.std() / math.sqrt(len(shown)), found.probabilities_stderr[name])
        assert abs(shown.mean() - found.probabilities[name]) < 4 * error
    assert 0 < found.probabilities_stderr["minimum"] < 0.005
    assert found.probabilities_stderr["saddle"] == 0


def test_a_law_without_outliers_is_the_closed_form():
    eigenvalues = np.random.default_rng(0).normal(0.01, 1, 3000)
    found = predict_projections(eigenvalues=eigenvalues)
    assert found.method.startswith("closed form")
    assert found.trace == pytest.approx(eigenvalues.sum())
    assert found.trace_of_square == pytest.approx((eigenvalues**2).sum())
    closed = predict_projections(trace=found.trace, trace_of_square=found.trace_of_square)
    assert found.probabilities == pytest.approx(closed.probabilities, abs=0.01)
    np.testing.assert_array_equal(found.density([-10.0, 40.0]), closed.density([-10.0, 40.0]))


def test_the_known_outliers_and_two_traces_are_as_good_as_the_whole_spectrum():
    rng = np.random.default_rng(3)
    bulk = rng.normal(-0.02, 0.1, 2000)
    whole = np.concatenate([[12.0, 6.0, -4.0], bulk])
    truth = predict_projections(eigenvalues=whole, samples=50_000)
    known = {"eigenvalues": [12.0, 6.0, -4.0], "trace": whole.sum(), "trace_of_square": (whole**2).sum()}
    for found in (predict_projections(**known), predict_projections(**known, n_parameters=2003)):
        np.testing.assert_allclose(found.expected_principal, truth.expected_principal, rtol=1e-3)
        assert found.probabilities["saddle"] == pytest.approx(truth.probabilities["saddle"], abs=1e-3)
        error = math.hypot(found.probabilities_stderr["minimum"], truth.probabilities_stderr["minimum"])
        assert abs(found.probabilities["minimum"] - truth.probabilities["minimum"]) < 4 * error + 1e-3


def test_parameters_beyond_the_eigenvalues_are_zero():
    short = predict_projections(eigenvalues=[1.0, 1.0, -1.0], n_parameters=50, normalization="unit")
    whole = predict_projections(eigenvalues=[1.0, 1.0, -1.0] + [0.0] * 47, normalization="unit")
    np.testing.assert_array_equal(short.expected_principal, whole.expected_principal)
    assert short.probabilities == whole.probabilities
    assert short.curvature_of_expectation == 1 / 50


# --------------------------------------------------------------------------------------- unit directions, eq. 10, claim 12


@pytest.mark.parametrize("orthogonalize", [False, True])
@pytest.mark.parametrize("eigenvalues", [np.linspace(0.5, 1.5, 300), np.linspace(-1, 1.1, 300)])
def test_unit_pairs_average_to_the_mean_curvature_and_spread_as_predicted(eigenvalues, orthogonalize):
    """A large mean curvature tells orthogonal from independent pairs: η·δ ≠ 0 spreads the latter's curvatures."""
    planes = principal(project_diagonal(eigenvalues, 20_000, seed=9, unit=True, orthogonalize=orthogonalize))
    found = predict_projections(
        trace=eigenvalues.sum(),
        trace_of_square=(eigenvalues**2).sum(),
        n_parameters=300,
        normalization="unit",
        orthogonalize=orthogonalize,
    )
    assert found.curvature_of_expectation == pytest.approx(eigenvalues.mean())
    within_standard_errors(planes.mean(axis=1), found.curvature_of_expectation)
    off = np.abs(planes.mean(axis=0) - found.expected_principal)
    assert (off < (4 / math.sqrt(20_000) + 0.01) * found.std).all()  # 1 % for a finite N
    np.testing.assert_allclose(planes.std(axis=0), found.std, rtol=0.03)


def test_orthonormal_pairs_have_the_variances_of_equation_10():
    n, trace, square = 50, 7.0, 30.0
    found = predict_projections(trace=trace, trace_of_square=square, n_parameters=n, normalization="unit", orthogonalize=True).law
    assert isinstance(found, IsotropicLaw)
    rest = square - trace**2 / n
    assert found.axes[1] ** 2 == pytest.approx(rest / ((n - 1) * (n + 2)))
    # A = m + d with uncorrelated m and d
    assert found.spread**2 + found.axes[0] ** 2 == pytest.approx(2 * rest / (n * (n + 2)))


def test_the_length_of_directions_does_not_change_what_planes_look_like():
    gaussian = predict_projections(eigenvalues=[3.0, 1.0, 1.0, -1.0, -0.5], samples=20_000)
    for orthogonalize in (False, True):
        unit = predict_projections(
            eigenvalues=[3.0, 1.0, 1.0, -1.0, -0.5], normalization="unit", orthogonalize=orthogonalize, samples=20_000
        )
        assert unit.probabilities["saddle"] == gaussian.probabilities["saddle"]
        planes = principal(project_diagonal([3.0, 1.0, 1.0, -1.0, -0.5], 20_000, seed=2, unit=True, orthogonalize=orthogonalize))
        within_standard_errors((planes[:, 0] < 0) & (planes[:, 1] > 0), unit.probabilities["saddle"])


def test_directions_on_the_sphere_of_radius_root_n_are_unit_ones_stretched():
    options = {"trace": 30.0, "trace_of_square": 400.0, "n_parameters": 250}
    unit = predict_projections(**options, normalization="unit")
    sphere = predict_projections(**options, distribution="sphere")
    np.testing.assert_allclose(sphere.expected_principal, 250 * unit.expected_principal, rtol=1e-12)
    assert sphere.curvature_of_expectation == 30.0
    assert sphere.probabilities == pytest.approx(unit.probabilities)
    whole = {"eigenvalues": [5.0, -1.0, 2.0, 0.0], "samples": 20_000}
    np.testing.assert_allclose(
        predict_projections(**whole, distribution="sphere").expected_principal,
        4 * predict_projections(**whole, normalization="unit").expected_principal,
    )


def test_rademacher_directions_are_said_to_share_the_expectation_only():
    found = predict_projections(trace=5.0, trace_of_square=100.0, distribution="rademacher")
    assert found.curvature_of_expectation == 5.0
    assert any("Rademacher" in note for note in found.notes)


# ------------------------------------------------------------------------------------------ blocks, eq. 12


def draw_blockwise(matrix, blocks, samples, seed):
    """Two directions whose blocks lie on spheres, blocks given as (radius, size)."""
    rng = np.random.default_rng(seed)
    pair = rng.standard_normal((2, samples, len(matrix)))
    start = 0
    for radius, size in blocks:
        part = pair[:, :, start : start + size]
        part *= radius / np.linalg.norm(part, axis=2, keepdims=True)
        start += size
    (eta, delta) = pair
    return np.stack([(eta @ matrix * eta).sum(1), (eta @ matrix * delta).sum(1), (delta @ matrix * delta).sum(1)], axis=1)


BLOCKS = [(2.0, 40), (0.5, 1), (1.5, 59)]


def block_numbers(matrix):
    """Rows (‖θ_b‖, tr(H_bb), n_b, tr(H_bb²)) of BLOCKS."""
    stops = np.cumsum([0] + [size for _, size in BLOCKS])
    parts = [matrix[start:stop, start:stop] for start, stop in pairwise(stops)]
    return [(radius, np.trace(part), size, (part**2).sum()) for (radius, size), part in zip(BLOCKS, parts, strict=True)]


def random_matrix(seed):
    matrix = np.random.default_rng(seed).normal(0, 1, (100, 100))
    return matrix + matrix.T + np.diag(np.linspace(0, 4, 100))


def test_filter_normalized_planes_average_to_the_sum_over_blocks():
    matrix = random_matrix(1)
    names = dict(zip("abc", [row[:3] for row in block_numbers(matrix)], strict=True))
    found = predict_projections(normalization="filter", blocks=names)
    entries = draw_blockwise(matrix, BLOCKS, 40_000, seed=4)
    within_standard_errors(entries, [found.curvature_of_expectation, 0, found.curvature_of_expectation])
    assert found.method == "expectation only"
    assert np.isnan(found.std).all()
    assert np.isnan(found.expected_principal).all()
    assert np.isnan(found.density([0.0])).all()
    assert any("expected matrix" in note for note in found.notes)


def test_layer_normalized_planes_spread_as_predicted_where_nothing_joins_the_blocks():
    matrix = random_matrix(2)
    mask = np.zeros_like(matrix)
    stops = np.cumsum([0] + [size for _, size in BLOCKS])
    for start, stop in pairwise(stops):
        mask[start:stop, start:stop] = 1
    alone = predict_projections(normalization="layer", blocks=block_numbers(matrix * mask))
    planes = principal(draw_blockwise(matrix * mask, BLOCKS, 20_000, seed=5))
    np.testing.assert_allclose(planes.std(axis=0), alone.std, rtol=0.04)
    np.testing.assert_allclose(planes.mean(axis=0), alone.expected_principal, atol=0.03 * alone.std[0])
    joined = principal(draw_blockwise(matrix, BLOCKS, 20_000, seed=5))
    assert (joined.std(axis=0) > 1.1 * alone.std).all()
    assert any("lower bound" in note for note in alone.notes)


def test_model_normalization_is_one_block_and_unit_directions_stretched():
    whole = predict_projections(normalization="model", blocks=[(3.0, 20.0, 500, 90.0)])
    unit = predict_projections(trace=20.0, trace_of_square=90.0, n_parameters=500, normalization="unit")
    np.testing.assert_allclose(whole.expected_principal, 9 * unit.expected_principal, rtol=1e-12)
    np.testing.assert_allclose(whole.std, 9 * unit.std, rtol=1e-12)
    assert whole.probabilities == pytest.approx(unit.probabilities)


# ------------------------------------------------------------------------------------------ uncertain inputs, notes


def test_uncertain_traces_are_carried_through_to_first_order():
    found = predict_projections(trace=20.0, trace_of_square=1000.0, trace_stderr=2.0, trace_of_square_stderr=10.0)
    by_delta = math.hypot(2.0, math.sqrt(math.pi / 2) / (2 * math.sqrt(1000)) * 10)
    np.testing.assert_allclose(found.stderr, by_delta, rtol=1e-4)
    saddle = found.probabilities["saddle"]
    slope = math.hypot(20 / 2000 * saddle * 2, 20**2 / (4 * 1000**2) * saddle * 10)
    assert found.probabilities_stderr["saddle"] == pytest.approx(slope, rel=5e-3)


def test_an_error_of_the_square_near_zero_stays_finite_and_an_unknown_one_unknown():
    found = predict_projections(trace=0.0, trace_of_square=0.0, trace_of_square_stderr=4.0)
    np.testing.assert_allclose(found.stderr, 0.5 * math.sqrt(math.pi / 2) * 2)
    assert np.isnan(predict_projections(trace=0.0, trace_of_square=1.0, trace_stderr=math.nan).stderr).all()
    assert (predict_projections(trace=0.0, trace_of_square=1.0).stderr == 0).all()


def test_errors_of_the_traces_reach_the_prediction_with_known_outliers():
    options = {"eigenvalues": [9.0, -3.0], "trace": 4.0, "trace_of_square": 120.0, "samples": 20_000}
    sure = predict_projections(**options)
    unsure = predict_projections(**options, trace_stderr=1.0)
    np.testing.assert_allclose(unsure.stderr, 1.0, rtol=1e-6)
    moved = predict_projections(**{**options, "trace": 5.0}), predict_projections(**{**options, "trace": 3.0})
    half = 0.5 * abs(moved[0].probabilities["saddle"] - moved[1].probabilities["saddle"])
    assert unsure.probabilities_stderr["saddle"] == pytest.approx(half)
    assert (sure.stderr == 0).all()


def test_an_estimate_that_misses_a_bound_by_chance_is_taken_with_a_note():
    found = predict_projections(
        eigenvalues=[10.0, -3.0], trace=7.0, trace_of_square=108.0, trace_stderr=1.0, trace_of_square_stderr=5.0, samples=20_000
    )
    assert found.trace_of_square == pytest.approx(109.0)
    assert any("estimate" in note for note in found.notes)
    assert (
        predict_projections(trace=10.0, trace_of_square=0.95, n_parameters=100, trace_of_square_stderr=0.1).trace_of_square
        == 0.95
    )


def test_a_trace_alone_predicts_the_expected_matrix_and_no_more():
    found = predict_projections(trace=12.0)
    assert found.curvature_of_expectation == 12.0
    assert np.isnan(found.expected_principal).all()
    assert all(math.isnan(chance) for chance in found.probabilities.values())
    assert any("trace_of_square" in note for note in found.notes)


def test_the_closed_form_says_where_it_may_not_hold():
    def notes(**options):
        return " ".join(predict_projections(**options).notes)

    assert "do not exclude" in notes(trace=10.0, trace_of_square=100.0)
    assert notes(trace=100.0, trace_of_square=100.0) == ""
    assert notes(trace=10.0, trace_of_square=100.0, extremes=(-0.9, 0.8)) == ""
    assert "λ_max alone carries 64%" in notes(trace=10.0, trace_of_square=100.0, extremes=(-2.0, 8.0))
    assert "λ_min alone carries 64%" in notes(trace=10.0, trace_of_square=100.0, extremes=(-8.0, 2.0))
    assert "one sign" in notes(trace=10.0, trace_of_square=100.0, extremes=(0.0, 0.5))
    assert "few" in notes(trace=2.0, trace_of_square=3.0, n_parameters=12)


# --------------------------------------------------------------------------------------------------- as a result


@pytest.mark.parametrize(
    "options",
    [
        {"trace": 1.0, "trace_of_square": 9.0, "trace_stderr": 0.5},
        {"eigenvalues": [5.0, 1.0, -2.0], "samples": 20_000},
        {"trace": 3.0},
    ],
)
def test_a_prediction_comes_back_from_its_file(options, tmp_path):
    found = predict_projections(**options)
    found.save(tmp_path / "prediction.npz")
    again = ProjectionPrediction.load(tmp_path / "prediction.npz")
    np.testing.assert_array_equal(again.expected_principal, found.expected_principal)
    np.testing.assert_array_equal(again.density([-1.0, 2.0]), found.density([-1.0, 2.0]))
    assert again.method == found.method
    assert again.notes == found.notes


def test_the_data_set_holds_the_numbers_with_their_names():
    found = predict_projections(eigenvalues=[5.0, 1.0, -2.0], samples=20_000)
    data = found.to_xarray()
    assert data["probability"].sel(verdict="saddle").item() == found.probabilities["saddle"]
    assert data["expected_principal"].sel(order="plus").item() == found.expected_principal[1]
    covered = data["density"].integrate("curvature")
    assert (covered > 0.995).all()
    assert predict_projections(trace=1.0, trace_of_square=2.0).to_xarray()["density"].integrate("curvature").min() > 0.999


def test_the_same_seed_gives_the_same_prediction():
    options = {"eigenvalues": [5.0, 1.0, -2.0, -0.5], "samples": 20_000}
    first, second = predict_projections(**options, seed=4), predict_projections(**options, seed=4)
    assert first.probabilities == second.probabilities
    assert first.probabilities != predict_projections(**options, seed=5).probabilities


# ---------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "trace or eigenvalues must be given"),
        ({"trace_of_square": 1.0}, "trace must come with trace_of_square"),
        ({"trace": 1.0, "trace_of_square": -1.0}, "trace_of_square must be at least 0, got -1.0"),
        ({"trace": 10.0, "trace_of_square": 9.0, "n_parameters": 11}, "at least trace²/n_parameters = 9.09091, got 9.0"),
        ({"trace": math.nan, "trace_of_square": 1.0}, "trace must be finite"),
        ({"trace": 1.0, "trace_of_square": math.nan}, "trace_of_square must be finite"),
        ({"trace": 1.0, "trace_of_square": 1.0, "trace_stderr": -1.0}, "trace_stderr must be at least 0, got -1.0"),
        ({"trace": 1.0, "trace_of_square": 1.0, "normalization": "euclid"}, "normalization must be one of"),
        ({"trace": 1.0, "trace_of_square": 1.0, "distribution": "cauchy"}, "distribution must be one of"),
        ({"trace": 1.0, "trace_of_square": 1.0, "normalization": "unit"}, "n_parameters must be given"),
        ({"trace": 1.0, "trace_of_square": 1.0, "distribution": "sphere"}, "n_parameters must be given"),
        ({"trace": 1.0, "trace_of_square": 1.0, "n_parameters": 1}, "n_parameters must be at least 2, got 1"),
        ({"trace": 1.0, "trace_of_square": 1.0, "orthogonalize": True}, "orthogonalize is for normalization='unit'"),
        ({"trace": 1.0, "trace_of_square": 1.0, "extremes": (2.0, 1.0)}, "extremes must be .* with λ_min ≤ λ_max"),
        ({"trace": 1.0, "trace_of_square": 1.0, "extremes": (1.0, 2.0, 3.0)}, "extremes must be"),
        ({"trace": 1.0, "trace_of_square": 1.0, "blocks": [(1, 1, 1)]}, "blocks are for"),
        ({"trace": 1.0, "trace_of_square": 1.0, "normalization": "filter"}, "needs blocks"),
        ({"normalization": "filter", "blocks": [(1.0, 1.0)]}, "blocks must be rows"),
        ({"normalization": "filter", "blocks": [(1.0, 1.0, 2.5)]}, "whole sizes"),
        ({"normalization": "filter", "blocks": [(-1.0, 1.0, 2)]}, "norms of at least 0"),
        ({"normalization": "filter", "blocks": [(1.0, math.nan, 2)]}, "blocks must hold finite numbers"),
        ({"normalization": "filter", "blocks": [(1.0, 2.0, 2, 1.0)]}, "tr\\(H_bb\\)²"),
        ({"eigenvalues": []}, "eigenvalues must have shape"),
        ({"eigenvalues": [[1.0]]}, "eigenvalues must have shape"),
        ({"eigenvalues": [1.0, math.inf]}, "eigenvalues must be finite"),
        ({"eigenvalues": [1.0, 2.0, 3.0], "n_parameters": 2}, "eigenvalues must be at most n_parameters = 2, got 3"),
        ({"eigenvalues": [1.0, 2.0], "samples": 100}, "samples must be at least 20000, got 100"),
        ({"eigenvalues": [1.0, 2.0], "trace": 3.0}, "trace_of_square must come with trace and eigenvalues"),
        ({"eigenvalues": [1.0, 2.0], "trace": 3.0, "trace_of_square": 4.0}, "must be at least possible"),
        ({"eigenvalues": [1.0, 2.0], "trace": 6.0, "trace_of_square": 9.1, "n_parameters": 4}, "must be at least possible"),
        ({"eigenvalues": [1.0, 2.0], "trace": 3.0, "trace_of_square": 5.0, "n_parameters": 2}, "must not come along with all N"),
    ],
)
def test_bad_input_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        predict_projections(**options)


# ---------------------------------------------------------------------------------------------------- properties

spectra = st.lists(st.floats(0.05, 10) | st.floats(-10, -0.05), min_size=2, max_size=8)


@given(spectra, st.integers(1, 60), st.sampled_from([None, "unit"]))
@settings(max_examples=25, deadline=None)
def test_probabilities_of_any_spectrum_add_up_to_one_and_a_mirror_swaps_them(values, copies, normalization):
    options = {"normalization": normalization, "samples": 20_000}
    plain = predict_projections(eigenvalues=values * copies, **options)
    mirrored = predict_projections(eigenvalues=[-value for value in values] * copies, **options)
    assert sum(plain.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert all(0 <= chance <= 1 for chance in plain.probabilities.values())
    assert mirrored.probabilities["saddle"] == pytest.approx(plain.probabilities["saddle"], rel=1e-8, abs=1e-300)
    error = math.hypot(plain.probabilities_stderr["minimum"], mirrored.probabilities_stderr["maximum"])
    assert abs(mirrored.probabilities["maximum"] - plain.probabilities["minimum"]) <= 5 * error + 1e-9
    assert (plain.probabilities["saddle"] == 0) == (min(values) > 0 or max(values) < 0)


@given(st.floats(-50, 50), st.floats(0.01, 100), st.floats(0.01, 100), st.booleans(), st.sampled_from([None, "unit"]))
@settings(max_examples=50, deadline=None)
def test_scaling_and_mirroring_the_hessian_scales_and_mirrors_the_closed_form(
    trace, square, factor, orthogonalize, normalization
):
    options = {
        "n_parameters": 300_000,
        "normalization": normalization,
        "orthogonalize": orthogonalize and normalization == "unit",
    }
    plain = predict_projections(trace=trace, trace_of_square=square, **options)
    turned = predict_projections(trace=-factor * trace, trace_of_square=factor**2 * square, **options)
    assert sum(plain.probabilities.values()) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(turned.expected_principal, -factor * plain.expected_principal[::-1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(turned.std, factor * plain.std, rtol=1e-7)
    assert turned.probabilities["minimum"] == pytest.approx(plain.probabilities["maximum"], rel=1e-6, abs=1e-12)
    x = plain.expected_principal[0] + np.linspace(-2, 3, 11) * plain.std[0]
    np.testing.assert_allclose(
        turned.density(-factor * x)[::-1], plain.density(x) / factor, rtol=1e-6, atol=1e-12 / plain.std[0] / factor
    )
