"""The explorer is one loop: a request in, linked views out."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import EigenAxis, Explorer, GradientAxis, OwnAxis, RandomAxis, Request


def saddle(n: int = 40, negative: int = 8) -> cw.Objective:
    diagonal = torch.tensor([1.0] * (n - negative) + [-1.0] * negative, dtype=torch.float64)
    diagonal[0], diagonal[-1] = 3.0, -2.0
    return cw.Objective.from_function(lambda t: 2 + 0.5 * (diagonal * t**2).sum(), torch.zeros(n, dtype=torch.float64))


def inline(objective: cw.Objective | None = None, **options) -> Explorer:
    settings = {"resolution": 11, "planes": 20, "probes": 15, "executor": InlineExecutor()} | options
    return cw.explore(saddle() if objective is None else objective, **settings)


def test_everything_is_computed_and_every_view_shows_it() -> None:
    explorer = inline(seed=3)
    assert explorer.state == "idle"
    assert explorer.error is None
    assert explorer.slice.values.shape == (11, 11)
    assert explorer.loss_map.slice is explorer.slice
    assert explorer.surface.slice is explorer.slice
    assert explorer.profiles.slice is explorer.slice
    assert explorer.loss_map.curvature is explorer.curvature
    assert explorer.profiles.curvature is explorer.curvature
    assert explorer.curvature_plot.curvature is explorer.curvature
    assert explorer.curvature_plot.sample is explorer.sample
    assert explorer.profiles.mean_curvature == explorer.trace.mean_curvature
    assert explorer.profiles.mean_curvature_stderr == explorer.trace.mean_curvature_stderr
    assert len(explorer.sample) == 20
    assert len(explorer.trace.samples) == len(explorer.slice_trace.samples) == 15
    np.testing.assert_allclose(explorer.eigenpairs.values, [3, -2], atol=1e-2)
    assert explorer.prediction.trace == explorer.trace.trace
    assert explorer.controls.cancel.disabled


def test_the_numbers_shown_are_those_of_the_plain_functions() -> None:
    objective = saddle()
    explorer = inline(objective, seed=3)
    directions = cw.random_directions(objective, seed=3)
    assert torch.equal(explorer.directions.vectors, directions.vectors)
    np.testing.assert_array_equal(explorer.curvature.matrix, cw.project_curvature(objective, directions).matrix)
    plain = cw.slice_loss(objective, directions, span=explorer.slice.span, resolution=11, tolerance=0.01)
    np.testing.assert_array_equal(explorer.slice.values, plain.values)
    np.testing.assert_array_equal(explorer.sample.matrices, cw.sample_projections(objective, samples=20, seed=3).matrices)
    assert explorer.trace.trace == cw.estimate_trace(objective, samples=15, seed=3).trace


def test_the_picture_is_interpolated_within_a_stated_error_unless_exact_values_are_asked_for() -> None:
    objective = saddle()
    explorer = inline(objective, resolution=31, planes=0, probes=0, spectrum_probes=0)
    interpolated = explorer.slice
    directions = cw.random_directions(objective, seed=0)
    plain = cw.slice_loss(objective, directions, span=interpolated.span, resolution=31)
    assert not interpolated.exact
    assert 0 < np.abs(interpolated.values - plain.values).max() <= interpolated.error
    assert interpolated.error <= 0.01 * np.ptp(plain.values)
    assert interpolated.evaluations < plain.evaluations / 6
    said = explorer.loss_map.caption
    assert said.startswith("interpolated, ± ")
    assert said.endswith(f" at most ({interpolated.evaluations} evaluations)")
    explorer.controls.exact.value = True
    assert explorer.request.tolerance is None
    np.testing.assert_array_equal(explorer.slice.values, plain.values)
    assert explorer.slice.error == 0
    assert explorer.loss_map.caption == "exact, 961 evaluations"
    explorer.controls.exact.value = False  # exact values are within any tolerance, and there already
    assert explorer.request.tolerance == 0.01
    assert explorer.loss_map.caption == "exact, 961 evaluations"
    explorer.request = dataclasses.replace(explorer.request, tolerance=0.2, zoom=2.0)
    explorer.controls.exact.value = True
    explorer.controls.exact.value = False
    assert explorer.request.tolerance == 0.2


def test_logarithms_are_of_exact_values() -> None:
    explorer = inline(saddle(), resolution=31, planes=0, probes=0, spectrum_probes=0)
    assert not explorer.slice.exact
    explorer.controls.scale.value = "log"
    assert explorer.slice.exact
    assert explorer.controls.exact.value
    assert explorer.loss_map.scale == "log"


def test_the_hessian_axes_show_the_saddle_and_the_verdict_says_so() -> None:
    explorer = inline()
    explorer.request = dataclasses.replace(explorer.request, axes=(EigenAxis(0), EigenAxis(-1)))
    assert explorer.curvature.verdict == "saddle"
    assert explorer.verdict_bar.kind == "saddle"
    assert "saddle" in explorer.verdict_bar.sentence
    np.testing.assert_allclose(explorer.curvature.principal, [-2, 3], atol=1e-2)
    assert explorer.controls.axes[0].source.value == ("eigen", 0)
    assert explorer.controls.axes[0].source.label.startswith("λ_max = ")


def test_the_blend_ends_in_the_hessian_plane() -> None:
    explorer = inline()
    explorer.controls.blend.value = 1.0
    np.testing.assert_allclose(explorer.curvature.principal, [-2, 3], atol=1e-2)
    explorer.controls.blend.value = 0.5
    middle = cw.blend_directions(
        cw.random_directions(explorer.objective, seed=0), cw.hessian_directions(explorer.objective, tol=1e-3, seed=0), 0.5
    )
    np.testing.assert_allclose(explorer.directions.vectors, middle.vectors, atol=1e-9)


def test_a_control_changes_nothing_but_the_request() -> None:
    explorer = inline()
    explorer.controls.axes[1].seed.value = 12
    assert explorer.request.axes == (RandomAxis(0, 0), RandomAxis(12, 1))
    explorer.controls.axes[0].source.value = ("gradient",)
    assert explorer.request.axes[0] == GradientAxis()
    explorer.controls.axes[0].source.value = ("random",)
    explorer.controls.normalization.value = "unit"
    assert explorer.request.normalization == "unit"
    np.testing.assert_allclose(explorer.directions.norms, 1)
    assert explorer.sample.normalization == "unit"
    explorer.controls.resolution.value = 21
    assert explorer.slice.values.shape == (21, 21)
    before = explorer.slice.span
    explorer.controls.zoom.value = 2.0
    np.testing.assert_allclose(explorer.slice.span, 2 * np.array(before), rtol=0.05)


@pytest.mark.parametrize("axis", [RandomAxis(2**60, 1), RandomAxis(2**64 - 1, 1), RandomAxis(7, 0)])
def test_a_random_axis_that_the_controls_cannot_show_is_kept(axis: RandomAxis) -> None:
    explorer = inline()
    explorer.request = dataclasses.replace(explorer.request, axes=(EigenAxis(0), axis))
    explorer.controls.resolution.value = 21
    assert explorer.request.axes == (EigenAxis(0), axis)
    explorer.controls.axes[1].source.value = ("eigen", -1)
    explorer.controls.axes[1].source.value = ("random",)
    assert explorer.request.axes[1] == axis
    expected = cw.random_directions(explorer.objective, axis.row + 1, seed=axis.seed).vectors[axis.row]
    assert torch.equal(explorer.directions.vectors[1], expected)
    # a seed that the field would show as another one is not shown
    assert explorer.controls.axes[1].seed.layout.display == ("none" if axis.seed >= 2**53 else None)
    explorer.controls.axes[1].seed.value = 12
    assert explorer.request.axes[1] == RandomAxis(12, 1)


def test_the_same_request_gives_the_same_picture_again() -> None:
    first, second = inline(seed=5), inline(seed=9)
    second.request = dataclasses.replace(first.request)
    np.testing.assert_array_equal(first.slice.values, second.slice.values)


def test_a_new_random_plane_is_another_one_and_leaves_the_global_generators_alone() -> None:
    explorer = inline()
    before, state = explorer.directions.vectors, torch.get_rng_state()
    explorer.controls.new_plane.click()
    assert not torch.equal(before, explorer.directions.vectors)
    assert torch.equal(state, torch.get_rng_state())
    first, second = explorer.request.axes
    assert first.seed == second.seed
    assert explorer.controls.axes[0].seed.value == first.seed


def test_the_probe_moves_in_every_view_from_wherever_it_is_moved() -> None:
    explorer = inline()
    x, y = (span / 2 for span in explorer.slice.span)
    explorer.loss_map.probe = (x, -y)
    assert explorer.probe == (x, -y)
    assert explorer.profiles.probe == (x, -y)
    assert explorer.surface.probe == (x, -y)
    explorer.probe = (0.0, y)
    assert explorer.loss_map.probe == (0.0, y)
    explorer.new_random_plane()
    assert explorer.probe == explorer.loss_map.probe == (0.0, 0.0)


def test_a_point_picked_among_the_random_planes_becomes_the_plane_shown() -> None:
    explorer = inline()
    explorer.curvature_plot.selected = 7
    assert torch.equal(explorer.directions.vectors, explorer.sample.directions(7).vectors)
    np.testing.assert_array_equal(explorer.curvature.matrix, explorer.sample.matrices[7])


def test_an_eigenvalue_that_is_clicked_becomes_an_axis() -> None:
    explorer = inline()
    explorer.spectrum_plot.selected = 1
    assert explorer.request.axes == (RandomAxis(0, 0), EigenAxis(-1))
    explorer.spectrum_plot.selected = 0
    assert explorer.request.axes == (EigenAxis(0), EigenAxis(-1))
    np.testing.assert_allclose(explorer.curvature.principal, [-2, 3], atol=1e-2)
    assert explorer.spectrum_plot.selected == 0
    explorer.new_random_plane()
    assert explorer.spectrum_plot.selected is None


def test_the_tabs_show_the_traces_and_the_density_that_were_computed() -> None:
    explorer = inline(trace_methods=("slices", "hutchinson", "hutch++", "xtrace", "exact"))
    assert [trace.method for trace in explorer.trace_plot.estimates] == ["slices", "hutchinson", "hutch++", "xtrace", "exact"]
    assert explorer.other_traces[-1].trace == pytest.approx(32 - 8 + 2 - 1)
    assert len({trace.seed for trace in explorer.trace_plot.estimates}) == 5
    assert explorer.spectrum_plot.density is explorer.density
    assert explorer.density.progress == 1
    mean, error = explorer.density.moment(1)
    assert abs(mean - 25 / 40) < 4 * error
    assert explorer.spectrum_plot.eigenpairs is explorer.eigenpairs


def test_an_eigenvector_that_was_not_computed_is_refused_in_words() -> None:
    explorer = inline()
    explorer.request = dataclasses.replace(explorer.request, axes=(EigenAxis(5), RandomAxis(0, 1)))
    assert explorer.state == "failed"
    assert "rank must be from -2 to 1, got 5" in explorer.verdict_bar.sentence
    assert explorer.controls.axes[0].source.label == "eigenvector 5"


def test_filter_normalized_planes_are_predicted_by_a_trace_of_their_own() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x, y = torch.randn(60, 4).double(), torch.randint(0, 3, (60,))
    objective = cw.Objective(model, nn.functional.cross_entropy, (x, y))
    explorer = inline(objective, normalization="filter", planes=100, probes=60)
    plain = cw.estimate_normalized_trace(objective, normalization="filter", samples=60)
    assert explorer.scaled_traces["filter"].trace == plain.trace
    assert explorer.prediction.curvature_of_expectation == pytest.approx(plain.trace)
    seen = np.einsum("sii->si", explorer.sample.matrices)  # the curvatures along the directions themselves
    error = seen.std() / 200**0.5
    assert abs(seen.mean() - explorer.prediction.curvature_of_expectation) < 3 * np.hypot(error, plain.stderr)
    assert any("mean curvature along filter-normalized directions" in note for note in explorer.verdict_bar.notes)
    explorer.controls.normalization.value = "layer"
    assert set(explorer.scaled_traces) == {"filter", "layer"}


def test_own_directions_can_be_set_from_python() -> None:
    explorer = inline()
    own = cw.own_directions(explorer.objective, torch.eye(2, 40), labels=["mine", "yours"])
    explorer.directions = own
    assert isinstance(explorer.request.axes[0], OwnAxis)
    assert explorer.slice.directions.labels == ("mine", "yours")
    np.testing.assert_allclose(explorer.curvature.matrix, np.diag([3.0, 1.0]), atol=1e-12)
    assert explorer.controls.axes[0].source.label == "own vector"
    with pytest.raises(ValueError, match="directions must be two, got 1"):
        explorer.directions = own[0]


def test_the_colour_and_the_model_reach_the_map() -> None:
    explorer = inline()
    explorer.controls.scale.value = "difference"
    assert explorer.loss_map.scale == explorer.surface.scale == "difference"
    explorer.controls.show_model.value = True
    assert explorer.loss_map.show_model


def test_what_is_known_of_the_point_is_not_computed_again_for_another_plane() -> None:
    products = 0

    class Counting:
        def __init__(self, objective: cw.Objective) -> None:
            self.real = objective.hvp

        def __call__(self, vectors: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
            nonlocal products
            products += 1 if vectors.ndim == 1 else len(vectors)
            return self.real(vectors, theta)

    objective = saddle()
    objective.hvp = Counting(objective)  # type: ignore[method-assign]
    explorer = inline(objective)
    products = 0
    explorer.new_random_plane()
    assert products == 2


def test_an_error_in_the_loss_is_one_line_and_the_traceback_is_kept() -> None:
    broken = threading.Event()

    def loss(t: torch.Tensor) -> torch.Tensor:
        if broken.is_set():
            raise RuntimeError("out of luck\nand more")
        return (t**2).sum()

    explorer = inline(cw.Objective.from_function(loss, torch.zeros(5, dtype=torch.float64)))
    broken.set()
    explorer.new_random_plane()
    assert explorer.state == "failed"
    assert explorer.verdict_bar.kind == "error"
    assert explorer.verdict_bar.sentence.startswith("RuntimeError: out of luck (")
    assert "and more" in explorer.error.traceback
    broken.clear()
    explorer.new_random_plane()
    assert explorer.state == "idle"
    assert explorer.error is None


def slow_objective() -> cw.Objective:
    def loss(t: torch.Tensor) -> torch.Tensor:
        if not t.requires_grad:
            time.sleep(0.002)
        return (t**2).sum() - 2 * t[0] ** 2

    return cw.Objective.from_function(loss, torch.zeros(6, dtype=torch.float64))


def test_a_long_run_is_cancelled_and_what_is_drawn_stays() -> None:
    explorer = cw.explore(slow_objective(), resolution=101, tolerance=None, planes=0, probes=0)
    deadline = time.monotonic() + 20
    while explorer.slice is None and time.monotonic() < deadline:
        time.sleep(0.01)
    explorer.controls.cancel.click()
    assert explorer.wait(10)
    assert explorer.state == "cancelled"
    assert explorer.slice is not None
    assert explorer.slice.progress < 1
    assert explorer.controls.doing.value == "cancelled"
    explorer.close()


def test_of_two_requests_in_a_row_the_later_one_is_shown() -> None:
    explorer = cw.explore(slow_objective(), resolution=41, planes=0, probes=0)
    explorer.new_random_plane()
    explorer.request = dataclasses.replace(explorer.request, axes=(RandomAxis(77, 0), RandomAxis(77, 1)), resolution=11)
    assert explorer.wait(30)
    assert explorer.state == "idle"
    expected = cw.random_directions(explorer.objective, seed=77)
    assert torch.equal(explorer.directions.vectors, expected.vectors)
    assert explorer.slice.values.shape == (11, 11)
    explorer.close()


def test_the_users_model_is_bit_equal_after_exploring_and_cancelling() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
    x, y = torch.randn(50, 6), torch.randint(0, 3, (50,))
    nn.functional.cross_entropy(model(x), y).backward()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    random_state = torch.get_rng_state()
    explorer = cw.explore(cw.Objective(model, nn.functional.cross_entropy, (x, y)), resolution=21, planes=5, probes=5)
    explorer.new_random_plane()
    explorer.cancel()
    assert explorer.wait(30)
    explorer.new_random_plane()
    assert explorer.wait(60)
    explorer.close()
    assert model.training
    assert torch.equal(random_state, torch.get_rng_state())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)
        assert parameter.requires_grad


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 40}, "resolution must be odd"),
        ({"blend": 1.5}, "blend must be from 0 to 1"),
        ({"zoom": 0.0}, "zoom must be positive"),
        ({"tolerance": 0.0}, "tolerance must be a share of the range"),
        ({"tolerance": 1.0}, "tolerance must be a share of the range"),
        ({"span": (1.0, 0.0)}, "span must be positive"),
        ({"normalization": "x"}, "normalization must be one of"),
        ({"axes": (RandomAxis(0),)}, "axes must be two"),
        ({"planes": -1}, "planes must be at least 0"),
        ({"spectrum_probes": -1}, "spectrum_probes must be at least 0"),
        ({"trace_methods": ("guess",)}, "trace_methods must be one of"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        Request(**changes)


def test_what_is_no_objective_is_refused() -> None:
    with pytest.raises(TypeError, match="objective must be an Objective, got Linear"):
        cw.explore(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="at least two parameters"):
        cw.explore(cw.Objective.from_function(lambda t: (t**2).sum(), torch.ones(1)))
