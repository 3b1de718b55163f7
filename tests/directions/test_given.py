"""The gradient, Hessian eigenvectors and own vectors as directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget._number_words import format_number
from curvwidget.directions.hessian import directions_from_eigenpairs
from curvwidget.linalg import Eigenpairs

SPECTRUM = torch.tensor([5.0, 2.0, 0.5, -1.0, -3.0], dtype=torch.float64)


def rotated() -> tuple[cw.Objective, np.ndarray]:
    """A quadratic form with that spectrum and a slope, and its dense Hessian."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    hessian = torch.from_numpy(basis @ np.diag(SPECTRUM.numpy()) @ basis.T)
    slope = torch.arange(5, dtype=torch.float64)
    theta = torch.zeros(5, dtype=torch.float64)
    return cw.Objective.from_function(lambda t: 0.5 * t @ hessian @ t + slope @ t, theta), hessian.numpy()


def test_hessian_directions_are_unit_eigenvectors_of_both_ends() -> None:
    """Trap 3: of length one, and multiplied by the dense Hessian they are multiplied by their eigenvalue."""
    objective, hessian = rotated()
    found = cw.hessian_directions(objective, largest=2, smallest=1, tol=1e-8)
    np.testing.assert_allclose(found.eigenvalues, [5, 2, -3], atol=1e-9)
    np.testing.assert_allclose(found.norms, 1, rtol=1e-12)
    vectors = found.vectors.numpy()
    np.testing.assert_allclose(vectors @ hessian, found.eigenvalues[:, None] * vectors, atol=1e-6)
    assert found.labels == ("λ_max = 5", "λ_2 = 2", "λ_min = −3")


def test_an_eigenvalue_below_the_rounding_of_the_largest_is_zero_in_words_and_any_above_is_not() -> None:
    for dtype, noise, number in ((torch.float64, 1e-17, 1e-14), (torch.float32, 1e-8, 1e-5)):
        pairs = Eigenpairs(
            values=np.array([2.0, number, noise, -noise]),
            vectors=torch.eye(4, dtype=dtype),
            residuals=np.zeros(4),
            converged=np.full(4, True),
            largest=3,
            tolerance=1e-3,
            seed=0,
            hvps=8,
        )
        found = directions_from_eigenpairs(pairs)
        assert found.labels == ("λ_max = 2", f"λ_2 = {format_number(number)}", "λ_3 = 0", "λ_min = 0")
        np.testing.assert_array_equal(found.eigenvalues, pairs.values)  # in numbers they stay what was found


def test_the_curvature_along_a_hessian_direction_is_its_eigenvalue_sign_included() -> None:
    """Trap 3: by the dense Hessian."""
    objective, hessian = rotated()
    found = cw.hessian_directions(objective, tol=1e-8)
    for vector, value in zip(found.vectors.numpy(), found.eigenvalues, strict=True):
        assert vector @ hessian @ vector == pytest.approx(value, rel=1e-9)


def test_eigenvectors_of_a_network_are_not_rescaled_by_layer_or_filter() -> None:
    """Trap 3: though its layers differ in size a thousandfold, slice, product and eigenvalue agree."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    with torch.no_grad():
        model[0].weight.mul_(30)
        model[2].weight.mul_(0.03)
    data = (torch.randn(16, 3, dtype=torch.float64), torch.randn(16, 2, dtype=torch.float64))
    objective = cw.Objective(model, torch.nn.functional.mse_loss, data)
    found = cw.hessian_directions(objective, tol=1e-6)
    assert found.normalization is None
    assert found.eigenvalues[1] < 0 < found.eigenvalues[0]
    np.testing.assert_allclose(found.norms, 1, rtol=1e-12)
    np.testing.assert_allclose(np.diag(cw.project_curvature(objective, found).matrix), found.eigenvalues, rtol=1e-6)
    seen = cw.fit_slice(cw.slice_loss(objective, found, span=1e-3, resolution=9))
    np.testing.assert_allclose(np.diag(seen.matrix), found.eigenvalues, atol=seen.error)
    assert seen.error < 0.05 * abs(found.eigenvalues[1])


def test_the_gradient_direction_is_the_gradient_at_length_one() -> None:
    objective, _ = rotated()
    (vector,) = cw.gradient_direction(objective).vectors.numpy()
    np.testing.assert_allclose(vector, np.arange(5) / np.linalg.norm(np.arange(5)), atol=1e-12)


def test_a_zero_gradient_gives_no_direction() -> None:
    objective = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(3))
    with pytest.raises(ValueError, match="gradient at theta must not be zero"):
        cw.gradient_direction(objective)


def test_own_vectors_keep_their_lengths_and_take_the_objectives_dtype() -> None:
    objective, _ = rotated()
    own = cw.own_directions(objective, 3 * torch.eye(2, 5), labels=["mine", "yours"])
    assert own.labels == ("mine", "yours")
    assert own.vectors.dtype == torch.float64
    np.testing.assert_allclose(own.norms, 3)


def test_an_own_vector_of_the_wrong_length_is_refused() -> None:
    objective, _ = rotated()
    with pytest.raises(ValueError, match=r"vectors must have shape \(k, N\) with N = 5, got \(1, 4\)|got \(4,\)"):
        cw.own_directions(objective, torch.ones(4))


def test_eigenvalues_of_any_size_are_written_as_everywhere_else() -> None:
    values = torch.tensor([123456.0, 1234.5, 3.5e-32, -1e-5], dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: 0.5 * (values * t**2).sum(), torch.zeros(4, dtype=torch.float64))
    labels = cw.hessian_directions(objective, largest=2, smallest=2, tol=1e-8).labels
    assert labels[:2] == ("λ_max = 1.23×10⁵", "λ_2 = 1230")
    assert labels[3].startswith("λ_min = −1")
    assert not any("e-" in label or "e+" in label for label in labels)
