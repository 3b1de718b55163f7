"""The first picture goes to the map alone, and whoever draws it is left alone for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

import curvwidget as cw
from curvwidget._interrupt import checkpoint, interruptible, rest
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import Explorer, explorer


def waves(theta: torch.Tensor) -> torch.Tensor:
    return torch.cos(2 * theta).sum() + (theta**2).sum()


def explored(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None], **options: object) -> Explorer:
    monkeypatch.setattr(explorer, "rest", pause)
    objective = cw.Objective.from_function(waves, torch.zeros(4, dtype=torch.float64))
    return cw.explore(objective, resolution=41, planes=0, probes=0, spectrum_probes=0, **options)


def shown(view: Explorer) -> list[object]:
    return [each.slice for each in (view.loss_map, view.profiles, view.surface)]


def test_only_the_map_shows_it_until_it_had_time_to_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[tuple[float, list[object], str]] = []
    with explored(monkeypatch, lambda seconds: paused.append((seconds, shown(view), view.state))) as view:
        assert view.wait(60)
        paused.clear()
        before = view.slice
        view.new_random_plane()
        assert view.wait(60)
        ((seconds, (on_map, on_profiles, on_surface), state),) = paused  # once
        assert 0 < seconds < 0.2
        assert on_profiles is on_surface is before is not None
        assert on_map is not before
        assert on_map.progress < 1
        assert state == "computing"
        assert shown(view) == [view.slice] * 3
        assert view.slice.progress == 1
        # what is there already is shown everywhere at once
        view.request = view.request
        view._ask(view.request)
        assert view.wait(60)
        assert len(paused) == 1


def test_who_cancels_meanwhile_is_left_with_one_picture_in_all_views(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: float) -> None:
        if stopping:
            view.cancel()
            checkpoint()

    stopping = False
    with explored(monkeypatch, stop) as view:
        assert view.wait(60)
        before, stopping = view.slice, True
        view.new_random_plane()
        assert view.wait(60)
        assert view.state == "cancelled"
        assert view.slice is not before
        assert shown(view) == [view.slice] * 3


def test_in_place_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    view = explored(monkeypatch, paused.append, executor=InlineExecutor())
    assert view.slice.progress == 1
    assert paused == []


def test_a_rest_takes_its_time_and_can_be_interrupted() -> None:
    began = time.monotonic()
    rest(0.03)
    assert time.monotonic() - began >= 0.03

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), interruptible(stop):
        rest(60.0)
