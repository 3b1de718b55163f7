"""Callbacks may come on any thread, several at a time and while the explorer computes: kernels differ in where they run them."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import threading

import pytest
import torch

import curvwidget as cw
from curvwidget.runs import ThreadExecutor
from curvwidget.widgets import RandomAxis

PATIENCE = 60


@pytest.fixture
def explorer():
    weights = torch.linspace(-1, 2, 300, dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: 1 + (weights * t**2).sum(), torch.zeros(300, dtype=torch.float64))
    with cw.explore(objective, resolution=21, planes=30, probes=20, spectrum_probes=1) as made:
        yield made


def run_at_once(*works) -> list[BaseException]:
    """Run each work on a thread of its own, all begun together; return what they raised."""
    start, raised = threading.Barrier(len(works)), []

    def run(work) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to show it
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "two threads wait for each other"
    return raised


def test_controls_map_and_python_from_many_threads_neither_raise_nor_wait_for_each_other(explorer) -> None:
    controls, loss_map = explorer.controls, explorer.loss_map

    def turn_knobs() -> None:
        for step in range(15):
            controls.blend.value = step / 15
            controls.zoom.value = 1 + step / 30

    def choose() -> None:
        for step in range(15):
            controls.scale.value = ("linear", "log", "difference")[step % 3]
            controls.resolution.value = (11, 21)[step % 2]

    def drag() -> None:
        for step in range(40):  # as a browser's message does
            loss_map.set_state({"probe": [0.001 * step, -0.001 * step]})

    def click() -> None:
        for step in range(15):
            (controls.cancel if step % 3 == 2 else controls.new_plane).click()

    def set_from_python() -> None:
        for step in range(15):
            explorer.request = dataclasses.replace(explorer.request, axes=(RandomAxis(step, 0), RandomAxis(step, 1)), blend=0.0)

    assert run_at_once(turn_knobs, choose, drag, click, set_from_python) == []

    # the last request is answered, and what is shown is its answer
    last = dataclasses.replace(explorer.request, axes=(RandomAxis(77, 0), RandomAxis(77, 1)), blend=0.0, resolution=11)
    explorer.request = last
    assert explorer.wait(PATIENCE)
    assert explorer.state == "idle"
    assert explorer.error is None
    expected = cw.random_directions(explorer.objective, seed=77).vectors
    assert torch.equal(explorer.slice.directions.vectors, expected)
    assert explorer.slice.values.shape == (11, 11)
    for view in (explorer.loss_map, explorer.surface, explorer.profiles):
        assert view.slice is explorer.slice
        assert view.probe == explorer.probe
    assert explorer.controls.resolution.value == 11


def test_no_result_of_a_replaced_request_is_shown_after_a_foreign_thread_has_asked(explorer) -> None:
    shown: list[tuple[int, int]] = []

    def note(change) -> None:
        axis = explorer.request.axes[0]
        shown.append((change["new"].seed, axis.seed))

    explorer.observe(note, "directions")

    def ask(first: int) -> None:
        for seed in range(first, first + 10):
            explorer.request = dataclasses.replace(explorer.request, axes=(RandomAxis(seed, 0), RandomAxis(seed, 1)), blend=0.0)

    assert run_at_once(lambda: ask(1000), lambda: ask(2000)) == []
    assert explorer.wait(PATIENCE)
    assert shown
    assert all(of_picture == of_request for of_picture, of_request in shown)


def test_closing_from_one_thread_while_others_ask_leaves_nothing_running(explorer) -> None:
    def ask() -> None:
        for _ in range(20):
            with contextlib.suppress(RuntimeError):  # "the worker is closed": what a late click hears
                explorer.new_random_plane()

    assert run_at_once(ask, ask, explorer.close) == []
    assert explorer.wait(PATIENCE)


def test_a_worker_sends_in_the_context_in_which_it_was_asked() -> None:
    """Some kernels keep in it which cell a message belongs to; without it they raise LookupError."""
    parent: contextvars.ContextVar[str] = contextvars.ContextVar("parent")
    seen: list[str] = []
    done = threading.Event()

    def work() -> None:
        seen.append(parent.get())
        done.set()

    def ask(name: str) -> None:
        parent.set(name)
        ThreadExecutor().run(work)

    contextvars.copy_context().run(ask, "cell 1")
    assert done.wait(PATIENCE)
    assert seen == ["cell 1"]
