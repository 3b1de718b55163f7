"""Room in a plot: how far an axis reaches, and where texts stand that must not cover one another."""

from __future__ import annotations

import numpy as np

__all__ = ["place", "visible_range"]

_STRETCH = 3.0  # an axis is at most so many times as wide as what must be seen, for the sake of what should be
_LETTER = 0.0235  # of the width of the narrowest plot, at 13 pixels
_GAP = 0.035  # between a value and its text
Placed = tuple[float, str, str]


def place(shares: list[float], texts: list[str]) -> list[Placed]:
    """Find room for the texts of one or two values in one row, where neither is cut nor covers a value.

    Args:
        shares: Where the values stand between the plot's left rim (0) and its right rim (1), ascending; beyond a rim, a text gets
            an arrow. NaN has no text.
        texts: What is written beside them, as ``name = value``; an empty one is left out.

    Returns:
        For each text where it is anchored, ``"start"`` or ``"end"`` for the side of the anchor that it stands on, and the text:
        outwards where there is room, else side by side, else in one; without their names where that is all that fits.
    """
    found = [(share, text) for share, text in zip(shares, texts, strict=True) if np.isfinite(share) and text]
    anchors = [min(max(share, 0.0), 1.0) for share, _ in found]
    said = [f"◀ {text}" if share < 0 else f"{text} ▶" if share > 1 else text for share, text in found]
    if len(found) < 2:
        return [_alone(anchor, text) for anchor, text in zip(anchors, said, strict=True)]
    (left, right), (first, second) = anchors, said
    before, after, between = left, 1 - right, right - left
    if before > _needed(first) and after > _needed(second):
        return [(left, "end", first), (right, "start", second)]
    if between > _needed(first) and after > _needed(second):
        return [(left, "start", first), (right, "start", second)]
    if before > _needed(first) and between > _needed(second):
        return [(left, "end", first), (right, "end", second)]
    if between > _needed(first) + _needed(second):
        return [(left, "start", first), (right, "end", second)]
    values = ", ".join(text.partition(" = ")[2] or text for text in said)
    for both in (f"{first}, {second}", values):
        if after > _needed(both):
            return [(right, "start", both)]
        if before > _needed(both):
            return [(left, "end", both)]
    return [(1.0, "end", values)] if after > before else [(0.0, "start", values)]


def _alone(anchor: float, text: str) -> Placed:
    if anchor < 1 - _needed(text) or anchor < 0.5:
        return anchor, "start", text
    return anchor, "end", text


def _needed(text: str) -> float:
    return _GAP + _LETTER * len(text)


def visible_range(core: list[float], marks: list[float]) -> tuple[float, float]:
    """Choose the limits of the curvature axis.

    Args:
        core: Curvatures that must be seen; what is not finite does not count.
        marks: Curvatures to be seen where that leaves the others room enough, the nearest first.

    Returns:
        The lower and the upper limit, with a margin.
    """
    inner = [value for value in core if np.isfinite(value)]
    outer = sorted(value for value in marks if np.isfinite(value))
    if not inner:
        inner, outer = outer, []
    low, high = min(inner, default=0.0), max(inner, default=0.0)
    widest = _STRETCH * ((high - low) or abs(low) or 1.0)
    for value in sorted(outer, key=lambda value: max(low - value, value - high)):
        if max(high, value) - min(low, value) <= widest:
            low, high = min(low, value), max(high, value)
    margin = 0.05 * (high - low) or 0.5 * abs(low) or 1.0
    return low - margin, high + margin
