"""Splines of scattered values are SciPy's, and know what they would have been without each of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from curvwidget.slices.lattice import Lattice
from curvwidget.slices.radial_spline import RadialSpline

KERNELS = {1: ("linear", 1), 3: ("cubic", 1), 5: ("quintic", 2)}
SHAPES = {1: (151,), 2: (41, 31), 3: (13, 11, 15)}


class Scattered:
    """Forty values at points of a grid, and where all points of it are."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(count)
        shape, steps = SHAPES[count], np.array([0.3, 0.21, 0.4])[:count]
        self.lattice = Lattice(shape, steps)
        self.known = np.zeros(shape, dtype=bool)
        self.known.flat[random.permutation(self.known.size)[:40]] = True
        self.values = random.normal(size=40)
        self.places = (np.argwhere(np.ones(shape)) - np.array(shape) // 2) * steps
        self.points = self.places[self.known.reshape(-1)]

    def spline(self, power: int) -> RadialSpline:
        return RadialSpline(self.lattice, self.known, self.values, power=power)

    def scipys(self, power: int, but: int | None = None) -> np.ndarray:
        kernel, degree = KERNELS[power]
        rows = np.arange(40) != but
        other = RBFInterpolator(self.points[rows], self.values[rows], kernel=kernel, degree=degree)
        return other(self.places).reshape(self.known.shape)


@pytest.fixture(params=[1, 2, 3], ids=lambda count: f"{count} axes")
def scattered(request: pytest.FixtureRequest) -> Scattered:
    return Scattered(request.param)


@pytest.mark.parametrize("power", KERNELS)
def test_it_is_that_of_scipy(scattered: Scattered, power: int) -> None:
    expected = scattered.scipys(power)
    np.testing.assert_allclose(scattered.spline(power).values, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("power", KERNELS)
def test_it_passes_through_the_values(scattered: Scattered, power: int) -> None:
    np.testing.assert_allclose(scattered.spline(power).values[scattered.known], scattered.values, atol=1e-5)


@pytest.mark.parametrize("power", KERNELS)
def test_what_is_left_out_is_what_a_spline_through_the_others_misses(scattered: Scattered, power: int) -> None:
    missed = [value - scattered.scipys(power, but=row)[scattered.known][row] for row, value in enumerate(scattered.values)]
    np.testing.assert_allclose(scattered.spline(power).left_out, missed, atol=1e-6 * np.abs(missed).max())


def test_polynomials_of_its_degree_are_reproduced_and_no_value_is_missed() -> None:
    lattice, known = Lattice((21, 31), (0.1, 0.2)), np.zeros((21, 31), dtype=bool)
    known.flat[np.random.default_rng(0).permutation(known.size)[:25]] = True
    x, y = lattice.coordinates
    truth = 1 + 2 * x - y + x**2 - 3 * x * y + 0.5 * y**2
    spline = RadialSpline(lattice, known, truth[known], power=5)
    np.testing.assert_allclose(spline.values, truth, atol=1e-9)
    assert np.abs(spline.left_out).max() < 1e-9


def test_a_spline_that_is_not_unique_is_refused() -> None:
    known = np.zeros((9, 9), dtype=bool)
    known[4] = True
    with pytest.raises(np.linalg.LinAlgError, match="no spline of power 3 is determined by 9 points"):
        RadialSpline(Lattice((9, 9), (1.0, 1.0)), known, np.arange(9.0))
