"""The planes that the explorer draws around one point; one that was drawn before is drawn again at no cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

import numpy as np

from curvwidget.curvature import ProjectedCurvature
from curvwidget.curvature.minima_around import stream_minima_around, wide_span
from curvwidget.curvature.plane_minima import PlaneMinima, find_plane_minima
from curvwidget.curvature.project import project_somehow
from curvwidget.directions import (
    Directions,
    blend_directions,
    directions_between,
    directions_from_eigenpairs,
    gradient_direction,
    place_checkpoints,
    random_directions,
    trajectory_directions,
)
from curvwidget.linalg import Eigenpairs
from curvwidget.objective import Objective
from curvwidget.objective.subset import Subset
from curvwidget.runs import Kept, bytes_of
from curvwidget.slices import LossSlice, settle_span, span_from_curvature, stream_slice
from curvwidget.slices.first_look import FirstLook, choose_subset, stream_first_look
from curvwidget.widgets.axis_sources import AxisSource, CheckpointAxis, EigenAxis, GradientAxis, RandomAxis, TrajectoryAxis
from curvwidget.widgets.kept_stream import KeptStream
from curvwidget.widgets.places import Place
from curvwidget.widgets.request import Request
from curvwidget.widgets.update import Update

__all__ = ["Pictures"]

_MOST_MINIMA = 4  # of a plane that are looked for
_WIDER = 3.0  # times the picture: as far as other minima are looked for at least
_PARALLEL = 1e-8  # of the squared sine between two directions: below it they are one
_INTERPOLATED = 0.07  # of a grid's points, about so many are evaluated where the others are interpolated
_LONG_STEP = 0.1  # seconds: a step of a slice that takes longer does not hold up whoever asks for something else

Key = tuple[object, ...]
Result = TypeVar("Result")


class Pictures:
    """Draws planes around one point.

    Directions, curvatures, slices and minima are kept under what they were made from, so that the same plane is the same however
    one comes to it; the slice that was interrupted last is gone on with.

    Attributes:
        objective: The loss at θ.
    """

    def __init__(self, objective: Objective, *, checkpoints: Sequence[Place], kept: Kept, seed: int = 0) -> None:
        """Say what to draw.

        Args:
            objective: The loss at θ.
            checkpoints: Points of a training run.
            kept: Where results are kept, shared with other points.
            seed: Seed of the samples that are looked at first.
        """
        self.objective = objective
        self._checkpoints = tuple(checkpoints)
        self._kept = kept
        self._seed = seed
        self._drawn: Key = ()  # the plane and span drawn last
        self._subsets: dict[int, Subset | None] = {}  # by how many evaluations they stand in for
        # One at a time: besides what it has found, it holds the layers' products that make its evaluations cheap.
        self._interrupted: tuple[Key, KeptStream[LossSlice]] | None = None

    def release(self) -> None:
        """Give back what only the next slice needs: the one that was interrupted, and the samples to look at first."""
        self._interrupted = None
        self._subsets.clear()

    def draw(self, request: Request, eigenpairs: Eigenpairs | None) -> Generator[Update, None, LossSlice]:
        """Draw the picture that a request means.

        Args:
            request: What is asked.
            eigenpairs: Both ends of the spectrum, where the request needs them.

        Yields:
            Updates; the first one has the curvature and the coarsest picture, so that nothing stands before it; or else a first
            look on some of the samples, where all of them take long.

        Returns:
            The slice.
        """
        directions = self.directions(request, eigenpairs)
        look: FirstLook | None = None
        if not self._at_hand(request, eigenpairs):
            for look in self._look(request, eigenpairs):
                yield Update(f"first look, {look.samples:,} samples", look.plane.progress, look=look)
            if look is not None:
                yield Update("curvature", 0.0)
        curvature = self.curvature(request, eigenpairs)
        key, span = self._slice_key(request, eigenpairs, curvature), self._span(request, eigenpairs, curvature)
        news: ProjectedCurvature | None = curvature

        def start() -> Iterator[LossSlice]:
            grid, tolerance = request.resolution, request.tolerance
            return stream_slice(self.objective, directions, span=span, resolution=grid, tolerance=tolerance)

        for plane in self._slices(key, start):
            # After a look the picture waits until it is as fine; the curvature, which the look has not, does not wait.
            self._drawn = _rectangle(key)
            finer = look is None or plane.progress >= 1 or plane.values.size >= look.plane.values.size
            doing = f"slice, {request.resolution} × {request.resolution}"
            yield Update(doing, plane.progress, curvature=news, slice=plane if finer else None)
            news = None
        return plane

    def compare(self, request: Request, eigenpairs: Eigenpairs | None) -> Iterator[Update]:
        """Place the checkpoints beside the plane.

        Args:
            request: What was drawn.
            eigenpairs: As for `draw`.

        Yields:
            One update, where there are checkpoints and the plane is none of parallel directions.
        """
        directions = self.directions(request, eigenpairs)
        if not self._checkpoints or not _spans(directions):
            return
        points = [place.point for place in self._checkpoints]
        key = (*self._plane_key(request, eigenpairs), "checkpoints")
        trajectory = self._keep(key, lambda: place_checkpoints(self.objective, directions, points))
        yield Update("checkpoints", 1.0, trajectory=trajectory)

    def find_minima(self, request: Request, eigenpairs: Eigenpairs | None, plane: LossSlice) -> Iterator[Update]:
        """Look for further minima of the plane.

        Args:
            request: What was drawn.
            eigenpairs: As for `draw`.
            plane: The slice.

        Yields:
            One update, where the plane is none of parallel directions.
        """
        if not _spans(plane.directions):
            return
        near = self._keep(
            self._near_key(request, eigenpairs), lambda: find_plane_minima(self.objective, plane, most=_MOST_MINIMA)
        )
        far = self._kept.get(self._far_key(request, eigenpairs))
        minima = near if far is None else _join(far, near, request)
        yield Update("minima of this plane", 1.0, picture=False, minima=minima)

    def recall_minima(self, request: Request, eigenpairs: Eigenpairs | None) -> Iterator[Update]:
        """Say which minima of the plane are known from looking around.

        Args:
            request: What was drawn.
            eigenpairs: As for `draw`.

        Yields:
            One update, where somebody has looked around in this plane.
        """
        far = self._kept.get(self._far_key(request, eigenpairs))
        if far is not None:
            yield Update("minima of this plane", 1.0, picture=False, minima=self._with_near(far, request, eigenpairs))

    def look_around(self, request: Request, eigenpairs: Eigenpairs | None, plane: LossSlice) -> Iterator[Update]:
        """Look for minima of the plane far beyond the picture.

        Args:
            request: What was drawn.
            eigenpairs: As for `draw`.
            plane: The slice.

        Yields:
            Updates with the minima known so far, or a refusal where the directions are parallel.
        """
        if not _spans(plane.directions):
            yield Update("", 1.0, refusal="There is no plane to look around in: the two axes are parallel.")
            return
        span = np.maximum(wide_span(self.objective, plane.directions), _WIDER * np.array(plane.span))
        for far in stream_minima_around(self.objective, plane.directions, span=span.tolist(), tolerance=request.tolerance):
            if far.progress >= 1:
                self._kept.put(self._far_key(request, eigenpairs), far, bytes_of(far))
            minima = self._with_near(far, request, eigenpairs)
            yield Update(f"minima around, {far.evaluations} losses", far.progress, picture=False, minima=minima)

    def _with_near(self, far: PlaneMinima, request: Request, eigenpairs: Eigenpairs | None) -> PlaneMinima:
        near = self._kept.get(self._near_key(request, eigenpairs))
        return far if near is None else _join(far, near, request)

    def _near_key(self, request: Request, eigenpairs: Eigenpairs | None) -> Key:
        return (*self._slice_key(request, eigenpairs, self.curvature(request, eigenpairs)), "minima")

    def _far_key(self, request: Request, eigenpairs: Eigenpairs | None) -> Key:
        return (*self._plane_key(request, eigenpairs), "minima around")

    def directions(self, request: Request, eigenpairs: Eigenpairs | None) -> Directions:
        """Return the directions that a request means.

        Args:
            request: What is asked.
            eigenpairs: Both ends of the spectrum, where the request needs them.

        Returns:
            Two directions, the same object each time as long as it is kept.
        """
        key = (*self._plane_key(request, eigenpairs), "directions")
        return self._keep(key, lambda: self._make_directions(request, eigenpairs))

    def _make_directions(self, request: Request, eigenpairs: Eigenpairs | None) -> Directions:
        first, second = (self._axis(axis, request, eigenpairs) for axis in request.axes)
        plane = Directions.join(first, second)
        if request.blend == 0 or eigenpairs is None:
            return plane
        ends = directions_from_eigenpairs(eigenpairs)
        return blend_directions(plane, Directions.join(ends[0], ends[len(ends) - 1]), request.blend)

    def _axis(self, axis: AxisSource, request: Request, eigenpairs: Eigenpairs | None) -> Directions:
        if isinstance(axis, RandomAxis):
            drawn = random_directions(
                self.objective,
                axis.row + 1,
                distribution=request.distribution,
                normalization=request.normalization,
                seed=axis.seed,
            )
            return drawn[axis.row]
        if isinstance(axis, EigenAxis):
            if eigenpairs is None:
                raise ValueError("eigenpairs must be known for an eigenvector axis, got None")
            ends = directions_from_eigenpairs(eigenpairs)
            if not -len(ends) <= axis.rank < len(ends):
                raise ValueError(f"rank must be from {-len(ends)} to {len(ends) - 1}, got {axis.rank}")
            return ends[axis.rank]
        if isinstance(axis, CheckpointAxis):
            return self._way_to(axis.index)
        if isinstance(axis, TrajectoryAxis):
            points = (place.point for place in self._checkpoints)
            return trajectory_directions(self.objective, points, axis.row + 1)[axis.row]
        return gradient_direction(self.objective) if isinstance(axis, GradientAxis) else axis.direction

    def _way_to(self, index: int) -> Directions:
        if index >= len(self._checkpoints):
            raise ValueError(f"index must be below the number of checkpoints, {len(self._checkpoints)}, got {index}")
        place = self._checkpoints[index]
        way = directions_between(self.objective, place.point)
        return dataclasses.replace(way, labels=(f"to {place.label}",))

    def curvature(self, request: Request, eigenpairs: Eigenpairs | None) -> ProjectedCurvature:
        """Return the curvature along the directions that a request means.

        Args:
            request: What is asked.
            eigenpairs: As for `draw`.

        Returns:
            The curvature, from losses alone where the loss has no second derivative in PyTorch.
        """
        key = (*self._plane_key(request, eigenpairs), "curvature")
        return self._keep(key, lambda: project_somehow(self.objective, self.directions(request, eigenpairs)))

    def _span(self, request: Request, eigenpairs: Eigenpairs | None, curvature: ProjectedCurvature) -> tuple[float, ...]:
        if isinstance(request.span, str):
            key = (*self._plane_key(request, eigenpairs), "span")
            span = self._keep(key, lambda: self._reach(self.directions(request, eigenpairs), curvature))
        else:
            span = tuple(request.span)
        return tuple(float(f"{half * request.zoom:.2g}") for half in span)

    def _reach(self, directions: Directions, curvature: ProjectedCurvature) -> tuple[float, ...]:
        reach = span_from_curvature(
            loss=curvature.loss,
            gradient=curvature.gradient,
            curvature=np.diag(curvature.matrix),
            norms=directions.norms,
            theta_norm=float(self.objective.theta.double().norm()),
        )
        return settle_span(self.objective, directions, reach)

    # All that the plane depends on, and nothing else: without a blend the Hessian's ends, say, are of no matter.
    def _plane_key(self, request: Request, eigenpairs: Eigenpairs | None) -> Key:
        key: Key = (self.objective, request.axes, request.blend)
        if any(isinstance(axis, RandomAxis) for axis in request.axes):
            key += (request.distribution, request.normalization)
        return (*key, eigenpairs) if request.needs_eigenpairs else key

    def _slice_key(self, request: Request, eigenpairs: Eigenpairs | None, curvature: ProjectedCurvature) -> Key:
        span = self._span(request, eigenpairs, curvature)
        return (*self._plane_key(request, eigenpairs), "slice", span, request.resolution, request.tolerance)

    def _keep(self, key: Key, make: Callable[[], Result]) -> Result:
        found: Result | None = self._kept.get(key)
        if found is None:
            found = make()
            self._kept.put(key, found, bytes_of(found))
        return found

    # Whether the slice, a beginning of it, or another grid on the same rectangle is there without an evaluation.
    def _at_hand(self, request: Request, eigenpairs: Eigenpairs | None) -> bool:
        curvature: ProjectedCurvature | None = self._kept.get((*self._plane_key(request, eigenpairs), "curvature"))
        if curvature is None:
            return False
        key = self._slice_key(request, eigenpairs, curvature)
        begun = self._interrupted
        return (
            (begun is not None and begun[0] == key)
            or key in self._kept
            or _exact(key) in self._kept
            or _rectangle(key) == self._drawn
        )

    def _look(self, request: Request, eigenpairs: Eigenpairs | None) -> Iterator[FirstLook]:
        share = 1.0 if request.tolerance is None else _INTERPOLATED
        count = round(share * request.resolution**2)
        subset = self._subsets.get(count)
        if count not in self._subsets:
            subset = self._subsets[count] = choose_subset(self.objective, count, seed=self._seed)
        if subset is None:
            return
        span = None if isinstance(request.span, str) else tuple(request.span)
        yield from stream_first_look(
            subset, self.directions(request, eigenpairs), span=span, zoom=request.zoom, resolution=request.resolution
        )

    def _slices(self, key: Key, start: Callable[[], Iterator[LossSlice]]) -> Iterator[LossSlice]:
        for kept in (_exact(key), key):
            found: LossSlice | None = self._kept.get(kept)
            if found is not None:
                yield found
                return
        begun = self._interrupted  # which another thread may release
        if begun is None or begun[0] != key:
            begun = self._interrupted = key, KeptStream(start, long_step=_LONG_STEP)
        _, stream = begun
        if stream.latest is not None:
            yield stream.latest
        for plane in stream:
            if plane.progress >= 1:
                self._kept.put(_exact(key) if plane.exact else key, plane, bytes_of(plane))
                self._interrupted = None
            yield plane


# Minima within the picture that were found on its own grid are the same where they lie within half a step of it.
def _join(far: PlaneMinima, near: PlaneMinima, request: Request) -> PlaneMinima:
    return far.join(near, near=[half / (request.resolution - 1) for half in near.span])


# The key of the same slice without a tolerance, which answers whatever tolerance is asked for.
def _exact(key: Key) -> Key:
    return (*key[:-1], None)


# What the keys of all slices of one plane and span begin with.
def _rectangle(key: Key) -> Key:
    return key[:-2]


# Whether two directions span a plane in which a point has coordinates.
def _spans(plane: Directions) -> bool:
    cosines = plane.gram / np.outer(plane.norms, plane.norms)
    return bool(1 - cosines[0, 1] ** 2 > _PARALLEL)
