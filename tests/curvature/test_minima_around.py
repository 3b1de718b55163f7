"""Minima around a point, against functions whose minima are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget import zoo
from curvwidget.curvature.plane_descent import PlaneDescent

HIMMELBLAU = zoo.CLASSICAL["himmelblau"].minima


def around(name: str, at: tuple[float, float], **options) -> tuple[cw.PlaneMinima, np.ndarray]:
    """Search the plane in which a classical function is hidden; the second value is where the minima lie in its variables."""
    hidden = zoo.lift_function(name, n_parameters=40, seed=3)
    objective = hidden.objective(at)
    found = cw.find_minima_around(objective, cw.own_directions(objective, hidden.plane), **options)
    return found, found.coordinates + np.array(at)


def curvatures(name: str, at: np.ndarray) -> np.ndarray:
    """The eigenvalues of a classical function's Hessian, by differentiating it in its two variables."""
    function = zoo.CLASSICAL[name].function
    hessian = torch.autograd.functional.hessian(lambda t: function(t[0], t[1]), torch.from_numpy(at))
    return np.linalg.eigvalsh(hessian.numpy())


@pytest.mark.parametrize("start", HIMMELBLAU)
def test_from_each_of_four_minima_the_other_three_are_found_with_their_curvatures(start) -> None:
    found, places = around("himmelblau", start)
    expected = np.array([place for place in HIMMELBLAU if place != start])
    order = [int(np.linalg.norm(places - place, axis=1).argmin()) for place in expected]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(places[order], expected, atol=1e-5)
    np.testing.assert_allclose(found.losses, 0, atol=1e-8)
    np.testing.assert_allclose(found.principal, [curvatures("himmelblau", place) for place in places], rtol=1e-7)
    np.testing.assert_allclose(found.distances, np.linalg.norm(found.coordinates, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.gradient_norms, 0, atol=1e-3)  # as steep as curvatures of 100 are 1e-5 off the bottom
    assert found.verdicts == ("minimum",) * 3


def test_a_valley_that_bends_is_one_minimum_and_a_function_of_three_has_three() -> None:
    _, places = around("rosenbrock", (-1.2, 1.0))
    np.testing.assert_allclose(places, [[1, 1]], atol=1e-4)
    found, places = around("three-hump camel", (-1.5, 1.0))
    # ∂L/∂y = x + 2y = 0 leaves 4x − 4.2x³ + x⁵ − x/2 = 0: besides x = 0, x² = 2.1 ± √(4.41 − 3.5), the smaller one a saddle's
    side = np.sqrt(2.1 + np.sqrt(4.41 - 3.5))
    assert len(found) == 3
    np.testing.assert_allclose(places[0], 0, atol=1e-5)
    np.testing.assert_allclose(sorted(places[1:].tolist()), [[-side, side / 2], [side, -side / 2]], atol=1e-5)
    assert found.losses[1] == pytest.approx(found.losses[2], abs=1e-9)


def test_a_narrow_well_is_found_near_and_a_wide_one_far_away() -> None:
    def loss(t: torch.Tensor) -> torch.Tensor:
        near, far = t[:2] - torch.tensor([0.03, 0.01]), t[:2] - torch.tensor([-1.2, 0.9])
        return 1 - 0.5 * torch.exp(-(near**2).sum() / 0.005**2) - 0.6 * torch.exp(-(far**2).sum() / 0.5**2) + (t[2:] ** 2).sum()

    objective = cw.Objective.from_function(loss, torch.tensor([0.02, 0.0, 0.0], dtype=torch.float64))
    own = cw.own_directions(objective, torch.eye(3)[:2])
    found = cw.find_minima_around(objective, own)
    np.testing.assert_allclose(found.coordinates, [[-1.22, 0.9], [0.01, 0.01]], atol=1e-3)
    np.testing.assert_allclose(found.principal[1], [2 * 0.5 / 0.005**2] * 2, rtol=1e-2)
    one_slice = cw.find_plane_minima(objective, cw.slice_loss(objective, own, span=2.0, resolution=21))
    assert len(one_slice) == 1  # what a slice as wide as that finds by itself


def test_distances_are_lengths_also_where_directions_are_neither_of_length_one_nor_orthogonal() -> None:
    objective = cw.Objective.from_function(
        lambda t: (t[0] ** 2 - 1) ** 2 + t[1] ** 2 + t[2] ** 2, torch.tensor([1.0, 0, 0], dtype=torch.float64)
    )
    directions = cw.own_directions(objective, torch.tensor([[0.5, 0.0, 0.0], [1.0, 2.0, 0.0]]))
    found = cw.find_minima_around(objective, directions)
    np.testing.assert_allclose(found.coordinates, [[-4, 0]], atol=1e-5)
    np.testing.assert_allclose(found.distances, [2], atol=1e-5)
    np.testing.assert_allclose(found.span, [5, 2.5 / np.sqrt(5)])  # 2.5·‖θ‖ along each


def test_interpolated_slices_lead_to_the_same_minima_at_less_cost() -> None:
    exact, _ = around("himmelblau", HIMMELBLAU[0])
    cheaper, places = around("himmelblau", HIMMELBLAU[0], tolerance=0.01)
    assert cheaper.evaluations < exact.evaluations / 3
    assert len(places) == 3
    nearest = np.linalg.norm(places[:, None] - np.array(HIMMELBLAU[1:]), axis=2).min(axis=0)
    np.testing.assert_allclose(nearest, 0, atol=1e-5)


def test_a_gutter_is_no_row_of_minima() -> None:
    gutter = cw.Objective.from_function(lambda t: (t[1] - 0.3) ** 2 + 0 * t[0], torch.zeros(3, dtype=torch.float64))
    found = cw.find_minima_around(gutter, cw.own_directions(gutter, torch.eye(3)[:2]))
    assert len(found) == 1
    assert found.coordinates[0, 1] == pytest.approx(0.3, abs=1e-6)


def test_of_two_minima_the_loss_is_higher_between_them() -> None:
    places = [np.array([-1.0, 0.3]), np.array([1.0, 0.3])]
    for hill, new in ((0.0, False), (1.0, True)):
        objective = cw.Objective.from_function(
            lambda t, hill=hill: hill * (t[0] ** 2 - 1) ** 2 + (t[1] - 0.3) ** 2, torch.zeros(3, dtype=torch.float64)
        )
        own = cw.own_directions(objective, torch.eye(3)[:2])
        plane = cw.slice_loss(objective, own, span=2.0, resolution=21)
        descent = PlaneDescent(objective, own)
        assert descent.is_new(places[1], places[:1], plane) is new
        assert not descent.is_new(places[0] + 0.05, places[:1], plane)  # a quarter of a step beside it
        assert not descent.is_new(np.array([0.05, 0.0]), [], plane)  # and beside the centre


def test_the_bottom_at_a_kink_is_found_and_what_its_curvature_says_is_said() -> None:
    creased = cw.Objective.from_function(
        lambda t: (t[0] - 0.7).abs() + 2 * (t[1] + 0.4).abs() + t[2] ** 2, torch.zeros(3, dtype=torch.float64)
    )
    found = cw.find_minima_around(creased, cw.own_directions(creased, torch.eye(3)[:2]))
    np.testing.assert_allclose(found.coordinates, [[0.7, -0.4]], atol=1e-3)
    assert found.verdicts == ("flat",)


def test_where_the_loss_is_no_number_nothing_is_found_and_nothing_fails() -> None:
    hole = cw.Objective.from_function(
        lambda t: torch.where(t[0] > 0.5, torch.nan, (t[:2] ** 2).sum()), torch.zeros(3, dtype=torch.float64)
    )
    assert len(cw.find_minima_around(hole, cw.own_directions(hole, torch.eye(3)[:2]))) == 0


def test_snapshots_go_on_to_the_whole_and_say_what_they_have_cost() -> None:
    calls = 0

    def loss(t: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return (t[0] ** 2 - 1) ** 2 + t[1] ** 2

    objective = cw.Objective.from_function(loss, torch.tensor([1.0, 0.0], dtype=torch.float64))
    own = cw.own_directions(objective, torch.eye(2))
    calls = 0
    steps = list(cw.stream_minima_around(objective, own, resolution=11))
    assert [step.progress for step in steps] == sorted(step.progress for step in steps)
    assert [step.evaluations for step in steps] == sorted(step.evaluations for step in steps)
    assert steps[0].progress < 0.2
    assert steps[-1].progress == 1
    assert len(steps[-1]) == 1
    # each product takes one more call; slope and loss at points that are looked at are not counted
    assert steps[-1].evaluations == pytest.approx(calls, rel=0.05)


def test_minima_found_in_two_ways_are_counted_once() -> None:
    found, _ = around("himmelblau", HIMMELBLAU[0])
    lowest = found.coordinates[:1]
    other = cw.PlaneMinima(
        coordinates=np.concatenate([lowest + 1e-4, [[0.5, 0.5]]]), losses=np.array([0.0, 7.0]), principal=np.ones((2, 2)),
        gradient_norms=np.zeros(2), errors=np.zeros(2), evaluations=5, hvps=4, verdicts=("minimum", "saddle"),
        distances=np.ones(2), span=(1.0, 1.0), progress=0.5,
    )  # fmt: skip
    both = found.join(other, near=(0.01, 0.01))
    assert len(both) == 4
    assert both.verdicts == ("minimum", "minimum", "minimum", "saddle")
    assert (both.evaluations, both.hvps, both.progress) == (found.evaluations + 5, found.hvps + 4, 0.5)
    assert both.within((1.0, 1.0)).tolist() == [False, False, False, True]
    assert both.to_xarray()["verdict"].values.tolist() == list(both.verdicts)


def test_bad_arguments_are_refused_at_once() -> None:
    objective = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(4, dtype=torch.float64))
    own = cw.own_directions(objective, torch.eye(4)[:2])
    with pytest.raises(ValueError, match="directions must be two, got 1"):
        cw.stream_minima_around(objective, own[0])
    other = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(5, dtype=torch.float64))
    with pytest.raises(ValueError, match="directions must have length N = 5, got 4"):
        cw.stream_minima_around(other, own)
    with pytest.raises(ValueError, match="span must be positive, got -1"):
        cw.stream_minima_around(objective, own, span=-1.0)
    with pytest.raises(ValueError, match="resolution must be odd"):
        cw.stream_minima_around(objective, own, resolution=10)
    with pytest.raises(ValueError, match="tolerance must be a share of the range"):
        cw.stream_minima_around(objective, own, tolerance=2.0)
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        cw.stream_minima_around(objective, own, most=0)
