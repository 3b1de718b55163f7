"""Texts beside values: none is cut, none covers a value."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from curvwidget.widgets.room import place

LETTER = 0.0233  # 7.2 pixels of 310


def stretch(anchor: float, align: str, text: str) -> tuple[float, float]:
    width = LETTER * len(text)
    return (anchor, anchor + width) if align == "start" else (anchor - width, anchor)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2).map(sorted), st.data())
def test_no_text_is_cut_and_none_covers_another(shares: list[float], data: st.DataObject) -> None:
    texts = [f"κ = {data.draw(st.floats(-1e3, 1e3)):.3g}" for _ in shares]
    stretches = sorted(stretch(*placed) for placed in place(shares, texts))
    assert all(low >= -1e-9 and high <= 1 + 1e-9 for low, high in stretches)
    assert all(high <= low for (_, high), (low, _) in pairwise(stretches))


@pytest.mark.parametrize(
    ("shares", "placed"),
    [
        ([0.4, 0.6], [(0.4, "end", "a = 1"), (0.6, "start", "b = 2")]),
        ([0.05, 0.5], [(0.05, "start", "a = 1"), (0.5, "start", "b = 2")]),
        ([0.05, 0.1], [(0.1, "start", "a = 1, b = 2")]),
        ([0.9, 0.95], [(0.9, "end", "a = 1, b = 2")]),
        ([0.05, 0.95], [(0.05, "start", "a = 1"), (0.95, "end", "b = 2")]),
        ([-0.5, 0.5], [(0.0, "start", "◀ a = 1"), (0.5, "start", "b = 2")]),
        ([0.5, 1.5], [(0.5, "end", "a = 1"), (1.0, "end", "b = 2 ▶")]),
        ([float("nan"), 0.5], [(0.5, "start", "b = 2")]),
    ],
)
def test_where_the_texts_stand(shares: list[float], placed: list[tuple[float, str, str]]) -> None:
    assert place(shares, ["a = 1", "b = 2"]) == placed


def test_names_go_where_there_is_no_room_for_them() -> None:
    assert place([0.27, 0.33], ["λ_min = −0.192", "λ_max = 0.826"]) == [(0.33, "start", "−0.192, 0.826")]
