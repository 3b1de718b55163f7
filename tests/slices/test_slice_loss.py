"""A slice is the loss itself on a true product grid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.slices.grid import axis_levels, symmetric_axis

N = 6


def polynomial(theta: torch.Tensor) -> torch.Tensor:
    return (theta**3).sum() + 2 * theta[0] * theta[1] + theta[2] ** 2 + 1


@pytest.fixture
def objective() -> cw.Objective:
    return cw.Objective.from_function(polynomial, torch.linspace(-1, 1, N, dtype=torch.float64))


@pytest.mark.parametrize(("count", "resolution"), [(1, 7), (2, 9), (2, (5, 11)), (3, 5)])
def test_each_value_is_the_loss_at_its_point(objective, count, resolution) -> None:
    directions = cw.random_directions(objective, count, seed=2)
    plane = cw.slice_loss(objective, directions, span=0.3, resolution=resolution)
    shape = (resolution,) * count if isinstance(resolution, int) else resolution
    assert plane.values.shape == shape
    assert plane.values.dtype == np.float64
    theta = objective.theta
    for point in np.ndindex(shape):
        offset = sum(axis[i] * v for axis, i, v in zip(plane.axes, point, directions.vectors, strict=True))
        assert plane.values[point] == pytest.approx(float(polynomial(theta + offset)), rel=1e-12, abs=1e-12)
    assert plane.evaluations == plane.values.size
    assert plane.error == 0
    assert plane.progress == 1


def test_every_evaluation_is_at_a_point_of_the_product_grid(objective) -> None:
    """Trap 6: the offset of every single evaluation is recorded, and solved for its coordinates."""
    offsets: list[np.ndarray] = []
    theta = objective.theta

    def recorded(point: torch.Tensor) -> torch.Tensor:
        offsets.append((point.detach() - theta).numpy())
        return polynomial(point)

    spied = cw.Objective.from_function(recorded, theta)
    directions = cw.random_directions(spied, 3, seed=2)
    offsets.clear()
    cube = cw.slice_loss(spied, directions, span=(0.1, 0.2, 0.4), resolution=(3, 5, 7))
    coordinates = np.linalg.lstsq(directions.vectors.numpy().T, np.stack(offsets).T, rcond=None)[0].T
    np.testing.assert_allclose(coordinates @ directions.vectors.numpy(), offsets, atol=1e-14)  # nothing off the slice
    axes = [np.linspace(-span, span, number) for span, number in zip((0.1, 0.2, 0.4), (3, 5, 7), strict=True)]
    expected = {tuple(np.round(point, 9) + 0.0) for point in np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)}
    seen = [tuple(np.round(point, 9) + 0.0) for point in coordinates]
    assert len(seen) == len(set(seen)) == cube.values.size - 1
    assert set(seen) == expected - {(0.0, 0.0, 0.0)}  # the centre is L(θ), known before


def test_one_point_at_a_time_and_blocks_of_points_agree_to_the_last_bit(objective, monkeypatch) -> None:
    """Trap 6: batched and sequential paths."""
    from curvwidget.slices import known_losses

    directions = cw.random_directions(objective, seed=1)
    together = cw.slice_loss(objective, directions, span=0.5, resolution=11)
    monkeypatch.setattr(known_losses, "_MOST_POINTS", 1)
    single = cw.slice_loss(objective, directions, span=0.5, resolution=11)
    np.testing.assert_array_equal(together.values, single.values)
    for point in [(0, 0), (5, 5), (10, 3)]:
        theta = objective.theta
        for axis, index, vector in zip(single.axes, point, directions.vectors, strict=True):
            theta.add_(vector, alpha=float(axis[index]))
        assert objective.loss(theta) == single.values[point]


def test_a_slice_in_three_dimensions_is_the_closed_form() -> None:
    """L = x² − 2y² + 3z² + xyz over the axes themselves, from coarse to fine with an exact centre."""
    theta = torch.zeros(5, dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: t[0] ** 2 - 2 * t[1] ** 2 + 3 * t[2] ** 2 + t[0] * t[1] * t[2], theta)
    axes = cw.own_directions(objective, torch.eye(5, dtype=torch.float64)[:3])
    snapshots = list(cw.stream_slice(objective, axes, span=(1.0, 2.0, 0.5), resolution=(9, 5, 7)))
    whole = snapshots[-1]
    assert (whole.values.shape, whole.evaluations, whole.progress) == ((9, 5, 7), 9 * 5 * 7, 1)
    assert snapshots[0].values.shape == (3, 3, 3)
    assert whole.span == (1.0, 2.0, 0.5)
    for snapshot in snapshots:
        x, y, z = np.meshgrid(*snapshot.axes, indexing="ij")
        np.testing.assert_allclose(snapshot.values, x**2 - 2 * y**2 + 3 * z**2 + x * y * z, atol=1e-15)
        assert snapshot.center == 0
    assert whole.to_xarray().dims == ("axis_1", "axis_2", "axis_3")


def test_axes_are_exactly_symmetric_with_their_ends_and_an_exact_centre(objective) -> None:
    """Trap 6: ends included, the centre exact and L(θ) itself."""
    plane = cw.slice_loss(objective, cw.random_directions(objective), span=(0.1, 0.7), resolution=41)
    for axis, span in zip(plane.axes, (0.1, 0.7), strict=True):
        np.testing.assert_array_equal(axis, -axis[::-1])
        assert (axis[0], axis[20], axis[-1]) == (-span, 0.0, span)
        np.testing.assert_allclose(np.diff(axis), span / 20, rtol=1e-12)
    assert plane.span == (0.1, 0.7)
    assert plane.values[20, 20] == objective.loss()
    assert plane.center == objective.loss()


@pytest.mark.parametrize("resolution", range(3, 104, 2))
def test_levels_are_nested_hold_ends_and_centre_and_reach_the_whole_axis(resolution) -> None:
    levels = axis_levels(resolution)
    assert levels[0].tolist() == [0, resolution // 2, resolution - 1]
    assert levels[-1].tolist() == list(range(resolution))
    for coarse, fine in pairwise(levels):
        assert set(coarse) < set(fine)
        assert (fine + fine[::-1] == resolution - 1).all()


def test_finer_grids_reuse_the_points_that_coarser_ones_had() -> None:
    seen: list[bytes] = []

    def spy(theta: torch.Tensor) -> torch.Tensor:
        seen.append(theta.detach().numpy().tobytes())
        return (theta**2).sum()

    objective = cw.Objective.from_function(spy, torch.zeros(3, dtype=torch.float64))
    seen.clear()
    snapshots = list(cw.stream_slice(objective, cw.random_directions(objective), span=1.0, resolution=21))
    assert len(seen) == 21 * 21 - 1  # the centre was known when the objective was built
    assert len(set(seen)) == len(seen)
    sizes = [snapshot.values.shape for snapshot in snapshots]
    assert sizes[0] == (3, 3)
    assert sizes[-1] == (21, 21)
    assert sizes == sorted(sizes)


def test_every_snapshot_is_valid_on_its_own_and_progress_only_grows(objective) -> None:
    directions = cw.random_directions(objective, seed=1)
    whole = cw.slice_loss(objective, directions, span=0.5, resolution=21)
    table = {(a, b): whole.values[i, j] for i, a in enumerate(whole.axes[0]) for j, b in enumerate(whole.axes[1])}
    last_progress = 0.0
    for snapshot in cw.stream_slice(objective, directions, span=0.5, resolution=21):
        for i, a in enumerate(snapshot.axes[0]):
            for j, b in enumerate(snapshot.axes[1]):
                assert snapshot.values[i, j] == table[a, b]
        assert snapshot.progress >= last_progress
        last_progress = snapshot.progress
    assert last_progress == 1


def test_two_runs_agree_to_the_last_bit(objective) -> None:
    directions = cw.random_directions(objective, seed=1)
    first = cw.slice_loss(objective, directions, span=0.5, resolution=21)
    second = cw.slice_loss(objective, directions, span=0.5, resolution=21)
    np.testing.assert_array_equal(first.values, second.values)


def test_nan_and_inf_stay_what_they_are(tmp_path) -> None:
    """Trap 7: in the data, in a file and in the labelled array."""
    objective = cw.Objective.from_function(lambda t: torch.log(t[0]) + t[1] ** 2, torch.tensor([1.0, 0.0], dtype=torch.float64))
    axes = cw.own_directions(objective, torch.eye(2))
    plane = cw.slice_loss(objective, axes, span=2.0, resolution=5)
    plane.save(tmp_path / "plane.npz")
    for values in (plane.values, cw.LossSlice.load(tmp_path / "plane.npz").values, plane.to_xarray().values):
        assert np.isnan(values[0]).all()  # log of −1
        assert np.isneginf(values[1]).all()  # log of 0
        assert np.isfinite(values[2:]).all()


def test_auto_span_shows_a_change_of_the_loss_by_a_tenth() -> None:
    curvatures = torch.tensor([100.0, -0.05], dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: 2 + 0.5 * (curvatures * t**2).sum(), torch.zeros(2, dtype=torch.float64))
    axes = cw.own_directions(objective, torch.eye(2, dtype=torch.float64))
    span = cw.slice_loss(objective, axes, resolution=3).span
    assert span[0] == pytest.approx((2 * 0.2 / 100) ** 0.5, rel=0.05)
    assert span[1] == pytest.approx(0.5, rel=0.05)  # (2·0.2/0.05)^½ = 2.8 is farther than half of max(‖θ‖, 1)


def test_auto_span_scales_with_the_length_of_the_direction() -> None:
    objective = cw.Objective.from_function(lambda t: 1 + (t**2).sum(), torch.zeros(2, dtype=torch.float64))
    short = cw.own_directions(objective, torch.eye(2, dtype=torch.float64)[:1] * 0.01)
    long = cw.own_directions(objective, torch.eye(2, dtype=torch.float64)[:1] * 100)
    assert cw.slice_loss(objective, short, resolution=3).span[0] == pytest.approx(
        1e4 * cw.slice_loss(objective, long, resolution=3).span[0], rel=1e-9
    )


def test_auto_span_with_neither_slope_nor_curvature_is_finite() -> None:
    objective = cw.Objective.from_function(lambda t: 1 + t[0] ** 2 + 0 * t[1], torch.zeros(2, dtype=torch.float64))
    assert cw.slice_loss(objective, cw.own_directions(objective, torch.eye(2)), resolution=3).span[1] == 0.5


def test_auto_span_stops_before_a_wall_that_the_curvature_does_not_tell_of() -> None:
    # At θ the first axis bends by 0.02, which would reach to ½; but from 0.1 on it is a wall, and from 0.01 on the second is NaN.
    def loss(t: torch.Tensor) -> torch.Tensor:
        return 1 + 0.01 * t[0] ** 2 + 1e6 * torch.relu(t[0].abs() - 0.1) ** 3 + 0 * torch.log(0.01 - t[1]) + 0.01 * t[1] ** 2

    objective = cw.Objective.from_function(loss, torch.zeros(2, dtype=torch.float64))
    plane = cw.slice_loss(objective, cw.own_directions(objective, torch.eye(2)), resolution=3)
    assert plane.span[0] == pytest.approx(0.5 / 2**3, rel=0.05)  # at 0.125 the wall adds 16, at 0.0625 nothing yet
    assert plane.span[1] == pytest.approx(0.5 / 2**6, rel=0.05)
    assert np.isfinite(plane.values).all()


def test_a_symmetric_axis_is_exact_for_awkward_spans() -> None:
    axis = symmetric_axis(0.1 + 0.2, 7)
    assert axis[-1] == 0.1 + 0.2
    assert (axis == -axis[::-1]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"span": 0}, "span must be positive, got 0"),
        ({"span": -1.0}, r"span must be positive, got -1\.0"),
        ({"span": float("nan")}, "span must be finite, got nan"),
        ({"span": (1.0,)}, "span must be one number or 2, one an axis, got 1"),
        ({"span": "wide"}, "span must be 'auto', a number or one number an axis, got 'wide'"),
        ({"resolution": 40}, "resolution must be odd, so that the exact centre is a point of the grid, got 40"),
        ({"resolution": 1}, "resolution must be at least 3, got 1"),
        ({"resolution": (5, 5, 5)}, "resolution must be one number or 2"),
    ],
)
def test_bad_options_are_refused_by_name_at_once(objective, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        cw.stream_slice(objective, cw.random_directions(objective), **options)


def test_directions_of_the_wrong_length_or_number_are_refused(objective) -> None:
    other = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(4))
    with pytest.raises(ValueError, match="directions must have length N = 6, got 4"):
        cw.slice_loss(objective, cw.random_directions(other))
    with pytest.raises(ValueError, match="directions must be one, two or three, got 4"):
        cw.slice_loss(objective, cw.random_directions(objective, 4))


def test_a_slice_comes_back_from_a_file_and_becomes_a_labelled_array(objective, tmp_path) -> None:
    plane = cw.slice_loss(objective, cw.random_directions(objective), span=0.2, resolution=5)
    plane.save(tmp_path / "plane.npz")
    loaded = cw.LossSlice.load(tmp_path / "plane.npz")
    np.testing.assert_array_equal(loaded.values, plane.values)
    assert torch.equal(loaded.directions.vectors, plane.directions.vectors)
    array = loaded.to_xarray()
    assert array.sel(axis_1=0.0, axis_2=0.2).item() == plane.values[2, 4]
    assert array.axis_1.attrs["long_name"] == plane.directions.labels[0]
    assert array.axis_2.attrs["units"] == f"steps of length {plane.directions.norms[1]:.3g}"
    assert (array.attrs["evaluations"], array.attrs["error"]) == (25, 0.0)
    for name in ("evaluations", "error", "progress"):
        assert getattr(loaded, name) == getattr(plane, name)


def test_the_centre_is_that_of_data_that_were_written_to() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(8, 5).double(), torch.arange(8) % 3
    objective = cw.Objective(nn.Linear(5, 3).double(), nn.functional.cross_entropy, (x, y))
    directions = cw.random_directions(objective, 1)
    objective.gradient()
    x.mul_(3.0)
    plane = cw.slice_loss(objective, directions, span=1e-6, resolution=5)
    np.testing.assert_allclose(plane.values, plane.values[0], rtol=1e-5)
    assert float(objective.loss()) == plane.center
    slope = objective.gradient() @ directions.vectors[0]
    assert (plane.values[-1] - plane.values[0]) / 2e-6 == pytest.approx(float(slope), rel=1e-4)


def test_a_span_that_is_no_number_of_its_dtype_is_refused() -> None:
    objective = cw.Objective(nn.Linear(5, 3), nn.functional.cross_entropy, (torch.randn(8, 5), torch.arange(8) % 3))
    with pytest.raises(ValueError, match=r"coordinates must be numbers of torch.float32, at most 3.4e\+38, got 1e\+39"):
        cw.slice_loss(objective, cw.random_directions(objective, 1), span=1e39, resolution=5)
    with pytest.raises(TypeError, match="directions must be of class Directions, got a Tensor"):
        cw.slice_loss(objective, torch.ones(1, 18))
