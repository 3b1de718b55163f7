"""Directions belong together, are picked and joined, saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget import Directions


def pair(**changes) -> Directions:
    fields = {"vectors": torch.eye(2, 3, dtype=torch.float64), "labels": ("a", "b")} | changes
    return Directions(**fields)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"vectors": [[1.0]]}, TypeError, "vectors must be a floating-point tensor"),
        ({"vectors": torch.ones(2, 3, dtype=torch.int64)}, TypeError, "vectors must be a floating-point tensor"),
        ({"vectors": torch.ones(3)}, ValueError, r"vectors must have shape \(k, N\), got \(3,\)"),
        ({"vectors": torch.tensor([[1.0, np.nan], [1.0, 1.0]])}, ValueError, "vectors must be finite"),
        ({"vectors": torch.tensor([[0.0, 0.0], [1.0, 1.0]])}, ValueError, "vectors must not be zero"),
        ({"labels": ("a",)}, ValueError, "labels must name each of the 2 directions, got 1"),
        ({"eigenvalues": np.ones(3)}, ValueError, r"eigenvalues must have shape \(2,\), got \(3,\)"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes, error, message) -> None:
    with pytest.raises(error, match=message):
        pair(**changes)


def test_one_direction_can_be_picked_and_joined_with_another() -> None:
    eigen = pair(eigenvalues=np.array([2.0, -1.0]), residuals=np.array([0.1, 0.2]))
    joined = Directions.join(pair(seed=4)[0], eigen[1])
    assert joined.labels == ("a", "b")
    assert torch.equal(joined.vectors, torch.eye(2, 3, dtype=torch.float64))
    np.testing.assert_array_equal(joined.eigenvalues, [np.nan, -1.0])
    np.testing.assert_array_equal(joined.residuals, [np.nan, 0.2])
    assert joined.seed is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_directions_from_a_file_are_joined_with_those_on_the_device() -> None:
    here = pair(eigenvalues=np.array([2.0, -1.0]))
    there = pair(vectors=torch.ones(1, 3, device="cuda"), labels=("c",))
    for parts in ((here, there), (there, here)):
        joined = Directions.join(*parts)
        assert (joined.vectors.device.type, joined.vectors.dtype) == ("cuda", torch.float32)
        assert torch.equal(joined.vectors.cpu(), torch.cat([part.vectors.cpu().float() for part in parts]))


def test_directions_of_different_length_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="one length N"):
        Directions.join(pair(), pair(vectors=torch.eye(2)))


def test_the_gram_matrix_holds_lengths_and_angles() -> None:
    vectors = torch.tensor([[3.0, 4.0], [4.0, 3.0]])
    directions = pair(vectors=vectors)
    np.testing.assert_allclose(directions.gram, [[25, 24], [24, 25]])
    np.testing.assert_allclose(directions.norms, [5, 5])


def test_directions_come_back_from_a_file_as_they_were(tmp_path) -> None:
    original = pair(eigenvalues=np.array([2.0, np.nan]), residuals=np.array([0.1, np.nan]), seed=3, normalization="unit")
    original.save(tmp_path / "directions.npz")
    loaded = Directions.load(tmp_path / "directions.npz")
    assert torch.equal(loaded.vectors, original.vectors)
    assert (loaded.labels, loaded.seed, loaded.normalization) == (("a", "b"), 3, "unit")
    np.testing.assert_array_equal(loaded.eigenvalues, original.eigenvalues)


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    with pytest.raises(ValueError, match=r"must be a file written by Directions\.save"):
        Directions.load(tmp_path / "other.npz")


def test_directions_go_where_a_tensor_lies_and_keep_what_they_are() -> None:
    directions = pair(eigenvalues=np.array([2.0, 1.0]), seed=4)
    assert directions.beside(torch.zeros(3, dtype=torch.float64)) is directions
    moved = directions.beside(torch.zeros(3))
    assert torch.equal(moved.vectors, directions.vectors.float())
    assert (moved.labels, moved.seed, moved.eigenvalues) == (directions.labels, 4, directions.eigenvalues)


def test_directions_in_another_dtype_give_what_they_give_in_the_objectives() -> None:
    objective = cw.Objective.from_function(lambda t: (t**2).sum() + t[0] ** 3, torch.ones(3, dtype=torch.float64))
    single, double = pair(vectors=torch.eye(2, 3)), pair()
    for method in ("hvp", "difference", "fit"):
        seen, truth = (cw.project_curvature(objective, directions, method=method) for directions in (single, double))
        np.testing.assert_array_equal(seen.matrix, truth.matrix)
    planes = [cw.slice_loss(objective, directions, resolution=3) for directions in (single, double)]
    np.testing.assert_array_equal(planes[0].values, planes[1].values)


def test_directions_are_a_labelled_data_set() -> None:
    objective = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
    hessian = cw.hessian_directions(objective)
    table = hessian.to_xarray()
    assert list(table["direction"].values) == list(hessian.labels)
    np.testing.assert_array_equal(table["vector"], hessian.vectors)
    np.testing.assert_array_equal(table["eigenvalue"], hessian.eigenvalues)
    np.testing.assert_array_equal(table["norm"], hessian.norms)
    assert "eigenvalue" not in cw.random_directions(objective).to_xarray()
