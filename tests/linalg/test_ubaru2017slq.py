"""Stochastic Lanczos quadrature against spectra that are known: nodes, weights, moments with their errors, and the density."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.special import ndtr
from scipy.stats import binom

from curvwidget.linalg import SpectralDensity, SymmetricOperator, row_store, spectral_density, stream_spectral_density
from curvwidget.linalg.probes import draw_probe
from tests.linalg.spectra import dense, diagonal, rotated, semicircle

SEEDS = 200
# A bulk with outliers on both sides, on a matrix with no axis of its own: the shape of a network's Hessian.
VALUES = np.concatenate([[6.0, 4.0, 3.0, -1.5], 0.5 + semicircle(116)])
A = rotated(VALUES, seed=3)
SPECTRA = {
    "outliers": VALUES,
    "degenerate ±1": np.repeat([1.0, -1.0], [75, 25]),
    "low rank": np.concatenate([[7.0, -2.0], np.zeros(90)]),
    "zero": np.zeros(30),
    "identity": np.ones(30),
    "tiny": 1e-12 * VALUES,
    "huge": 1e12 * VALUES,
    "one number": np.array([-4.0]),
    "two numbers": np.array([2.0, -4.0]),
}


@cache
def runs() -> list[SpectralDensity]:
    return [spectral_density(dense(A), probes=12, steps=2, seed=seed) for seed in range(SEEDS)]


@pytest.mark.parametrize("values", SPECTRA.values(), ids=SPECTRA)
def test_weights_are_shares_and_nodes_lie_within_the_spectrum(values) -> None:
    """Trap 9: the weights of each probe sum to 1, none is negative, and no node lies beyond the extreme eigenvalues."""
    found = spectral_density(dense(rotated(values)), probes=5, steps=20, seed=1)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-13)
    assert (found.weights >= 0).all()
    assert (np.diff(found.nodes, axis=1) >= 0).all()
    slack = 1e-13 * np.abs(values).max()
    assert found.nodes.min() >= values.min() - slack
    assert found.nodes.max() <= values.max() + slack
    for nodes, weights, count in zip(found.nodes, found.weights, found.counts, strict=True):
        assert (nodes[count:] == nodes[count - 1]).all()
        assert (weights[count:] == 0).all()


@pytest.mark.parametrize(
    ("values", "eigenvalues"),
    [
        (SPECTRA["degenerate ±1"], [-1, 1]),
        (SPECTRA["low rank"], [-2, 0, 7]),
        (SPECTRA["zero"], [0]),
        (SPECTRA["identity"], [1]),
        (SPECTRA["one number"], [-4]),
        (SPECTRA["two numbers"], [-4, 2]),
        (np.arange(12.0), np.arange(12)),
    ],
)
def test_an_exhausted_space_ends_a_probe_with_the_eigenvalues_themselves(values, eigenvalues) -> None:
    """Trap 9: break-down, N below the number of steps too; the weights are the probe's shares of the eigenspaces."""
    found = spectral_density(diagonal(values), probes=3, steps=40, seed=2)
    assert found.exhausted.all()
    assert (found.counts == len(eigenvalues)).all()
    assert found.hvps == 3 * len(eigenvalues)
    np.testing.assert_allclose(found.nodes, np.tile(eigenvalues, (3, 1)), atol=1e-12)
    for index, weights in enumerate(found.weights):
        probe = draw_probe(diagonal(values), seed=2, index=index).numpy()
        shares = [(probe[values == value] ** 2).sum() / (probe**2).sum() for value in eigenvalues]
        np.testing.assert_allclose(weights, shares, atol=1e-12)
    # Then every moment is that of the probe, of any order.
    assert found.moment(50)[0] == pytest.approx((found.weights * found.nodes**50).sum(axis=1).mean())
    x = np.linspace(*found.support, 4001)
    assert trapezoid(found.density(x), x) == pytest.approx(1, abs=2e-4)  # four broadenings hold all but 6e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "levels", [([1.0, -1.0, 0.0], [500, 500, 1]), (np.arange(-5.0, 6), 20)], ids=["the theory's H₁", "integers"]
)
def test_copies_that_rounding_makes_change_no_number(levels, dtype) -> None:
    """Trap 9: a space exhausted but for rounding goes on and finds each eigenvalue again; weights, moments and density hold."""
    values = np.repeat(*levels)
    operator = diagonal(values, dtype=dtype)
    found = spectral_density(operator, probes=4, steps=40)
    assert (found.counts > len(np.unique(values))).any()  # else nothing was seen
    digits = 1e-4 if dtype == torch.float32 else 1e-10
    for index in range(4):
        u = draw_probe(operator, seed=0, index=index).double().numpy()
        for value in np.unique(values):
            near = np.abs(found.nodes[index] - value) < 1e-3
            share = (u[values == value] ** 2).sum() / (u**2).sum()
            assert found.weights[index][near].sum() == pytest.approx(share, abs=digits)
    width = np.ptp(values)
    assert found.broadening == pytest.approx(0.02 * width, rel=1e-4)
    assert found.density(1.0) > 10 * found.density(1.5)


def test_the_quadrature_of_a_probe_is_exact_up_to_its_order_and_not_beyond() -> None:
    """M nodes give uᵀAᵏu for k ≤ 2M − 1: here 7, and 8 is refused because it would be wrong."""
    found = spectral_density(dense(A), probes=3, steps=4, seed=5)
    for index in range(3):
        u = draw_probe(dense(A), seed=5, index=index).numpy()
        u /= np.linalg.norm(u)
        for order in range(9):
            form = u @ np.linalg.matrix_power(A, order) @ u
            close = (found.weights[index] * found.nodes[index] ** order).sum() == pytest.approx(form, rel=1e-10)
            assert close == (order <= 7), order
    assert found.moment(0)[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="order must be at most 7 for a quadrature of 4 nodes, got 8"):
        found.moment(8)
    with pytest.raises(ValueError, match="order must be at least 0"):
        found.moment(-1)


def test_moments_are_the_traces_without_bias_and_with_the_error_they_state() -> None:
    """Trap 8 and 9: over 200 seeds tr(A)/N and tr(A²)/N have no bias, and two standard errors cover them as often as they should.

    Twelve probes know their own spread to 20 %: Student's law covers 93 % then, and a skewed one somewhat less (91 %).
    """
    for name, truth in (("mean_curvature", VALUES.mean()), ("mean_square", (VALUES**2).mean())):
        estimates = np.array([getattr(run, name) for run in runs()])
        stated = np.array([getattr(run, f"{name}_stderr") for run in runs()])
        spread = estimates.std(ddof=1)
        assert abs(estimates.mean() - truth) < 4 * spread / SEEDS**0.5
        assert np.sqrt((stated**2).mean()) == pytest.approx(spread, rel=4 * 0.07)  # 200 seeds of a skewed law tell it to 7 %
        inside = int((np.abs(estimates - truth) <= 2 * stated).sum())
        assert binom.ppf(1e-4, SEEDS, 0.90) <= inside <= binom.ppf(1 - 1e-4, SEEDS, 0.954)


def test_the_spread_of_the_mean_curvature_is_that_of_the_sphere() -> None:
    """Var uᵀAu = 2·(tr(A²)/N − (tr A/N)²)/(N + 2) for u uniform on the sphere, from 2400 probes."""
    samples = np.concatenate([(run.weights * run.nodes).sum(axis=1) for run in runs()])
    squares = (samples - VALUES.mean()) ** 2
    expected = 2 * VALUES.var() / (len(VALUES) + 2)
    assert abs(squares.mean() - expected) < 4 * squares.std() / len(samples) ** 0.5


def test_the_density_is_the_dense_one_within_its_error() -> None:
    """Broadened alike, both integrate to 1, and the estimate keeps to its standard error over 64 probes all along the axis."""
    found = spectral_density(dense(A), probes=64, steps=30, seed=4)
    sigma = 0.3
    x = np.linspace(-4, 8, 601)
    truth = np.exp(-0.5 * ((x[:, None] - VALUES) / sigma) ** 2).mean(axis=1) / (sigma * np.sqrt(2 * np.pi))
    density, stderr = found.density(x, broadening=sigma), found.density_stderr(x, broadening=sigma)
    assert trapezoid(density, x) == pytest.approx(1, abs=1e-9)
    assert np.sqrt((((density - truth) / (stderr + 1e-9)) ** 2).mean()) < 2
    assert (np.abs(density - truth) <= 5 * stderr + 1e-9).all()
    assert density.max() == pytest.approx(truth.max(), rel=0.1)
    steps = np.array([(edge >= VALUES).mean() for edge in x])
    broad = found.cumulative(x, broadening=sigma)
    np.testing.assert_allclose(broad, ndtr((x[:, None] - VALUES) / sigma).mean(axis=1), atol=0.02)
    # ∫|F̂ − F| is the Wasserstein distance of the two spectra: broadening moves no eigenvalue by more than about σ.
    assert trapezoid(np.abs(broad - steps), x) < sigma
    assert broad[[0, -1]] == pytest.approx([0, 1], abs=1e-9)
    assert (np.diff(broad) >= 0).all()


def test_more_steps_and_probes_come_closer_to_the_spectrum() -> None:
    """The distance ∫|F̂ − F| of the unbroadened spectra falls with the steps while they resolve it, and with √probes then."""
    x = np.linspace(-2, 6.5, 2001)
    truth = (x[:, None] >= VALUES).mean(axis=1)

    def distance(probes, steps):
        found = spectral_density(dense(A), probes=probes, steps=steps, seed=6)
        return trapezoid(np.abs(found.cumulative(x, broadening=1e-4) - truth), x)

    coarse, finer, best = distance(32, 3), distance(32, 12), distance(32, 40)
    assert coarse > 2 * finer > 2 * best
    assert best < 0.5 * distance(2, 40)
    assert best < 0.03 * VALUES.std()


def test_the_default_broadening_and_grid_show_the_bulk_and_the_outliers() -> None:
    found = spectral_density(dense(A), probes=8, steps=40)
    assert 0.005 < found.broadening < 0.2  # eigenvalues of the bulk are 0.02 apart, and 40 nodes see a third of them
    grid = found.grid
    assert (np.diff(grid) > 0).all()
    assert found.support[0] <= grid[0] + found.broadening
    assert found.support[1] >= grid[-1] - found.broadening
    cells = np.minimum(np.diff(grid, prepend=-np.inf), found.broadening / 2)  # gaps of the grid hold nothing
    assert (found.density(grid) * cells).sum() == pytest.approx(1, abs=2e-3)
    for outlier in VALUES[:4]:
        assert found.density(outlier) > 20 * found.density(outlier + 8 * found.broadening)


def test_float32_gives_the_same_moments_within_its_rounding() -> None:
    single, double = (spectral_density(dense(A, dtype=dtype), probes=4, steps=30) for dtype in (torch.float32, torch.float64))
    assert single.nodes.dtype == np.float64
    np.testing.assert_allclose(single.weights.sum(axis=1), 1, rtol=1e-12)
    for order in (1, 2, 3):
        assert single.moment(order)[0] == pytest.approx(double.moment(order)[0], rel=1e-5)
    np.testing.assert_allclose(single.nodes[:, [0, -1]], double.nodes[:, [0, -1]], rtol=1e-5)
    degenerate = spectral_density(diagonal(SPECTRA["degenerate ±1"], dtype=torch.float32), probes=3, steps=30)
    assert degenerate.exhausted.all()
    np.testing.assert_allclose(degenerate.nodes, [[-1, 1]] * 3, atol=1e-6)


def test_snapshots_count_products_and_move_on() -> None:
    hvps, progress = 0, 0.0
    snapshots = list(stream_spectral_density(dense(A), probes=3, steps=6))
    for snapshot in snapshots:
        np.testing.assert_allclose(snapshot.weights.sum(axis=1), 1, rtol=1e-12)
        assert hvps < snapshot.hvps <= hvps + 2  # one node alone is not shown
        assert progress <= snapshot.progress <= 1
        assert (snapshot.progress == 1) == (snapshot is snapshots[-1])
        hvps, progress = snapshot.hvps, snapshot.progress
    assert (hvps, snapshot.nodes.shape, snapshot.steps, snapshot.notes) == (18, (3, 6), 6, ())
    assert [len(snapshot.nodes) for snapshot in snapshots] == [1] * 5 + [1] * 5 + [2] * 6 + [3]


def test_the_seed_gives_the_same_density_and_another_one_another() -> None:
    first, again, other = (spectral_density(dense(A), probes=2, steps=5, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.nodes, again.nodes)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.nodes, other.nodes)
    assert (first.seed, other.seed) == (3, 4)
    # A probe is the same one however many there are.
    np.testing.assert_array_equal(spectral_density(dense(A), probes=1, steps=5, seed=3).nodes[0], first.nodes[0])


def test_one_probe_knows_no_error() -> None:
    alone = spectral_density(dense(A), probes=1, steps=5)
    assert np.isnan(alone.mean_curvature_stderr)
    assert np.isnan(alone.density_stderr([0.0, 1.0])).all()
    assert np.isfinite(alone.density([0.0, 1.0])).all()


def test_it_is_saved_and_becomes_a_labelled_data_set(tmp_path) -> None:
    found = spectral_density(diagonal(SPECTRA["degenerate ±1"]), probes=3, steps=8, seed=9, broadening=0.1)
    found.save(tmp_path / "density.npz")
    back = SpectralDensity.load(tmp_path / "density.npz")
    for field in dataclasses.fields(found):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(found, field.name), err_msg=field.name)
    data = found.to_xarray()
    assert dict(data.sizes) == {"probe": 3, "node": 2, "eigenvalue": len(found.grid)}
    np.testing.assert_array_equal(data["nodes"], found.nodes)
    np.testing.assert_array_equal(data["weights"], found.weights)
    np.testing.assert_array_equal(data["density"], found.density(data["eigenvalue"].values))
    np.testing.assert_array_equal(data["density_stderr"], found.density_stderr(data["eigenvalue"].values))
    assert data.attrs == {"size": 100, "broadening": 0.1, "steps": 8, "seed": 9, "hvps": 6}


def test_memory_bounds_the_steps_and_a_note_says_so() -> None:
    held: list[int] = []

    class Spy(row_store.RowStore):
        def __setitem__(self, index, row):
            super().__setitem__(index, row)
            held.append(self.allocated)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curvwidget.linalg.krylov.RowStore", Spy)
        capped = spectral_density(dense(A), probes=3, steps=40, max_basis=8)
    assert max(held) == 8
    assert capped.nodes.shape == (3, 7)
    assert (capped.hvps, capped.steps) == (21, 40)
    assert capped.notes == ("Memory for 8 vectors allows 7 steps a probe; 40 were asked for.",)
    # Fewer steps are as good for the moments: they are the same to the last digits.
    whole = spectral_density(dense(A), probes=3, steps=40)
    assert capped.mean_square == pytest.approx(whole.mean_square, rel=1e-12)
    assert whole.notes == ()
    assert spectral_density(dense(A), probes=1, steps=7, max_basis=8).notes == ()
    assert spectral_density(diagonal([2.0, -4.0]), probes=1, max_basis=2).counts[0] == 2  # N vectors hold all that there is


def test_two_gibibytes_bound_the_steps_by_default(monkeypatch) -> None:
    assert row_store.rows_that_fit(10**6, torch.float64) == 268
    assert row_store.rows_that_fit(10**6, torch.float32) == 536
    monkeypatch.setattr(row_store, "_BASIS_BYTES", 30 * 120 * 8)
    assert spectral_density(dense(A), probes=1, steps=80).counts[0] == 29
    monkeypatch.setattr(row_store, "_BASIS_BYTES", 5 * 120 * 8)
    assert spectral_density(dense(A), probes=1, steps=80).counts[0] == 19  # no fewer than 20 vectors


def test_a_product_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="NaN or inf"):
        spectral_density(SymmetricOperator(5, lambda rows: rows * torch.inf))


def test_a_matrix_that_is_not_symmetric_is_remarked() -> None:
    triangle = torch.from_numpy(A).triu()
    found = spectral_density(SymmetricOperator(len(A), lambda rows: rows @ triangle.T), probes=2, steps=10)
    assert any("not symmetric" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probes": 0}, "probes must be at least 1"),
        ({"steps": 1}, "steps must be at least 2"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"broadening": 0.0}, "broadening must be positive"),
        ({"broadening": float("nan")}, "broadening must be finite"),
        ({"max_basis": 2}, "max_basis must be at least 3"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        stream_spectral_density(diagonal(np.arange(5.0)), **options)


def test_what_is_no_matrix_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="objective must be an Objective or a SymmetricOperator, got list"):
        stream_spectral_density([1.0, 2.0])


@settings(max_examples=20, deadline=None)
@given(
    levels=st.lists(st.integers(-4, 4), min_size=1, max_size=15),
    steps=st.integers(2, 20),
    seed=st.integers(0, 2**40),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_spectrum_steps_seed_and_precision(levels, steps, seed, dtype) -> None:
    """The second moment of each probe is ‖A u‖², whatever the matrix."""
    values = np.array(levels, dtype=float)
    operator = diagonal(values, dtype=dtype)
    found = spectral_density(operator, probes=2, steps=steps, seed=seed)
    for index in range(2):
        u = draw_probe(operator, seed=seed, index=index).double().numpy()
        expected = (values**2 * u**2).sum() / (u**2).sum()
        moment = (found.weights[index] * found.nodes[index] ** 2).sum()
        assert moment == pytest.approx(expected, rel=1e-4 if dtype == torch.float32 else 1e-10, abs=1e-5)
    assert (found.counts <= min(steps, len(values))).all()
