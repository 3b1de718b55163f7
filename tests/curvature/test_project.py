"""The projected Hessian against dense truth and against known spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call

import curvwidget as cw
from curvwidget.curvature.differences import choose_step, second_differences
from curvwidget.curvature.projected import quadratic


def network(activation=nn.Tanh, dtype=torch.float64):
    """A small classifier with its dense Hessian, computed by other means."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 8), activation(), nn.Linear(8, 3)).to(dtype)
    x, y = torch.randn(40, 5).to(dtype), torch.randint(0, 3, (40,))
    names = [name for name, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]
    theta = torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])

    def loss(flat: torch.Tensor) -> torch.Tensor:
        pieces = flat.split([shape.numel() for shape in shapes])
        tensors = {name: piece.view(shape) for name, piece, shape in zip(names, pieces, shapes, strict=True)}
        return nn.functional.cross_entropy(functional_call(model, tensors, (x,)), y)

    return cw.Objective(model, nn.functional.cross_entropy, (x, y)), hessian(loss, theta).numpy()


def spectrum_objective(values) -> cw.Objective:
    diagonal = torch.as_tensor(values, dtype=torch.float64)
    return cw.Objective.from_function(lambda t: 0.5 * (diagonal * t**2).sum(), torch.zeros(len(diagonal), dtype=torch.float64))


def test_the_matrix_is_the_dense_hessian_seen_along_the_directions() -> None:
    objective, dense = network()
    directions = cw.random_directions(objective, 3, seed=2)
    seen = cw.project_curvature(objective, directions)
    vectors = directions.vectors.numpy()
    expected = vectors @ dense @ vectors.T
    np.testing.assert_allclose(seen.matrix, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(seen.principal, np.linalg.eigvalsh(expected), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(seen.gram, vectors @ vectors.T, rtol=1e-12)
    np.testing.assert_allclose(seen.gradient, vectors @ objective.gradient().numpy(), rtol=1e-10)
    assert seen.hvps == 3
    assert np.abs(seen.principal - np.linalg.eigvalsh(expected)).max() <= seen.error


def test_in_float32_the_stated_error_covers_the_true_one() -> None:
    _, dense = network()
    objective, _ = network(dtype=torch.float32)
    double, _ = network()
    hessian = torch.from_numpy(dense)
    quadratic = cw.Objective.from_function(lambda t: 0.5 * t @ hessian @ t, torch.zeros(len(dense), dtype=torch.float64))
    for seed in range(20):
        seen = cw.project_curvature(objective, cw.random_directions(objective, seed=seed))
        vectors = cw.random_directions(double, seed=seed).vectors.float().double()
        exact = cw.project_curvature(quadratic, cw.Directions(vectors, ("a", "b")))
        # The model itself is another one in float32 (its weights and data are rounded): a few roundings of ‖v‖²·‖H‖ on top.
        slack = 1e-5 * np.linalg.norm(dense, 2) * 83
        assert np.abs(seen.principal - exact.principal).max() <= seen.error + slack
        assert seen.error < 0.05 * np.abs(exact.principal).max()


@pytest.mark.parametrize("activation", [nn.Tanh, nn.SiLU])
def test_differences_of_losses_agree_with_products_within_their_error(activation) -> None:
    objective, _ = network(activation)
    directions = cw.random_directions(objective, 2, seed=3)
    exact = cw.project_curvature(objective, directions)
    seen = cw.project_curvature(objective, directions, method="difference")
    assert seen.hvps == 0
    assert seen.evaluations > 0
    assert np.abs(seen.matrix - exact.matrix).max() <= seen.error
    assert seen.error < 0.02 * np.abs(exact.matrix).max()
    assert seen.notes == ()


def test_second_differences_are_exact_on_a_cubic() -> None:
    """Slope and third derivative cancel."""
    objective = cw.Objective.from_function(
        lambda t: (t**3).sum() + 3 * t.sum() + t[0] ** 2, torch.full((4,), 0.5, dtype=torch.float64)
    )
    vectors = cw.random_directions(objective, 3, seed=0).vectors
    dense = np.diag(6 * np.full(4, 0.5)) + np.diag([2.0, 0, 0, 0])
    expected = np.einsum("ki,ij,kj->k", vectors.numpy(), dense, vectors.numpy())
    for step in (0.3, 0.1, 0.01):
        np.testing.assert_allclose(second_differences(objective, vectors, step), expected, rtol=1e-9)


def test_a_kinked_loss_is_named_as_such() -> None:
    """|t| has no second derivative: halving the step doubles the difference, for ever."""
    objective = cw.Objective.from_function(lambda t: t.abs().sum() + 1, torch.zeros(3, dtype=torch.float64))
    step = choose_step(objective, cw.random_directions(objective, 4, seed=0).vectors)
    assert step.disagreement > 0.3
    assert "not smooth" in step.notes[0]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([2.0, 1.0], "minimum"), ([-2.0, -1.0], "maximum"), ([2.0, -1.0], "saddle"), ([0.0, 0.0], "flat")],
)
def test_the_verdict_follows_the_signs(values, verdict) -> None:
    objective = spectrum_objective([*values, 1.0])
    axes = cw.own_directions(objective, torch.eye(3, dtype=torch.float64)[:2])
    seen = cw.project_curvature(objective, axes)
    assert seen.verdict == verdict
    assert seen.degenerate == (verdict == "flat")


@pytest.mark.parametrize(("values", "verdict"), [([2.0, 0.0], "minimum"), ([0.0, -1.0], "maximum")])
def test_where_one_curvature_is_within_its_error_of_zero_the_other_decides(values, verdict) -> None:
    objective = spectrum_objective([*values, 1.0])
    seen = cw.project_curvature(objective, cw.own_directions(objective, torch.eye(3, dtype=torch.float64)[:2]))
    assert (seen.verdict, seen.degenerate) == (verdict, True)


def test_along_hessian_directions_a_saddle_shows_with_its_eigenvalues() -> None:
    """Claim 11: on the spectra of the theory the plane is diag(1, −1)."""
    for positive in (500, 800):
        objective = spectrum_objective([1.0] * positive + [-1.0] * (1000 - positive) + [0.0])
        directions = cw.hessian_directions(objective)
        seen = cw.project_curvature(objective, directions)
        np.testing.assert_allclose(seen.matrix, np.diag([1.0, -1.0]), atol=1e-8)
        assert seen.verdict == "saddle"
        assert abs(float(directions.vectors[0] @ directions.vectors[1])) < 1e-8


def test_the_quadratic_model_matches_a_quadratic_loss() -> None:
    objective = cw.Objective.from_function(
        lambda t: 1 + 2 * t[0] - t[1] + t[0] * t[1] + 3 * t[1] ** 2, torch.zeros(2, dtype=torch.float64)
    )
    seen = cw.project_curvature(objective, cw.own_directions(objective, torch.eye(2)))
    a, b = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-2, 2, 7), indexing="ij")
    np.testing.assert_allclose(seen.model(a, b), 1 + 2 * a - b + a * b + 3 * b**2, atol=1e-12)
    with pytest.raises(ValueError, match="coordinates must be 2 arrays"):
        quadratic(1.0, np.zeros(2), np.eye(2), a)


def test_bad_options_are_refused_by_name() -> None:
    objective = spectrum_objective([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="method must be one of"):
        cw.project_curvature(objective, cw.random_directions(objective), method="exact")
    with pytest.raises(ValueError, match="directions must have length N = 3, got 2"):
        cw.project_curvature(objective, cw.random_directions(spectrum_objective([1.0, 2.0])))


def test_it_comes_back_from_a_file(tmp_path) -> None:
    objective = spectrum_objective([1.0, -2.0, 3.0])
    seen = cw.project_curvature(objective, cw.random_directions(objective))
    seen.save(tmp_path / "seen.npz")
    loaded = cw.ProjectedCurvature.load(tmp_path / "seen.npz")
    np.testing.assert_array_equal(loaded.matrix, seen.matrix)
    assert (loaded.verdict, loaded.loss, loaded.labels) == (seen.verdict, seen.loss, seen.labels)
    assert seen.to_xarray()["matrix"].shape == (2, 2)
