"""A slice on some of the samples, to be looked at until the one on all of them is there."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.objective.subset import Subset, take_subset
from curvwidget.slices.evaluate import stream_slice
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.slices.span import auto_span

__all__ = ["FirstLook", "choose_subset", "stream_first_look"]

_PATIENCE = 1.0  # seconds: a slice that takes no longer is not looked at beforehand
_LOOK = 0.3  # seconds that a look may take
_RESOLUTION = 11  # of a look, at most: 121 points
_FEW, _MOST = 64, 8192  # samples: to see what they cost at most, to look at
_SHORT = 0.05  # seconds: an evaluation on all samples that takes no longer is measured itself
_LEAST_GAIN = 8  # times as many samples in the data as in the subset


@dataclass(frozen=True, eq=False)
class FirstLook:
    """A slice of the loss on a subset of the samples.

    Attributes:
        plane: The slice; its ``error`` is the sampling error.
        samples: Number of samples that were drawn.
        n_samples: Number of samples in the data.
    """

    plane: LossSlice
    samples: int
    n_samples: int

    @property
    def sampling_error(self) -> float:
        """Standard error of its values as estimates of the loss on all samples: the largest at centre and corners."""
        return self.plane.error


def choose_subset(objective: Objective, evaluations: int, *, seed: int = 0) -> Subset | None:
    """Choose how many samples to look at first, from what an evaluation on a few of them takes.

    Args:
        objective: The loss.
        evaluations: How many evaluations the slice on all samples takes.
        seed: Seed of the draw.

    Returns:
        So many samples that a look takes about a third of a second; None where the whole slice takes less than one second, or
        where a subset is no estimate of the whole.
    """
    total = objective.n_samples
    if total is None or total < _LEAST_GAIN * _FEW:
        return None
    few = take_subset(objective, _FEW, seed=seed)
    if few is None:
        return None
    longest = _seconds(few.objective) * total / _FEW  # so few say more of the calls than of the samples
    whole = _seconds(objective) if longest < _SHORT else longest
    if whole * evaluations < _PATIENCE:
        return None
    rate = total / whole
    most = min(_MOST, total // _LEAST_GAIN, rate * _LOOK / _RESOLUTION**2)
    return take_subset(objective, 2 ** int(math.log2(max(most, _FEW))), seed=seed)


def stream_first_look(
    subset: Subset, directions: Directions, *, span: Sequence[float] | None, zoom: float = 1.0, resolution: int = 41
) -> Iterator[FirstLook]:
    """Look at a plane on a subset of the samples.

    Args:
        subset: The loss on them.
        directions: One, two or three axes.
        span: Half-width of each axis; None to choose it from the subset's curvature.
        zoom: Factor on the span.
        resolution: Points on each axis, odd; more than eleven are not looked at.

    Yields:
        Slices on finer and finer grids, each with its sampling error.
    """
    directions = directions.beside(subset.objective.theta)
    reach = auto_span(subset.objective, directions) if span is None else tuple(span)
    reach = tuple(float(f"{half * zoom:.2g}") for half in reach)
    coordinates = [[0.0] * len(reach), *itertools.product(*((-half, half) for half in reach))]
    error = float(np.max(subset.sampling_error(directions.vectors, coordinates)))
    for plane in stream_slice(subset.objective, directions, span=reach, resolution=min(resolution, _RESOLUTION)):
        yield FirstLook(replace(plane, error=error), subset.samples, subset.n_samples)


# Of one evaluation: the quickest of three, for the first one also warms up, and other work may come between.
def _seconds(objective: Objective) -> float:
    theta = objective.theta
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        objective.loss(theta)
        taken.append(time.perf_counter() - began)
    return max(min(taken), 1e-6)
