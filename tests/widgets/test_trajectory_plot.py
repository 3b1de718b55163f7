"""`TrajectoryPlot` draws checkpoints where they are, and beside their losses what the plane shows in their place."""

from __future__ import annotations

import dataclasses
import html

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.directions import Trajectory
from curvwidget.widgets.trajectory_plot import TrajectoryPlot

POINTS = [torch.tensor(point, dtype=torch.float64) for point in ([4.0, 3.0, 2.0], [3.0, 1.0, 1.0], [1.0, 0.0, 0.0])]


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(3, dtype=torch.float64))
    plane = cw.own_directions(bowl, torch.eye(3, dtype=torch.float64)[:2] * 2, labels=["east", "north"])
    return cw.place_checkpoints(bowl, plane, POINTS)


def text(view: TrajectoryPlot) -> str:
    return html.unescape(view.children[0].value)


def test_checkpoints_are_drawn_where_they_lie_in_the_plane(trajectory) -> None:
    way = TrajectoryPlot(trajectory)._way
    np.testing.assert_allclose(way.points.x, [2, 1.5, 0.5])
    np.testing.assert_allclose(way.points.y, [1.5, 0.5, 0])
    np.testing.assert_allclose(way.way.x, way.points.x)
    assert (way.last.x[0], way.last.y[0]) == (0.5, 0)
    assert way.points.names[0] == "checkpoint 1: L = 29, 2 from the plane"


def test_losses_stand_beside_those_of_the_plane(trajectory) -> None:
    there, shadow = TrajectoryPlot(trajectory)._losses.points
    np.testing.assert_allclose(there.y, [29, 11, 1])  # ‖θ‖²
    np.testing.assert_allclose(shadow.y, [25, 10, 1])  # without the third coordinate
    np.testing.assert_allclose(there.x, [1, 2, 3])


def test_the_share_that_the_plane_holds_is_said(trajectory) -> None:
    # Σt₀² = 26, Σt₁² = 10, Σt₂² = 5
    assert "holds 88 % of the squared distances from θ (63 % + 24 %)" in text(TrajectoryPlot(trajectory))


def test_a_click_selects_a_checkpoint_also_where_others_are_not_finite(trajectory) -> None:
    view = TrajectoryPlot(dataclasses.replace(trajectory, losses=np.array([np.inf, 11.0, 1.0])))
    view._on_click(view._way.points, {"data": {"index": 0}})
    assert view.selected == 0
    view._on_click(view._losses.points[0], {"data": {"index": 0}})
    assert view.selected == 1
    view._on_click(view._losses.points[1], {"data": {"index": 0}})
    assert view.selected == 0


def test_nothing_and_a_single_checkpoint_can_be_drawn(trajectory) -> None:
    view = TrajectoryPlot()
    assert "no checkpoints placed" in text(view)
    assert not view._way.points.visible
    one = dataclasses.replace(
        trajectory,
        coordinates=trajectory.coordinates[:1],
        distances=trajectory.distances[:1],
        losses=trajectory.losses[:1],
        projected_losses=trajectory.projected_losses[:1],
    )
    view.trajectory = one
    assert view._way.points.visible
    assert not view._way.way.visible
    view.trajectory = None
    assert not view._losses.points[0].visible


def test_without_a_plane_no_axis_of_the_one_before_is_left_and_the_sentence_names_the_reason(trajectory) -> None:
    view = TrajectoryPlot(trajectory)
    figures = (view._way.figure, view._losses.figure)
    assert "axis 1: east" in view._label.value
    view.trajectory = None
    assert "a plane, of two axes that differ" in text(view)
    assert not any(part.visible for figure in figures for part in (*figure.axes, *figure.marks))
    assert "axis 1" not in view._label.value
    view.trajectory = trajectory
    assert all(part.visible for figure in figures for part in figure.axes)
    assert view._way._center.visible
    assert "axis 1: east" in view._label.value


def test_a_way_along_one_direction_is_refused(trajectory) -> None:
    bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(3, dtype=torch.float64))
    line = cw.place_checkpoints(bowl, trajectory.directions[0], POINTS)
    with pytest.raises(ValueError, match="trajectory must be in a plane of two directions, got 1"):
        TrajectoryPlot(line)
