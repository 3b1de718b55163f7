"""Two explorers show the same kind of plane, whichever of them is moved."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import curvwidget as cw
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import EigenAxis, RandomAxis


def small_explorer(size: int, *, executor=None):
    weights = torch.arange(1, size + 1, dtype=torch.float64) - 2
    objective = cw.Objective.from_function(lambda t: 1 + (weights * t**2).sum(), torch.zeros(size, dtype=torch.float64))
    return cw.explore(objective, resolution=5, planes=0, probes=2, spectrum_probes=0, executor=executor)


@pytest.fixture
def pair():
    with small_explorer(3, executor=InlineExecutor()) as first, small_explorer(5, executor=InlineExecutor()) as second:
        yield first, second


def test_the_second_takes_over_what_the_first_shows_and_both_follow_from_then_on(pair) -> None:
    first, second = pair
    first.request = dataclasses.replace(first.request, axes=(RandomAxis(7, 0), EigenAxis(-1)), zoom=2.0)
    cw.link_explorers(first, second, executor=InlineExecutor())
    assert second.request == first.request
    assert second.slice.directions.n_parameters == 5
    second.new_random_plane()
    assert first.request.axes == second.request.axes != (RandomAxis(7, 0), EigenAxis(-1))
    first.request = dataclasses.replace(first.request, blend=0.5)
    assert second.request.blend == 0.5
    second.probe = (0.01, 0.0)
    assert first.probe == (0.01, 0.0)


def test_vectors_and_places_of_ones_own_stay_with_it(pair) -> None:
    first, second = pair
    cw.link_explorers(first, second, executor=InlineExecutor())
    before = second.request.axes
    first.directions = cw.own_directions(first.objective, torch.eye(3, dtype=torch.float64)[:2])
    assert second.request.axes == before
    first.probe = (0.1, 0.1)
    first.go_to_probe()
    assert first.request.place is not None
    assert second.request.place is None


def test_a_link_can_be_undone(pair) -> None:
    first, second = pair
    link = cw.link_explorers(first, second, executor=InlineExecutor())
    link.unlink()
    before = second.request
    first.new_random_plane()
    assert second.request is before


def test_explorers_that_compute_on_threads_never_wait_for_each_other() -> None:
    with small_explorer(3) as first, small_explorer(5) as second:
        link = cw.link_explorers(first, second)
        for _ in range(20):
            first.new_random_plane()
            second.new_random_plane()
            first.probe, second.probe = (0.01, 0.0), (0.0, 0.01)
        assert link.wait(30)
        first.new_random_plane()
        assert link.wait(30)
        assert first.wait(30)
        assert second.wait(30)
        assert first.request.axes == second.request.axes
        link.unlink()


def test_what_cannot_be_linked_is_refused(pair) -> None:
    first, _ = pair
    with pytest.raises(TypeError, match="second must be an Explorer, got str"):
        cw.link_explorers(first, "second")
    with pytest.raises(ValueError, match="two explorers, got one and the same"):
        cw.link_explorers(first, first)
