"""A slice from few evaluations: a polynomial and a spline, tried until their error is known to be small."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch

from curvwidget.directions import Directions
from curvwidget.slices.check_points import CheckPoints
from curvwidget.slices.interpolant import Interpolant, unseen_errors
from curvwidget.slices.known_losses import STEP_SECONDS, KnownLosses, Point
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.slices.sparse_polynomial import SparsePolynomial

__all__ = ["approximate"]

Array = np.ndarray[Any, Any]

_MOST, _MOST_POINTS = 0.3, 2000  # of the grid's points, and at all: a loss that takes more is not one for polynomials
_FIRST_ROUNDS = 3  # before the first picture: the centre, the ends of the axes, a look at how the loss bends and mixes
_RANDOM = 6  # points to check all pictures with, the first one too
_FOLLOWED = 0.3  # of the largest surplus: from there on blocks are followed
_SAFETY = 3.0  # the largest error on the grid, in units of the largest that was seen
_UNEVEN = 0.4  # of it over the root mean square: what is large at few points is larger between them
_ROUNDINGS = 4  # of a loss, each a relative spacing of its dtype
_LARGEST = 1e100  # beyond, products overflow
_GROWN = 0.5  # of the progress, when it is time to check
# How a polynomial is checked that is within the tolerance by itself …
_DISPUTED, _CLIMBS = 8, 4
# … and how one with the spline through what it misses. The more often that is tried, the sooner it passes by chance.
_SMOOTHEST, _ROUGHEST = 5, 1  # powers of radial splines
_RIVALS = (_SMOOTHEST, _ROUGHEST, _SMOOTHEST)  # one a try
_DISPUTED_A_TRY = 6
_HOPEFUL = 8.0  # of the tolerance: a larger error of the polynomial is not worth the points
_CLOSE = 2.0  # of the tolerance: where the error is larger, the polynomial has to become better first
_GROWN_BETWEEN_TRIES = 1.1  # the losses that are known
_MOST_FOR_TRIES = 0.1  # of the grid's points


class _NotForPolynomialsError(Exception):
    """There would be too many evaluations, or are losses that no polynomial takes."""


def approximate(losses: KnownLosses, directions: Directions, tolerance: float, *, on_the_way: bool = True) -> Iterator[LossSlice]:
    """Evaluate the loss at few points of a grid and interpolate the others, until the error is within a tolerance.

    Points that were evaluated keep their exact loss; a spline spreads what the polynomial missed there. The error is three times
    the largest that was seen where it was unknown what would be: of polynomial and spline, at each evaluated point as if that had
    not been known, and at the last ones before they were; or of the polynomial alone at all points that it was not made from (and
    more where few of its errors are much larger than the others), where these are small enough by themselves.

    Args:
        losses: The grid; what is evaluated stays known.
        directions: The axes' vectors.
        tolerance: Largest error, in units of the range of the losses that are evaluated.
        on_the_way: Whether to show less good pictures before the last.

    Yields:
        Slices on the whole grid. The last one has progress 1 if its error is within the tolerance. If there is none, the loss is
        not one for polynomials (kinks, walls, noise, NaN, inf), or the grid is too small to save much.
    """
    with contextlib.suppress(_NotForPolynomialsError):
        yield from _approximated(_Approximation(losses, directions, tolerance, on_the_way=on_the_way))


def _approximated(work: _Approximation) -> Iterator[LossSlice]:
    share = 0.0
    for rounds in itertools.count(1):
        yield from work.grow(share)
        if rounds < _FIRST_ROUNDS:
            continue
        if rounds == _FIRST_ROUNDS:
            yield from work.evaluate(work.checks.anywhere(_RANDOM))
        if work.rounding >= work.target:
            return
        yield from work.show_if_due()
        if rounds > _FIRST_ROUNDS:
            error = yield from (work.try_polynomial() if work.settled else work.try_spline())
            if error <= work.target:
                yield work.show(error, done=True)
                return
        # Corrections that are small where the error is not do not tell where to go: then all blocks are followed.
        share = _FOLLOWED if work.polynomial.surplus > work.target else 0.0


class _Approximation:
    # The state of `approximate`.

    def __init__(self, losses: KnownLosses, directions: Directions, tolerance: float, *, on_the_way: bool) -> None:
        self.losses = losses
        self.polynomial = SparsePolynomial(losses.values.shape)
        self.checks = CheckPoints(losses)
        self._directions = directions
        self._spacing = float(torch.finfo(directions.vectors.dtype).eps)
        self._tolerance = tolerance
        self.target = self.rounding = 0.0
        self._on_the_way = on_the_way
        self._believed: Interpolant | None = None  # of what is known now, once it was asked for
        self._shown: LossSlice | None = None
        self._first_error = math.inf
        self._tried = 0  # how many losses were known when the spline was
        self._seen_until = 0.0  # on the clock, how long the last picture is looked at

    @property
    def settled(self) -> bool:
        # Whether nothing that is known says that the polynomial's error is above the tolerance.
        return self._error_of_polynomial(1.0) <= self.target

    def _error_of_polynomial(self, safety: float) -> float:
        # Estimated largest error on the grid. A surplus was an error at a point unseen, too, but of the polynomial before.
        errors = np.abs(unseen_errors(self.losses, self.polynomial)[self.losses.known & ~self.polynomial.used])
        largest = float(errors.max(initial=0.0))
        uneven = _UNEVEN / math.sqrt(float(np.mean((errors / largest) ** 2))) if largest > 0 else 0.0
        return max(_SAFETY * max(uneven, 1.0) * largest, safety * self.polynomial.surplus, self.rounding)

    def evaluate(self, points: list[Point]) -> Iterator[LossSlice]:
        # The last picture comes again between blocks of evaluations.
        known = self.losses.known
        todo = sum(not known[point] for point in dict.fromkeys(points))
        if self.losses.count + todo > min(_MOST * known.size, _MOST_POINTS):
            raise _NotForPolynomialsError
        self._believed = None
        for _ in self.losses.evaluate(points):
            if self._shown is not None:
                yield dataclasses.replace(self._shown, evaluations=self.losses.count)
        self._look()

    def _look(self) -> None:
        found = self.losses.values[self.losses.known]
        largest = float(np.abs(found).max())
        if not largest < _LARGEST:  # nor NaN and inf
            raise _NotForPolynomialsError
        # Points evaluated are points of the grid, so that this is no more than what the range of the whole grid would give.
        self.target = self._tolerance * float(np.ptp(found))
        self.rounding = _ROUNDINGS * self._spacing * largest

    def grow(self, share: float) -> Iterator[LossSlice]:
        # Follow blocks of the polynomial with at least this share of the largest surplus.
        blocks = self.polynomial.follow(share)
        if not blocks:
            raise _NotForPolynomialsError
        yield from self.evaluate(self.polynomial.points(blocks))
        self.polynomial.add(blocks, self.losses.values)
        self._believed = None

    def try_polynomial(self) -> Generator[LossSlice, None, float]:
        # Return the estimated error of a polynomial that was settled before.
        yield from self.evaluate(self.checks.far())
        if self.settled:
            yield from self.evaluate(self.checks.disputed(self._interpolant().values, _ROUGHEST, _DISPUTED))
        for _ in range(_CLIMBS):
            if not self.settled:
                break
            yield from self.evaluate(self.checks.around(np.abs(unseen_errors(self.losses, self.polynomial))))
        return self._error_of_polynomial(1.0)

    def try_spline(self) -> Generator[LossSlice, None, float]:
        # Return the estimated error of polynomial and spline; inf where they are not good enough to be tried.
        largest = float(np.abs(unseen_errors(self.losses, self.polynomial)).max())
        if largest > _HOPEFUL * self.target or not self._may_try(0) or self.losses.count < _GROWN_BETWEEN_TRIES * self._tried:
            return math.inf
        yield from self.evaluate(self.checks.far())
        self._tried = self.losses.count
        believed = self._interpolant()
        for number, rival in enumerate(_RIVALS):
            if _SAFETY * believed.left_out.max() > _CLOSE * self.target or not self._may_try(_DISPUTED_A_TRY):
                break
            points = self.checks.disputed(believed.values, rival, _DISPUTED_A_TRY)
            if number > 0:
                points = [*self.checks.around(believed.left_out), *points][:_DISPUTED_A_TRY]
            yield from self.evaluate(points)
            seen = max(abs(float(self.losses.values[point] - believed.values[point])) for point in points)
            believed = self._interpolant()
            error = max(_SAFETY * max(seen, float(believed.left_out.max())), self.rounding)
            if error <= self.target:
                return error
        return math.inf

    def _may_try(self, count: int) -> bool:
        return self.losses.count + count <= _MOST_FOR_TRIES * self.losses.known.size

    def _interpolant(self) -> Interpolant:
        if self._believed is None:
            self._believed = Interpolant(self.losses, self.polynomial, self.checks.lattice)
        return self._believed

    def show_if_due(self) -> Iterator[LossSlice]:
        # The next picture on the way, which takes about as long as some evaluations of a small network; before it is checked all
        # around it is not believed to be better than the one before.
        if self._on_the_way and time.perf_counter() >= self._seen_until:
            yield self.show(self._error_of_polynomial(_SAFETY))

    def show(self, error: float, *, done: bool = False) -> LossSlice:
        # The picture as it is.
        values = np.where(self.losses.known, self.losses.values, self._interpolant().values)
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
