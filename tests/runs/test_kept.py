"""What is kept stays within its bound, and what was not asked for longest goes first."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget.runs import Kept, bytes_of


def test_a_value_is_found_by_an_equal_key_and_by_no_other() -> None:
    kept = Kept(100)
    kept.put(("plane", 1, 2.0), "a", 10)
    assert kept.get(("plane", 1, 2.0)) == "a"
    assert kept.get(("plane", 2, 1.0)) is None
    assert kept.get("plane") is None


def test_a_new_value_under_a_key_replaces_the_old_one_and_its_size() -> None:
    kept = Kept(100)
    kept.put("a", "small", 10)
    kept.put("a", "large", 70)
    assert (len(kept), kept.nbytes, kept.get("a")) == (1, 70, "large")
    kept.put("a", "gone", 101)
    assert (len(kept), kept.nbytes, kept.get("a")) == (0, 0, None)


def test_what_alone_is_too_large_drives_nothing_out() -> None:
    kept = Kept(100)
    kept.put("a", "a", 60)
    kept.put("b", "b", 101)
    assert "a" in kept
    assert "b" not in kept


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_a_plain_list_of_what_was_used_last(seed: int) -> None:
    # A second implementation: all uses in their order, from which the newest are taken as long as there is room.
    chance, bound = np.random.default_rng(seed), 50
    kept = Kept(bound)
    newest: list[tuple[int, int, int]] = []  # key, value and size, the most recently used first
    for step in range(2000):
        key, size = int(chance.integers(12)), int(chance.integers(1, 30))
        found = [entry for entry in newest if entry[0] == key]
        if chance.random() < 0.5:
            assert kept.get(key) == (found[0][1] if found else None)
            newest = found + [entry for entry in newest if entry[0] != key]
        else:
            kept.put(key, step, size)
            newest = [(key, step, size)] + [entry for entry in newest if entry[0] != key]
            while sum(entry[2] for entry in newest) > bound:
                newest.pop()
        assert kept.nbytes == sum(entry[2] for entry in newest) <= bound
        assert len(kept) == len(newest)
        assert all(entry[0] in kept for entry in newest)


def test_the_bytes_of_a_result_are_those_of_its_arrays() -> None:
    saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(5, dtype=torch.float64))
    directions = cw.random_directions(saddle, seed=1)
    plane = cw.slice_loss(saddle, directions, span=1.0, resolution=11)
    vectors = 2 * 5 * 8
    fields = [getattr(directions, field.name) for field in dataclasses.fields(directions)]
    numbers = sum(value.nbytes for value in fields if isinstance(value, np.ndarray))
    assert bytes_of(plane) == 11 * 11 * 8 + 2 * 11 * 8 + vectors + numbers
    assert bytes_of((plane, {"again": plane}, "text", None, 3)) == 2 * bytes_of(plane)
