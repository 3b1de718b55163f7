"""How far down a line leads, against wells whose depth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.objective.along import LossesAlong


def double_well(n: int = 60, depth: float = 0.25) -> cw.Objective:
    """L = 4·depth·(t₀⁴ − t₀²) + ‖t_rest‖²: wells of the given depth at t₀ = ±1/√2, and a wall along everything else."""
    return cw.Objective.from_function(
        lambda t: 4 * depth * (t[0] ** 4 - t[0] ** 2) + (t[1:] ** 2).sum(), torch.zeros(n, dtype=torch.float64)
    )


def test_the_bottom_of_the_well_is_found_along_the_negative_direction() -> None:
    objective = double_well()
    lowest = cw.hessian_directions(objective)[-1]
    found = cw.find_descent(objective, lowest, reach=2.0)
    assert found.loss == pytest.approx(-0.25, abs=1e-6)
    assert abs(found.coordinate) == pytest.approx(1 / math.sqrt(2), abs=2e-3)
    assert found.loss == objective.loss(objective.theta + found.coordinate * lowest.vectors[0])
    assert found.center == 0
    assert found.label == lowest.labels[0]


def test_random_lines_reach_what_their_share_of_the_negative_direction_allows() -> None:
    objective = double_well(n=60)
    found = cw.find_descent(objective, cw.hessian_directions(objective)[-1], lines=20, reach=2.0)
    assert len(found.random_losses) == 20
    # on a line with u₀² = c the loss is c²·s⁴ − (2c − 1)·s²: no descent unless c > ½, which none of 20 lines in R⁶⁰ has
    for seed, loss in zip(found.random_seeds, found.random_losses, strict=True):
        share = float(cw.random_directions(objective, 1, normalization="unit", seed=int(seed)).vectors[0, 0]) ** 2
        assert share < 0.5
        assert loss == 0
    assert found.best_random == found.center == 0


def test_in_few_dimensions_random_lines_go_down_too() -> None:
    objective = double_well(n=2)
    found = cw.find_descent(objective, cw.hessian_directions(objective)[-1], lines=20, reach=2.0)
    units = [cw.random_directions(objective, 1, normalization="unit", seed=int(seed)).vectors[0] for seed in found.random_seeds]
    shares = np.array([float(unit[0]) ** 2 for unit in units])
    # the lowest point of c²·s⁴ − (2c − 1)·s² is −(2c − 1)²/(4c²)
    expected = np.where(shares > 0.5, -((2 * shares - 1) ** 2) / (4 * shares**2), 0.0)
    np.testing.assert_allclose(found.random_losses, expected, atol=1e-4)
    assert found.loss <= found.best_random < 0


def test_each_line_costs_about_the_same_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = double_well()
    direction = cw.hessian_directions(objective)[-1]
    calls = 0
    plain = LossesAlong.at

    def counted(self: LossesAlong, coordinates: list[list[float]]) -> np.ndarray:
        nonlocal calls
        calls += len(coordinates)
        return plain(self, coordinates)

    monkeypatch.setattr(LossesAlong, "at", counted)
    snapshots = list(cw.stream_descent(objective, direction, lines=4, reach=1.0))
    assert snapshots[-1].evaluations == calls
    assert [round(snapshot.progress, 3) for snapshot in snapshots] == [0.2, 0.4, 0.6, 0.8, 1.0]
    costs = np.diff([0, *(snapshot.evaluations for snapshot in snapshots)])
    assert costs.max() <= 24 + 13
    assert costs.min() >= 24


def test_the_length_of_the_direction_changes_its_units_and_nothing_else() -> None:
    objective = double_well()
    unit = torch.eye(60, dtype=torch.float64)[0]
    one, three = (
        cw.find_descent(objective, cw.own_directions(objective, factor * unit), lines=2, reach=2.0) for factor in (1.0, 3.0)
    )
    assert one.loss == pytest.approx(three.loss, abs=1e-9)
    assert abs(one.coordinate) == pytest.approx(3 * abs(three.coordinate), rel=1e-6)
    np.testing.assert_allclose(one.random_losses, three.random_losses)


def test_at_a_minimum_there_is_nothing_lower() -> None:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(5, dtype=torch.float64))
    found = cw.find_descent(bowl, cw.own_directions(bowl, torch.eye(5)[0]), lines=3)
    assert (found.coordinate, found.loss, found.best_random) == (0.0, 0.0, 0.0)


def test_what_is_no_number_is_never_the_lowest() -> None:
    # defined for t₀ > −0.1 only, where it falls towards larger t₀
    cliff = cw.Objective.from_function(lambda t: -torch.log(t[0] + 0.1) + (t[1:] ** 2).sum(), torch.zeros(3, dtype=torch.float64))
    found = cw.find_descent(cliff, cw.own_directions(cliff, torch.eye(3)[0]), lines=0, reach=1.0)
    assert math.isfinite(found.loss)
    assert found.coordinate == pytest.approx(1.0, abs=0.01)
    assert found.best_random == found.center


def test_it_saves_and_loads(tmp_path) -> None:
    objective = double_well()
    found = cw.find_descent(objective, cw.hessian_directions(objective)[-1], lines=2)
    found.save(tmp_path / "descent.npz")
    again = type(found).load(tmp_path / "descent.npz")
    assert (again.coordinate, again.loss, again.label) == (found.coordinate, found.loss, found.label)
    np.testing.assert_array_equal(again.random_seeds, found.random_seeds)


def test_as_a_labelled_data_set_each_line_has_its_name() -> None:
    objective = double_well()
    found = cw.find_descent(objective, cw.hessian_directions(objective)[-1], lines=3, reach=2.0)
    lines = found.to_xarray()
    assert float(lines.loss.sel(line=found.label)) == found.loss
    np.testing.assert_array_equal(lines.loss[1:], found.random_losses)
    np.testing.assert_array_equal(lines.coordinate[1:], found.random_coordinates)
    assert all(str(seed) in str(label) for seed, label in zip(found.random_seeds, lines.line.values[1:], strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lines": -1}, "lines must be at least 0, got -1"),
        ({"reach": 0.0}, "reach must be positive, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_options_are_refused_at_once(options, message) -> None:
    objective = double_well()
    with pytest.raises(ValueError, match=message):
        cw.stream_descent(objective, cw.own_directions(objective, torch.eye(60)[0]), **options)


def test_two_directions_or_one_of_another_length_are_refused() -> None:
    objective, other = double_well(), double_well(n=7)
    with pytest.raises(ValueError, match="direction must be a single one, got 2"):
        cw.stream_descent(objective, cw.random_directions(objective))
    with pytest.raises(ValueError, match="direction must have length N = 60, got 7"):
        cw.stream_descent(objective, cw.random_directions(other, 1))
