"""One range of colours for several slices, so that the same colour is the same loss in each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from curvwidget.slices import LossSlice
from curvwidget.widgets.loss_packet import FINITE, Scale, rescale

__all__ = ["shared_limits"]


def shared_limits(planes: Iterable[LossSlice], scale: Scale) -> tuple[float, float] | None:
    """Return the least and the largest value that maps of these slices draw.

    Args:
        planes: The slices.
        scale: What is drawn: the loss, its decimal logarithm, or its difference from the centre.

    Returns:
        Limits as `LossMap` takes them; None where there are no two different values. NaN and inf have colours of their own.
    """
    drawn = [np.empty(0)]
    for plane in planes:
        values, marks = rescale(plane.values, plane.center, scale)
        drawn.append(values[marks == FINITE])
    found = np.concatenate(drawn)
    return (float(found.min()), float(found.max())) if len(found) and found.min() < found.max() else None
