"""A trained digits classifier of about ten thousand parameters, on all 1,797 samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import curvwidget as cw


@pytest.fixture(scope="module")
def digits() -> cw.Objective:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 72), nn.Tanh(), nn.Linear(72, 64), nn.Tanh(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    objective = cw.Objective(model, nn.functional.cross_entropy, (x, y))
    assert objective.n_parameters == 10_002
    assert objective.n_samples == 1797
    return objective


def test_along_the_hessian_axes_the_curvature_is_the_eigenvalue_within_its_residual(digits) -> None:
    axes = cw.hessian_directions(digits)
    seen = cw.project_curvature(digits, axes)
    assert axes.eigenvalues[1] < 0 < axes.eigenvalues[0]
    assert seen.verdict == "saddle"
    np.testing.assert_array_less(np.abs(np.diag(seen.matrix) - axes.eigenvalues), axes.residuals + seen.error)
    # By Weyl, an eigenvalue of the projection is as near to one of H.
    np.testing.assert_array_less(np.abs(seen.principal - axes.eigenvalues[::-1]), axes.residuals.sum() + seen.error)


def test_random_planes_average_to_the_trace_and_hide_the_saddle(digits) -> None:
    sample = cw.sample_projections(digits, samples=300, seed=1)
    trace = cw.estimate_trace(digits, samples=300, seed=2)
    means = sample.principal.mean(axis=1)
    stderr = means.std(ddof=1) / 300**0.5
    assert abs(means.mean() - trace.trace) < 3 * np.hypot(stderr, trace.stderr)
    assert sample.probabilities["saddle"] < 0.02


def test_the_trace_from_slices_agrees_with_hutchinson(digits) -> None:
    slices = cw.estimate_trace(digits, method="slices", samples=200, seed=3)
    hutchinson = cw.estimate_trace(digits, samples=200, seed=4)
    assert slices.hvps == hutchinson.evaluations == 0
    assert abs(slices.trace - hutchinson.trace) < 3 * np.hypot(slices.stderr, hutchinson.stderr)


def test_along_the_very_same_directions_slices_and_products_agree(digits) -> None:
    from curvwidget.curvature.differences import choose_step, second_differences

    vectors = cw.random_directions(digits, 12, seed=5).vectors
    exact = (vectors.double() * digits.hvp(vectors).double()).sum(1).numpy()
    step = choose_step(digits, vectors[:4])
    np.testing.assert_allclose(second_differences(digits, vectors, step.length), exact, rtol=0.02)
    assert step.notes == ()
