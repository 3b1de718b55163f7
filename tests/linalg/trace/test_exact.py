"""The exact trace is the dense one, and on the way there an estimate with its error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curvwidget._streams import last
from curvwidget.linalg import SymmetricOperator, stream_exact
from tests.linalg.spectra import dense, rotated

A = rotated(np.concatenate([[8.0, -4.0], np.linspace(-1, 2, 98)]))
BLOCKS = {"weight": slice(0, 30), "bias": slice(30, 100)}


def test_it_is_the_dense_trace() -> None:
    found = last(stream_exact(dense(A, blocks=BLOCKS)))
    assert found.trace == pytest.approx(np.trace(A), rel=1e-12)
    assert found.trace_of_square == pytest.approx((A**2).sum(), rel=1e-12)
    assert (found.stderr, found.trace_of_square_stderr, found.hvps, found.progress) == (0.0, 0.0, 100, 1.0)
    for name, where in BLOCKS.items():
        assert found.by_block[name] == pytest.approx(np.trace(A[where, where]), rel=1e-12)
        assert found.by_block_stderr[name] == 0


def test_snapshots_are_unbiased_and_state_the_error_of_sampling_without_replacement() -> None:
    """Trap 8: over 200 orders of the axes, after 32 of 100 of them."""
    early = [next(s for s in stream_exact(dense(A), seed=seed) if s.hvps == 32) for seed in range(200)]
    traces, stated = np.array([s.trace for s in early]), np.array([s.stderr for s in early])
    spread = traces.std(ddof=1)
    assert abs(traces.mean() - np.trace(A)) < 4 * spread / 200**0.5
    assert np.sqrt((stated**2).mean()) == pytest.approx(spread, rel=0.2)


def test_a_block_with_an_entry_that_is_nan_has_a_trace_that_is_nan() -> None:
    entries = torch.tensor([1.0, 2.0, torch.nan, 4.0], dtype=torch.float64)
    blocks = {"weight": slice(0, 2), "bias": slice(2, 4)}
    found = last(stream_exact(SymmetricOperator(4, lambda rows: rows * entries, blocks=blocks)))
    assert found.by_block["weight"] == 3
    assert np.isnan([found.trace, found.by_block["bias"]]).all()


def test_a_matrix_too_large_is_refused_at_once() -> None:
    large = SymmetricOperator(5001, lambda rows: rows)
    with pytest.raises(ValueError, match="max_size must be at least 5001 to allow that, got 5000"):
        stream_exact(large)
    small = SymmetricOperator(40, lambda rows: rows)
    with pytest.raises(ValueError, match="max_size must be at least 40 to allow that, got 39"):
        stream_exact(small, max_size=39)
    assert last(stream_exact(small, max_size=40)).trace == 40
