"""Hutch++ against the paper's formula written out with dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from curvwidget._streams import last
from curvwidget.linalg import stream_hutchpp
from curvwidget.linalg.probes import draw_probes
from tests.linalg.spectra import dense, diagonal, rotated

A = rotated(np.linspace(-1, 3, 40))


def test_it_is_the_papers_estimator() -> None:
    operator = dense(A)
    found = last(stream_hutchpp(operator, samples=30, seed=2))
    S, G = draw_probes(operator, 20, seed=2).numpy().reshape(2, 10, 40)
    Q, _ = np.linalg.qr(A @ S.T)
    rest = (np.eye(40) - Q @ Q.T) @ G.T
    expected = np.trace(Q.T @ A @ Q) + np.trace(rest.T @ A @ rest) / 10
    assert found.trace == pytest.approx(expected, rel=1e-10)
    assert found.trace_of_square == pytest.approx(np.sum((A @ Q) ** 2) + np.sum((A @ rest) ** 2) / 10, rel=1e-10)
    assert (found.hvps, len(found.samples), found.method) == (30, 10, "hutch++")


def test_a_matrix_of_low_rank_has_no_error() -> None:
    found = last(stream_hutchpp(diagonal(np.concatenate([[5.0, 3.0, -1.0], np.zeros(40)])), samples=30))
    assert found.trace == pytest.approx(7, abs=1e-10)
    assert found.stderr < 1e-10
    assert found.trace_of_square == pytest.approx(35, abs=1e-9)


def test_snapshots_before_the_last_third_are_hutchinsons() -> None:
    snapshots = list(stream_hutchpp(dense(A), samples=30))
    assert [snapshot.hvps for snapshot in snapshots] == list(range(1, 31))
    assert len(snapshots[9].samples) == 10
    assert abs(snapshots[9].trace - np.trace(A)) < 5 * snapshots[9].stderr
    assert (np.diff([snapshot.progress for snapshot in snapshots]) > 0).all()
    assert snapshots[-1].progress == 1


def test_a_target_ends_it_after_twenty_probes() -> None:
    found = last(stream_hutchpp(dense(A), samples=90, target_stderr=100.0))
    assert len(found.samples) == 20
    assert found.hvps == 30 + 30 + 20


@pytest.mark.parametrize("samples", [4, 5, 6])
def test_the_fewest_products_suffice(samples) -> None:
    found = last(stream_hutchpp(dense(A), samples=samples))
    assert found.hvps == samples
    assert np.isfinite([found.trace, found.stderr]).all()
    with pytest.raises(ValueError, match="samples must be at least 4, got 3"):
        stream_hutchpp(dense(A), samples=3)
