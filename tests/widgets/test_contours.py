"""Contour lines against level lines known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from curvwidget.widgets.contours import contour_lines, nice_levels


def uneven_axis(length: float, points: int) -> np.ndarray:
    """Return an ascending axis from −length to length with unequal steps."""
    uniform = np.linspace(-1.0, 1.0, points)
    return length * (0.7 * uniform + 0.3 * uniform**3)


@pytest.mark.parametrize("matrix", [[[4.0, 1.0], [1.0, 2.0]], [[3.0, 0.0], [0.0, -2.0]], [[-1.0, 0.5], [0.5, -4.0]]])
def test_contours_of_a_quadratic_satisfy_its_equation_within_the_grid_error(matrix: list[list[float]]) -> None:
    hessian = np.array(matrix)
    gradient = np.array([0.3, -0.2])
    x, y = uneven_axis(1.0, 61), uneven_axis(0.7, 41)

    def loss(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        points = np.stack(np.broadcast_arrays(a, b))
        return 0.5 + np.tensordot(gradient, points, 1) + 0.5 * np.einsum("i...,ij,j...->...", points, hessian, points)

    values = loss(x[:, None], y[None, :])
    levels = nice_levels(float(values.min()), float(values.max()), 12)
    lines = contour_lines(x, y, values, levels)
    # Between grid points h apart a quadratic differs from a straight line by at most |H_ii|·h²/8.
    bound = max(abs(hessian[0, 0]) * np.diff(x).max() ** 2, abs(hessian[1, 1]) * np.diff(y).max() ** 2) / 8 + 1e-12
    assert 5 <= len(levels) <= 12
    for index, level in enumerate(levels):
        found = lines.at(index)
        assert found, f"level {level} has no line"
        for line in found:
            assert np.abs(loss(line[:, 0], line[:, 1]) - level).max() <= bound


def test_first_axis_is_the_first_coordinate() -> None:
    x, y = np.array([-1.0, 0.0, 1.0]), np.array([-5.0, -1.0, 0.0, 1.0, 5.0])
    lines = contour_lines(x, y, np.broadcast_to(x[:, None], (3, 5)), np.array([0.5]))
    assert len(lines) == 1
    np.testing.assert_allclose(lines.points[:, 0], 0.5, atol=1e-12)
    np.testing.assert_allclose(np.sort(lines.points[:, 1])[[0, -1]], [-5, 5])


def test_a_closed_line_ends_where_it_began() -> None:
    axis = np.linspace(-1, 1, 21)
    (circle,) = contour_lines(axis, axis, axis[:, None] ** 2 + axis[None] ** 2, np.array([0.5])).at(0)
    np.testing.assert_array_equal(circle[0], circle[-1])


def test_no_line_passes_a_cell_with_a_corner_that_is_not_finite() -> None:
    axis = np.linspace(-1, 1, 21)
    values = axis[:, None] + 0 * axis[None]
    values[:, 12] = np.nan
    values[:, 3] = np.inf
    lines = contour_lines(axis, axis, values, np.array([0.05]))
    heights = lines.points[:, 1]
    gaps = [(axis[11], axis[13]), (axis[2], axis[4])]
    assert len(lines) == 3
    for low, high in gaps:
        assert not ((heights > low + 1e-12) & (heights < high - 1e-12)).any()


def test_starts_split_the_points_into_the_lines() -> None:
    axis = np.linspace(-1, 1, 41)
    lines = contour_lines(axis, axis, axis[:, None] ** 2 - axis[None] ** 2, np.array([-0.25, 0.25]))
    assert lines.starts[0] == 0
    assert lines.starts[-1] == len(lines.points)
    assert list(lines.level_index) == [0, 0, 1, 1]
    assert len(lines) == 4


def test_without_levels_there_are_no_lines() -> None:
    axis = np.linspace(-1, 1, 5)
    lines = contour_lines(axis, axis, np.zeros((5, 5)), np.empty(0))
    assert len(lines) == 0
    assert lines.points.shape == (0, 2)
    assert lines.at(0) == []


@pytest.mark.parametrize(
    ("low", "high", "count", "levels"),
    [
        (0.0, 1.0, 4, [0.2, 0.4, 0.6, 0.8]),
        (0.0, 1.0, 3, [0.25, 0.5, 0.75]),
        (0.0, 1.0, 9, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        (-1.0, 1.0, 3, [-0.5, 0.0, 0.5]),
        (-3.2e-5, 1.1e-5, 5, [-3e-5, -2e-5, -1e-5, 0.0, 1e-5]),
        (2.302, 2.311, 4, [2.304, 2.306, 2.308, 2.31]),
        (0.0, 1e6, 1, [500000.0]),
    ],
)
def test_levels_are_round_numbers_between_the_ends(low: float, high: float, count: int, levels: list[float]) -> None:
    assert nice_levels(low, high, count).tolist() == levels


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 0.37, 1.0, 8e11])
@pytest.mark.parametrize("count", [1, 7, 15, 100])
def test_levels_are_equally_spaced_and_no_more_than_asked_for(scale: float, count: int) -> None:
    levels = nice_levels(-0.731 * scale, 1.914 * scale, count)
    assert max(1, count // 3) <= len(levels) <= count
    assert 0.0 in levels
    np.testing.assert_allclose(np.diff(levels), (levels[-1] - levels[0]) / max(1, len(levels) - 1), rtol=1e-9)
    assert levels[0] > -0.731 * scale
    assert levels[-1] < 1.914 * scale


@pytest.mark.parametrize(
    ("low", "high", "count"), [(1.0, 1.0, 5), (2.0, 1.0, 5), (0.0, 1.0, 0), (-1e308, 1e308, 5), (np.nan, 1.0, 5)]
)
def test_there_are_no_levels_without_a_range_or_a_count(low: float, high: float, count: int) -> None:
    assert nice_levels(low, high, count).size == 0
