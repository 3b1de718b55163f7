"""Distances on a grid are those of its points, and sums over them what a loop over the points gives."""

from __future__ import annotations

import numpy as np
import pytest

from curvwidget.slices.lattice import Lattice

STEPS = (0.5, 2.0, 0.3)


@pytest.fixture(params=[(1,), (9,), (7, 5), (3, 1), (3, 5, 7)], ids=str)
def shape(request: pytest.FixtureRequest) -> tuple[int, ...]:
    return request.param


def places(shape: tuple[int, ...]) -> np.ndarray:
    return (np.argwhere(np.ones(shape)) - np.array(shape) // 2) * np.array(STEPS[: len(shape)])


def test_squared_distances(shape: tuple[int, ...]) -> None:
    lattice = Lattice(shape, STEPS[: len(shape)])
    for flat, place in enumerate(places(shape)):
        expected = ((places(shape) - place) ** 2).sum(axis=1).reshape(shape)
        np.testing.assert_allclose(lattice.squares_from(np.unravel_index(flat, shape)), expected, atol=1e-14)


@pytest.mark.parametrize("power", [1, 3, 5])
def test_sums_of_powers(shape: tuple[int, ...], power: int) -> None:
    lattice = Lattice(shape, STEPS[: len(shape)])
    for seed in range(2):  # the second time with what is kept of the first
        amounts = np.random.default_rng(seed).normal(size=shape)
        apart = np.linalg.norm(places(shape)[:, None] - places(shape), axis=-1)
        expected = (apart**power @ amounts.reshape(-1)).reshape(shape)
        np.testing.assert_allclose(lattice.sum_powers(amounts, power), expected, rtol=1e-9, atol=1e-11 * apart.max() ** power)
