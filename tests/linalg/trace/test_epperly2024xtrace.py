"""XTrace against the paper's definition: one basis a probe, made anew each time."""

from __future__ import annotations

import numpy as np
import pytest

from curvwidget._streams import last
from curvwidget.linalg import stream_xtrace
from curvwidget.linalg.probes import draw_probes
from tests.linalg.spectra import dense, diagonal, rotated

A = rotated(np.concatenate([[8.0, -4.0], np.linspace(-1, 2, 38)]))


def by_definition(A, omega):
    """tᵢ and the like for tr(A²), each with a basis of all products but the i-th."""
    n, count = omega.shape[1], len(omega)
    traces, squares = [], []
    for i in range(count):
        Q, _ = np.linalg.qr(A @ np.delete(omega, i, axis=0).T)
        x = omega[i] - Q @ (Q.T @ omega[i])
        x *= np.sqrt(n - count + 1) / np.linalg.norm(x)
        traces.append(np.trace(Q.T @ A @ Q) + x @ A @ x)
        squares.append(np.sum((A @ Q) ** 2) + np.sum((A @ x) ** 2))
    return np.array(traces), np.array(squares)


def test_it_is_the_papers_estimator_at_every_step() -> None:
    operator = dense(A)
    omega = draw_probes(operator, 10, seed=4).numpy()
    for snapshot in stream_xtrace(operator, samples=20, seed=4):
        count = len(snapshot.samples)
        traces, squares = by_definition(A, omega[:count])
        np.testing.assert_allclose(snapshot.samples, traces, rtol=1e-9)
        np.testing.assert_allclose(snapshot.square_samples, squares, rtol=1e-9)
    assert (snapshot.hvps, count, snapshot.method, snapshot.progress) == (20, 10, "xtrace", 1.0)


def test_the_covariance_of_the_estimates_is_that_of_leaving_out_two() -> None:
    """The error is not the paper's: it counts what two estimates share, by (tᵢ − tᵢⱼ)·(tⱼ − tⱼᵢ) with each basis made anew."""
    decaying = rotated(0.8 ** np.arange(40))
    operator = dense(decaying)
    positive = 0
    for seed in range(4):
        found = last(stream_xtrace(operator, samples=24, seed=seed))
        omega = draw_probes(operator, 12, seed=seed).numpy()
        for estimates, stderr, which in (
            (found.samples, found.stderr, 0),
            (found.square_samples, found.trace_of_square_stderr, 1),
        ):
            change = np.zeros((12, 12))
            for j in range(12):
                others = np.delete(np.arange(12), j)
                change[j, others] = estimates[others] - by_definition(decaying, omega[others])[which]
            covariance = (change * change.T).sum() / 132
            positive += covariance > 0
            assert stderr == pytest.approx(np.sqrt(estimates.var(ddof=1) / 12 + max(covariance, 0)), rel=1e-7)
    assert positive >= 2  # else nothing was seen


def test_a_rank_that_is_found_makes_the_trace_exact_and_ends_the_stream() -> None:
    found = last(stream_xtrace(diagonal(np.concatenate([[5.0, 3.0, -1.0], np.zeros(40)])), samples=80))
    assert found.trace == pytest.approx(7, abs=1e-9)
    assert found.trace_of_square == pytest.approx(35, abs=1e-8)
    assert found.stderr < 1e-9
    assert found.hvps == 7
    assert "rank 3" in found.notes[0]
    assert found.progress == 1


def test_the_zero_matrix_and_one_number() -> None:
    assert last(stream_xtrace(diagonal(np.zeros(6)), samples=8)).trace == 0
    assert last(stream_xtrace(diagonal([-4.0]), samples=8)).trace == pytest.approx(-4)


def test_a_target_ends_it_after_twenty_probes() -> None:
    found = last(stream_xtrace(dense(A), samples=80, target_stderr=100.0))
    assert (len(found.samples), found.hvps) == (20, 40)


def test_too_few_products_are_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least 4, got 3"):
        stream_xtrace(dense(A), samples=3)


def test_the_numbers_of_many_probes_are_renewed_every_tenth_of_their_number() -> None:
    snapshots = list(stream_xtrace(diagonal(np.linspace(-1, 3, 200)), samples=80))
    assert [snapshot.hvps for snapshot in snapshots] == list(range(2, 81))
    assert [snapshot.progress for snapshot in snapshots] == sorted(snapshot.progress for snapshot in snapshots)
    counts = sorted({len(snapshot.samples) for snapshot in snapshots})
    assert counts == [*range(1, 21), *range(22, 31, 2), 33, 36, 39, 40]
    assert snapshots[-1].history[:, 2].tolist() == [2 * count for count in counts]
