"""Where a picture is tried: everywhere near enough, where two interpolations disagree, and around what is worst."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator
from scipy.spatial.distance import cdist

from curvwidget.slices.check_points import CheckPoints
from curvwidget.slices.known_losses import KnownLosses

SHAPES = [(101,), (31,), (31, 31), (41, 21), (101, 11), (13, 15, 11)]


class Bowl:
    """Losses that need no objective."""

    points_at_once = 1

    def expect_many(self) -> None:
        pass

    def at(self, rows: list[list[float]]) -> np.ndarray:
        return (np.asarray(rows) ** 2).sum(axis=1)


def known_at(shape: tuple[int, ...], count: int, seed: int = 0) -> KnownLosses:
    losses = KnownLosses(Bowl(), [np.linspace(-1, 1, number) for number in shape], 0.0)
    chosen = np.random.default_rng(seed).permutation(losses.known.size)[:count]
    for _ in losses.evaluate([tuple(map(int, np.unravel_index(index, shape))) for index in chosen]):
        pass
    return losses


# In units of what counts as near: a sixth of the half-width, or 3.2 steps of the grid where those are more.
def places(shape: tuple[int, ...]) -> np.ndarray:
    axes = [np.linspace(-1, 1, number) / max(1 / 6, 3.2 * 2 / (number - 1)) for number in shape]
    return np.array(list(itertools.product(*axes)))


def flat(points: list[tuple[int, ...]], shape: tuple[int, ...]) -> np.ndarray:
    return np.array([np.ravel_multi_index(point, shape) for point in points], dtype=int)


@pytest.mark.parametrize("count", [0, 3, 20])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_point_of_the_grid_is_far_from_one_that_is_known_or_tried(shape: tuple[int, ...], count: int) -> None:
    losses = known_at(shape, count)
    found = flat(CheckPoints(losses).far(), shape)
    where = places(shape)
    there = np.flatnonzero(losses.known)
    assert not set(found) & set(there)
    nearest = cdist(where, where[np.concatenate([there, found]).astype(int)]).min(axis=1)
    assert nearest.max() <= 1 + 1e-9
    # Each was the farthest from all before it, and too far, when it was chosen.
    for number, point in enumerate(found):
        before = cdist(where, where[np.concatenate([there, found[:number]]).astype(int)]).min(axis=1)
        assert before[point] == pytest.approx(before.max())
        assert before[point] > 1


def test_where_all_is_known_there_is_nothing_to_try() -> None:
    losses = known_at((9, 9), 81)
    check = CheckPoints(losses)
    assert check.far() == check.anywhere(5) == check.around(np.ones((9, 9))) == []


def test_anywhere_is_drawn_from_all_that_is_unknown_and_each_point_once() -> None:
    losses = known_at((7, 5), 20)
    found = CheckPoints(losses).anywhere(100)
    assert sorted(found) == sorted(map(tuple, np.argwhere(~losses.known).tolist()))
    few = CheckPoints(losses).anywhere(4)
    assert few == found[:4]
    assert few != sorted(few)


@pytest.mark.parametrize(("power", "kernel", "degree"), [(1, "linear", 1), (3, "cubic", 1), (5, "quintic", 2)])
@pytest.mark.parametrize("shape", [(31, 31), (41, 21)], ids=str)
def test_disputed_is_where_the_other_spline_differs_most(shape: tuple[int, ...], power: int, kernel: str, degree: int) -> None:
    losses = known_at(shape, 25)
    losses.values[losses.known] += np.random.default_rng(1).normal(size=int(losses.known.sum()))
    believed = np.random.default_rng(2).normal(size=shape)
    found = flat(CheckPoints(losses).disputed(believed, power, 6), shape)
    where, there = places(shape), np.flatnonzero(losses.known)
    other = RBFInterpolator(where[there], losses.values.reshape(-1)[there], kernel=kernel, degree=degree)(where)
    disputes = np.abs(other - believed.reshape(-1))
    disputes[there] = 0
    assert len(found) == 6
    for point in found:
        assert disputes[point] == pytest.approx(disputes.max(), rel=1e-6)
        disputes[cdist(where, where[[point]])[:, 0] < 0.7] = 0


def test_nothing_is_disputed_where_both_say_the_same() -> None:
    losses = known_at((9, 9), 81)
    assert CheckPoints(losses).disputed(losses.values, 3, 4) == []


@pytest.mark.parametrize(
    ("worst", "expected"),
    [
        ((15, 15), {(13, 15), (17, 15), (15, 13), (15, 17)}),
        ((0, 15), {(2, 15), (0, 13), (0, 17)}),
        ((30, 29), {(28, 29), (30, 27), (30, 30)}),
    ],
    ids=["inside", "at an edge", "in a corner"],
)
def test_around_the_worst_point_lie_its_neighbours_half_as_far_as_is_near(
    worst: tuple[int, int], expected: set[tuple[int, int]]
) -> None:
    losses = known_at((31, 31), 0)
    errors = np.zeros((31, 31))
    errors[worst] = 1.0
    found = set(CheckPoints(losses).around(errors)) - {worst}  # at an edge one of the two is the point itself
    assert found == expected
    for _ in losses.evaluate([next(iter(expected))]):
        pass
    assert set(CheckPoints(losses).around(errors)) - {worst} == expected - {next(iter(expected))}
