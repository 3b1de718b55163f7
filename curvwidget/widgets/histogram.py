"""Histograms of curvatures as densities."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["bin_edges", "density_outline"]

Array = np.ndarray[Any, Any]

_MOST_BINS = 60


def bin_edges(*samples: Array) -> Array:
    """Choose bins that several samples share, so that their bars can be compared.

    Args:
        samples: Finite numbers, one array a sample; at least two numbers in all.

    Returns:
        Equally spaced edges that hold every number.

    Source:
        Freedman and Diaconis, "On the histogram as a density estimator", 1981: bins of width 2·IQR·n^(−1/3), here those of the
        sample that asks for the finest.
    """
    low = min(float(sample.min()) for sample in samples)
    high = max(float(sample.max()) for sample in samples)
    if low == high:
        width = 0.1 * abs(low) or 1.0
        return np.array([low - width / 2, low + width / 2])
    widths = [2 * float(np.subtract(*np.percentile(sample, [75, 25]))) * len(sample) ** (-1 / 3) for sample in samples]
    width = min((width for width in widths if width > 0), default=high - low)
    count = int(np.clip(np.ceil((high - low) / width), 1, _MOST_BINS))
    return np.linspace(low, high, count + 1)


def density_outline(sample: Array, edges: Array) -> tuple[Array, Array]:
    """Return the outline of a histogram whose area is 1.

    Args:
        sample: The numbers ``(n,)``, each between the first and the last edge.
        edges: Edges of the bins ``(b + 1,)``.

    Returns:
        Abscissas and ordinates ``(2b + 2,)`` of the steps, from zero up and back to zero.
    """
    heights = np.histogram(sample, edges, density=True)[0]
    return np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
