"""A slice from few evaluations: a polynomial, tried until its error is known to be small."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch

from curvwidget.directions import Directions
from curvwidget.slices.check_points import check_points, random_points, spline_through
from curvwidget.slices.known_losses import STEP_SECONDS, KnownLosses, Point
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.slices.sparse_polynomial import SparsePolynomial

__all__ = ["approximate"]

Array = np.ndarray[Any, Any]

_MOST = 0.15  # of the grid's points: a loss that takes more is not one for polynomials
_FIRST_ROUNDS = 3  # before the first picture: the centre, the ends of the axes, a look at how the loss bends and mixes
_RANDOM = 8  # points to check all pictures with, the first one too
_FOLLOWED = 0.3  # of the largest surplus: from there on blocks are followed
_SAFETY = 3.0  # the largest error on the grid, in units of the largest that was seen
_UNEVEN = 0.4  # of it over the root mean square: what is large at few points is larger between them
_ROUNDINGS = 4  # of a loss, each a relative spacing of its dtype
_LARGEST = 1e100  # beyond, products overflow
_GROWN = 0.5  # of the progress, when it is time to check


def approximate(losses: KnownLosses, directions: Directions, tolerance: float) -> Iterator[LossSlice]:
    """Evaluate the loss at few points of a grid and interpolate the others, until the error is within a tolerance.

    The error is three times the largest of the polynomial at points that it was not made from (see `check_points`), and more
    where few of these are much larger than the others; or its last correction, where that is larger. Points that were evaluated
    keep their exact loss; a thin-plate spline spreads what the polynomial missed there.

    Args:
        losses: The grid; what is evaluated stays known.
        directions: The axes' vectors.
        tolerance: Largest error, in units of the range of the losses that are evaluated.

    Yields:
        Slices on the whole grid. The last one has progress 1 if its error is within the tolerance. If there is none, the loss is
        not one for polynomials (kinks, walls, noise, NaN, inf), or the grid is too small to save much.
    """
    work = _Approximation(losses, directions, tolerance)
    share = 0.0
    for rounds in itertools.count(1):
        blocks = work.polynomial.follow(share)
        if not blocks or not (yield from work.evaluate(work.polynomial.points(blocks))):
            return
        work.polynomial.add(blocks, losses.values)
        if rounds < _FIRST_ROUNDS:
            continue
        if rounds == _FIRST_ROUNDS and not (yield from work.evaluate(random_points(losses, _RANDOM, work.random))):
            return
        if work.rounding >= work.target:
            return
        if work.due:
            yield work.show()
        if rounds > _FIRST_ROUNDS and work.settled:
            for points in check_points(losses, work.polynomial, work.random):
                if not (yield from work.evaluate(points)):
                    return
                if not work.settled:
                    break
            else:
                yield work.show(done=True)
                return
        # Corrections that are small where the error is not do not tell where to go: then all blocks are followed.
        share = _FOLLOWED if work.polynomial.surplus > work.target else 0.0


class _Approximation:
    # The state of `approximate`.

    def __init__(self, losses: KnownLosses, directions: Directions, tolerance: float) -> None:
        self.losses = losses
        self.polynomial = SparsePolynomial(losses.values.shape)
        self.random = np.random.default_rng(0)
        self._directions = directions
        self._tolerance = tolerance
        self._shown: LossSlice | None = None
        self._first_error = math.inf
        self._seen_until = 0.0  # on the clock, how long the last picture is looked at

    @property
    def due(self) -> bool:
        # Whether to make the next picture: that takes about as long as some evaluations of a small network.
        return time.perf_counter() >= self._seen_until

    @property
    def target(self) -> float:
        # Points evaluated are points of the grid, so that this is no more than what the range of the whole grid would give.
        found = self.losses.values[self.losses.known]
        return self._tolerance * float(found.max() - found.min())

    @property
    def rounding(self) -> float:
        spacing = float(torch.finfo(self._directions.vectors.dtype).eps)
        return _ROUNDINGS * spacing * float(np.abs(self.losses.values[self.losses.known]).max())

    @property
    def unseen(self) -> Array:
        # Errors of the polynomial at points that it was not made from (n,).
        where = self.losses.known & ~self.polynomial.used
        return np.asarray(np.abs(self.losses.values - self.polynomial.values)[where])

    @property
    def settled(self) -> bool:
        # Whether nothing that is known says that the error is above the tolerance.
        return self._error(1.0) <= self.target

    def _error(self, safety: float) -> float:
        # Estimated largest error on the grid. A surplus was an error at a point unseen, too, but of the polynomial before.
        unseen = self.unseen
        largest = float(unseen.max(initial=0.0))
        uneven = _UNEVEN * largest / math.sqrt(float(np.mean(unseen**2))) if largest > 0 else 0.0
        return max(_SAFETY * max(uneven, 1.0) * largest, safety * self.polynomial.surplus, self.rounding)

    def evaluate(self, points: list[Point]) -> Generator[LossSlice, None, bool]:
        # Return whether to go on: not if there would be too many evaluations, or are losses that no polynomial takes.
        todo = sum(not self.losses.known[point] for point in points)
        if self.losses.count + todo > _MOST * self.losses.known.size:
            return False
        for _ in self.losses.evaluate(points):
            if self._shown is not None:
                yield dataclasses.replace(self._shown, evaluations=self.losses.count)
        return bool((np.abs(self.losses.values[self.losses.known]) < _LARGEST).all())  # nor NaN and inf

    def show(self, *, done: bool = False) -> LossSlice:
        # Before it is checked all around, a picture is not believed to be better than the one before.
        known, values, error = self.losses.known, self.polynomial.values.copy(), self._error(1.0 if done else _SAFETY)
        if len(self.unseen):
            missed = self.losses.values - values
            values[~known] += spline_through(self.losses, missed, ~known)
        values[known] = self.losses.values[known]
        if self._shown is None:
            self._first_error = max(error, self.target)
        self._shown = LossSlice(
            axes=self.losses.axes,
            values=values,
            directions=self._directions,
            evaluations=self.losses.count,
            error=error,
            progress=1.0 if done else self._progress(error),
        )
        self._seen_until = time.perf_counter() + STEP_SECONDS
        return self._shown

    def _progress(self, error: float) -> float:
        # The way from the first error to the tolerance, in orders of magnitude.
        whole = math.log(self._first_error / self.target)
        way = 1.0 if whole <= 0 else min(max(math.log(self._first_error / error) / whole, 0.0), 1.0)
        return max(_GROWN * way, 0.0 if self._shown is None else self._shown.progress)
