"""The polynomial through a growing set of points is the one that exists, and grows where the loss is hard."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from numpy.polynomial.polynomial import polyvander

from curvwidget.slices.leja import leja_levels, newton_basis
from curvwidget.slices.sparse_polynomial import SparsePolynomial

SHAPES = [(21,), (15, 11), (9, 11, 7)]


def grid(shape: tuple[int, ...]) -> list[np.ndarray]:
    return np.meshgrid(*(np.linspace(-1, 1, number) for number in shape), indexing="ij")


def grown(losses: np.ndarray, rounds: int, share: float = 0.3) -> tuple[SparsePolynomial, set[tuple[int, ...]]]:
    polynomial, blocks = SparsePolynomial(losses.shape), set()
    for _ in range(rounds):
        more = polynomial.follow(share)
        polynomial.add(more, losses)
        blocks.update(more)
    return polynomial, blocks


# The terms that a set of blocks may have: the degrees of a level are 0, or 2l − 1 and 2l.
def degrees(blocks: set[tuple[int, ...]]) -> list[tuple[int, ...]]:
    of_level = [(0,) if level == 0 else (2 * level - 1, 2 * level) for level in range(1 + max(map(max, blocks)))]
    return [term for block in blocks for term in itertools.product(*(of_level[level] for level in block))]


@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_the_one_polynomial_of_its_terms_through_its_points(shape: tuple[int, ...], rounds: int) -> None:
    losses = np.random.default_rng(0).normal(size=shape)
    polynomial, blocks = grown(losses, rounds)
    terms, used = degrees(blocks), polynomial.used
    assert len(terms) == used.sum()
    np.testing.assert_allclose(polynomial.values[used], losses[used], atol=1e-9)
    # by Chebyshev's polynomials, all at once
    columns = [
        np.prod(
            [chebyshev.chebvander(axis.reshape(-1), degree)[:, degree] for axis, degree in zip(grid(shape), term, strict=True)], 0
        )
        for term in terms
    ]
    matrix = np.transpose(columns)
    coefficients = np.linalg.solve(matrix[used.reshape(-1)], losses[used])
    np.testing.assert_allclose(polynomial.values.reshape(-1), matrix @ coefficients, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_polynomial_that_it_has_the_terms_for_is_found_everywhere(shape: tuple[int, ...]) -> None:
    axes = grid(shape)
    losses = 1.5 + sum((index + 1) * axis + axis**2 for index, axis in enumerate(axes)) + np.prod(axes, 0)
    polynomial, _ = grown(losses, 1 + len(shape), share=0.0)
    np.testing.assert_allclose(polynomial.values, losses, atol=1e-10)
    assert polynomial.used.sum() < losses.size


def test_it_grows_along_the_axis_on_which_the_loss_is_hard() -> None:
    x, y = grid((41, 41))
    polynomial, blocks = grown(np.sin(5 * x) + 0.001 * y**2, 7)
    assert max(block[0] for block in blocks) >= 4
    assert max(block[1] for block in blocks) <= 1
    assert polynomial.surplus < 1e-2


def test_a_block_waits_for_those_with_one_level_less_and_comes_once() -> None:
    losses = np.random.default_rng(3).normal(size=(11, 9, 7))
    polynomial, taken = SparsePolynomial(losses.shape), []
    while blocks := polynomial.follow(0.5):
        for block in blocks:
            for axis, level in enumerate(block):
                below = (*block[:axis], level - 1, *block[axis + 1 :])
                assert level == 0 or below in taken
        assert not set(blocks) & set(taken)
        polynomial.add(blocks, losses)
        taken += blocks
    assert polynomial.used.all()  # of a small grid all points come at last
    np.testing.assert_allclose(polynomial.values, losses, atol=1e-6)


def test_the_surplus_is_what_a_block_did_not_know_before() -> None:
    x, y = grid((21, 21))
    losses = 2 + 3 * x + y**4
    polynomial = SparsePolynomial(losses.shape)
    polynomial.add(polynomial.follow(0.5), losses)
    assert polynomial.surplus == pytest.approx(2)  # of 0, which it was before
    blocks = polynomial.follow(0.5)
    assert set(blocks) == {(1, 0), (0, 1)}
    polynomial.add(blocks, losses)
    assert polynomial.surplus == pytest.approx(3)  # at (±1, 0) it had said 2
    assert polynomial.follow(0.9) == [(2, 0)]  # along y it was 1


@pytest.mark.parametrize("resolution", [1, 3, 21, 41, 301])
def test_leja_points_are_where_the_product_of_distances_is_largest(resolution: int) -> None:
    levels = leja_levels(resolution)
    half = resolution // 2
    chosen = [half]
    for pair in levels[1:12]:
        assert pair.sum() == 2 * half
        distances = np.abs(np.arange(resolution)[:, None] - np.array(chosen)) / max(half, 1)
        products = distances.prod(axis=1) * distances[::-1].prod(axis=1)
        assert products[pair[0]] == pytest.approx(products.max())
        chosen += pair.tolist()
    assert len(np.concatenate(levels)) == len(set(np.concatenate(levels).tolist())) == min(resolution, 129)


def test_newton_s_basis_is_one_at_its_own_point_and_zero_before() -> None:
    order = np.concatenate(leja_levels(11))
    basis = newton_basis(11)
    own = basis[order]
    np.testing.assert_allclose(np.triu(own), np.eye(11), atol=1e-12)
    for degree in range(11):
        fitted = np.linalg.lstsq(polyvander(np.linspace(-1, 1, 11), degree), basis[:, degree], rcond=None)[0]
        np.testing.assert_allclose(polyvander(np.linspace(-1, 1, 11), degree) @ fitted, basis[:, degree], atol=1e-8)
