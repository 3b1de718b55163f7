"""Room in a plot: how far an axis reaches, and where texts stand that must not cover one another."""

from __future__ import annotations

import numpy as np

__all__ = ["place", "visible_range"]

_STRETCH = 3.0  # an axis is at most so many times as wide as what must be seen, for the sake of what should be
_ROOM = 0.33  # of the width, for one text


def place(shares: list[float], texts: list[str]) -> list[tuple[float, str, str]]:
    """Find room for the texts of one or two values in one row: outwards where there is room, else side by side or in one.

    Args:
        shares: Where the values stand between the plot's left rim (0) and its right rim (1), ascending; beyond a rim, a text gets
            an arrow. NaN has no text.
        texts: What is written beside them; an empty one is left out.

    Returns:
        For each text where it is anchored, ``"start"`` or ``"end"`` for the side of the anchor that it stands on, and the text.
    """
    found = [(share, text) for share, text in zip(shares, texts, strict=True) if np.isfinite(share) and text]
    anchors = [min(max(share, 0.0), 1.0) for share, _ in found]
    said = [f"◀ {text}" if share < 0 else f"{text} ▶" if share > 1 else text for share, text in found]
    if len(found) < 2:
        return [(anchor, "start" if anchor < 1 - _ROOM else "end", text) for anchor, text in zip(anchors, said, strict=True)]
    (left, right), (first, second) = anchors, said
    room_left, room_right, room_between = left > _ROOM, right < 1 - _ROOM, right - left > _ROOM
    if room_left and room_right:
        return [(left, "end", first), (right, "start", second)]
    if room_right:
        return [(left, "start", first), (right, "start", second)] if room_between else [(right, "start", f"{first}, {second}")]
    if room_left:
        return [(left, "end", first), (right, "end", second)] if room_between else [(left, "end", f"{first}, {second}")]
    return [(left, "start", first), (right, "end", second)]


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
