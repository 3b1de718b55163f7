"""The minima of a plane, against functions whose minima and curvatures are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.curvature.plane_minima import find_plane_minima


def wells(n: int = 12) -> cw.Objective:
    """L = (t₀² − 1)² + 0.3·t₀ + Σ t_rest²: two wells of different depth."""
    return cw.Objective.from_function(
        lambda t: (t[0] ** 2 - 1) ** 2 + 0.3 * t[0] + (t[1:] ** 2).sum(), torch.zeros(n, dtype=torch.float64)
    )


def roots() -> np.ndarray:
    """Where 4t³ − 4t + 0.3 = 0: the lower well, the top between, the higher well."""
    return np.sort(np.roots([4, 0, -4, 0.3]).real)


def test_both_wells_are_found_the_lower_first_with_their_curvatures() -> None:
    objective = wells()
    directions = cw.own_directions(objective, torch.eye(12, dtype=torch.float64)[:2] * torch.tensor([[2.0], [1.0]]))
    plane = cw.slice_loss(objective, directions, span=[0.8, 1.0], resolution=21)
    found = find_plane_minima(objective, plane)
    lower, _, higher = roots()
    np.testing.assert_allclose(found.coordinates, [[lower / 2, 0], [higher / 2, 0]], atol=1e-5)
    np.testing.assert_allclose(found.losses, [objective.loss(torch.eye(12)[0].double() * root) for root in (lower, higher)])
    # along t₀ = 2·a the curvature is 4·(12·t₀² − 4); along t₁ it is 2
    np.testing.assert_allclose(found.principal, [[2, 4 * (12 * root**2 - 4)] for root in (lower, higher)], rtol=1e-4)
    np.testing.assert_allclose(found.gradient_norms, 0, atol=1e-4)
    assert found.hvps == 4


def test_a_minimum_of_the_plane_need_not_be_one_of_the_space() -> None:
    # the plane misses the bottom along t₂, which pulls with slope 1
    objective = cw.Objective.from_function(lambda t: (t[:2] ** 2 - 1).square().sum() + t[2], torch.zeros(3, dtype=torch.float64))
    plane = cw.slice_loss(objective, cw.own_directions(objective, torch.eye(3)[:2]), span=1.5, resolution=13)
    found = find_plane_minima(objective, plane)
    assert len(found) == 4
    np.testing.assert_allclose(np.abs(found.coordinates), 1, atol=1e-4)
    np.testing.assert_allclose(found.gradient_norms, 1, atol=1e-4)


def test_the_centre_and_what_lies_outside_are_left_out() -> None:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(4, dtype=torch.float64))
    own = cw.own_directions(bowl, torch.eye(4)[:2])
    assert len(find_plane_minima(bowl, cw.slice_loss(bowl, own, span=1.0, resolution=11))) == 0
    away = bowl.at(torch.tensor([3.0, 0, 0, 0], dtype=torch.float64))
    slope = find_plane_minima(away, cw.slice_loss(away, own, span=1.0, resolution=11))
    assert len(slope) == 0
    assert slope.evaluations == 0  # the rim of a slice is no place to start from
    near = find_plane_minima(away, cw.slice_loss(away, own, span=5.0, resolution=11))
    np.testing.assert_allclose(near.coordinates, [[-3, 0]], atol=1e-5)


def test_a_minimum_beside_a_centre_that_is_none_is_found_and_a_centre_that_is_one_up_to_the_grid_is_left_out() -> None:
    for shift, found in (([0.09, 0.04], True), ([0.06, 0.02], True), ([0.01, 0.02], False), ([0.0, 0.0], False)):
        bottom = torch.tensor([*shift, 0.0, 0.0], dtype=torch.float64)  # steps of the grid are 0.2
        bowl = cw.Objective.from_function(lambda t, bottom=bottom: ((t - bottom) ** 2).sum(), torch.zeros(4, dtype=torch.float64))
        plane = cw.slice_loss(bowl, cw.own_directions(bowl, torch.eye(4)[:2]), span=1.0, resolution=11)
        np.testing.assert_allclose(find_plane_minima(bowl, plane).coordinates, [shift] if found else np.zeros((0, 2)), atol=1e-6)


def test_no_more_are_tried_than_asked_for_and_what_is_no_number_is_no_minimum() -> None:
    objective = wells()
    own = cw.own_directions(objective, torch.eye(12)[:2])
    plane = cw.slice_loss(objective, own, span=1.5, resolution=21)
    assert len(find_plane_minima(objective, plane, most=1)) == 1
    assert len(find_plane_minima(objective, plane, most=0)) == 0
    hole = cw.Objective.from_function(
        lambda t: torch.where(t[0] > 0.5, torch.nan, (t**2).sum() + 0.0), torch.zeros(3, dtype=torch.float64)
    )
    own = cw.own_directions(hole, torch.eye(3)[:2])
    assert len(find_plane_minima(hole, cw.slice_loss(hole, own, span=1.0, resolution=11))) == 0


def test_a_line_or_the_plane_of_another_loss_is_refused() -> None:
    objective, other = wells(), wells(5)
    line = cw.slice_loss(objective, cw.random_directions(objective, 1), span=1.0, resolution=5)
    with pytest.raises(ValueError, match="plane must be a slice over two directions, got 1"):
        find_plane_minima(objective, line)
    plane = cw.slice_loss(other, cw.random_directions(other), span=1.0, resolution=5)
    with pytest.raises(ValueError, match="plane must be of length N = 12, got 5"):
        find_plane_minima(objective, plane)
