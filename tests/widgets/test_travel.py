"""Travel in the explorer: the probe becomes the centre, there is a way back, and v₋ leads down."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import CheckpointAxis, EigenAxis, Explorer, OwnAxis, Place, RandomAxis, TrajectoryAxis


def wells(n: int = 30) -> cw.Objective:
    """L = 1 + t₀⁴ − t₀² + ‖t_rest‖²: a saddle at 0, wells ¼ deep at t₀ = ±1/√2."""
    return cw.Objective.from_function(
        lambda t: 1 + t[0] ** 4 - t[0] ** 2 + (t[1:] ** 2).sum(), torch.zeros(n, dtype=torch.float64)
    )


def inline(objective: cw.Objective | None = None, **options) -> Explorer:
    settings = {"resolution": 11, "planes": 10, "probes": 10, "spectrum_probes": 2, "executor": InlineExecutor()} | options
    return cw.explore(wells() if objective is None else objective, **settings)


def counted(objective: cw.Objective, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count products, here and at every point that is visited."""
    products = [0]
    plain = cw.Objective.hvp

    def hvp(self: cw.Objective, vectors: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
        products[0] += 1 if vectors.ndim == 1 else len(vectors)
        return plain(self, vectors, theta)

    monkeypatch.setattr(cw.Objective, "hvp", hvp)
    return products


# ------------------------------------------------------------------------------------------------------------ the probe


def test_a_picked_point_becomes_the_centre_of_everything() -> None:
    objective = wells()
    explorer = inline(objective)
    x, y = (span / 2 for span in explorer.slice.span)
    first, second = explorer.directions.vectors
    there = objective.theta + x * first + y * second
    explorer.loss_map.picked = (x, y, 1)  # what a double click or Enter sends
    assert torch.allclose(explorer.center.theta, there, atol=1e-14)
    assert explorer.slice.center == pytest.approx(objective.loss(there), abs=1e-14)
    assert explorer.curvature.gradient_norm == pytest.approx(float(objective.gradient(there).norm()))
    # the random plane is the same one, its curvature that of the new point
    assert explorer.request.axes == (RandomAxis(0, 0), RandomAxis(0, 1))
    expected = explorer.directions.vectors @ objective.hvp(explorer.directions.vectors, theta=there).T
    np.testing.assert_allclose(explorer.curvature.matrix, expected, atol=1e-12)
    assert explorer.probe == explorer.loss_map.probe == (0.0, 0.0)
    assert torch.equal(explorer.objective.theta, torch.zeros(30, dtype=torch.float64))


def test_statistics_are_those_of_the_new_centre() -> None:
    objective = wells()
    explorer = inline(objective)
    explorer.go_to(Place(torch.full((30,), 0.5, dtype=torch.float64), "elsewhere"))
    there = objective.at(torch.full((30,), 0.5, dtype=torch.float64))
    assert explorer.trace.trace == cw.estimate_trace(there, samples=10).trace
    np.testing.assert_allclose(explorer.eigenpairs.values, [2.0, 12 * 0.25 - 2], atol=1e-6)
    np.testing.assert_array_equal(explorer.sample.matrices, cw.sample_projections(there, samples=10).matrices)
    assert explorer.controls.axes[0].source.options[1][0] == "λ_max = 2"


def test_there_is_a_way_back_through_the_places_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = wells()
    products = counted(objective, monkeypatch)
    explorer = inline(objective)
    assert explorer.travel.back.disabled
    start, trace = explorer.slice, explorer.trace
    for step in range(2):
        explorer.probe = (explorer.slice.span[0] / 2, 0.0)
        explorer.go_to_probe()
        assert len(explorer.places) == step + 1
    one, two = explorer.places
    assert explorer.travel.place.options == (("θ", 0), (one.label, 1), (two.label, 2))
    products[0] = 0
    explorer.travel.back.click()
    assert explorer.request.place is one
    explorer.travel.back.click()
    assert explorer.request.place is None
    assert explorer.travel.back.disabled
    np.testing.assert_array_equal(explorer.slice.values, start.values)
    assert explorer.trace is trace  # not computed again: what is known of a place is kept
    assert products[0] == 0  # and so is what was found of its planes
    explorer.travel.place.value = 2
    assert explorer.request.place is two
    assert "probe" in two.label
    assert any("was the probe" in note for note in explorer.verdict_bar.notes)


def test_going_back_from_the_first_place_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no place to go back to"):
        inline().go_back()


def test_the_probe_at_the_centre_leads_nowhere() -> None:
    explorer = inline()
    explorer.go_to_probe()
    assert explorer.places == ()


def test_a_request_gives_the_same_picture_again_wherever_it_stands() -> None:
    first, second = inline(), inline()
    first.probe = (first.slice.span[0] / 3, 0.0)
    first.go_to_probe()
    second.request = dataclasses.replace(first.request)
    np.testing.assert_array_equal(first.slice.values, second.slice.values)
    assert second.travel.place.label == first.places[0].label


def test_an_eigenvector_that_was_clicked_stays_an_axis_on_the_way() -> None:
    explorer = inline()
    explorer.spectrum_plot.selected = 0
    explorer.loss_map.picked = (explorer.slice.span[0] / 3, 0.0, 1)
    assert explorer.state == "idle"
    assert explorer.request.axes[0] == EigenAxis(0)
    assert explorer.slice.center == explorer.center.loss() != explorer.objective.loss()
    assert explorer.spectrum_plot.selected is None  # another point has other eigenvectors


def test_a_place_where_the_loss_is_no_number_says_so_and_leaves_a_way_back() -> None:
    cliff = cw.Objective.from_function(lambda t: torch.sqrt(1 - t[0]) + (t[1:] ** 2).sum(), torch.zeros(5, dtype=torch.float64))
    explorer = inline(cliff)
    explorer.go_to(Place(torch.tensor([2.0, 0, 0, 0, 0], dtype=torch.float64), "over the edge"))
    assert explorer.state == "failed"
    assert "must be finite" in explorer.verdict_bar.sentence
    explorer.go_back()
    assert explorer.state == "idle"
    assert explorer.slice.center == 1


# --------------------------------------------------------------------------------------------------- negative curvature


def test_v_minus_leads_to_the_bottom_of_the_well_and_random_lines_do_not() -> None:
    explorer = inline()
    explorer.travel.follow.click()
    assert explorer.state == "idle"
    # ‖θ‖ = 0 lets the lines reach to ½; within it the loss falls to t₀ = ½, L = 1 + 1/16 − 1/4
    assert explorer.descent.loss == pytest.approx(1 + 1 / 16 - 1 / 4, abs=1e-6)
    assert len(explorer.descent.random_losses) == 20
    assert explorer.slice.center == pytest.approx(explorer.descent.loss, abs=1e-12)
    assert abs(float(explorer.center.theta[0])) == pytest.approx(0.5, abs=1e-3)
    assert "Along v₋ the loss falls from 1 to 0.8125; none of 20 random lines goes lower." in explorer.travel.message.value
    explorer.follow()  # L'' = 12·t₀² − 2 is 1 there
    assert "No negative curvature was found to follow: the smallest eigenvalue is 1" in explorer.travel.message.value
    explorer.go_back()
    assert explorer.request.place is None


def test_where_no_curvature_is_negative_there_is_nothing_to_follow() -> None:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum() + 0.5 * t[0] ** 2, torch.zeros(6, dtype=torch.float64))
    explorer = inline(bowl)
    explorer.follow()
    assert explorer.request.place is None
    assert explorer.state == "idle"
    assert "No negative curvature was found to follow: the smallest eigenvalue is 2" in explorer.travel.message.value
    assert explorer.descent is None


def test_a_curvature_of_zero_is_not_followed() -> None:
    gutter = cw.Objective.from_function(lambda t: (t[1:] ** 2).sum(), torch.zeros(6, dtype=torch.float64))
    explorer = inline(gutter)
    explorer.follow()
    assert explorer.descent is None
    assert "No negative curvature was found to follow" in explorer.travel.message.value


def test_other_minima_of_a_wide_plane_are_marked_with_their_curvature() -> None:
    objective = wells()
    explorer = inline(objective, resolution=21)
    assert len(explorer.minima) == 0  # a random plane through the saddle shows no well
    own = cw.own_directions(objective, torch.eye(30, dtype=torch.float64)[:2])
    explorer.request = dataclasses.replace(explorer.request, axes=(OwnAxis(own[0]), OwnAxis(own[1])), span=[1.5, 1.5])
    np.testing.assert_allclose(np.abs(explorer.minima.coordinates), [[0.5**0.5, 0]] * 2, atol=1e-4)
    np.testing.assert_allclose(explorer.minima.principal, [[2, 4]] * 2, rtol=1e-3)  # 12·t₀² − 2 = 4
    assert [text for _, _, text in explorer.loss_map.spots] == ["κ 2, 4"] * 2
    notes = [note for note in explorer.verdict_bar.notes if note.startswith("This plane has a minimum at")]
    assert len(notes) == 2
    assert re.search(r"L = 0\.75, κ₋ = 2 \(± \S+\) and κ₊ = 4 \(± \S+\)", notes[0])
    explorer.go_to(Place(objective.theta + 3, "elsewhere"))
    assert all(abs(x) > 1e-3 or abs(y) > 1e-3 for x, y, _ in explorer.loss_map.spots)


# ---------------------------------------------------------------------------------------------------------- checkpoints


def training() -> tuple[cw.Objective, list[dict[str, torch.Tensor]], nn.Module]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    x, y = torch.randn(40, 3).double(), torch.randint(0, 2, (40,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    states = []
    for step in range(30):
        if step % 10 == 0:
            states.append({name: value.clone() for name, value in model.state_dict().items()})
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return cw.Objective(model, nn.functional.cross_entropy, (x, y)), states, model


def flat(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([value.ravel() for value in state.values()])


def test_the_slider_moves_along_the_training_and_all_numbers_follow() -> None:
    objective, states, _ = training()
    explorer = inline(objective, checkpoints=states)
    assert explorer.travel.checkpoint.options == (("θ", 0), ("1", 1), ("2", 2), ("3", 3))  # as much as the slider has room for
    losses = []
    for number, state in enumerate(states, start=1):
        explorer.travel.checkpoint.value = number
        there = objective.at(flat(state))
        losses.append(explorer.slice.center)
        assert explorer.slice.center == pytest.approx(there.loss(), abs=1e-12)
        spectrum = torch.linalg.eigvalsh(there.hvp(torch.eye(objective.n_parameters, dtype=torch.float64)))
        np.testing.assert_allclose(explorer.eigenpairs.values, [spectrum[-1], spectrum[0]], rtol=1e-3, atol=1e-4)
        assert explorer.trace.trace == cw.estimate_trace(there, samples=10).trace
        assert explorer.request.place.checkpoint == number - 1
    assert losses == sorted(losses, reverse=True)


def test_checkpoints_lie_where_they_are_in_the_plane_of_the_trajectory() -> None:
    objective, states, _ = training()
    explorer = inline(objective, checkpoints=states)
    explorer.request = dataclasses.replace(explorer.request, axes=(TrajectoryAxis(0), TrajectoryAxis(1)))
    points = [flat(state) for state in states]
    expected = cw.trajectory_directions(objective, points)
    np.testing.assert_allclose(explorer.directions.vectors, expected.vectors, atol=1e-12)
    assert explorer.trajectory.explained.sum() > 0.99
    for point, placed, loss, projected in zip(
        points,
        explorer.trajectory.coordinates,
        explorer.trajectory.losses,
        explorer.trajectory.projected_losses,
        strict=True,
    ):
        nearest = objective.theta + torch.from_numpy(placed) @ expected.vectors
        assert loss == pytest.approx(objective.loss(point), abs=1e-12)
        assert projected == pytest.approx(objective.loss(nearest), abs=1e-12)
    random = inline(objective, checkpoints=states)
    assert random.trajectory.explained.sum() < 0.5  # a random plane shows next to nothing of the way


def test_the_training_tab_shows_the_checkpoints_and_a_click_goes_to_one() -> None:
    objective, states, _ = training()
    explorer = inline(objective, checkpoints=states)
    assert list(explorer.tabs.views) == ["Curvatures", "Spectrum", "Trace", "Training"]
    assert explorer.trajectory_plot.trajectory is explorer.trajectory
    np.testing.assert_allclose([(x, y) for x, y, _ in explorer.loss_map.way], explorer.trajectory.coordinates)
    assert [name for _, _, name in explorer.loss_map.way] == ["1", "", "3"]
    explorer.trajectory_plot.selected = 1
    assert explorer.request.place is explorer.checkpoints[1]
    assert explorer.travel.checkpoint.value == 2
    assert explorer.trajectory.distances[1] == pytest.approx(0, abs=1e-12)  # θ is that checkpoint now


def test_an_axis_may_lead_to_a_checkpoint() -> None:
    objective, states, _ = training()
    explorer = inline(objective, checkpoints=states, span=[1.0, 1.0])
    explorer.controls.axes[0].source.value = ("checkpoint", 0)
    assert explorer.request.axes[0] == CheckpointAxis(0)
    assert explorer.slice.directions.labels[0] == "to checkpoint 1"
    middle = len(explorer.slice.axes[1]) // 2
    assert explorer.slice.values[-1, middle] == pytest.approx(objective.loss(flat(states[0])), abs=1e-12)
    explorer.controls.axes[1].source.value = ("trajectory", 1)
    assert explorer.request.axes[1] == TrajectoryAxis(1)
    explorer.request = dataclasses.replace(explorer.request, axes=(CheckpointAxis(7), EigenAxis(0)))
    assert explorer.state == "failed"
    assert "index must be below the number of checkpoints, 3, got 7" in explorer.verdict_bar.sentence


def test_without_checkpoints_nothing_of_them_is_seen() -> None:
    explorer = inline()
    assert explorer.travel.checkpoint.layout.display == "none"
    assert [label for label, _ in explorer.controls.axes[0].source.options][-1] == "gradient"
    assert explorer.trajectory is None
    assert "Training" not in explorer.tabs.views


def test_a_model_is_copied_and_a_file_is_read_without_unpickling(tmp_path: Path) -> None:
    objective, states, model = training()
    np.save(tmp_path / "theta.npy", flat(states[1]).numpy())
    explorer = inline(objective, checkpoints=[model, tmp_path / "theta.npy"])
    before = objective.loss()
    with torch.no_grad():
        model[0].weight.zero_()
    explorer.travel.checkpoint.value = 1
    assert explorer.slice.center == pytest.approx(before, abs=1e-12)
    explorer.travel.checkpoint.value = 2
    assert explorer.slice.center == pytest.approx(objective.loss(flat(states[1])), abs=1e-12)
    assert any("theta.npy" in note for note in explorer.verdict_bar.notes)


def test_what_is_no_checkpoint_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="checkpoint must have shape"):
        inline(checkpoints=[torch.zeros(3)])
    with pytest.raises(TypeError, match="place must be a Place or None, got int"):
        dataclasses.replace(inline().request, place=3)
