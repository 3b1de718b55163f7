"""A slice with a tolerance says how far off it is, and does not say so of what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import curvwidget as cw
from curvwidget import zoo
from curvwidget.slices import adaptive
from curvwidget.slices.check_points import CheckPoints
from curvwidget.slices.known_losses import KnownLosses
from tests.cases import CASES, Case

Function = Callable[[Tensor, Tensor], Tensor]
TENTH = 168  # of 41 × 41


def bowl(x: Tensor, y: Tensor) -> Tensor:
    return 0.8 * x**2 + 0.3 * y**2 + 0.2 * x * y


def slanted(x: Tensor, y: Tensor) -> Tensor:
    return 0.8 * x + 0.6 * y


def gaussian(x: Tensor, y: Tensor, at: tuple[float, float], width: float) -> Tensor:
    return torch.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * width**2))


HUGE = torch.tensor(1e200, dtype=torch.float64)
ANGLES = torch.arange(200, dtype=torch.float64)[:, None]
DIRECTIONS, OFFSETS = torch.cat([ANGLES.cos(), ANGLES.sin()], dim=1), torch.cos(7 * ANGLES)

# On [−1, 1]²; those that polynomials take, …
SMOOTH: dict[str, Function] = {
    "bowl": bowl,
    "waves": lambda x, y: torch.cos(4 * slanted(x, y) + 1) + torch.sin(3 * x - y),
    "one axis is hard": lambda x, y: torch.cos(12 * x) + 0.5 * y**2,
    "products alone": lambda x, y: x**2 * y**2 * (1 + x),
    "wide dip": lambda x, y: bowl(x, y) - gaussian(x, y, (0.3, -0.4), 0.4),
    "steep corner": lambda x, y: bowl(x, y) + torch.exp(4 * slanted(x, y)),
    "vanishes at the first points": lambda x, y: bowl(x, y) + torch.sin(torch.pi * x) * torch.sin(torch.pi * y),
}
# … and those that they do not.
ROUGH: dict[str, Function] = {
    "kink": lambda x, y: (slanted(x, y) - 0.13).abs() + 0.1 * y**2,
    "kink at the centre": lambda x, y: x.abs() + y.abs(),
    "kink along an axis": lambda x, y: (x - 0.27).abs() + 0.3 * y**2,
    "many kinks": lambda x, y: (DIRECTIONS @ torch.stack([x, y]).reshape(2, -1) + OFFSETS).relu().sum(dim=0).reshape(x.shape),
    "step": lambda x, y: bowl(x, y) + 0.5 * (slanted(x, y) > 0.4),
    "small step": lambda x, y: bowl(x, y) + 0.05 * (slanted(x, y) > -0.2),
    "wall": lambda x, y: bowl(x, y) + 50 * torch.relu(slanted(x, y) - 0.7),
    "wall in a corner": lambda x, y: bowl(x, y) + 50 * torch.relu(x + y - 1.4),
    "exp(30x)": lambda x, y: bowl(x, y) + torch.exp(30 * x),
    "exp(30x), slanted": lambda x, y: bowl(x, y) + torch.exp(30 * slanted(x, y)),
    "sharp minimum at the centre": lambda x, y: bowl(x, y) - gaussian(x, y, (0.0, 0.0), 0.02),
    "narrow dip": lambda x, y: bowl(x, y) - gaussian(x, y, (0.47, -0.36), 0.1),
    "shallow dip": lambda x, y: bowl(x, y) - 0.1 * gaussian(x, y, (-0.62, 0.71), 0.1),
    "ripples": lambda x, y: torch.cos(25 * slanted(x, y)),
    "pole nearby": lambda x, y: 1 / ((x - 0.3) ** 2 + (y + 0.2) ** 2 + 0.01),
}


def objective_of(function: Function, dtype: torch.dtype = torch.float64) -> tuple[cw.Objective, cw.Directions]:
    objective = cw.Objective.from_function(lambda t: function(t[0], t[1]), torch.zeros(2, dtype=dtype))
    return objective, cw.own_directions(objective, torch.eye(2, dtype=dtype))


def truth_of(function: Function, plane: cw.LossSlice) -> np.ndarray:
    """The function on the whole grid at once, which shares nothing with how the slice was made."""
    x, y = torch.meshgrid(*(torch.from_numpy(axis) for axis in plane.axes), indexing="ij")
    return function(x, y).numpy()


def assert_honest(plane: cw.LossSlice, truth: np.ndarray, tolerance: float, rounding: float = 1e-12) -> None:
    size = np.abs(truth).max()
    np.testing.assert_allclose(plane.values, truth, rtol=0, atol=plane.error + rounding * size)
    assert plane.error <= tolerance * np.ptp(truth)
    assert plane.exact == (plane.error == 0) == (plane.evaluations == plane.values.size)
    assert plane.progress == 1
    # what was evaluated is exact
    assert (np.abs(plane.values - truth) <= rounding * size).sum() >= plane.evaluations


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("tolerance", [0.01, 0.001])
def test_a_smooth_surface_is_within_the_tolerance(name, tolerance) -> None:
    objective, axes = objective_of(SMOOTH[name])
    plane = cw.slice_loss(objective, axes, span=1.0, tolerance=tolerance)
    assert plane.values.shape == (41, 41)
    assert_honest(plane, truth_of(SMOOTH[name], plane), tolerance)
    if tolerance == 0.01:
        assert not plane.exact
        assert plane.evaluations <= TENTH


@pytest.mark.parametrize("name", ROUGH)
def test_a_rough_surface_is_within_the_tolerance_or_the_grid(name) -> None:
    objective, axes = objective_of(ROUGH[name])
    plane = cw.slice_loss(objective, axes, span=1.0, resolution=31, tolerance=0.01)
    assert_honest(plane, truth_of(ROUGH[name], plane), 0.01)


def wild(kind: int, random: np.random.Generator) -> Function:
    """A bowl or saddle with something on it that a few points may not show."""
    a, b, c, d = random.uniform([0.1, -0.5, -0.4, -0.5], [1, 1, 0.4, 0.5])
    angle, size, level, at = (
        random.uniform(0, 2 * np.pi),
        random.uniform(0.05, 1),
        random.uniform(-0.9, 0.9),
        random.uniform(-1, 1, 2),
    )
    rate, width, phase = random.uniform(2, 25), random.uniform(0.05, 0.4), random.uniform(0, 6)
    weights, offsets, heights = random.normal(size=(20, 2)) * 2, random.normal(size=20), random.normal(size=20)

    def function(x: Tensor, y: Tensor) -> Tensor:
        along = np.cos(angle) * x + np.sin(angle) * y
        units = (weights[row, 0] * x + weights[row, 1] * y + offsets[row] for row in range(20))
        extra = (
            lambda: size * (along - level).abs(),
            lambda: size * (along > level),
            lambda: -size * gaussian(x, y, tuple(at), width),
            lambda: 20 * size * torch.relu(along - level - 0.4),
            lambda: size * torch.cos(rate * along + phase),
            lambda: size * torch.exp(rate * (along - 1)),
            lambda: sum((height * torch.tanh(unit) for height, unit in zip(heights, units, strict=True)), 0 * x),
            lambda: 0.1 * size / ((x - at[0]) ** 2 + (y - at[1]) ** 2 + 0.3 * width),
        )
        return a * x**2 + b * y**2 + c * x * y + d * x + extra[kind]()

    return function


@pytest.mark.parametrize("kind", range(8))
def test_wild_surfaces_are_not_believed_to_be_better_than_they_are(kind) -> None:
    for seed in range(12):
        function = wild(kind, np.random.default_rng([kind, seed]))
        objective, axes = objective_of(function)
        plane = cw.slice_loss(objective, axes, span=1.0, resolution=31, tolerance=0.01)
        assert_honest(plane, truth_of(function, plane), 0.01)


@pytest.mark.parametrize("shape", [(31, 31), (41, 41), (101, 61), (9, 13, 11)])
def test_what_is_checked_leaves_no_wide_gap(shape) -> None:
    """No point farther than a sixth of the half-width from one that is known, or about three steps of a coarse grid."""
    random = np.random.default_rng(0)
    losses = KnownLosses(objective_of(bowl)[0].along(torch.eye(2)), [np.linspace(-2, 2, number) for number in shape], 0.0)
    losses.known[random.random(shape) < 0.01] = True
    for point in CheckPoints(losses).far():
        losses.known[point] = True
    near = [max(1 / 6, 3.2 * 2 / (number - 1)) for number in shape]
    places = np.stack(
        np.meshgrid(*(np.linspace(-1, 1, number) / reach for number, reach in zip(shape, near, strict=True)), indexing="ij"), -1
    )
    known = places[losses.known]
    gaps = np.array([np.linalg.norm(known - place, axis=1).min() for place in places.reshape(-1, len(shape))])
    assert gaps.max() < 1 + 1e-6
    assert losses.count < 0.15 * losses.known.size  # and not by knowing everything


@pytest.mark.parametrize("name", zoo.CLASSICAL)
def test_classical_functions_in_their_plane(name) -> None:
    hidden = zoo.lift_function(name, n_parameters=30)
    plane = cw.slice_loss(
        (objective := hidden.objective()), cw.own_directions(objective, hidden.plane), span=2.0, resolution=31, tolerance=0.01
    )
    x0, y0 = hidden.base.start
    assert_honest(plane, truth_of(lambda x, y: hidden.base.function(x + x0, y + y0), plane), 0.01, rounding=1e-9)


@pytest.mark.parametrize("case", [case for case in CASES if case.smooth], ids=str)
def test_every_smooth_case_along_random_directions(case: Case) -> None:
    objective = case.build().objective()
    directions = cw.random_directions(objective, seed=3)
    plane = cw.slice_loss(objective, directions, span=0.1, tolerance=0.01)
    assert not plane.exact
    assert plane.error <= 0.01 * np.ptp(plane.values)
    assert_right_at_some_points(objective, plane)


def assert_right_at_some_points(objective: cw.Objective, plane: cw.LossSlice) -> None:
    points = np.random.default_rng(0).integers(41, size=(60, 2))
    first, second = plane.axes
    truth = objective.along(plane.directions.vectors).at(np.stack([first[points[:, 0]], second[points[:, 1]]], axis=1))
    assert np.abs(plane.values[tuple(points.T)] - truth).max() <= plane.error


@cache
def digits(activation: str) -> cw.Objective:
    return zoo.digits_classifier("mlp", activation=activation, epochs=5, checkpoints=2).objective()


@pytest.mark.parametrize(("activation", "axes"), [("tanh", "hessian"), ("relu", "random")])
def test_a_picture_of_a_classifier_costs_a_tenth(activation, axes) -> None:
    objective = digits(activation)
    directions = cw.hessian_directions(objective, tol=0.05) if axes == "hessian" else cw.random_directions(objective, seed=1)
    plane = cw.slice_loss(objective, directions, tolerance=0.01)
    assert not plane.exact
    assert plane.evaluations <= TENTH
    assert plane.error <= 0.01 * np.ptp(plane.values)
    assert plane.center == objective.loss()
    assert_right_at_some_points(objective, plane)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    angle=st.floats(0, np.pi),
    frequency=st.floats(0.1, 8),
    shift=st.integers(-100, 100).map(lambda number: number / 100),
    width=st.floats(0.15, 1),
    span=st.floats(1e-3, 1e3),
    tolerance=st.sampled_from([0.003, 0.01, 0.05]),
)
def test_waves_and_dips_of_any_kind(angle, frequency, shift, width, span, tolerance) -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        along = np.cos(angle) * x + np.sin(angle) * y
        return torch.cos(frequency * along / span + shift) - gaussian(x / span, y / span, (shift, -shift / 2), width)

    objective, axes = objective_of(function)
    plane = cw.slice_loss(objective, axes, span=span, resolution=31, tolerance=tolerance)
    assert_honest(plane, truth_of(function, plane), tolerance)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: torch.log(slanted(x, y) + 0.7),
        lambda x, y: torch.where(x > 0.9, torch.inf, bowl(x, y)),
        lambda x, y: torch.where((x - 0.45) ** 2 + (y + 0.3) ** 2 < 0.2**2, torch.nan, bowl(x, y)),
        lambda x, y: bowl(x, y) * torch.where(slanted(x, y) > 1.2, HUGE, HUGE**0),
    ],
    ids=["NaN beyond a line", "inf beyond a line", "NaN in a disc", "beyond what can be squared"],
)
def test_where_there_is_no_number_each_point_is_evaluated(function) -> None:
    objective, axes = objective_of(function)
    snapshots = list(cw.stream_slice(objective, axes, span=1.0, resolution=31, tolerance=0.01))
    whole = cw.slice_loss(objective, axes, span=1.0, resolution=31)
    np.testing.assert_array_equal(snapshots[-1].values, whole.values)
    assert snapshots[-1].exact
    assert snapshots[-1].evaluations == whole.evaluations == 31 * 31
    assert all(before.progress <= after.progress for before, after in pairwise(snapshots))
    # once one is seen, nothing interpolated is shown again
    shown = [snapshot.exact for snapshot in snapshots]
    assert shown == sorted(shown)


@pytest.mark.filterwarnings("ignore:the gradient that autograd gives is not the slope")  # nor is there one in noise
@pytest.mark.parametrize("scale", [1e-8, 3e-6])
def test_rounding_noise_is_not_interpolated(scale) -> None:
    """A flat float32 loss: its range is a few of its own spacings, or a few hundred of them with noise of many."""
    objective, axes = objective_of(lambda x, y: 1 + scale * (x + torch.sin(1e4 * (3 * x + 7 * y))), torch.float32)
    plane = cw.slice_loss(objective, axes, span=1.0, resolution=31, tolerance=0.01)
    assert plane.exact
    np.testing.assert_array_equal(plane.values, cw.slice_loss(objective, axes, span=1.0, resolution=31).values)


def test_a_constant_loss_is_evaluated_and_not_called_interpolated() -> None:
    for value in (0.0, 3.0):
        objective, axes = objective_of(lambda x, y, value=value: value + 0 * x * y)
        assert cw.slice_loss(objective, axes, span=1.0, tolerance=0.01).exact


def test_snapshots_come_early_on_the_whole_grid_and_get_better() -> None:
    objective, axes = objective_of(SMOOTH["wide dip"])
    snapshots = list(cw.stream_slice(objective, axes, span=1.0, tolerance=0.01))
    first, last = snapshots[0], snapshots[-1]
    assert first.evaluations <= 25
    assert 0 <= first.progress < 1
    truth = truth_of(SMOOTH["wide dip"], last)
    for before, after in pairwise(snapshots):
        assert before.progress <= after.progress <= 1
        assert before.evaluations <= after.evaluations
    for snapshot in snapshots:
        assert snapshot.values.shape == (41, 41)
        assert snapshot.center == objective.loss()
        assert not snapshot.exact
        assert np.abs(snapshot.values - truth).max() <= snapshot.error
    assert last.error < 0.05 * first.error
    assert [snapshot.progress == 1 for snapshot in snapshots] == [False] * (len(snapshots) - 1) + [True]


def test_no_more_pictures_are_made_than_anybody_could_see(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, axes = objective_of(SMOOTH["wide dip"])
    errors = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(adaptive, "STEP_SECONDS", seconds)
        errors.append([snapshot.error for snapshot in cw.stream_slice(objective, axes, span=1.0, tolerance=0.01)])
    every, first_and_last = (list(dict.fromkeys(each)) for each in errors)
    assert len(every) > 3
    assert first_and_last == [every[0], every[-1]]


def test_what_was_evaluated_before_the_grid_is_not_evaluated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive, "STEP_SECONDS", 0.0)
    seen: list[bytes] = []

    def spy(theta: Tensor) -> Tensor:
        seen.append(theta.detach().numpy().tobytes())
        return (theta - 0.1).abs().sum() + 0.2 * torch.sin(300 * theta[0]) * torch.cos(200 * theta[1])

    objective = cw.Objective.from_function(spy, torch.zeros(2, dtype=torch.float64))
    seen.clear()
    snapshots = list(cw.stream_slice(objective, cw.own_directions(objective, torch.eye(2)), span=1.0, tolerance=0.01))
    assert len(seen) == len(set(seen)) == 41 * 41 - 1  # the centre was known when the objective was built
    assert snapshots[-1].exact
    interpolated = [snapshot for snapshot in snapshots if not snapshot.exact]
    assert interpolated[-1].progress > interpolated[0].progress
    assert all(before.progress <= after.progress for before, after in pairwise(snapshots))
    # no picture of the grid is coarser than what was shown before it
    made_from: dict[int, int] = {}
    for snapshot in interpolated:  # a picture comes again while more is evaluated
        made_from.setdefault(id(snapshot.values), snapshot.evaluations)
    sizes = [snapshot.values.size for snapshot in snapshots if snapshot.exact]
    assert sizes[0] >= max(made_from.values())


def test_two_runs_agree_to_the_last_bit() -> None:
    objective, axes = objective_of(SMOOTH["waves"])
    first, second = (list(cw.stream_slice(objective, axes, span=1.0, tolerance=0.01))[-1] for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    assert (first.error, first.evaluations) == (second.error, second.evaluations)


def test_an_axis_that_is_easy_costs_little() -> None:
    """cos 12x needs some thirty points along x, y² three along y: 90 in all, and not 900."""
    objective, axes = objective_of(SMOOTH["one axis is hard"])
    plane = cw.slice_loss(objective, axes, span=1.0, tolerance=1e-4)
    assert_honest(plane, truth_of(SMOOTH["one axis is hard"], plane), 1e-4)
    assert plane.evaluations < 200


@pytest.mark.parametrize(("count", "resolution"), [(1, 401), (3, 17), (2, (5, 301))])
def test_any_number_of_axes(count, resolution) -> None:
    theta = torch.zeros(3, dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: torch.cos(t[0] + 2 * t[1] - t[2]) + t[0] ** 3 * t[1], theta)
    axes = cw.own_directions(objective, torch.eye(3)[:count])
    plane = cw.slice_loss(objective, axes, span=1.0, resolution=resolution, tolerance=0.01)
    a, b, c, *_ = (*np.meshgrid(*plane.axes, indexing="ij"), 0.0, 0.0)
    assert not plane.exact
    assert plane.evaluations <= 0.15 * plane.values.size
    assert_honest(plane, np.cos(a + 2 * b - c) + a**3 * b, 0.01)


@pytest.mark.parametrize("resolution", [3, 9])
def test_a_small_grid_is_evaluated(resolution) -> None:
    objective, axes = objective_of(bowl)
    plane = cw.slice_loss(objective, axes, span=1.0, resolution=resolution, tolerance=0.01)
    assert plane.exact
    assert plane.evaluations == resolution**2


def test_an_interpolated_slice_is_known_as_one_in_files_and_labelled_arrays(tmp_path) -> None:
    objective, axes = objective_of(SMOOTH["waves"])
    plane = cw.slice_loss(objective, axes, span=1.0, tolerance=0.01)
    plane.save(tmp_path / "plane.npz")
    loaded = cw.LossSlice.load(tmp_path / "plane.npz")
    assert not loaded.exact
    assert loaded.error == plane.error == plane.to_xarray().attrs["error"] > 0


def test_without_checks_the_narrow_dip_would_be_missed(monkeypatch) -> None:
    """What the points to check with are for: the corrections of the polynomial alone know nothing of it."""
    function = ROUGH["shallow dip"]
    objective, axes = objective_of(function)
    for name in ("anywhere", "far", "disputed", "around"):
        monkeypatch.setattr(CheckPoints, name, lambda *_: [])
    plane = cw.slice_loss(objective, axes, span=1.0, tolerance=0.01)
    assert not plane.exact
    assert np.abs(plane.values - truth_of(function, plane)).max() > 5 * plane.error


@pytest.mark.parametrize(
    ("tolerance", "message"),
    [
        (0, "tolerance must be positive, got 0"),
        (float("nan"), "tolerance must be finite, got nan"),
        (1.0, r"tolerance must be a share of the range, below 1, got 1\.0"),
    ],
)
def test_bad_tolerances_are_refused_by_name_at_once(tolerance, message) -> None:
    objective, axes = objective_of(bowl)
    with pytest.raises(ValueError, match=message):
        cw.stream_slice(objective, axes, tolerance=tolerance)


def test_a_curvature_fitted_to_an_interpolated_slice_knows_its_error() -> None:
    for name in ("waves", "wide dip", "steep corner"):
        objective, axes = objective_of(SMOOTH[name])
        plane, whole = (cw.slice_loss(objective, axes, span=1.0, tolerance=tolerance) for tolerance in (0.01, None))
        ours, theirs = cw.fit_slice(plane), cw.fit_slice(whole)
        assert np.linalg.norm(ours.matrix - theirs.matrix, 2) <= ours.error
        assert ours.error >= plane.error  # of a second derivative over a half-width of 1: several times that


def test_minima_are_found_on_a_wide_interpolated_slice() -> None:
    """Himmelblau's four wells, around his start and hidden in R⁵⁰."""
    hidden = zoo.lift_function("himmelblau", n_parameters=50)
    objective = hidden.objective(at=(0.0, 0.0))
    plane = cw.slice_loss(objective, cw.own_directions(objective, hidden.plane), span=5.0, tolerance=0.01)
    assert not plane.exact
    assert plane.evaluations <= TENTH
    found = cw.find_plane_minima(objective, plane)
    assert found.losses == pytest.approx(np.zeros(4), abs=1e-6)
    for minimum in hidden.base.minima:
        assert np.linalg.norm(found.coordinates - np.array(minimum), axis=1).min() < 1e-3


def test_wells_that_no_polynomial_takes_are_found_as_well() -> None:
    wells = ((-0.6, -0.5), (0.5, 0.55), (0.55, -0.6))

    def function(x: Tensor, y: Tensor) -> Tensor:
        return 0.2 * (x**2 + y**2) - sum(((0.5 + 0.1 * k) * gaussian(x, y, at, 0.3) for k, at in enumerate(wells)), 0 * x)

    objective, axes = objective_of(function)
    plane = cw.slice_loss(objective, axes, span=1.0, tolerance=0.01)
    assert not plane.exact
    found = cw.find_plane_minima(objective, plane)
    assert len(found) == 3
    for at in wells:
        assert np.linalg.norm(found.coordinates - np.array(at), axis=1).min() < 0.1
    assert found.gradient_norms.max() < 1e-4


def test_losses_as_small_as_numbers_go_are_interpolated_as_others_are() -> None:
    theta = torch.zeros(2, dtype=torch.float64)
    directions = cw.Directions(vectors=torch.eye(2, dtype=torch.float64), labels=("a", "b"))
    planes = []
    for scale in (1.0, 1e-180):
        objective = cw.Objective.from_function(lambda t, scale=scale: scale * (torch.sin(2 * t[0]) + torch.exp(t[1])), theta)
        planes.append(cw.slice_loss(objective, directions, span=1.0, resolution=41, tolerance=0.01))
    np.testing.assert_allclose(1e180 * planes[1].values, planes[0].values, rtol=1e-9, atol=1e-9)
    assert planes[1].evaluations == planes[0].evaluations
