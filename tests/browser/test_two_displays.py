"""A surface displayed twice is drawn twice; ipyvolume alone makes cubes of colours of both, with errors in the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.pixels import picture
from tests.browser.servers import Server
from tests.browser.test_explorer import eventually

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]

SURFACE = """
import torch, curvwidget as cw
from curvwidget.widgets import Surface
objective = cw.Objective.from_function(lambda t: (t**2).sum() + t[0] ** 3, torch.zeros(5, dtype=torch.float64))
surface = Surface(cw.slice_loss(objective, cw.random_directions(objective), span=1.0, resolution=21))
surface
"""
PROBE = (0xE6, 0x1A, 0x73)


def test_both_displays_of_a_surface_show_it(visit: Visit, jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, jupyter_lab.write("twice", SURFACE, "surface"))
    lab.run_all()
    stages = lab.page.locator(".cw-stage")
    expect(stages).to_have_count(2)

    def colours(index: int) -> np.ndarray:
        return np.asarray(picture(stages.nth(index))).astype(int).reshape(-1, 3)

    def is_drawn(index: int) -> bool:
        red, green, blue = colours(index).T
        surface, cube = (green > red + 30) & (blue > red + 30), (green > 200) & (red < 90) & (blue < 90)
        return int(surface.sum()) > 300 and int(cube.sum()) < 100

    def has_probe(index: int) -> bool:
        return bool((np.abs(colours(index) - PROBE).max(axis=1) < 40).any())

    eventually(lambda: is_drawn(0) and is_drawn(1))
    lab.evaluate("surface.probe = (-0.5, 0.2)")
    eventually(lambda: has_probe(0) and has_probe(1) and is_drawn(0) and is_drawn(1))
