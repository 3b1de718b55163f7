"""A stream that is left and taken up again computes nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from curvwidget.widgets.kept_stream import KeptStream


@dataclass(frozen=True)
class Count:
    number: int
    progress: float


def counting(made: list[int], total: int = 4) -> Iterator[Count]:
    for number in range(1, total + 1):
        made.append(number)
        yield Count(number, number / total)


def test_what_is_left_is_taken_up_where_it_stopped() -> None:
    made: list[int] = []
    stream = KeptStream(lambda: counting(made))
    for count in stream:
        if count.number == 2:
            break
    assert [count.number for count in stream] == [3, 4]
    assert made == [1, 2, 3, 4]


def test_an_end_that_nobody_took_is_given_again() -> None:
    made: list[int] = []
    stream = KeptStream(lambda: counting(made))
    for count in stream:
        if count.progress == 1:
            break  # as where the worker is interrupted before it delivers
    assert [count.number for count in stream] == [4]
    assert [count.number for count in stream] == [4]
    assert made == [1, 2, 3, 4]


def test_an_error_begins_it_anew() -> None:
    made: list[int] = []
    broken = [True]

    def start() -> Iterator[Count]:
        for count in counting(made):
            if count.number == 3 and broken:
                raise RuntimeError("out of luck")
            yield count

    stream = KeptStream(start)
    with pytest.raises(RuntimeError, match="out of luck"):
        list(stream)
    broken.clear()
    assert [count.number for count in stream] == [1, 2, 3, 4]
