"""Splines of scattered values are SciPy's, and know what they would have been without each of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from curvwidget.slices.radial_spline import RadialSpline

KERNELS = {1: ("linear", 1), 3: ("cubic", 1), 5: ("quintic", 2)}


@pytest.fixture(params=[1, 2, 3], ids=lambda count: f"{count} axes")
def scattered(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(request.param)
    return random.uniform(-5, 5, (40, request.param)), random.normal(size=40)


@pytest.mark.parametrize("power", KERNELS)
def test_it_is_that_of_scipy(scattered, power) -> None:
    points, values = scattered
    kernel, degree = KERNELS[power]
    other = RBFInterpolator(points, values, kernel=kernel, degree=degree)
    places = np.random.default_rng(0).uniform(-6, 6, (3000, points.shape[1]))  # more than are computed at a time
    expected = other(places)
    np.testing.assert_allclose(RadialSpline(points, values, power=power)(places), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("power", KERNELS)
def test_it_passes_through_the_values(scattered, power) -> None:
    points, values = scattered
    np.testing.assert_allclose(RadialSpline(points, values, power=power)(points), values, atol=1e-5)


@pytest.mark.parametrize("power", KERNELS)
def test_what_is_left_out_is_what_a_spline_through_the_others_misses(scattered, power) -> None:
    points, values = scattered
    missed = [
        values[row] - RadialSpline(np.delete(points, row, axis=0), np.delete(values, row), power=power)(points[row : row + 1])[0]
        for row in range(len(points))
    ]
    np.testing.assert_allclose(RadialSpline(points, values, power=power).left_out, missed, atol=1e-3 * np.abs(missed).max())


def test_polynomials_of_its_degree_are_reproduced_and_no_value_is_missed() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (25, 2))
    x, y = points.T
    spline = RadialSpline(points, 1 + 2 * x - y + x**2 - 3 * x * y + 0.5 * y**2, power=5)
    assert spline(np.array([[2.0, -1.0]]))[0] == pytest.approx(1 + 4 + 1 + 4 + 6 + 0.5)
    assert np.abs(spline.left_out).max() < 1e-9
