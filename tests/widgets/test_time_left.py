"""How long work will still take, against work whose pace is known."""

from __future__ import annotations

import ipywidgets
import pytest

from curvwidget.widgets import request_panel
from curvwidget.widgets.request_panel import RequestPanel
from curvwidget.widgets.time_left import TimeLeft


class Panel(RequestPanel[int]):
    def _write(self, request: int) -> None: ...

    def _read(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("seconds", "progress", "words"),
    [
        (0.5, 0.01, ""),  # too early to tell
        (3.0, 0.2, "12 s left"),
        (3.0, 0.9, ""),  # a third of a second: not worth saying
        (30.0, 0.1, "5 min left"),  # 270 s
        (5.0, 0.0, ""),  # nothing done
    ],
)
def test_what_is_left_follows_from_the_pace_so_far(seconds: float, progress: float, words: str) -> None:
    left = TimeLeft()
    left.words(0.0, now=50.0)
    assert left.words(progress, now=50.0 + seconds) == words


def test_another_stage_has_a_pace_of_its_own() -> None:
    left = TimeLeft()
    left.words(0.0, now=0.0)
    assert left.words(0.5, now=100.0) == "2 min left"
    assert left.words(0.0, now=101.0) == ""
    assert left.words(0.25, now=103.0) == "6 s left"


def test_work_that_is_taken_up_in_the_middle_is_not_thought_faster_than_it_is() -> None:
    left = TimeLeft()
    left.words(0.8, now=0.0)
    assert left.words(0.85, now=5.0) == "15 s left"


def test_the_panel_says_it_beside_what_is_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0])
    monkeypatch.setattr(request_panel.time, "monotonic", lambda: next(clock))
    panel = Panel(0, [ipywidgets.Label()], on_request=lambda _: None, on_cancel=lambda: None, width="200px")
    panel.show_work("slice, 41 × 41", 0.0, busy=True)
    assert panel.doing.value == "slice, 41 × 41"
    panel.show_work("slice, 41 × 41", 0.25, busy=True)
    assert panel.doing.value == "slice, 41 × 41 · 12 s left"
    panel.show_work("done", 1.0, busy=False)
    assert panel.doing.value == "done"
