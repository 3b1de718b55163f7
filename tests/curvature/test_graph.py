"""The graph of a slice is curved as differential geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from curvwidget.curvature.graph import graph_curvature
from curvwidget.curvature.projected import ProjectedCurvature

STEP = 1e-4


def height(x, y):
    """A surface with slope, twist and both signs of curvature."""
    return np.sin(1.3 * x) * np.cosh(0.7 * y) + 0.4 * x * y - 0.6 * y**2


def derivatives(x, y):
    """Slopes and Hessian of the height, in closed form."""
    slope = np.array(
        [
            1.3 * np.cos(1.3 * x) * np.cosh(0.7 * y) + 0.4 * y,
            0.7 * np.sin(1.3 * x) * np.sinh(0.7 * y) + 0.4 * x - 1.2 * y,
        ]
    )
    twist = 0.91 * np.cos(1.3 * x) * np.sinh(0.7 * y) + 0.4
    bend_x, bend_y = -1.69 * np.sin(1.3 * x) * np.cosh(0.7 * y), 0.49 * np.sin(1.3 * x) * np.cosh(0.7 * y) - 1.2
    return slope, np.array([[bend_x, twist], [twist, bend_y]])


def seen_along(vectors, x, y):
    """What a slice along the rows of `vectors` measures at (x, y)."""
    slope, hessian = derivatives(x, y)
    matrix = vectors @ hessian @ vectors.T
    return ProjectedCurvature(
        matrix=matrix,
        principal=np.linalg.eigvalsh(matrix),
        gradient=vectors @ slope,
        error=0.0,
        gram=vectors @ vectors.T,
        loss=float(height(x, y)),
        gradient_norm=float(np.linalg.norm(slope)),
        labels=tuple(f"v{index}" for index in range(len(vectors))),
    )


def shape_operator_by_differences(x, y):
    """Principal curvatures from how the unit normal turns: a second way that knows no Hessian."""

    def tangents(x, y):
        along_x = (height(x + STEP, y) - height(x - STEP, y)) / (2 * STEP)
        along_y = (height(x, y + STEP) - height(x, y - STEP)) / (2 * STEP)
        return np.array([1, 0, along_x]), np.array([0, 1, along_y])

    def normal(x, y):
        vector = np.cross(*tangents(x, y))
        return vector / np.linalg.norm(vector)

    first, second = tangents(x, y)
    turn_x = (normal(x + STEP, y) - normal(x - STEP, y)) / (2 * STEP)
    turn_y = (normal(x, y + STEP) - normal(x, y - STEP)) / (2 * STEP)
    basis = np.stack([first, second])
    fundamental = basis @ basis.T
    bending = -np.array([[turn_x @ first, turn_x @ second], [turn_y @ first, turn_y @ second]])
    return np.sort(np.linalg.eigvals(np.linalg.solve(fundamental, bending)).real)


@pytest.mark.parametrize("vectors", [np.eye(2), np.diag([3.0, 0.01]), np.array([[1.0, 0.2], [2.0, -1.5]])])
@pytest.mark.parametrize("point", [(0.3, -0.4), (1.1, 0.8), (0.0, 0.0)])
def test_the_curvature_is_that_of_the_surface_whatever_the_directions(vectors, point):
    found = graph_curvature(seen_along(vectors, *point))
    np.testing.assert_allclose(found, shape_operator_by_differences(*point), atol=1e-6)


def test_a_slope_flattens_a_line_as_the_textbook_says():
    """For an arc L''/(1 + L'²)^(3/2)."""
    line = ProjectedCurvature(
        matrix=np.array([[3.0 * 4]]),
        principal=np.array([12.0]),
        gradient=np.array([0.8 * 2]),
        error=0.0,
        gram=np.array([[4.0]]),
        loss=0.0,
        gradient_norm=1.0,
        labels=("v",),
    )
    np.testing.assert_allclose(graph_curvature(line), [3 / (1 + 0.8**2) ** 1.5], rtol=1e-14)


def test_a_sphere_bends_by_one_over_its_radius_everywhere():
    """The lower half of a sphere in R⁴, off its lowest point, along three skew directions."""
    radius, point = 2.0, np.array([0.5, -0.9, 0.3])
    depth = np.sqrt(radius**2 - point @ point)
    vectors = np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 1.0], [0.3, 0.0, 0.7]])
    hessian = np.eye(3) / depth + np.outer(point, point) / depth**3
    matrix = vectors @ hessian @ vectors.T
    seen = ProjectedCurvature(
        matrix=matrix,
        principal=np.linalg.eigvalsh(matrix),
        gradient=vectors @ point / depth,
        error=0.0,
        gram=vectors @ vectors.T,
        loss=-depth,
        gradient_norm=float(np.linalg.norm(point / depth)),
        labels=("a", "b", "c"),
    )
    np.testing.assert_allclose(graph_curvature(seen), np.full(3, 1 / radius), rtol=1e-12)


def test_at_a_critical_point_with_orthonormal_directions_nothing_changes():
    matrix = np.array([[2.0, 0.5], [0.5, -1.0]])
    seen = ProjectedCurvature(matrix, np.linalg.eigvalsh(matrix), np.zeros(2), 0.0, np.eye(2), 0.0, 0.0, ("a", "b"))
    np.testing.assert_allclose(graph_curvature(seen), seen.principal, rtol=1e-14)


def test_parallel_directions_are_refused():
    gram = np.array([[1.0, 2.0], [2.0, 4.0]])
    seen = ProjectedCurvature(np.eye(2), np.ones(2), np.zeros(2), 0.0, gram, 0.0, 0.0, ("a", "b"))
    with pytest.raises(ValueError, match="directions must be linearly independent"):
        graph_curvature(seen)


def test_a_hessian_that_is_not_a_number_stays_one():
    seen = ProjectedCurvature(np.full((2, 2), np.nan), np.full(2, np.nan), np.zeros(2), 0.0, np.eye(2), 0.0, 0.0, ("a", "b"))
    assert np.isnan(graph_curvature(seen)).all()
