"""Other minima around a point, far beyond what a picture of its curvature shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from curvwidget._checks import check_count, check_finite
from curvwidget._streams import last
from curvwidget.curvature.plane_descent import PlaneDescent, low_points
from curvwidget.curvature.plane_minima import PlaneMinima, describe_minima
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.slices import auto_span, stream_slice
from curvwidget.slices.grid import check_resolution
from curvwidget.slices.span import check_span

__all__ = ["find_minima_around", "stream_minima_around", "wide_span"]

Array = np.ndarray[Any, Any]

_REACH = 2.5  # times ‖θ‖ (or 1 near θ = 0): a quarter farther than any point of the same length lies, −θ among them
_SHRINK = 3.0  # from one slice to the next one within it
_MOST_SLICES = 7
_SLICE_SHARE = 0.5  # of the progress that the slice takes; the rest is that of going down from its low points


def wide_span(objective: Objective, directions: Directions) -> tuple[float, ...]:
    """Choose how far to look for other minima: to 2.5·‖θ‖ (2.5 where ‖θ‖ < 1) on each axis, a quarter farther than −θ.

    Args:
        objective: The loss at θ.
        directions: The axes.

    Returns:
        A half-width an axis, in units of the directions.
    """
    reach = _REACH * max(float(objective.theta.double().norm()), 1.0)
    return tuple(float(far) for far in reach / directions.norms)


def find_minima_around(
    objective: Objective,
    directions: Directions,
    *,
    span: float | Sequence[float] | None = None,
    resolution: int = 21,
    tolerance: float | None = None,
    most: int = 12,
) -> PlaneMinima:
    """Find the minima of a plane around θ, near and far.

    Slices of which each is three times as wide as the one within it sample the plane the more finely the closer to θ: the
    innermost is as wide as the picture that `slice_loss` makes of the curvature at θ, the outermost as wide as ``span``. From
    the low points of each the loss is minimized within the plane, as `find_plane_minima` does; θ itself is left out. Nothing in
    it is random. A well that is narrower than two steps of the grid there may be missed. Bad arguments are refused with a
    `ValueError` that names them.

    Args:
        objective: The loss at θ.
        directions: The two axes of the plane.
        span: How far to look: half-width of each axis in units of its direction; None for
            2.5·‖θ‖ (2.5 where ‖θ‖ < 1), a quarter farther than −θ.
        resolution: Points on each axis of each slice, odd.
        tolerance: As for `slice_loss`: slices within that error take fewer evaluations where the loss is smooth, and may miss
            what is narrower than a sixth of their half-width. How far down it goes from there the loss itself decides.
        most: How many starting points to try on each slice, the lowest first.

    Returns:
        The minima with their curvatures, the lowest first, and what they have cost: all but the gradient and the few losses (two
        an axis, and two more for each halving) that choose the innermost slice's width.

    Example:
        >>> import curvwidget as cw
        >>> from curvwidget import zoo
        >>> hidden = zoo.lift_function("himmelblau", n_parameters=20)
        >>> here = hidden.objective(at=(3.0, 2.0))
        >>> found = cw.find_minima_around(here, cw.own_directions(here, hidden.plane))
        >>> sorted((found.coordinates + [3.0, 2.0]).round(2).tolist())  # the other three of four
        [[-3.78, -3.28], [-2.81, 3.13], [3.58, -1.85]]
    """
    return last(stream_minima_around(objective, directions, span=span, resolution=resolution, tolerance=tolerance, most=most))


def stream_minima_around(
    objective: Objective,
    directions: Directions,
    *,
    span: float | Sequence[float] | None = None,
    resolution: int = 21,
    tolerance: float | None = None,
    most: int = 12,
) -> Iterator[PlaneMinima]:
    """Find the minima of a plane around θ, the near ones first.

    Args:
        objective: As for `find_minima_around`.
        directions: As for `find_minima_around`.
        span: As for `find_minima_around`.
        resolution: As for `find_minima_around`.
        tolerance: As for `find_minima_around`.
        most: As for `find_minima_around`.

    Returns:
        What is found so far, after each step of a slice and each descent.

    Raises:
        ValueError: As for `find_minima_around`, at once and not at the first step.
    """
    if len(directions) != 2:
        raise ValueError(f"directions must be two, got {len(directions)}")
    if directions.n_parameters != objective.n_parameters:
        raise ValueError(f"directions must have length N = {objective.n_parameters}, got {directions.n_parameters}")
    wide = wide_span(objective, directions) if span is None else check_span(span, 2)
    check_resolution(resolution, 2)
    if tolerance is not None and not 0 < check_finite("tolerance", tolerance) < 1:
        raise ValueError(f"tolerance must be a share of the range, above 0 and below 1, or None, got {tolerance}")
    return _walk(objective, directions, np.array(wide), resolution, tolerance, check_count("most", most))


def _walk(
    objective: Objective, directions: Directions, wide: Array, resolution: int, tolerance: float | None, most: int
) -> Iterator[PlaneMinima]:
    descent = PlaneDescent(objective, directions)
    narrow = np.minimum(auto_span(objective, directions), wide)
    descent.hvps += len(directions)
    count = min(_MOST_SLICES, 1 + math.ceil(math.log(float((wide / narrow).max()), _SHRINK) - 1e-9))
    spans = [wide / _SHRINK ** (count - 1 - index) for index in range(count)]
    found: list[tuple[Array, ProjectedCurvature]] = []

    def snapshot(slices: float) -> PlaneMinima:
        return describe_minima(descent, found, directions, tuple(wide.tolist()), progress=slices / count)

    for index, span in enumerate(spans):
        plane = None
        for plane in stream_slice(objective, directions, span=tuple(span), resolution=resolution, tolerance=tolerance):
            yield snapshot(index + _SLICE_SHARE * plane.progress)
        assert plane is not None
        descent.evaluations += plane.evaluations
        # What lies inside the slice before this one was seen there, except at its rim.
        seen = spans[index - 1] - 2 * span / (resolution - 1) if index else np.zeros(2)
        starts = [start for start in low_points(plane) if (np.abs(start) >= seen).any()][:most]
        for number, start in enumerate(starts, start=1):
            place = descent.from_grid(plane, start, wide)
            if place is not None and descent.is_new(place, [other for other, _ in found], plane):
                found.append((place, descent.curvature(place)))
            if number < len(starts):
                yield snapshot(index + _SLICE_SHARE + (1 - _SLICE_SHARE) * number / len(starts))
    yield snapshot(count)
