"""A blend turns one plane into another at constant speed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curvwidget import Directions, blend_directions


def some(vectors) -> Directions:
    rows = torch.tensor(vectors, dtype=torch.float64)
    return Directions(rows, tuple(f"v{i}" for i in range(len(rows))))


START, END = some([[2.0, 0.0, 0.0]]), some([[0.0, 4.0, 0.0]])


def test_both_ends_are_exact() -> None:
    assert blend_directions(START, END, 0).vectors is START.vectors
    assert blend_directions(START, END, 1.0).vectors is END.vectors


@pytest.mark.parametrize("t", [0.1, 0.25, 0.5, 0.9])
def test_norms_and_angles_are_interpolated(t) -> None:
    (vector,) = blend_directions(START, END, t).vectors.numpy()
    assert np.linalg.norm(vector) == pytest.approx(2 + 2 * t, rel=1e-12)
    assert np.arctan2(vector[1], vector[0]) == pytest.approx(t * np.pi / 2, rel=1e-12)
    assert vector[2] == 0


def test_the_angle_is_right_for_directions_at_any_angle() -> None:
    a, b = some([[1.0, 2.0, 3.0]]), some([[-2.0, 0.5, 1.0]])
    whole = np.arccos(float(a.vectors[0] @ b.vectors[0]) / a.norms[0] / b.norms[0])
    middle = blend_directions(a, b, 0.3)
    part = np.arccos(float(a.vectors[0] @ middle.vectors[0]) / a.norms[0] / middle.norms[0])
    assert part == pytest.approx(0.3 * whole, rel=1e-12)


def test_equal_directions_only_change_their_length() -> None:
    (vector,) = blend_directions(START, some([[6.0, 0.0, 0.0]]), 0.5).vectors.numpy()
    np.testing.assert_allclose(vector, [4, 0, 0], rtol=1e-12)


def test_nearly_parallel_directions_stay_accurate() -> None:
    tiny = 1e-6
    (vector,) = blend_directions(some([[1.0, 0.0]]), some([[np.cos(tiny), np.sin(tiny)]]), 0.5).vectors.numpy()
    assert np.arctan2(vector[1], vector[0]) == pytest.approx(tiny / 2, rel=1e-9)


def test_opposite_directions_leave_the_way_open() -> None:
    with pytest.raises(ValueError, match="exactly opposite"):
        blend_directions(START, some([[-1.0, 0.0, 0.0]]), 0.5)


@pytest.mark.parametrize("t", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_zero_to_one_is_refused(t) -> None:
    with pytest.raises(ValueError, match="t must be"):
        blend_directions(START, END, t)


def test_sets_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        blend_directions(START, some([[1.0, 0.0]]), 0.5)
