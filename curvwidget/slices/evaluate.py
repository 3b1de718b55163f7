"""The loss on a grid around θ, from coarse to fine."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from curvwidget._checks import check_kind, check_positive
from curvwidget._streams import last
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.slices.adaptive import approximate
from curvwidget.slices.grid import axis_levels, check_resolution, symmetric_axis
from curvwidget.slices.known_losses import KnownLosses
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.slices.span import auto_span, check_span

__all__ = ["slice_loss", "stream_slice"]

Array = np.ndarray[Any, Any]
Span = float | Sequence[float] | Literal["auto"]


def slice_loss(
    objective: Objective,
    directions: Directions,
    *,
    span: Span = "auto",
    resolution: int | Sequence[int] = 41,
    tolerance: float | None = None,
) -> LossSlice:
    """Evaluate the loss on a product grid around θ.

    With a tolerance, a polynomial is put through the loss at few points of the grid, a spline through what it misses at others,
    and both are tried where the losses that are known tell least. If the largest error is then estimated to be within the
    tolerance, the slice holds their values where the loss was not evaluated, and `LossSlice.error` is that estimate. If it cannot
    be made so from 30 % of the points, 2000 at most (kinks, walls, noise, NaN or inf, or a small grid), each point is evaluated
    as it is without a tolerance, and the error is 0. What is narrower than a sixth of the half-width of the slice, or three steps
    of the grid, may be missed.

    Bad options, and directions of the wrong length or number, are refused with a `ValueError` that names them.

    Args:
        objective: The loss at θ.
        directions: One, two or three axes.
        span: Half-width of each axis in units of its direction: a number, one an axis, or ``"auto"``: from the curvature along
            the axes, so that each shows a change of the loss by about a tenth (see `auto_span`).
        resolution: Points on each axis, odd: one number or one an axis.
        tolerance: How large the error of any value may be, as a share of the range of the losses that are evaluated, such as
            0.01; None evaluates each point. Shares of the range are what is seen in a picture with linear colours: near a
            minimum the error may be larger than the loss is above it.

    Returns:
        The slice; its values are losses on all samples, NaN and inf as they come.

    Example:
        >>> import torch, curvwidget as cw
        >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> plane = cw.slice_loss(saddle, cw.hessian_directions(saddle), span=1.0, resolution=3)
        >>> plane.values.round(6).tolist()
        [[0.0, 1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
        >>> plane = cw.slice_loss(saddle, cw.hessian_directions(saddle), span=1.0, resolution=41, tolerance=0.01)
        >>> plane.values.size, plane.evaluations < 168, plane.exact, plane.error < 0.01 * 2
        (1681, True, False, True)
    """
    return last(_sliced(objective, directions, span, resolution, tolerance, on_the_way=False))


def stream_slice(
    objective: Objective,
    directions: Directions,
    *,
    span: Span = "auto",
    resolution: int | Sequence[int] = 41,
    tolerance: float | None = None,
) -> Iterator[LossSlice]:
    """Evaluate the loss on finer and finer grids around θ; each reuses the points that the coarser ones had.

    With a tolerance the first slices are on the whole grid, interpolated from more and more points, the first of them from 19 in
    a plane; where that does not lead to the tolerance, finer and finer grids follow.

    Args:
        objective: As for `slice_loss`.
        directions: As for `slice_loss`.
        span: As for `slice_loss`.
        resolution: As for `slice_loss`.
        tolerance: As for `slice_loss`.

    Returns:
        Slices on coarse grids, then on the whole one. Between two that differ the last one comes again with more progress. What
        `slice_loss` refuses is refused at once, and not at the first step.
    """
    return _sliced(objective, directions, span, resolution, tolerance, on_the_way=True)


def _sliced(
    objective: Objective,
    directions: Directions,
    span: Span,
    resolution: int | Sequence[int],
    tolerance: float | None,
    *,
    on_the_way: bool,
) -> Iterator[LossSlice]:
    check_kind("objective", objective, Objective)
    check_kind("directions", directions, Directions)
    count = len(directions)
    if not 1 <= count <= 3:
        raise ValueError(f"directions must be one, two or three, got {count}")
    if directions.n_parameters != objective.n_parameters:
        raise ValueError(f"directions must have length N = {objective.n_parameters}, got {directions.n_parameters}")
    resolutions = check_resolution(resolution, count)
    spans = None if isinstance(span, str) and span == "auto" else check_span(span, count)
    tolerance = None if tolerance is None else check_positive("tolerance", tolerance)
    if tolerance is not None and tolerance >= 1:
        raise ValueError(f"tolerance must be a share of the range, below 1, got {tolerance}")
    return _walk(objective, directions.beside(objective.theta), spans, resolutions, tolerance, on_the_way=on_the_way)


def _walk(
    objective: Objective,
    directions: Directions,
    spans: tuple[float, ...] | None,
    resolutions: tuple[int, ...],
    tolerance: float | None,
    *,
    on_the_way: bool,
) -> Iterator[LossSlice]:
    if spans is None:
        spans = auto_span(objective, directions)
    axes = [symmetric_axis(span, number) for span, number in zip(spans, resolutions, strict=True)]
    losses = KnownLosses(objective.along(directions.vectors), axes, objective.loss())
    shown: LossSlice | None = None
    if tolerance is not None:
        for shown in approximate(losses, directions, tolerance, on_the_way=on_the_way):
            yield shown
            if shown.progress == 1:
                return
    yield from _refine(losses, directions, shown)


# Evaluate the whole grid from coarse to fine, after what was shown of it.
def _refine(losses: KnownLosses, directions: Directions, shown: LossSlice | None) -> Iterator[LossSlice]:
    began, start = (0, 0.0) if shown is None else (losses.count, shown.progress)
    if not np.isfinite(losses.values[losses.known]).all():
        shown = None  # what was interpolated did not know that

    def progress() -> float:
        return 1 - (1 - start) * (losses.known.size - losses.count) / (losses.known.size - began)

    for indices in _product_levels(losses.known.shape):
        grid = np.ix_(*indices)
        if shown is not None and not shown.exact and losses.known[grid].size < began:
            continue  # that would be a coarser picture than the one interpolated
        for _ in losses.evaluate(list(itertools.product(*(index.tolist() for index in indices)))):
            if shown is not None and not losses.known[grid].all():
                yield dataclasses.replace(shown, evaluations=losses.count, progress=progress())
        shown = LossSlice(
            axes=tuple(axis[index] for axis, index in zip(losses.axes, indices, strict=True)),
            values=losses.values[grid].copy(),
            directions=directions,
            evaluations=losses.count,
            progress=progress(),
        )
        yield shown


def _product_levels(resolutions: tuple[int, ...]) -> list[tuple[Array, ...]]:
    levels = [axis_levels(number) for number in resolutions]
    depth = max(len(level) for level in levels)
    # An axis with fewer levels waits at its finest.
    return [tuple(level[min(step, len(level) - 1)] for level in levels) for step in range(depth)]
