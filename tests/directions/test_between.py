"""Directions to other points hit them, whatever form the points come in."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.directions import read_checkpoint


def points(count: int, n: int = 6, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, generator=generator, dtype=torch.float64) for _ in range(count)]


def wave(theta: torch.Tensor) -> torch.Tensor:
    return theta.sin().sum() + (theta[:-1] * theta[1:]).sum()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_coordinate_one_on_each_axis_is_the_point_itself(count) -> None:
    theta, *others = points(count + 1)
    objective = cw.Objective.from_function(wave, theta)
    directions = cw.directions_between(objective, *others)
    grid = cw.slice_loss(objective, directions, span=1.0, resolution=3)
    for axis, other in enumerate(others):
        corner = tuple(2 if index == axis else 1 for index in range(count))
        assert grid.values[corner] == pytest.approx(float(wave(other)), rel=1e-12)
    assert grid.center == pytest.approx(float(wave(theta)), rel=1e-12)
    assert len(set(directions.labels)) == count


def test_orthogonal_directions_put_the_second_point_where_it_is_said_to_be() -> None:
    theta, first, second, third = points(4)
    objective = cw.Objective.from_function(wave, theta)
    way, towards = first - theta, second - theta
    directions = cw.directions_between(objective, first, second, third, orthogonalize=True)
    cosines = directions.gram / np.outer(directions.norms, directions.norms)
    np.testing.assert_allclose(cosines, np.eye(3), atol=1e-14)
    assert torch.equal(directions.vectors[0], way)
    q = float(towards @ way / (way @ way))
    torch.testing.assert_close(theta + q * directions.vectors[0] + directions.vectors[1], second, rtol=1e-12, atol=1e-12)
    placed = cw.place_checkpoints(objective, directions, [first, second, third])
    np.testing.assert_allclose(placed.coordinates[:2], [[1, 0, 0], [q, 1, 0]], atol=1e-12)
    assert placed.coordinates[2, 2] == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(placed.distances, 0, atol=1e-12)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@pytest.fixture
def trained() -> tuple[cw.Objective, nn.Module, torch.Tensor]:
    torch.manual_seed(3)
    here, there = Small(), Small()
    objective = cw.Objective(here, nn.functional.mse_loss, (torch.randn(8, 3), torch.randn(8, 2)))
    return objective, there, torch.cat([parameter.detach().flatten() for parameter in there.parameters()])


def test_models_state_dicts_and_files_give_the_same_point(trained, tmp_path) -> None:
    objective, model, theta = trained
    state = model.state_dict()
    torch.save(state, tmp_path / "state.pt")
    torch.save({"epoch": 7, "model_state_dict": state}, tmp_path / "training.pth")
    torch.save(theta, tmp_path / "theta.pt")
    np.save(tmp_path / "theta.npy", theta.numpy())
    np.savez(tmp_path / "theta.npz", theta=theta.numpy())
    np.savez(tmp_path / "state.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    files = [str(path) if index % 2 else path for index, path in enumerate(sorted(tmp_path.iterdir()))]
    assert len(files) == 6
    for form in (theta, theta.double(), model, state, {"state_dict": state}, *files):
        assert torch.equal(read_checkpoint(objective, form), theta), form


def test_a_point_is_a_copy_and_the_users_model_stays_as_it_was(trained) -> None:
    objective, model, theta = trained
    before = copy.deepcopy(model.state_dict())
    read_checkpoint(objective, model).zero_()
    read_checkpoint(objective, theta).zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert float(theta.norm()) > 0
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_only_the_parameters_looked_at_are_taken() -> None:
    torch.manual_seed(0)
    here, there = Small(), Small()
    data = (torch.randn(8, 3), torch.randn(8, 2))
    objective = cw.Objective(here, nn.functional.mse_loss, data, parameters="body.3.*")
    assert torch.equal(read_checkpoint(objective, there), there.body[3].weight.detach().flatten())


def test_a_tied_tensor_is_found_under_either_name() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x).tanh())

    here, there = Tied(), Tied()
    objective = cw.Objective(here, nn.functional.mse_loss, (torch.randn(4, 3), torch.randn(4, 3)))
    for form in (there, there.state_dict()):
        assert torch.equal(read_checkpoint(objective, form), there.first.weight.detach().flatten())


class Trap:
    """Unpickling it would leave a mark."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
def test_nothing_in_a_file_is_unpickled(trained, tmp_path, suffix) -> None:
    objective, *_ = trained
    path = tmp_path / f"trap{suffix}"
    array = np.array([Trap()], dtype=object)
    if suffix == ".pt":
        torch.save({"state_dict": Trap()}, path)
    elif suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, theta=array)
    with pytest.raises(ValueError, match=r"checkpoint '.*trap.*' must .*not unpickled"):
        read_checkpoint(objective, path)


def test_a_bare_pickle_is_refused_too(trained, tmp_path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ValueError, match=r"save model\.state_dict"):
        read_checkpoint(trained[0], tmp_path / "model.pkl")


def test_what_is_no_checkpoint_of_this_model_is_refused_by_name(trained, tmp_path) -> None:
    objective, model, theta = trained
    state = dict(model.state_dict())
    with pytest.raises(ValueError, match=r"checkpoint must hold the parameter 'body\.0\.weight', got module\.body"):
        read_checkpoint(objective, {f"module.{name}": tensor for name, tensor in state.items()})
    with pytest.raises(ValueError, match=r"body\.0\.bias must have shape \(4,\), got \(5,\)"):
        read_checkpoint(objective, state | {"body.0.bias": torch.zeros(5)})
    with pytest.raises(TypeError, match=r"body\.0\.bias must be a floating-point tensor, got torch\.int64"):
        read_checkpoint(objective, state | {"body.0.bias": torch.zeros(4, dtype=torch.int64)})
    with pytest.raises(ValueError, match=r"checkpoint must have shape \(N,\) with N = 32, got \(5,\)"):
        read_checkpoint(objective, theta[:5])
    with pytest.raises(ValueError, match="checkpoint must be finite, got NaN or inf"):
        read_checkpoint(objective, theta / 0)
    with pytest.raises(TypeError, match=r"checkpoint must be a vector .* got int"):
        read_checkpoint(objective, 3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        read_checkpoint(objective, tmp_path / "nowhere.pt")


def test_points_that_span_no_slice_are_refused(trained) -> None:
    objective, model, theta = trained
    with pytest.raises(ValueError, match="checkpoints must be one, two or three, got 0"):
        cw.directions_between(objective)
    with pytest.raises(ValueError, match="checkpoint 1 must be another point than theta"):
        cw.directions_between(objective, objective.theta)
    between = 0.5 * (theta + objective.theta)
    with pytest.raises(ValueError, match="checkpoint 2 must not lie in the slice through theta and that before"):
        cw.directions_between(objective, model, between)
