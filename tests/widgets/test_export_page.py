"""What stands in the exported page: frames in one range of colours, on the scale of the live map, with what is marked there."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import Explorer
from curvwidget.widgets.packing import unpack
from curvwidget.widgets.shared_limits import shared_limits

FRAMES = 3


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    diagonal = torch.tensor([30.0, 1.0, 1.0, 1.0, -2.0], dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: 1 + 0.5 * (diagonal * t**2).sum(), torch.zeros(5, dtype=torch.float64))
    return cw.explore(objective, resolution=11, planes=5, probes=5, span=[0.5, 0.5], executor=InlineExecutor())


def content(explorer: Explorer, **options: Any) -> dict[str, Any]:
    page = explorer.to_html(frames=FRAMES, **options)
    found = re.search(r'<script type="application/json" id="curvwidget-content">(.*?)</script>', page, re.DOTALL)
    return json.loads(found.group(1))


def arrays(frame: dict[str, Any]) -> dict[str, np.ndarray]:
    return unpack(base64.b64decode(frame["packet"]))[1]


@pytest.mark.parametrize("scale", ["linear", "log", "difference"])
def test_a_colour_is_the_same_loss_in_every_frame(explorer, scale) -> None:
    explorer.controls.scale.value = scale
    packets = [arrays(frame) for frame in content(explorer)["frames"]]
    assert len(packets) == FRAMES
    drawn = [packet["values"] + packet["base"] for packet in packets]
    spread = (min(values.min() for values in drawn), max(values.max() for values in drawn))
    assert len({float(values.max()) for values in drawn}) > 1  # by themselves they would have other colours
    for packet in packets:
        np.testing.assert_allclose(packet["limits"], spread, rtol=1e-6)


def test_frames_have_their_own_colours_where_that_is_asked_for_and_the_maps_where_it_has_some(explorer) -> None:
    explorer.controls.scale.value = "linear"
    for frame in content(explorer, shared_colors=False)["frames"]:
        packet = arrays(frame)
        np.testing.assert_array_equal(packet["limits"], packet["range"])
    explorer.loss_map.limits = (0.0, 5.0)
    try:
        assert all(arrays(frame)["limits"].tolist() == [0.0, 5.0] for frame in content(explorer)["frames"])
    finally:
        explorer.loss_map.limits = None


def test_what_is_marked_on_the_map_is_marked_in_its_frame_alone(explorer) -> None:
    explorer.loss_map.spots = [(0.1, 0.2, "<b>κ 1, 2</b>")]
    frames = content(explorer)["frames"]
    assert [frame["spots"] for frame in frames] == [[[0.1, 0.2, "<b>κ 1, 2</b>"]], [], []]


def test_the_legend_shows_the_dashes_of_the_lines_that_it_names(explorer) -> None:
    found = content(explorer)
    dashes = {text: [traits.get("stroke-dasharray") for _, traits in shapes] for text, shapes in found["keys"]}
    plot = explorer.profiles._plots[0]
    written = {"solid": "none", "dashed": "6,4", "dash_dotted": "7,3,2,3"}  # as js/src/cross_section.ts draws the lines
    assert dashes["loss"] == [written[plot.loss.line_style]]
    assert dashes["curvature of this slice"] == [written[plot.seen.line_style]]
    assert dashes["mean curvature tr(H)/N"] == [written[plot.predicted.line_style]]
    assert len({tuple(dash) for dash in list(dashes.values())[:3]}) == 3
    inks = {traits["stroke"] for text, shapes in found["keys"] for _, traits in shapes if text == "loss"}
    assert inks == {"var(--cw-fg)"}  # the page's own
    planes = dict(found["frames"][0]["planeKeys"])
    assert [tag for tag, _ in planes["this plane"]] == ["path"]  # the diamond that marks it


def test_profiles_are_logarithmic_where_the_map_is(explorer) -> None:
    explorer.controls.scale.value = "log"
    assert explorer.profiles.scale == "log"
    explorer.controls.scale.value = "difference"
    assert explorer.profiles.scale == "linear"


def test_limits_leave_out_what_is_no_number_or_has_no_logarithm() -> None:
    objective = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(2, dtype=torch.float64))
    plane = cw.slice_loss(objective, cw.own_directions(objective, torch.eye(2)), span=1.0, resolution=3)
    values = np.array([[np.nan, -1.0, 10.0], [0.0, 1.0, 100.0], [np.inf, -np.inf, 1000.0]])
    holed = cw.LossSlice(plane.axes, values, plane.directions, 9)
    assert shared_limits([holed], "log") == (0.0, 3.0)
    assert shared_limits([holed], "difference") == (-2.0, 999.0)  # from 1 at the centre
    assert shared_limits([holed, plane], "linear") == (-1.0, 1000.0)
    assert shared_limits([], "linear") is None
