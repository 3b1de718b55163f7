"""The loss on a grid around θ, from coarse to fine."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from curvwidget._streams import last
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.objective.along import LossesAlong
from curvwidget.slices.grid import axis_levels, check_resolution, symmetric_axis
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.slices.span import auto_span, check_span

__all__ = ["slice_loss", "stream_slice"]

Array = np.ndarray[Any, Any]
Span = float | Sequence[float] | Literal["auto"]

_STEP_SECONDS = 0.04  # of evaluations between two snapshots, where one evaluation takes less
_MOST_POINTS = 64  # evaluated between two snapshots at most


def slice_loss(
    objective: Objective, directions: Directions, *, span: Span = "auto", resolution: int | Sequence[int] = 41
) -> LossSlice:
    """Evaluate the loss on a product grid around θ.

    Bad options, and directions of the wrong length or number, are refused with a `ValueError` that names them.

    Args:
        objective: The loss at θ.
        directions: One, two or three axes.
        span: Half-width of each axis in units of its direction: a number, one an axis, or ``"auto"``: from the curvature along
            the axes, so that each shows a change of the loss by about a tenth (see `auto_span`).
        resolution: Points on each axis, odd: one number or one an axis.

    Returns:
        The slice; its values are losses on all samples, NaN and inf as they come.

    Example:
        >>> import torch, curvwidget as cw
        >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> plane = cw.slice_loss(saddle, cw.hessian_directions(saddle), span=1.0, resolution=3)
        >>> plane.values.round(6).tolist()
        [[0.0, 1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    """
    return last(stream_slice(objective, directions, span=span, resolution=resolution))


def stream_slice(
    objective: Objective, directions: Directions, *, span: Span = "auto", resolution: int | Sequence[int] = 41
) -> Iterator[LossSlice]:
    """Evaluate the loss on finer and finer grids around θ; each reuses the points that the coarser ones had.

    Args:
        objective: As for `slice_loss`.
        directions: As for `slice_loss`.
        span: As for `slice_loss`.
        resolution: As for `slice_loss`.

    Returns:
        Slices on coarse grids, then on the whole one. Between two grids the last complete one comes again with more progress.

    Raises:
        ValueError: As for `slice_loss`, at once and not at the first step.
    """
    count = len(directions)
    if not 1 <= count <= 3:
        raise ValueError(f"directions must be one, two or three, got {count}")
    if directions.n_parameters != objective.n_parameters:
        raise ValueError(f"directions must have length N = {objective.n_parameters}, got {directions.n_parameters}")
    resolutions = check_resolution(resolution, count)
    spans = None if isinstance(span, str) and span == "auto" else check_span(span, count)
    return _walk(objective, directions.beside(objective.theta), spans, resolutions)


def _walk(
    objective: Objective, directions: Directions, spans: tuple[float, ...] | None, resolutions: tuple[int, ...]
) -> Iterator[LossSlice]:
    if spans is None:
        spans = auto_span(objective, directions)
    axes = [symmetric_axis(span, number) for span, number in zip(spans, resolutions, strict=True)]
    values = np.full(resolutions, np.nan)
    known = np.zeros(resolutions, dtype=bool)
    known[tuple(number // 2 for number in resolutions)] = True
    values[known] = objective.loss()
    losses = objective.along(directions.vectors)
    shown: LossSlice | None = None
    for indices in _product_levels(resolutions):
        grid = np.ix_(*indices)
        todo = [point for point in _points(indices) if not known[point]]
        for chunk_values, chunk in _evaluate(losses, axes, todo):
            for point, value in zip(chunk, chunk_values, strict=True):
                values[point], known[point] = value, True
            done = int(known.sum())
            if shown is not None and chunk[-1] != todo[-1]:
                yield LossSlice(shown.axes, shown.values, directions, evaluations=done, progress=done / known.size)
        done = int(known.sum())
        shown = LossSlice(
            axes=tuple(axis[index] for axis, index in zip(axes, indices, strict=True)),
            values=values[grid].copy(),
            directions=directions,
            evaluations=done,
            progress=done / known.size,
        )
        yield shown


def _product_levels(resolutions: tuple[int, ...]) -> list[tuple[Array, ...]]:
    levels = [axis_levels(number) for number in resolutions]
    depth = max(len(level) for level in levels)
    # An axis with fewer levels waits at its finest.
    return [tuple(level[min(step, len(level) - 1)] for level in levels) for step in range(depth)]


def _points(indices: tuple[Array, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*(level.tolist() for level in indices)))


def _evaluate(
    losses: LossesAlong, axes: list[Array], points: list[tuple[int, ...]]
) -> Iterator[tuple[list[float], list[tuple[int, ...]]]]:
    # In blocks that take about one step's time each.
    size = 1
    start = 0
    while start < len(points):
        chunk = points[start : start + size]
        began = time.perf_counter()
        values = losses.at([[axis[index] for axis, index in zip(axes, point, strict=True)] for point in chunk])
        yield values.tolist(), chunk
        seconds = max(time.perf_counter() - began, 1e-6)
        start += size
        size = max(1, min(_MOST_POINTS, 2 * size, int(size * _STEP_SECONDS / seconds)))
