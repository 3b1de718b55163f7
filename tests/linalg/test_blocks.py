"""Several vectors at once, where an operator is faster so: the numbers are those of one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import curvwidget as cw
from curvwidget._streams import last
from curvwidget.linalg import (
    SymmetricOperator,
    extreme_eigenpairs,
    stream_hutchinson,
    stream_hutchpp,
    stream_xtrace,
)
from curvwidget.linalg.blocks import stream_products
from tests.cases import case_named

SIZE = 30


def matrix() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    Q, _ = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64))
    return Q @ torch.diag(torch.linspace(-2, 9, SIZE, dtype=torch.float64)) @ Q.T


def operator(rows: int, seen: list[int] | None = None) -> SymmetricOperator:
    """The matrix, which wants so many vectors at once and notes how many come."""
    A = (matrix() + matrix().T) / 2

    def multiply(vectors: Tensor) -> Tensor:
        if seen is not None:
            seen.append(len(vectors))
        return vectors @ A

    return SymmetricOperator(SIZE, multiply, rows_at_once=lambda: rows)


@pytest.mark.parametrize(
    ("rows", "start", "stop", "blocks"),
    [(1, 2, 5, [1, 1, 1]), (4, 0, 10, [4, 4, 2]), (4, 6, 10, [4, 2]), (4, 8, 8, []), (4, 3, 8, [4, 4]), (16, 0, 5, [5])],
)
def test_blocks_begin_at_multiples_of_their_length(rows: int, start: int, stop: int, blocks: list[int]) -> None:
    seen: list[int] = []
    units = torch.eye(SIZE, dtype=torch.float64)
    found = list(stream_products(operator(rows, seen), units.__getitem__, start=start, stop=stop))
    assert seen == blocks
    assert len(found) == stop - start
    for index, (vector, product) in enumerate(found, start=start):
        assert torch.equal(vector, units[index])
        torch.testing.assert_close(product, matrix()[index], rtol=1e-12, atol=1e-13)


def test_without_an_end_blocks_are_whole() -> None:
    seen: list[int] = []
    units = torch.eye(SIZE, dtype=torch.float64)
    assert len(list(islice(stream_products(operator(4, seen), units.__getitem__, start=5), 6))) == 6
    assert seen == [4, 4]


@pytest.mark.parametrize("stream", [stream_hutchinson, stream_hutchpp, stream_xtrace])
@pytest.mark.parametrize("samples", [4, 21])
def test_traces_in_blocks_are_those_of_one_by_one(stream: Callable[..., Iterator[Any]], samples: int) -> None:
    seen: list[int] = []
    blocks, alone = list(stream(operator(4, seen), samples=samples)), list(stream(operator(1), samples=samples))
    assert max(seen) > 1
    assert len(blocks) == len(alone)
    for ours, theirs in zip(blocks, alone, strict=True):
        assert (ours.hvps, ours.progress) == (theirs.hvps, theirs.progress)
        np.testing.assert_allclose(ours.samples, theirs.samples, rtol=1e-11)
        np.testing.assert_allclose(ours.history, theirs.history, rtol=1e-10)
    assert abs(blocks[-1].trace - float(matrix().trace())) <= 5 * blocks[-1].stderr


def test_measured_eigenpairs_in_blocks_are_those_of_one_by_one() -> None:
    seen: list[int] = []
    pairs = extreme_eigenpairs(operator(4, seen), largest=3, smallest=2, tol=1e-8)
    assert max(seen) == 4
    assert pairs.hvps == sum(seen)
    np.testing.assert_allclose(pairs.values, np.linspace(-2, 9, SIZE)[[-1, -2, -3, 1, 0]], rtol=1e-10)


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_a_trace_that_is_taken_up_again_is_the_same_to_the_last_bit(at_once: int) -> None:
    objective = case_named("MLP with tanh").build().objective()
    objective._risk.ways.at_once = at_once
    whole = last(stream_hutchinson(objective, samples=23))
    begun = last(stream_hutchinson(objective, samples=9))
    resumed = last(stream_hutchinson(objective, samples=23, resume=begun))
    assert np.array_equal(resumed.samples, whole.samples)
    assert np.array_equal(resumed.block_samples, whole.block_samples)


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_planes_in_blocks_are_those_of_one_by_one(at_once: int) -> None:
    objective = case_named("MLP with tanh").build().objective()
    objective._risk.ways.at_once = at_once
    sample = cw.sample_projections(objective, samples=11, seed=5)
    assert sample.hvps == 22
    for index in (0, 3, 10):
        plane = sample.directions(index).vectors
        np.testing.assert_allclose(
            sample.matrices[index], (plane @ torch.stack([objective.hvp(v) for v in plane]).T).numpy(), rtol=1e-10, atol=1e-12
        )
    begun = cw.sample_projections(objective, samples=5, seed=5)
    *_, resumed = cw.stream_projections(objective, samples=11, seed=5, resume=begun)
    assert np.array_equal(resumed.matrices, sample.matrices)
