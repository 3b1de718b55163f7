"""Reads what `curvwidget.widgets.style.legend` and `sentence` wrote, so that a picture says the same as the live view."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

__all__ = ["Entry", "Shape", "plain_color", "read_text"]

Shape = tuple[str, dict[str, str]]


class Entry(NamedTuple):
    """A text, and the swatch before it.

    Attributes:
        text: The text.
        color: The swatch's colour; empty for none.
        shapes: What the swatch is drawn of: SVG elements by name, with their attributes.
    """

    text: str
    color: str = ""
    shapes: tuple[Shape, ...] = ()


_SKIPPED = ("style", "svg")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def plain_color(color: str) -> str:
    """Return a colour that a picture on white knows.

    Args:
        color: As the bqplot views name it: hexadecimal, ``"transparent"``, or a variable of the page with a fallback.

    Returns:
        The colour, or the variable's fallback.
    """
    if color == "transparent":
        return "none"
    found = _COLOR.search(color)
    return found.group() if found else color


def read_text(source: str) -> list[Entry]:
    """Take the texts out of HTML.

    Args:
        source: The HTML.

    Returns:
        Its texts in order, each with the swatch before it; an empty text begins a row of a table.
    """
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return reader.entries


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self._color = ""
        self._shapes: list[Shape] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._depth += 1
        elif self._depth:
            self._shapes.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.entries.append(Entry(""))
        for name, value in attrs:
            if self._depth and name in ("fill", "stroke") and value and value not in ("none", "transparent"):
                self._color = plain_color(value)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if not self._depth and data.strip():
            self.entries.append(Entry(" ".join(data.split()), self._color, tuple(self._shapes)))
            self._color, self._shapes = "", []
