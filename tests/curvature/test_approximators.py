"""The reproducible claims on trained function approximators, 1-100-100-100-1 with 20,501 parameters."""

from __future__ import annotations

import numpy as np
import pytest

import curvwidget as cw
from curvwidget import zoo
from curvwidget.curvature.differences import second_differences

pytestmark = pytest.mark.slow


def compare_traces_on_the_same_directions(objective: cw.Objective) -> tuple[np.ndarray, np.ndarray]:
    """zᵀHz of 200 directions by differences at h = 1e−3 and by products."""
    by_differences, by_products = [], []
    for seed in range(10):
        vectors = cw.random_directions(objective, 20, seed=100 + seed).vectors
        by_products.append((vectors * objective.hvp(vectors)).sum(dim=1).numpy())
        h = 1e-3
        by_differences += [second_differences(objective, vector[None], h * float(vector.norm()))[0] for vector in vectors]
    return np.array(by_differences), np.concatenate(by_products)


@pytest.mark.parametrize(
    ("seed", "smallest", "largest", "trace", "sem"),
    [(0, -0.69, 213, 374, 23), (1, -0.017, 210, 320, 23), (2, -0.13, 286, 482, 30)],
)
def test_random_planes_hide_the_saddle_of_a_trained_tanh_network(seed, smallest, largest, trace, sem) -> None:
    """Claim 13: λ_min < 0, yet ≥ 95 % of random planes look like a minimum; the Hessian's plane is a saddle."""
    objective = zoo.function_approximator("sin", epochs=500, seed=seed, checkpoints=2).objective()
    assert objective.n_parameters == 20_501
    axes = cw.hessian_directions(objective, tol=1e-2)
    assert axes.eigenvalues[0] == pytest.approx(largest, abs=0.51)
    assert axes.eigenvalues[1] == pytest.approx(smallest, rel=0.05)
    assert axes.eigenvalues[1] + axes.residuals[1] < 0
    assert cw.project_curvature(objective, axes).verdict == "saddle"
    planes = cw.sample_projections(objective, samples=100, seed=1)
    assert planes.probabilities["minimum"] >= 0.95
    differences, products = compare_traces_on_the_same_directions(objective)
    assert differences.mean() == pytest.approx(products.mean(), rel=1e-3)
    # The table's trace and these are from independent sets of directions.
    error = products.std(ddof=1) / 200**0.5
    assert abs(products.mean() - trace) < 3 * np.hypot(error, sem)
    means = planes.principal.mean(axis=1)
    assert abs(products.mean() - means.mean()) < 3 * np.hypot(error, means.std(ddof=1) / 10)


def test_differences_of_a_relu_network_agree_to_three_percent() -> None:
    """Claim 13: tr from differences at h = 1e−3 agrees with products on the same 200 directions within 3 % for ReLU."""
    objective = zoo.function_approximator("sin", activation="relu", epochs=500, seed=0, checkpoints=2).objective()
    differences, products = compare_traces_on_the_same_directions(objective)
    assert differences.mean() == pytest.approx(products.mean(), rel=0.03)
    axes = cw.hessian_directions(objective, tol=1e-2)
    assert axes.eigenvalues[1] + axes.residuals[1] < 0
    assert cw.sample_projections(objective, samples=100, seed=1).probabilities["minimum"] >= 0.95


def test_heat_maps_have_the_heights_of_the_theorys_figure() -> None:
    """Claim 14: over [−0.1, 0.1]² the Hessian's plane rises to ½·λ_max·0.01, a random one 5 to 55 times, a unit one to 1e−5."""
    objective = zoo.function_approximator("cos", activation="relu", epochs=1000, seed=0, checkpoints=2).objective()
    axes = cw.hessian_directions(objective, tol=1e-2)

    def height(directions: cw.Directions) -> float:
        return float(cw.slice_loss(objective, directions, span=0.1, resolution=11).values.max())

    hessian = height(axes)
    assert hessian == pytest.approx(0.5 * axes.eigenvalues[0] * 0.01, rel=0.25)
    assert 0.098 <= hessian <= 0.138
    rises = [height(cw.random_directions(objective, seed=seed)) for seed in range(3)]
    assert all(0.6 < rise < 7.2 for rise in rises)
    assert all(5 < rise / hessian < 55 for rise in rises)
    # Of length one they show next to nothing, but where a direction happens to be along λ_max: hence the median.
    unit = [height(cw.random_directions(objective, normalization="unit", seed=seed)) for seed in range(5)]
    assert 3e-6 < np.median(unit) < 3e-5
