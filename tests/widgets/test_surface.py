"""A surface is turned by keys as by the mouse, and its axes are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.widgets.surface import Surface


@pytest.fixture
def surface() -> Surface:
    saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2 + 3, torch.zeros(2, dtype=torch.float64))
    view = Surface(cw.slice_loss(saddle, cw.random_directions(saddle, seed=1), span=1.0, resolution=5))
    view._gate.supported = True
    return view


def eye(view: Surface) -> np.ndarray:
    return np.array(view._scene.figure.camera.position)


def press(view: Surface, right: float, up: float) -> None:
    view._keys.turned = (right, up, view._keys.turned[2] + 1)


def test_a_quarter_to_the_right_is_a_quarter_about_the_vertical_axis(surface: Surface) -> None:
    before = eye(surface)
    press(surface, 90.0, 0.0)
    after = eye(surface)
    assert after[1] == pytest.approx(before[1])
    assert before[[0, 2]] @ after[[0, 2]] == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before))
    for _ in range(3):
        press(surface, 90.0, 0.0)
    np.testing.assert_allclose(eye(surface), before)


def test_it_is_never_seen_from_below_nor_from_straight_above_and_home_turns_it_back(surface: Surface) -> None:
    before = eye(surface)
    for up in (200.0, -400.0):
        press(surface, 0.0, up)
        height = np.degrees(np.arcsin(eye(surface)[1] / np.linalg.norm(eye(surface))))
        assert height == pytest.approx(88.0 if up > 0 else 2.0)
    press(surface, 0.0, 0.0)
    np.testing.assert_allclose(eye(surface), before)


def test_each_turn_makes_ipyvolume_draw_anew(surface: Surface) -> None:
    heard = []
    surface._scene.figure.observe(lambda change: heard.append(change["name"]), "xlabel")
    press(surface, 5.0, 0.0)
    press(surface, 5.0, 0.0)
    assert heard == ["xlabel", "xlabel"]


def test_its_axes_are_named_and_read_out(surface: Surface) -> None:
    assert [name.material.map.string for name in surface._scene.names] == ["axis 1", "axis 2", "loss"]
    surface.scale = "difference"
    assert surface._scene.names[2].material.map.string == "loss − L(θ)"
    assert "random 1 (seed 1), ±1" in surface._keys.label
    assert surface._keys.label in surface._text.value
