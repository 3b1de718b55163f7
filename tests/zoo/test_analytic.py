"""The analytic losses have the critical points, spectra and minima that they are known for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget import zoo
from curvwidget.zoo.rotation import random_rotation


def dense_hessian(objective: cw.Objective) -> np.ndarray:
    return objective.hvp(torch.eye(objective.n_parameters, dtype=objective.dtype)).numpy()


@pytest.mark.parametrize(("n_positive", "n_negative", "trace"), [(500, 500, 0), (800, 200, 600)])
def test_the_saddles_of_the_theory_have_a_critical_point_with_the_spectrum_that_is_said(n_positive, n_negative, trace) -> None:
    saddle = zoo.saddle_loss(n_positive, n_negative)
    assert saddle.n_parameters == 1001
    assert float(saddle.theta[-1]) == 1.0
    assert not saddle.theta[:-1].any()
    assert not saddle.gradient().any()
    H = dense_hessian(saddle)
    np.testing.assert_array_equal(H, np.diag([1.0] * n_positive + [-1.0] * n_negative + [0.0]))
    spectrum = zoo.saddle_spectrum(n_positive, n_negative)
    np.testing.assert_array_equal(np.sort(np.diag(H)), spectrum[::-1])
    assert spectrum.sum() == trace
    assert (spectrum**2).sum() == 1000


def test_away_from_the_critical_point_the_saddle_is_the_formula() -> None:
    saddle = zoo.saddle_loss(3, 2, outliers=1, outlier_size=7.0)
    theta = torch.tensor([0.3, -0.2, 0.5, 0.7, -0.1, 0.9], dtype=torch.float64)
    by_hand = 0.5 * 0.9 * (7 * 0.09 + 0.04 + 0.25 - 0.49 - 0.01)
    assert saddle.loss(theta) == pytest.approx(by_hand, rel=1e-14)
    assert saddle.hvp(torch.eye(6, dtype=torch.float64)).diagonal().tolist() == [7, 1, 1, -1, -1, 0]


@pytest.mark.parametrize("h", [1e-3, 0.1, 1.0])
def test_a_symmetric_difference_of_the_saddle_is_exact_at_any_step(h) -> None:
    saddle = zoo.saddle_loss(30, 20)
    v = torch.randn(51, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    difference = (saddle.loss(saddle.theta + h * v) - 2 * saddle.loss() + saddle.loss(saddle.theta - h * v)) / h**2
    assert difference == pytest.approx(float((v[:30] ** 2).sum() - (v[30:50] ** 2).sum()), rel=1e-9)


@pytest.mark.parametrize("rotate", [False, True])
def test_a_quadratic_form_has_the_eigenvalues_asked_for(rotate) -> None:
    eigenvalues = np.array([9.0, 4.0, 1.0, 0.5, 0.0, -0.25, -3.0])
    H = dense_hessian(zoo.quadratic_loss(eigenvalues, rotate=rotate, seed=3))
    np.testing.assert_allclose(np.linalg.eigvalsh(H), np.sort(eigenvalues), atol=1e-12)
    off = np.abs(H - np.diag(np.diag(H))).max()
    assert off > 0.1 if rotate else off == 0


def test_a_rotation_is_one_and_mixes_every_coordinate() -> None:
    turn = random_rotation(6, seed=2)
    Q = torch.stack([turn(row) for row in torch.eye(6, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(Q @ Q.T, torch.eye(6, dtype=torch.float64), atol=1e-14, rtol=0)
    assert float(torch.linalg.det(Q)) == pytest.approx(1.0)
    assert (Q.abs() > 1e-6).all()
    assert torch.equal(turn(torch.ones(6, dtype=torch.float64)), random_rotation(6, seed=2)(torch.ones(6, dtype=torch.float64)))


@pytest.mark.parametrize("name", zoo.CLASSICAL)
def test_a_classical_function_has_its_minima_where_they_are_known(name) -> None:
    base = zoo.CLASSICAL[name]
    points = torch.tensor(base.minima, dtype=torch.float64)
    values = base.function(points[:, 0], points[:, 1])
    torch.testing.assert_close(values, torch.full_like(values, base.minimum), atol=1e-10, rtol=0)
    steps = 1e-3 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1, -1], [-1, 1]], dtype=torch.float64)
    around = points[:, None] + steps
    assert (base.function(around[..., 0], around[..., 1]) > values[:, None]).all()
    grid = torch.linspace(-base.domain, base.domain, 201, dtype=torch.float64)
    assert float(base.function(grid[:, None], grid[None, :]).min()) >= base.minimum - 1e-10


# Hessians at (x, y), differentiated by hand.
BY_HAND = {
    "rosenbrock": ((1.0, 1.0), [[802.0, -400.0], [-400.0, 200.0]]),
    "himmelblau": ((3.0, 2.0), [[74.0, 20.0], [20.0, 34.0]]),
    "booth": ((0.5, -0.5), [[10.0, 8.0], [8.0, 10.0]]),
    "beale": ((0.0, 0.0), [[6.0, 3.0], [3.0, 0.0]]),
    "three-hump camel": ((0.0, 0.0), [[4.0, 1.0], [1.0, 2.0]]),
    "rastrigin": ((0.5, 0.0), [[2 - 40 * np.pi**2, 0.0], [0.0, 2 + 40 * np.pi**2]]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_lifted_function_has_the_curvatures_of_the_plane_and_the_stiffness_across_it(name) -> None:
    at, H = BY_HAND[name]
    hidden = zoo.lift_function(name, n_parameters=12, stiffness=0.75, seed=5)
    expected = np.sort([*np.linalg.eigvalsh(H), *[0.75] * 10])
    np.testing.assert_allclose(np.linalg.eigvalsh(dense_hessian(hidden.objective(at))), expected, atol=1e-9)


def test_along_its_plane_a_lifted_function_is_the_function() -> None:
    hidden = zoo.lift_function("himmelblau", n_parameters=40, seed=1)
    objective = hidden.objective(at=(0.0, 0.0))
    plane = cw.slice_loss(objective, cw.own_directions(objective, hidden.plane), span=5.0, resolution=11)
    x, y = np.meshgrid(*plane.axes, indexing="ij")
    np.testing.assert_allclose(plane.values, (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zoo.saddle_loss(0, 0), "must not both be 0"),
        (lambda: zoo.saddle_loss(-1, 5), "n_positive must be at least 0, got -1"),
        (lambda: zoo.saddle_loss(5, 5, outliers=6), "outliers must be at most n_positive = 5, got 6"),
        (lambda: zoo.saddle_loss(5, 5, outliers=1, outlier_size=0.0), "outlier_size must be positive, got 0.0"),
        (lambda: zoo.quadratic_loss([[1.0]]), r"eigenvalues must have shape \(N,\), got \(1, 1\)"),
        (lambda: zoo.quadratic_loss([1.0, np.nan]), "eigenvalues must be finite"),
        (lambda: zoo.lift_function("rosebud"), "name must be one of 'rosenbrock'"),
        (lambda: zoo.lift_function("beale", n_parameters=1), "n_parameters must be at least 2, got 1"),
        (lambda: zoo.lift_function("beale").theta((1.0,)), "at must be two numbers, got 1"),
    ],
)
def test_what_cannot_be_is_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
