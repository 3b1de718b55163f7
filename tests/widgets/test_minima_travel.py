"""Other minima in the explorer: looked for far beyond the picture, marked, listed, gone to, and shown by a wider picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget import zoo
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import Explorer, OwnAxis, Request, SavedView, pictures

MINIMA = np.array(zoo.CLASSICAL["himmelblau"].minima)


@pytest.fixture(scope="module")
def hidden() -> zoo.LiftedFunction:
    return zoo.lift_function("himmelblau", n_parameters=20)


@pytest.fixture
def explorer(hidden) -> Explorer:
    """At the minimum (3, 2) of Himmelblau's function, in its plane."""
    objective = hidden.objective((3.0, 2.0))
    own = cw.own_directions(objective, hidden.plane)
    request = Request(axes=(OwnAxis(own[0]), OwnAxis(own[1])), resolution=11, planes=5, probes=5, spectrum_probes=0)
    return Explorer(objective, request=request, executor=InlineExecutor())


def test_the_picture_alone_shows_none_and_looking_around_finds_all(explorer) -> None:
    assert len(explorer.minima) == 0
    assert explorer.travel.minima.choice.layout.display == "none"
    explorer.travel.minima.look.click()
    assert explorer.state == "idle"
    places = explorer.minima.coordinates + MINIMA[0]
    distances = np.linalg.norm(places[:, None] - MINIMA[1:], axis=2)
    np.testing.assert_allclose(distances.min(axis=0), 0, atol=1e-5)
    assert len(places) == 3
    # they lie outside: listed, told and not drawn
    assert explorer.loss_map.spots == []
    options = explorer.travel.minima.choice.options
    assert options[0][0] == "3 known: go to …"
    far = sorted(np.linalg.norm(MINIMA[1:] - MINIMA[0], axis=1))
    assert sorted(label.rpartition(" ")[2] for label, _ in options[1:]) == [f"{distance:.2g}" for distance in far]
    assert explorer.travel.minima.choice.layout.display is None
    notes = [note for note in explorer.verdict_bar.notes if note.startswith("This plane has a minimum at")]
    assert len(notes) == 3
    assert all("outside the picture, ‖Δθ‖ = " in note for note in notes)
    assert "3 other minima of this plane up to ±9" in explorer.travel.message.value
    assert f"by {explorer.minima.evaluations:,} losses and" in explorer.travel.message.value


def test_what_was_found_in_a_plane_is_not_said_of_the_next(explorer) -> None:
    explorer.look_around()
    assert "minima of this plane" in explorer.travel.message.value
    explorer.new_random_plane()
    assert "minima" not in explorer.travel.message.value
    assert explorer.travel.message.layout.display == "none"


def test_a_wider_picture_marks_them_with_their_curvatures_and_knows_them_still(explorer, monkeypatch) -> None:
    explorer.look_around()
    found = explorer.minima
    assert not explorer.travel.minima.widen.disabled
    monkeypatch.setattr(pictures, "stream_minima_around", None)  # it is not looked for again
    explorer.travel.minima.widen.click()
    assert all((np.abs(found.coordinates) < explorer.slice.span).all(axis=1))
    spots = np.array([(x, y) for x, y, _ in explorer.loss_map.spots])
    np.testing.assert_allclose(spots, explorer.minima.coordinates)
    assert len(spots) == 3  # also found by the wide picture's own grid: counted once
    # the eigenvalues of the function's Hessian there, to two digits
    assert sorted(text for _, _, text in explorer.loss_map.spots) == ["κ 29, 110", "κ 65, 81", "κ 71, 130"]
    assert explorer.travel.minima.widen.disabled
    assert explorer.travel.minima.choice.options[0][0] == "3 known: go to …"
    assert explorer.state == "idle"


def test_a_minimum_that_is_chosen_becomes_the_centre_and_sees_the_other_three(explorer, hidden) -> None:
    explorer.look_around()
    place = explorer.minima.coordinates[1] + MINIMA[0]
    loss = explorer.minima.losses[1]
    explorer.travel.minima.choice.value = 2
    assert explorer.state == "idle"
    assert torch.allclose(explorer.center.theta, hidden.theta(place), atol=1e-12)
    assert explorer.slice.center == pytest.approx(loss, abs=1e-12)
    np.testing.assert_allclose(explorer.curvature.gradient_norm, 0, atol=1e-3)
    assert explorer.curvature.verdict == "minimum"
    assert explorer.travel.place.label == "1: a minimum"
    assert "Centre 1 is a minimum of a plane: from θ " in explorer.travel.message.value
    assert explorer.travel.minima.choice.value == 0
    explorer.look_around()
    there = explorer.minima.coordinates + place
    assert min(np.linalg.norm(there - MINIMA[0], axis=1)) < 1e-4
    explorer.go_back()
    assert len(explorer.minima) == 3  # known still


def test_another_plane_has_other_minima(explorer) -> None:
    explorer.look_around()
    explorer.new_random_plane()
    assert len(explorer.minima) == 0
    assert explorer.travel.minima.choice.layout.display == "none"


def test_nothing_is_looked_for_where_the_axes_span_no_plane(explorer) -> None:
    axis = explorer.request.axes[0]
    explorer.request = dataclasses.replace(explorer.request, axes=(axis, axis))
    explorer.look_around()
    assert explorer.state == "idle"
    assert "the two axes are parallel" in explorer.travel.message.value
    with pytest.raises(IndexError, match="number must be below the number of minima that are known, 0, got 0"):
        explorer.go_to_minimum(0)


def test_what_was_found_is_in_the_saved_state(explorer, tmp_path: Path) -> None:
    explorer.look_around()
    explorer.show_minima()
    explorer.save(tmp_path / "state.npz")
    view = SavedView.load(tmp_path / "state.npz")
    assert view.loss_map.spots == explorer.loss_map.spots
    np.testing.assert_array_equal(view.minima.distances, explorer.minima.distances)
    assert view.minima.verdicts == explorer.minima.verdicts
