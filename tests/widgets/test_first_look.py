"""Where the whole slice takes long, the explorer shows a first look, says that it is one, and takes no number from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import curvwidget as cw
from curvwidget.objective.subset import Subset, take_subset
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import Explorer, pictures


def objective() -> cw.Objective:
    torch.manual_seed(0)
    x, y = torch.randn(512, 4).double(), torch.randint(0, 3, (512,))
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    return cw.Objective(model, nn.functional.cross_entropy, (x, y))


def explore(monkeypatch: pytest.MonkeyPatch, shown: list[dict[str, object]]) -> Explorer:
    """Explore as if all took long, and note what is shown after each update."""

    def choose(whole: cw.Objective, evaluations: int, *, seed: int) -> Subset | None:
        return take_subset(whole, 64, seed=seed)

    def note(self: Explorer, job: object, update: object) -> None:
        update_explorer(self, job, update)
        names = ("slice", "look", "curvature", "probe", "directions")
        views = {"map": self.loss_map.slice, "caption": self.loss_map.caption, "profiles": self.profiles.slice}
        shown.append({name: getattr(self, name) for name in names} | views | {"surface": self.surface.slice})

    update_explorer = Explorer._on_update
    monkeypatch.setattr(pictures, "choose_subset", choose)
    monkeypatch.setattr(Explorer, "_on_update", note)
    return cw.explore(
        objective(), resolution=21, tolerance=None, planes=5, probes=5, spectrum_probes=0, executor=InlineExecutor()
    )


def test_a_look_comes_first_and_is_replaced_by_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, object]] = []
    explorer = explore(monkeypatch, shown)
    looks = [state for state in shown if state["look"] is not None]
    slices = [state for state in shown if state["look"] is None]
    assert shown[: len(looks)] == looks
    assert looks
    assert slices
    for state in looks:
        look = state["look"]
        assert state["slice"] is state["profiles"] is state["surface"] is None
        assert state["map"] is look.plane
        assert state["caption"].startswith("first look, 64 of 512 samples: ± ")
        assert state["directions"] is look.plane.directions
    assert any(state["curvature"] is None for state in looks)
    first = slices[0]
    assert first["slice"] is first["map"] is first["profiles"] is first["surface"]
    assert first["slice"].values.size >= looks[-1]["look"].plane.values.size  # never coarser than what was there
    assert first["caption"].startswith("exact, ")
    assert explorer.look is None
    assert explorer.state == "idle"


def test_no_verdict_stands_beside_a_look_that_is_not_of_its_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = explore(monkeypatch, [])
    facts, said = explorer.verdict_bar.facts, []

    def cancel(self: Explorer, look: object) -> None:
        show_look(self, look)
        explorer.cancel()

    show_look = type(explorer.views).show_look
    monkeypatch.setattr(type(explorer.views), "show_look", cancel)
    explorer.verdict_bar.observe(lambda change: said.append(change["new"]), "sentence")
    explorer.new_random_plane()
    assert explorer.state == "cancelled"
    assert (explorer.curvature, explorer.slice) == (None, None)
    assert said == ["Computing …", "The curvature of this plane was not computed."]
    assert (explorer.verdict_bar.facts, explorer.verdict_bar.notes) == (facts, [])


def test_no_number_is_taken_from_the_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, object]] = []
    explorer = explore(monkeypatch, shown)
    whole = objective()
    directions = cw.random_directions(whole, seed=0)
    seen = cw.project_curvature(whole, directions)
    for state in shown:
        if state["curvature"] is not None:
            np.testing.assert_array_equal(state["curvature"].matrix, seen.matrix)
    np.testing.assert_array_equal(
        explorer.slice.values, cw.slice_loss(whole, directions, span=explorer.slice.span, resolution=21).values
    )
    assert explorer.slice.center == whole.loss()
    assert explorer.slice.error == 0


def test_what_was_seen_before_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, object]] = []
    explorer = explore(monkeypatch, shown)
    here, first = explorer.request, explorer.slice
    explorer.new_random_plane()
    assert any(state["look"] is not None for state in shown)
    shown.clear()
    explorer.request = here
    assert all(state["look"] is None for state in shown)
    assert explorer.slice is first


def test_another_grid_on_what_is_drawn_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, object]] = []
    explorer = explore(monkeypatch, shown)
    shown.clear()
    explorer.controls.resolution.value = 11
    assert all(state["look"] is None for state in shown)
    assert explorer.slice.values.shape == (11, 11)
    explorer.controls.zoom.value = 2.0
    assert any(state["look"] is not None for state in shown)


def test_the_map_says_the_error_of_a_look_beside_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from curvwidget.widgets.packing import unpack

    shown: list[dict[str, object]] = []
    packets: list[bytes] = []
    explorer = explore(monkeypatch, shown)
    shown.clear()
    explorer.loss_map.observe(lambda change: packets.append(change["new"]), "packet")
    explorer.new_random_plane()
    assert unpack(packets[0])[0]["error"] == shown[0]["look"].sampling_error > 0
    assert unpack(packets[-1])[0]["error"] == 0
