"""Many random planes, against the theory's numbers on known spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw


def spectrum_objective(positive: int, negative: int) -> cw.Objective:
    diagonal = torch.tensor([1.0] * positive + [-1.0] * negative + [0.0], dtype=torch.float64)
    return cw.Objective.from_function(lambda t: 0.5 * (diagonal * t**2).sum(), torch.zeros(len(diagonal), dtype=torch.float64))


SAMPLES = 1000


@pytest.fixture(scope="module")
def balanced() -> cw.ProjectionSample:
    return cw.sample_projections(spectrum_objective(500, 500), samples=SAMPLES, seed=3)


@pytest.fixture(scope="module")
def uneven() -> cw.ProjectionSample:
    return cw.sample_projections(spectrum_objective(800, 200), samples=SAMPLES, seed=3)


def test_entries_average_to_the_trace_and_zero(balanced, uneven) -> None:
    """Claim 1: within 4 standard errors, 44.72/√S and 31.62/√S."""
    for sample, trace in ((balanced, 0), (uneven, 600)):
        mean = sample.matrices.mean(axis=0)
        assert abs(mean[0, 0] - trace) < 4 * 44.72 / SAMPLES**0.5
        assert abs(mean[1, 1] - trace) < 4 * 44.72 / SAMPLES**0.5
        assert abs(mean[0, 1]) < 4 * 31.62 / SAMPLES**0.5


def test_curvatures_average_to_the_trace_plus_and_minus_the_gap(balanced, uneven) -> None:
    """Claim 3: within 4 standard errors, 37.8/√S."""
    for sample, trace in ((balanced, 0), (uneven, 600)):
        np.testing.assert_allclose(sample.mean_principal, [trace - 39.63, trace + 39.63], atol=4 * 37.8 / SAMPLES**0.5)
        np.testing.assert_allclose(sample.mean_principal_stderr, 37.8 / SAMPLES**0.5, rtol=0.1)


def test_half_the_sum_of_the_curvatures_is_half_the_trace_of_each_plane(balanced) -> None:
    """Claim 4: to 1e−10, in every single plane."""
    np.testing.assert_allclose(balanced.principal.sum(axis=1), np.trace(balanced.matrices, axis1=1, axis2=2), atol=1e-10)


def test_the_curvature_of_the_average_tends_to_the_trace_while_the_gap_stays(uneven) -> None:
    """Claim 5: κ̃± − tr is about ±√(π·1000/(2S))."""
    assert np.abs(uneven.curvature_of_mean - 600).max() < 4 * (1000 / SAMPLES) ** 0.5
    low, high = uneven.mean_principal
    assert high - low == pytest.approx(79.27, abs=4 * 25 / SAMPLES**0.5)


def test_shares_of_saddles_and_minima(balanced, uneven) -> None:
    """Claim 7: within 4 standard errors of a share."""
    tolerance = 4 * (0.7073 * 0.2927 / SAMPLES) ** 0.5
    assert balanced.probabilities["saddle"] == pytest.approx(0.7073, abs=tolerance)
    assert balanced.probabilities["minimum"] == pytest.approx(0.1464, abs=tolerance)
    assert uneven.probabilities == {"minimum": 1.0, "maximum": 0.0, "saddle": 0.0}


def test_unit_directions_average_to_the_mean_curvature() -> None:
    """Claim 12: within 4 standard errors."""
    sample = cw.sample_projections(spectrum_objective(80, 20), samples=400, normalization="unit", seed=1)
    mean = sample.principal.mean()
    stderr = sample.principal.mean(axis=1).std(ddof=1) / 400**0.5
    assert abs(mean - 60 / 101) < 4 * stderr


def test_each_plane_comes_back_from_its_seed(balanced) -> None:
    objective = spectrum_objective(500, 500)
    for index in (0, 17, SAMPLES - 1):
        plane = balanced.directions(index)
        again = cw.random_directions(objective, seed=int(balanced.seeds[index]))
        assert torch.equal(plane.vectors, again.vectors)
        np.testing.assert_array_equal(cw.project_curvature(objective, plane).matrix, balanced.matrices[index])
    assert len(set(balanced.seeds.tolist())) == SAMPLES
    with pytest.raises(IndexError, match=f"index must be from 0 to {SAMPLES - 1}"):
        balanced.directions(SAMPLES)


@pytest.mark.parametrize("normalization", [None, "unit", "filter", "layer", "model"])
def test_differences_give_normalized_planes_without_any_product(normalization) -> None:
    """On a network with a loss in float64, plane by plane within the error stated."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2)).double()
    data = (torch.randn(20, 4, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64))
    objective = cw.Objective(model, torch.nn.functional.mse_loss, data)
    exact = cw.sample_projections(objective, samples=12, normalization=normalization, seed=4)
    seen = cw.sample_projections(objective, samples=12, normalization=normalization, method="difference", seed=4)
    assert (seen.hvps, exact.evaluations, seen.notes) == (0, 0, ())
    assert np.array_equal(seen.seeds, exact.seeds)
    off = np.abs(seen.principal - exact.principal).max(axis=1)
    assert (off <= seen.errors).all()
    assert np.median(seen.errors) < 0.01 * np.abs(exact.principal).max()


def test_a_kinked_loss_is_told_of_its_differences() -> None:
    objective = cw.Objective.from_function(lambda t: t.abs().sum(), torch.zeros(4, dtype=torch.float64))
    assert "not smooth" in cw.sample_projections(objective, samples=2, method="difference").notes[0]


def test_differences_that_are_taken_up_again_keep_their_step() -> None:
    objective = cw.Objective.from_function(lambda t: t.cos().sum() + (t**4).sum(), torch.ones(9, dtype=torch.float64))
    whole = cw.sample_projections(objective, samples=5, method="difference")
    part = cw.sample_projections(objective, samples=2, method="difference")
    rest = list(cw.stream_projections(objective, samples=5, method="difference", resume=part))[-1]
    np.testing.assert_array_equal(rest.matrices, whole.matrices)


def test_snapshots_do_not_change_when_the_sample_grows() -> None:
    objective = spectrum_objective(20, 10)
    snapshots = list(cw.stream_projections(objective, samples=6))
    for count, snapshot in enumerate(snapshots, start=1):
        assert len(snapshot) == len(snapshot.errors) == count
        np.testing.assert_array_equal(snapshot.principal, snapshots[-1].principal[:count])
        np.testing.assert_allclose(snapshot.principal, np.linalg.eigvalsh(snapshot.matrices), atol=1e-12)


def test_differences_give_the_same_planes_without_any_product() -> None:
    objective = spectrum_objective(20, 10)
    exact = cw.sample_projections(objective, samples=5, seed=2)
    seen = cw.sample_projections(objective, samples=5, method="difference", seed=2)
    assert seen.hvps == 0
    np.testing.assert_allclose(seen.matrices, exact.matrices, atol=1e-6)
    assert seen.evaluations >= 5 * 6


def test_a_stream_that_is_taken_up_again_ends_with_the_same_sample() -> None:
    objective = spectrum_objective(20, 10)
    whole = cw.sample_projections(objective, samples=8, seed=2)
    stream = cw.stream_projections(objective, samples=8, seed=2)
    part = [next(stream) for _ in range(3)][-1]
    assert (len(part), part.progress) == (3, 3 / 8)
    rest = list(cw.stream_projections(objective, samples=8, seed=2, resume=part))
    assert len(rest) == 5
    np.testing.assert_array_equal(rest[-1].matrices, whole.matrices)
    assert rest[-1].hvps == whole.hvps
    with pytest.raises(ValueError, match="resume must be a sample of the same"):
        cw.stream_projections(objective, samples=8, seed=3, resume=part)


def test_a_sample_comes_back_from_a_file_but_knows_that_it_has_no_objective(tmp_path) -> None:
    sample = cw.sample_projections(spectrum_objective(3, 2), samples=4)
    sample.save(tmp_path / "sample.npz")
    loaded = cw.ProjectionSample.load(tmp_path / "sample.npz")
    np.testing.assert_array_equal(loaded.principal, sample.principal)
    assert loaded.seeds.dtype == np.uint64
    with pytest.raises(RuntimeError, match=r"random_directions\(objective, seed="):
        loaded.directions(0)


@pytest.mark.parametrize(
    "options", [{"samples": 0}, {"normalization": "x"}, {"distribution": "x"}, {"method": "x"}, {"seed": -1}]
)
def test_bad_options_are_refused_by_name_at_once(options) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        cw.stream_projections(spectrum_objective(3, 2), **options)


def test_a_sample_is_a_labelled_data_set() -> None:
    sample = cw.sample_projections(spectrum_objective(20, 10), samples=3, seed=2)
    table = sample.to_xarray()
    np.testing.assert_array_equal(table["principal"].sel(order="minus"), sample.principal[:, 0])
    np.testing.assert_array_equal(table["matrix"], sample.matrices)
    np.testing.assert_array_equal(table["seed"], sample.seeds)
    assert table.attrs["hvps"] == sample.hvps
