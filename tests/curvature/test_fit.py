"""The quadratic fitted to a slice, against closed forms, a second least-squares fit and dense Hessians."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import curvwidget as cw
from curvwidget.curvature.fit import fit_projection
from tests.cases import CASES, dense_hessian


def analytic(function, n, dtype=torch.float64) -> cw.Objective:
    return cw.Objective.from_function(function, torch.zeros(n, dtype=dtype))


def axes_of(objective: cw.Objective, count: int) -> cw.Directions:
    return cw.own_directions(objective, torch.eye(objective.n_parameters, dtype=torch.float64)[:count])


@pytest.mark.parametrize(("count", "resolution"), [(1, 5), (1, 41), (2, (5, 11)), (3, 5)])
def test_a_quadratic_loss_is_found_exactly_on_any_span(count, resolution) -> None:
    rng = np.random.default_rng(count)
    square = rng.normal(size=(3, 3))
    hessian, slope = torch.from_numpy(square + square.T), torch.from_numpy(rng.normal(size=3))
    objective = analytic(lambda t: 7 + slope @ t + 0.5 * t @ hessian @ t, 3)
    directions = cw.random_directions(objective, count, seed=4)
    seen = cw.fit_slice(cw.slice_loss(objective, directions, span=3.0, resolution=resolution))
    vectors = directions.vectors.numpy()
    np.testing.assert_allclose(seen.matrix, vectors @ hessian.numpy() @ vectors.T, atol=1e-11)
    np.testing.assert_allclose(seen.gradient, vectors @ slope.numpy(), atol=1e-11)
    assert (seen.method, seen.loss, seen.hvps, seen.notes) == ("fit", 7.0, 0, ())
    assert np.isnan(seen.gradient_norm)
    assert seen.error < 1e-11


@pytest.mark.parametrize("resolution", [5, 9, 41, 401])
def test_a_fourth_derivative_adds_its_known_bias_and_the_error_says_how_much(resolution) -> None:
    """Of 1, a and a² on the grid, a second least-squares routine; on many points s²·L⁗/14."""
    span, kappa, quartic = 0.7, 3.0, 5.0
    objective = analytic(lambda t: 0.5 * kappa * t[0] ** 2 + quartic * t[0] ** 4, 1)
    plane = cw.slice_loss(objective, axes_of(objective, 1), span=span, resolution=resolution)
    seen = cw.fit_slice(plane)
    assert seen.matrix[0, 0] == pytest.approx(2 * np.polyfit(plane.axes[0], plane.values, 2)[0], rel=1e-12)
    bias = float(seen.matrix[0, 0]) - kappa
    if resolution == 401:
        assert bias == pytest.approx(span**2 * 24 * quartic / 14, rel=0.01)
    # A quartic is just what the two spans are compared for: the error is twice the bias, to the last digits.
    assert seen.error == pytest.approx(2 * bias, rel=1e-9)
    assert seen.notes[0].startswith("the quadratic fitted to the whole slice and that to its inner half disagree by")


def test_a_third_derivative_biases_the_slope_by_a_tenth_of_itself_and_not_the_curvature() -> None:
    objective = analytic(lambda t: t[0] + t[0] ** 2 + 2 * t[0] ** 3, 1)
    seen = cw.fit_slice(cw.slice_loss(objective, axes_of(objective, 1), span=0.5, resolution=401))
    assert seen.matrix[0, 0] == pytest.approx(2, rel=1e-12)
    assert seen.gradient[0] == pytest.approx(1 + 0.25 * 12 / 10, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(
    coefficients=st.lists(st.floats(0, 3), min_size=4, max_size=4),
    span=st.floats(1e-3, 2),
    resolution=st.sampled_from([(5, 5), (7, 9), (13, 5)]),
)
def test_the_stated_error_covers_the_bias_of_fourth_derivatives_of_one_sign(coefficients, span, resolution) -> None:
    first, second, mixed, skew = coefficients

    def loss(t):
        fourth = first * t[0] ** 4 + second * t[1] ** 4 + mixed * t[0] ** 2 * t[1] ** 2 + skew * t[0] * t[1] ** 3
        return 0.5 * (2 * t[0] ** 2 - t[1] ** 2 + t[0] * t[1]) + fourth + t[0] ** 3

    objective = analytic(loss, 2)
    seen = cw.fit_slice(cw.slice_loss(objective, axes_of(objective, 2), span=span, resolution=resolution))
    exact = np.linalg.eigvalsh([[2.0, 0.5], [0.5, -1.0]])
    assert np.abs(seen.principal - exact).max() <= seen.error * (1 + 1e-9)


@pytest.mark.parametrize("case", [case for case in CASES if case.smooth], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_agrees_with_the_dense_hessian_of_every_smooth_case_within_its_error(case, count) -> None:
    problem = case.build()
    objective = problem.objective()
    directions = cw.random_directions(objective, count, seed=11)
    seen = cw.project_curvature(objective, directions, method="fit")
    vectors = directions.vectors.numpy()
    expected = vectors @ dense_hessian(problem).numpy() @ vectors.T
    assert np.abs(seen.principal - np.linalg.eigvalsh(expected)).max() <= seen.error
    assert seen.error < 0.02 * np.linalg.norm(expected, 2)
    np.testing.assert_allclose(seen.gradient, vectors @ objective.gradient().numpy(), atol=1e-10)
    assert seen.gradient_norm == pytest.approx(float(objective.gradient().norm()), rel=1e-12)
    assert seen.hvps == 0
    assert seen.evaluations > {1: 21, 2: 81, 3: 125}[count]


def test_in_float32_the_error_covers_the_rounding_of_the_losses() -> None:
    hessian = torch.linspace(-2, 5, 50)
    single = analytic(lambda t: 100 + 0.5 * (hessian.to(t) * t**2).sum(), 50, torch.float32)
    for seed in range(20):
        directions = cw.random_directions(single, seed=seed)
        seen = fit_projection(single, directions)
        vectors = directions.vectors.double().numpy()
        expected = np.linalg.eigvalsh(vectors @ np.diag(hessian.double().numpy()) @ vectors.T)
        assert np.abs(seen.principal - expected).max() <= seen.error


def test_along_a_kink_the_two_spans_disagree_and_it_is_said() -> None:
    objective = analytic(lambda t: t[0].abs() + t[0] ** 2, 2)
    seen = cw.fit_slice(cw.slice_loss(objective, axes_of(objective, 1), span=0.1))
    assert "kinks" in seen.notes[0]
    assert seen.error > 2  # the curvature beside the kink is 2; at the kink there is none


def test_the_lengths_of_the_directions_do_not_change_the_span_walked() -> None:
    objective = analytic(lambda t: t[0].cos() + t[1].sin() * t[0] - t[1] ** 2, 2)
    short = cw.own_directions(objective, torch.tensor([[1e-3, 0.0], [0.0, 50.0]], dtype=torch.float64))
    units = fit_projection(objective, axes_of(objective, 2))
    scale = np.outer(short.norms, short.norms)
    np.testing.assert_allclose(fit_projection(objective, short).matrix, units.matrix * scale, rtol=1e-4)


def test_what_cannot_be_fitted_is_refused() -> None:
    objective = analytic(lambda t: torch.log1p(t[0]) + (t**2).sum(), 4)
    with pytest.raises(ValueError, match=r"plane must hold finite losses .* got 1 that are NaN or inf"):
        cw.fit_slice(cw.slice_loss(objective, axes_of(objective, 1), span=1.0, resolution=5))
    with pytest.raises(ValueError, match="plane must have at least 5 points on each axis"):
        cw.fit_slice(cw.slice_loss(objective, axes_of(objective, 2), span=0.1, resolution=(7, 3)))
    with pytest.raises(ValueError, match="directions must be one, two or three for method 'fit', got 4"):
        cw.project_curvature(objective, axes_of(objective, 4), method="fit")


def test_the_graph_of_a_steep_slice_is_flatter_than_its_hessian_says() -> None:
    """Off by default: along one unit direction κ = L''/(1 + L'²)^{3/2} is what `graph_curvature` makes of either method."""
    objective = cw.Objective.from_function(lambda t: t[0] ** 2, torch.full((1,), 1.5, dtype=torch.float64))
    for method in ("hvp", "difference", "fit"):
        seen = cw.project_curvature(objective, axes_of(objective, 1), method=method)
        assert seen.principal[0] == pytest.approx(2, rel=1e-6)
        assert cw.graph_curvature(seen)[0] == pytest.approx(2 / (1 + 9) ** 1.5, rel=1e-6)
