"""Hutchinson's estimator: probes, blocks, targets, and taking up again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curvwidget._streams import last
from curvwidget.linalg import SymmetricOperator, stream_hutchinson
from curvwidget.linalg.probes import draw_probes
from tests.linalg.spectra import dense, diagonal, rotated, semicircle

VALUES = np.concatenate([[6.0, -2.0], semicircle(28)])
BLOCKS = {"weight": slice(0, 12), "bias": slice(12, 30)}


@pytest.mark.parametrize("distribution", ["gaussian", "rademacher"])
def test_samples_are_quadratic_forms_of_the_probes(distribution) -> None:
    A = rotated(VALUES)
    operator = dense(A, blocks=BLOCKS)
    found = last(stream_hutchinson(operator, samples=9, distribution=distribution, seed=5))
    Z = draw_probes(operator, 9, seed=5, distribution=distribution).numpy()
    np.testing.assert_allclose(found.samples, np.einsum("si,ij,sj->s", Z, A, Z), rtol=1e-12)
    np.testing.assert_allclose(found.square_samples, ((Z @ A) ** 2).sum(1), rtol=1e-12)
    assert found.trace == pytest.approx(found.samples.mean(), rel=1e-14)
    assert found.stderr == pytest.approx(found.samples.std(ddof=1) / 3, rel=1e-14)
    for index, where in enumerate(BLOCKS.values()):
        np.testing.assert_allclose(found.block_samples[:, index], (Z * (Z @ A))[:, where].sum(1), rtol=1e-10)
    assert sum(found.by_block.values()) == pytest.approx(found.trace, rel=1e-12)
    np.testing.assert_array_equal(found.history[:, 2], np.arange(1, 10))
    assert (found.hvps, found.evaluations, found.progress) == (9, 0, 1.0)


def test_signs_are_exact_on_a_diagonal_matrix() -> None:
    """Claim 10: Rademacher probes see the trace of diag(±1) without variance; Gaussian ones do not."""
    for n_plus, trace in ((500, 0.0), (800, 600.0)):
        operator = diagonal(np.repeat([1.0, -1.0, 0.0], [n_plus, 1000 - n_plus, 1]))
        signs = last(stream_hutchinson(operator, samples=5, distribution="rademacher"))
        np.testing.assert_array_equal(signs.samples, trace)
        assert (signs.trace, signs.stderr) == (trace, 0.0)
        assert last(stream_hutchinson(operator, samples=5)).stderr > 1


def test_the_theorys_variances() -> None:
    """Claim 2: Var A = 2000 ± 6 % and Var B = 1000 ± 6 % for the theory's H₁ and H₂, over 10⁴ pairs of probes."""
    spectra = [torch.from_numpy(np.repeat([1.0, -1.0, 0.0], [n_plus, 1000 - n_plus, 1])) for n_plus in (500, 800)]
    entries = []
    for part in range(20):
        Z = draw_probes(diagonal(spectra[0]), 1000, seed=7, first=1000 * part)
        eta, delta = Z[::2], Z[1::2]
        entries.append(torch.stack([(eta**2) @ d for d in spectra] + [(eta * delta) @ d for d in spectra]))
    balanced, uneven, twist, uneven_twist = torch.cat(entries, dim=1).var(dim=1).tolist()
    assert balanced == pytest.approx(2000, rel=0.06)
    assert uneven == pytest.approx(2000, rel=0.06)
    assert twist == pytest.approx(1000, rel=0.06)
    assert uneven_twist == pytest.approx(1000, rel=0.06)


def test_a_target_ends_the_stream_but_not_by_luck() -> None:
    operator = dense(rotated(VALUES))
    found = last(stream_hutchinson(operator, samples=10_000, target_stderr=1.5))
    assert found.stderr <= 1.5
    assert 20 <= len(found.samples) < 200
    assert (found.history[19:-1, 1] > 1.5).all()
    assert found.progress == 1
    lucky = last(stream_hutchinson(diagonal(VALUES), samples=100, distribution="rademacher", target_stderr=1.0))
    assert len(lucky.samples) == 20  # all agree at once, and still
    missed = last(stream_hutchinson(operator, samples=30, target_stderr=1e-6))
    assert "1e-06 was asked for" in missed.notes[0]


def test_a_stream_taken_up_again_ends_with_the_same_numbers(tmp_path) -> None:
    operator = dense(rotated(VALUES), blocks=BLOCKS)
    whole = last(stream_hutchinson(operator, samples=12, seed=3))
    stream = stream_hutchinson(operator, samples=12, seed=3)
    part = [next(stream) for _ in range(5)][-1]
    part.save(tmp_path / "part.npz")
    part = type(part).load(tmp_path / "part.npz")
    rest = list(stream_hutchinson(operator, samples=12, seed=3, resume=part))
    assert len(rest) == 7
    for field in dataclasses.fields(whole):
        np.testing.assert_array_equal(getattr(rest[-1], field.name), getattr(whole, field.name), err_msg=field.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "seed 3"),
        ({"distribution": "rademacher"}, "distribution 'gaussian'"),
        ({"size": 7}, "size 30"),
        ({"normalization": "filter"}, "normalization 'none'"),
    ],
)
def test_an_estimate_from_elsewhere_is_not_taken_up(change, message) -> None:
    operator = dense(rotated(VALUES))
    other = dataclasses.replace(last(stream_hutchinson(operator, samples=2, seed=3)), **change)
    with pytest.raises(ValueError, match=message):
        stream_hutchinson(operator, samples=4, seed=3, resume=other)


@settings(max_examples=20, deadline=None)
@given(
    size=st.integers(1, 12),
    samples=st.integers(1, 6),
    seed=st.integers(0, 2**64 - 1),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_size_seed_and_precision(size, samples, seed, dtype) -> None:
    operator = SymmetricOperator(size, lambda rows: 2 * rows, dtype=dtype)
    found = last(stream_hutchinson(operator, samples=samples, distribution="rademacher", seed=seed))
    np.testing.assert_allclose(found.samples, 2.0 * size, rtol=1e-6)
    assert found.trace_of_square == pytest.approx(4.0 * size)
    assert np.isnan(found.stderr) == (samples == 1)
    assert found.mean_curvature == pytest.approx(2.0)
