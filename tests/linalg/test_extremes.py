"""Eigenpairs of both ends at once against spectra that are known, and what is said of those that are not resolved."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curvwidget.linalg import SymmetricOperator, extreme_eigenpairs, stream_eigenpairs
from curvwidget.linalg.extremes import default_max_basis
from curvwidget.linalg.wu2000thick import ThickRestartLanczos
from tests.linalg.spectra import dense, diagonal, rotated, semicircle, small_beside_large

OUTLIERS = np.concatenate([np.arange(1.0, 11), [-0.5], 0.05 * semicircle(400)])
SPECTRA = {
    "degenerate ±1": np.repeat([1.0, -1.0], [30, 20]),
    "the theory's H₁": np.repeat([1.0, -1.0, 0.0], [500, 500, 1]),
    "outliers at both ends": OUTLIERS,
    "small beside large": small_beside_large(),
    "a bulk without outliers": semicircle(150),
    "positive definite": np.linspace(0.5, 3, 80),
    "negative definite": -np.linspace(0.5, 3, 80),
    "positive with zeros": np.concatenate([np.zeros(50), np.arange(1.0, 6)]),
    "low rank": np.concatenate([[7.0, -2.0], np.zeros(90)]),
    "zero": np.zeros(30),
    "identity": np.ones(30),
    "a pair closer than the tolerance": np.concatenate([[5.0, 5.0 - 1e-6, -3.0, -3.0 + 1e-6], np.linspace(-1, 1, 60)]),
    "tiny": 1e-12 * np.concatenate([np.arange(1.0, 11), [-0.5], 0.05 * semicircle(100)]),
    "huge": 1e12 * np.concatenate([np.arange(1.0, 11), [-0.5], 0.05 * semicircle(100)]),
    "one number": np.array([-4.0]),
    "two numbers": np.array([2.0, -4.0]),
}


def extremes_of(values, largest, smallest):
    ordered = np.sort(values)[::-1]
    return np.concatenate([ordered[:largest], ordered[len(ordered) - smallest :]])


def allowed(values, norm, *, tol, rounding):
    """The tolerance as it is documented, written down a second time."""
    return np.maximum(tol * np.maximum(np.abs(values), 1e-4 * norm), rounding * norm)


def assert_honest(pairs, values, A=None) -> None:
    """The residuals are those of the vectors that came back, and no pair is called converged that is not."""
    V = pairs.vectors.numpy().astype(float)
    np.testing.assert_allclose(np.linalg.norm(V, axis=1), 1, rtol=0, atol=1e-6)
    products = V * values if A is None else V @ A
    measured = np.linalg.norm(products - pairs.values[:, None] * V, axis=1)
    norm = np.abs(values).max()
    rounding = 10 * float(torch.finfo(pairs.vectors.dtype).eps)
    np.testing.assert_allclose(pairs.residuals, measured, rtol=1e-3, atol=rounding * norm)
    limit = allowed(pairs.values, norm, tol=pairs.tolerance, rounding=rounding)
    assert (measured[pairs.converged] <= limit[pairs.converged] * (1 + 1e-3) + rounding * norm / 10).all()


@pytest.mark.parametrize("values", SPECTRA.values(), ids=SPECTRA)
def test_both_ends_are_found_with_measured_residuals(values) -> None:
    """Trap 10: degenerate, clustered, low-rank, definite spectra and spectra with outliers, from one Krylov space."""
    many = min(len(values), 2)
    pairs = extreme_eigenpairs(diagonal(values), largest=many // 2, smallest=many - many // 2)
    assert pairs.converged.all()
    assert_honest(pairs, values)
    norm = np.abs(values).max()
    # A symmetric matrix has an eigenvalue within the residual of each Ritz value (Weyl); here it must be the extreme one.
    off = np.abs(pairs.values - extremes_of(values, many // 2, many - many // 2))
    assert (off <= pairs.residuals + 3e-15 * norm).all()


@pytest.mark.parametrize("values", [OUTLIERS, SPECTRA["degenerate ±1"], SPECTRA["low rank"], SPECTRA["positive with zeros"]])
def test_each_copy_of_a_multiple_eigenvalue_counts(values) -> None:
    pairs = extreme_eigenpairs(diagonal(values), largest=4, smallest=3)
    assert pairs.converged.all()
    assert_honest(pairs, values)
    np.testing.assert_allclose(pairs.values, extremes_of(values, 4, 3), atol=2e-3 * np.abs(values).max())
    V = pairs.vectors.numpy()
    np.testing.assert_allclose(V @ V.T, np.eye(7), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_small_negative_eigenvalue_beside_a_large_positive_one(seed) -> None:
    """Trap 10: λ_min = −0.0671 at a bulk's edge beside λ_max = 100, where a shifted second pass fails (theory, 5).

    One Krylov space holds each end to its own size.
    """
    values = small_beside_large()
    pairs = extreme_eigenpairs(diagonal(values), seed=seed)
    assert pairs.converged.all()
    assert pairs.values[0] == pytest.approx(100, abs=1e-6)
    assert pairs.values[1] == pytest.approx(-0.0671, abs=pairs.residuals[1])
    assert pairs.residuals[1] <= 1e-3 * 0.0671
    assert abs(float(pairs.vectors[1, 0])) > 0.9998  # the axis of λ_min; within 1°


def test_the_two_pass_method_does_fail_there() -> None:
    """The premise of the test above: tolerance relative to the *shifted* eigenvalue leaves λ_min and its vector unresolved."""
    values = small_beside_large()
    shifted = scipy.sparse.linalg.LinearOperator((2000, 2000), matvec=lambda v: (values - 100.0) * v.ravel(), dtype=float)
    start = np.random.default_rng(0).normal(size=2000)
    found, vectors = scipy.sparse.linalg.eigsh(shifted, k=1, which="LM", tol=1e-2, v0=start)
    assert found[0] + 100 > -0.066  # it should be −0.0671
    assert abs(vectors[0, 0]) < 0.8


def test_claim_11_hessian_directions_of_the_theorys_spectra() -> None:
    """Claim 11: eigenvalues ±1 to 1e-8, orthogonal vectors, the plane's matrix is diag(1, −1)."""
    for n_plus in (500, 800):
        values = np.repeat([1.0, -1.0, 0.0], [n_plus, 1000 - n_plus, 1])
        pairs = extreme_eigenpairs(diagonal(values))
        np.testing.assert_allclose(pairs.values, [1, -1], atol=1e-8)
        V = pairs.vectors.numpy()
        np.testing.assert_allclose(V @ V.T, np.eye(2), atol=1e-12)
        np.testing.assert_allclose((V * values) @ V.T, np.diag([1, -1]), atol=1e-10)
        assert pairs.hvps <= 10  # three distinct eigenvalues exhaust the Krylov space in three products


def random_problem(trial):
    """Integers with repeats, a bulk with multiple outliers, or a Gaussian bulk, and a cap near the smallest."""
    rng = np.random.default_rng(trial)
    values = rng.normal(size=int(rng.integers(20, 150)))
    if trial % 3:
        values = np.round(3 * values) if trial % 3 == 1 else np.concatenate([0.01 * values, [3, 3, 3, -2, -2]])
    largest, smallest = int(rng.integers(0, 4)), int(rng.integers(1, 4))
    return values, largest, smallest, min(3 * (largest + smallest) + 6 + int(rng.integers(0, 15)), len(values))


def test_no_copy_is_overlooked_under_a_small_cap() -> None:
    """Trap 10: copies hide where rounding leads an exhausted sequence; a full basis must not make the search wait for ever."""
    for trial in range(60):
        values, largest, smallest, cap = random_problem(trial)
        pairs = extreme_eigenpairs(diagonal(values), largest=largest, smallest=smallest, seed=trial, max_basis=cap)
        assert pairs.converged.all()
        assert pairs.hvps < 500
        truth = extremes_of(values, largest, smallest)
        np.testing.assert_allclose(pairs.values, truth, atol=2e-3 * np.abs(values).max(), err_msg=str(trial))


def test_eigenvectors_are_those_of_the_dense_matrix_up_to_a_fixed_sign() -> None:
    values = np.concatenate([OUTLIERS[:11], 0.05 * semicircle(60)])
    A = rotated(values)
    pairs = extreme_eigenpairs(dense(A), largest=2, smallest=1, tol=1e-6)
    _, Q = np.linalg.eigh(A)
    for ours, truth in zip(pairs.vectors.numpy(), Q[:, [-1, -2, 0]].T, strict=True):
        assert abs(ours @ truth) > 1 - 1e-9
        assert ours[np.abs(ours).argmax()] > 0


def test_the_angle_of_each_vector_is_as_small_as_stated() -> None:
    pairs = extreme_eigenpairs(diagonal(OUTLIERS), tol=1e-2)
    for vector, axis, angle in zip(pairs.vectors.numpy(), (9, 10), pairs.angles, strict=True):
        assert np.arccos(min(abs(vector[axis]), 1.0)) <= angle + 1e-7
    assert (pairs.angles < np.radians(0.6)).all()


def test_float32_is_held_to_what_float32_can() -> None:
    for name in ("outliers at both ends", "degenerate ±1", "low rank", "zero"):
        values = SPECTRA[name]
        pairs = extreme_eigenpairs(diagonal(values, dtype=torch.float32), largest=2, smallest=1, tol=1e-3)
        assert pairs.vectors.dtype == torch.float32
        assert pairs.converged.all(), name
        assert_honest(pairs, values.astype(np.float32).astype(float))
        np.testing.assert_allclose(pairs.values, extremes_of(values, 2, 1), atol=1e-3 * np.abs(values).max())


def test_a_tolerance_beyond_the_rounding_of_the_products_is_not_called_reached() -> None:
    """Products carry noise of 1e-5 of ‖A‖, so that residuals cannot get below it: the pairs come back as not converged."""
    values = torch.from_numpy(OUTLIERS)
    generator = torch.Generator().manual_seed(1)

    def noisy(rows):
        exact = rows * values
        noise = torch.randn(rows.shape, generator=generator, dtype=torch.float64)
        return exact + 1e-5 * 10 * noise * rows.norm(dim=1, keepdim=True) / rows.shape[1] ** 0.5

    pairs = extreme_eigenpairs(SymmetricOperator(len(values), noisy), tol=1e-7, max_hvps=120)
    assert not pairs.converged.any()
    assert any("did not converge" in note or "stay short" in note for note in pairs.notes)


def test_no_pair_is_called_converged_that_is_not_on_any_budget() -> None:
    """Trap 10: whatever the budget, `converged` is true only where the residual, computed anew, is within the tolerance."""
    values = np.concatenate([np.linspace(-1, 1, 300), [1.02, -1.01]])
    seen = set()
    for budget in (4, 8, 16, 32, 64, 128, 300):
        pairs = extreme_eigenpairs(diagonal(values), max_hvps=budget, tol=1e-5)
        assert pairs.hvps <= budget
        assert_honest(pairs, values)
        assert pairs.converged.all() or any(f"max_hvps = {budget}" in note for note in pairs.notes)
        seen.add(bool(pairs.converged.all()))
    assert seen == {False, True}


def test_snapshots_are_valid_on_their_own() -> None:
    progress, hvps = 0.0, 0
    for pairs in stream_eigenpairs(diagonal(OUTLIERS), largest=2, smallest=1):
        V = pairs.vectors.numpy()
        measured = np.linalg.norm(V * OUTLIERS - pairs.values[:, None] * V, axis=1)
        np.testing.assert_allclose(pairs.residuals, measured, atol=1e-8)
        assert (np.diff(pairs.values) <= 0).all()
        assert progress <= pairs.progress <= 1
        assert hvps <= pairs.hvps <= hvps + 1
        progress, hvps = pairs.progress, pairs.hvps
    assert progress == 1


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_spectrum_any_seed_any_number_of_pairs(data) -> None:
    """Sizes from one number up, with repeats, both precisions: what comes back converged is the extremes."""
    size = data.draw(st.integers(1, 25))
    levels = data.draw(st.lists(st.integers(-8, 8), min_size=size, max_size=size))
    largest = data.draw(st.integers(0, min(size, 3)))
    smallest = data.draw(st.integers(0 if largest else 1, min(size - largest, 3) if largest < size or largest else 1))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    values = np.array(levels, dtype=float)
    A = rotated(values, seed=size)
    A = A.astype(np.float32).astype(float)
    pairs = extreme_eigenpairs(dense(A, dtype=dtype), largest=largest, smallest=smallest, seed=data.draw(st.integers(0, 2**40)))
    assert len(pairs.values) == largest + smallest
    assert pairs.converged.all()
    assert_honest(pairs, np.linalg.eigvalsh(A), A)
    np.testing.assert_allclose(pairs.values, extremes_of(values, largest, smallest), atol=2e-3 * max(np.abs(values).max(), 1e-9))


def test_a_start_with_next_to_nothing_of_the_wanted_vector_is_not_believed() -> None:
    """Found by the test above: with this seed a sequence in float32 is exhausted without having seen −3."""
    A = rotated([-3.0] + [0.0] * 9 + [-2.0], seed=11).astype(np.float32).astype(float)
    pairs = extreme_eigenpairs(dense(A, dtype=torch.float32), largest=0, smallest=1, seed=88724)
    assert pairs.converged.all()
    np.testing.assert_allclose(pairs.values, [-3.0], atol=1e-5)


def test_the_same_seed_gives_the_same_pairs() -> None:
    first, again, other = (extreme_eigenpairs(diagonal(OUTLIERS), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert first.hvps == again.hvps
    assert not np.array_equal(first.vectors, other.vectors)
    assert (first.seed, other.seed) == (3, 4)


@pytest.mark.parametrize("largest", [1, 2])
def test_a_full_basis_is_cut_back_and_the_pairs_are_the_same(largest) -> None:
    """Memory is O(max_basis·N), and beyond the cap the search restarts: same pairs, at the price of products, and it says so."""
    values = np.concatenate([3 * semicircle(500), [3.3, 3.2, -3.15]])
    whole = extreme_eigenpairs(diagonal(values), largest=largest, smallest=1, tol=1e-4)
    capped = extreme_eigenpairs(diagonal(values), largest=largest, smallest=1, tol=1e-4, max_basis=16)
    assert whole.converged.all()
    assert capped.converged.all()
    np.testing.assert_allclose(capped.values, whole.values, atol=1e-5)
    cosines = np.abs((capped.vectors * whole.vectors).sum(1).numpy())
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    assert capped.hvps <= 2 * whole.hvps
    assert any("cap of 16 vectors" in note for note in capped.notes)
    assert not any("cap" in note for note in whole.notes)


def test_no_more_vectors_are_held_than_max_basis_allows() -> None:
    for cap in (12, 40):
        search = ThickRestartLanczos(diagonal(semicircle(300)), largest=1, smallest=1, tol=1e-4, seed=0, limit=2000, capacity=cap)
        most = max((search.space.used, search.space.rows.allocated) for _ in search.run())
        assert most == (cap, cap)


def test_the_default_cap_fits_two_gibibytes() -> None:
    def of(size, dtype=torch.float64):
        return default_max_basis(SymmetricOperator(size, lambda rows: rows, dtype=dtype), 2)

    assert of(50) == 50
    assert of(10**5) == 400
    assert of(10**6) == 2**31 // 8_000_000
    assert of(10**6, torch.float32) == 400
    assert of(10**9) == 24  # at least 20 + 2·wanted


def test_a_product_that_is_not_finite_is_an_error() -> None:
    operator = SymmetricOperator(5, lambda rows: rows * torch.nan)
    with pytest.raises(FloatingPointError, match="NaN or inf"):
        extreme_eigenpairs(operator)


def test_a_matrix_that_is_not_symmetric_is_remarked() -> None:
    A = torch.from_numpy(rotated(OUTLIERS[:40])).triu()
    pairs = extreme_eigenpairs(SymmetricOperator(40, lambda rows: rows @ A.T))
    assert any("not symmetric" in note for note in pairs.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"largest": 0, "smallest": 0}, r"largest \+ smallest must be at least 1"),
        ({"largest": 3, "smallest": 3}, r"largest \+ smallest must be at most the size of the operator, 5"),
        ({"largest": -1}, "largest must be at least 0"),
        ({"tol": 0.0}, "tol must be positive"),
        ({"tol": 1.0}, "tol must be below 1"),
        ({"tol": float("nan")}, "tol must be finite"),
        ({"max_hvps": 3}, "max_hvps must be at least 4"),
        ({"max_basis": 4}, "max_basis must be at least 5"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        stream_eigenpairs(diagonal(np.arange(5.0)), **options)


def test_results_go_to_a_file_and_to_xarray(tmp_path) -> None:
    pairs = extreme_eigenpairs(diagonal(OUTLIERS))
    pairs.save(tmp_path / "pairs.npz")
    again = type(pairs).load(tmp_path / "pairs.npz")
    np.testing.assert_array_equal(again.vectors, pairs.vectors)
    assert (again.hvps, again.notes, again.tolerance) == (pairs.hvps, pairs.notes, pairs.tolerance)
    data = pairs.to_xarray()
    np.testing.assert_array_equal(data["value"], pairs.values)
    assert data["vector"].sizes == {"pair": 2, "parameter": len(OUTLIERS)}
