"""Principal components of a trajectory, against a dense singular value decomposition."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.directions import trajectory


def bowl(n: int, dtype: torch.dtype = torch.float64) -> cw.Objective:
    generator = torch.Generator().manual_seed(1)
    theta = torch.randn(n, generator=generator, dtype=torch.float64).to(dtype)
    return cw.Objective.from_function(lambda t: (t**2).sum() + t[0], theta)


def walk(objective: cw.Objective, count: int, seed: int = 2) -> list[torch.Tensor]:
    """A random walk that ends at θ."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(count, objective.n_parameters, generator=generator, dtype=torch.float64) * 0.1
    return list((objective.theta.double() - steps.flip(0).cumsum(0).flip(0)).to(objective.dtype))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_directions_are_the_leading_singular_vectors_about_theta(count, monkeypatch) -> None:
    monkeypatch.setattr(trajectory, "_STRETCH", 7)  # several stretches, the last of another length
    objective = bowl(40)
    checkpoints = walk(objective, 9)
    found = cw.trajectory_directions(objective, checkpoints, count)
    rows = (torch.stack(checkpoints) - objective.theta).numpy()
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    vectors = found.vectors.numpy()
    np.testing.assert_allclose(np.abs(vectors @ right[:count].T), np.eye(count), atol=1e-10)
    np.testing.assert_allclose(found.gram, np.eye(count), atol=1e-12)
    shares = values**2 / (values**2).sum()
    assert found.labels == tuple(f"PCA {i + 1} ({shares[i]:.0%})".replace("%", " %") for i in range(count))
    farthest = np.abs(rows @ vectors.T).argmax(axis=0)
    assert (np.diagonal((rows @ vectors.T)[farthest]) > 0).all()


def test_in_float32_they_are_orthonormal_and_right_to_its_rounding() -> None:
    objective = bowl(5000, torch.float32)
    checkpoints = walk(objective, 6)
    found = cw.trajectory_directions(objective, checkpoints, 3)
    assert found.vectors.dtype == torch.float32
    right = torch.linalg.svd((torch.stack(checkpoints) - objective.theta).double(), full_matrices=False).Vh[:3]
    np.testing.assert_allclose((found.vectors.double() @ right.T).abs().numpy(), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(found.gram, np.eye(3), atol=1e-6)


def test_each_point_is_placed_where_the_slice_comes_nearest_to_it() -> None:
    """Against least squares, in a plane whose axes are neither orthogonal nor of length one."""
    objective = bowl(12)
    checkpoints = walk(objective, 5)
    plane = cw.random_directions(objective, seed=3)
    placed = cw.place_checkpoints(objective, plane, checkpoints)
    for index, checkpoint in enumerate(checkpoints):
        way = (checkpoint - objective.theta).numpy()
        expected, rest, *_ = np.linalg.lstsq(plane.vectors.numpy().T, way, rcond=None)
        np.testing.assert_allclose(placed.coordinates[index], expected, rtol=1e-9, atol=1e-12)
        assert placed.distances[index] == pytest.approx(float(rest[0]) ** 0.5, rel=1e-9)
        nearest = objective.theta + torch.from_numpy(expected) @ plane.vectors
        assert placed.losses[index] == pytest.approx(objective.loss(checkpoint), rel=1e-12)
        assert placed.projected_losses[index] == pytest.approx(objective.loss(nearest), rel=1e-9)
    assert (len(placed), placed.evaluations) == (5, 10)


def test_the_explained_shares_are_those_of_the_singular_values() -> None:
    objective = bowl(30)
    checkpoints = walk(objective, 8)
    directions = cw.trajectory_directions(objective, checkpoints, 3)
    placed = cw.place_checkpoints(objective, directions, checkpoints)
    values = np.linalg.svd((torch.stack(checkpoints) - objective.theta).numpy(), compute_uv=False) ** 2
    np.testing.assert_allclose(placed.explained, (values / values.sum())[:3], rtol=1e-9)
    squares = sum(float((checkpoint - objective.theta).norm()) ** 2 for checkpoint in checkpoints)
    left = float(np.square(placed.distances).sum()) / squares
    assert placed.explained.sum() + left == pytest.approx(1, rel=1e-12)


def test_checkpoints_of_a_training_come_from_files_one_at_a_time(tmp_path) -> None:
    objective = bowl(2000)
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = 0

    def read():
        nonlocal most
        for index, checkpoint in enumerate(walk(objective, 6)):
            path = tmp_path / f"{index}.pt"
            torch.save({"optimizer": checkpoint, "theta": checkpoint.clone()}, path)
        for index in range(6):
            state = torch.load(tmp_path / f"{index}.pt", weights_only=True)
            alive.update(state.values())
            gc.collect()
            most = max(most, len(alive))
            yield state["theta"]
            del state

    directions = cw.trajectory_directions(objective, walk(objective, 6))
    files = [tmp_path / f"{index}.npy" for index in range(6)]
    for path, checkpoint in zip(files, walk(objective, 6), strict=True):
        np.save(path, checkpoint.numpy())
    assert torch.equal(cw.trajectory_directions(objective, iter(files)).vectors, directions.vectors)
    placed = cw.place_checkpoints(objective, directions, read())
    assert most <= 4  # the file at hand, and the vector of the one before it that is still being let go
    np.testing.assert_array_equal(placed.coordinates, cw.place_checkpoints(objective, directions, files).coordinates)


def test_a_training_of_the_zoo_shows_its_way_down() -> None:
    from curvwidget import zoo

    training = zoo.function_approximator("cos", hidden=(10,), epochs=40, checkpoints=6)
    objective = training.objective()
    thetas = [checkpoint.theta for checkpoint in training.checkpoints]
    placed = cw.place_checkpoints(objective, cw.trajectory_directions(objective, thetas), thetas)
    np.testing.assert_allclose(placed.losses, [checkpoint.train_loss for checkpoint in training.checkpoints], rtol=1e-9)
    np.testing.assert_allclose(placed.coordinates[-1], 0, atol=1e-12)  # the last one is θ
    assert placed.projected_losses[-1] == pytest.approx(objective.loss(), rel=1e-12)
    assert 0.9 < placed.explained.sum() <= 1


def test_a_trajectory_comes_back_from_a_file_and_becomes_a_data_set(tmp_path) -> None:
    objective = bowl(10)
    checkpoints = walk(objective, 4)
    placed = cw.place_checkpoints(objective, cw.trajectory_directions(objective, checkpoints), checkpoints)
    placed.save(tmp_path / "way.npz")
    loaded = cw.Trajectory.load(tmp_path / "way.npz")
    np.testing.assert_array_equal(loaded.coordinates, placed.coordinates)
    assert torch.equal(loaded.directions.vectors, placed.directions.vectors)
    data = loaded.to_xarray()
    assert data["coordinates"].dims == ("checkpoint", "direction")
    np.testing.assert_array_equal(data["losses"], placed.losses)


def test_a_loss_that_is_no_number_on_the_way_stays_none() -> None:
    objective = cw.Objective.from_function(lambda t: t[0].log() + t[1] ** 2, torch.ones(2, dtype=torch.float64))
    plane = cw.own_directions(objective, torch.tensor([[0.0, 1.0]]))
    placed = cw.place_checkpoints(objective, plane, [torch.tensor([-1.0, 2.0])])
    assert np.isnan(placed.losses[0])
    assert placed.projected_losses[0] == pytest.approx(4)
    assert placed.distances[0] == pytest.approx(2)


def test_points_that_do_not_spread_are_refused() -> None:
    objective = bowl(5)
    there = objective.theta + 1
    with pytest.raises(ValueError, match="checkpoints must be at least count = 2, got 1"):
        cw.trajectory_directions(objective, [there])
    line = [objective.theta + step for step in (1, 2, 3)]
    with pytest.raises(ValueError, match="must spread around theta in at least count = 2 dimensions, got 1"):
        cw.trajectory_directions(objective, line)
    with pytest.raises(ValueError, match="in at least count = 1 dimensions, got 0"):
        cw.trajectory_directions(objective, [objective.theta], 1)
    with pytest.raises(TypeError, match="checkpoints must be a list of checkpoints, got a single Tensor"):
        cw.trajectory_directions(objective, there)
    with pytest.raises(ValueError, match="checkpoints must hold at least one"):
        cw.place_checkpoints(objective, cw.random_directions(objective), [])
    with pytest.raises(ValueError, match="linearly independent"):
        cw.place_checkpoints(objective, cw.own_directions(objective, torch.ones(2, 5)), [there])


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
)
def test_points_are_placed_along_directions_from_a_file(tmp_path, device) -> None:
    """Which are of the other dtype here, and on the CPU."""
    model = nn.Linear(3, 2)
    there = cw.Objective(model, nn.functional.mse_loss, (torch.ones(4, 3), torch.zeros(4, 2)), device=device)
    truth = cw.Objective(model.double(), nn.functional.mse_loss, (torch.ones(4, 3).double(), torch.zeros(4, 2).double()))
    cw.random_directions(truth).save(tmp_path / "directions.npz")
    directions = cw.Directions.load(tmp_path / "directions.npz")
    points = walk(truth, 3)
    found, expected = (cw.place_checkpoints(objective, directions, points) for objective in (there, truth))
    assert (found.directions.vectors.dtype, found.directions.vectors.device) == (there.dtype, there.device)
    for name in ("coordinates", "distances", "losses", "projected_losses"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-6)
