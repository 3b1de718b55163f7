"""How the explorer answers a request: first the picture, then what it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence

import numpy as np

from curvwidget.curvature import ProjectionSample, TraceEstimate, project_curvature, stream_projections, stream_trace
from curvwidget.curvature.agreement import METHOD_NAMES
from curvwidget.curvature.normalized_trace import stream_normalized_trace
from curvwidget.curvature.number_words import format_uncertain
from curvwidget.curvature.plane_minima import find_plane_minima
from curvwidget.curvature.trace import TraceMethod
from curvwidget.directions import (
    Directions,
    Normalization,
    blend_directions,
    directions_between,
    directions_from_eigenpairs,
    gradient_direction,
    place_checkpoints,
    random_directions,
    trajectory_directions,
)
from curvwidget.linalg import Eigenpairs, SpectralDensity, stream_eigenpairs, stream_spectral_density
from curvwidget.objective import Objective
from curvwidget.slices import LossSlice, span_from_curvature, stream_descent, stream_slice
from curvwidget.widgets.axis_sources import AxisSource, CheckpointAxis, EigenAxis, GradientAxis, RandomAxis, TrajectoryAxis
from curvwidget.widgets.kept_stream import KeptStream
from curvwidget.widgets.places import Place
from curvwidget.widgets.request import Follow, Request
from curvwidget.widgets.update import Known, Update

__all__ = ["Answerer"]

_STEPS = 80  # of Lanczos a probe of the spectral density, where memory allows
_FEWEST_STEPS = 10
_MOST_MINIMA = 4  # of a plane that are looked for
_PARALLEL = 1e-8  # of the squared sine between two directions: below it they are one
_LANCZOS_BYTES = 2**30  # that the vectors of a probe may take


class Answerer:
    """Turns requests about one objective into streams of updates.

    What a newer request interrupts is taken up where it stopped: eigenpairs, density and the traces that cannot be resumed from
    their streams, the others and planes from the snapshots that are known.

    Attributes:
        objective: The loss at θ.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        largest: int = 1,
        smallest: int = 1,
        seed: int = 0,
        checkpoints: Sequence[Place] = (),
    ) -> None:
        """Say what to answer about.

        Args:
            objective: The loss at θ.
            largest: Eigenpairs from the upper end.
            smallest: Eigenpairs from the lower end.
            seed: Seed of eigensolver, probes and planes.
            checkpoints: Points of a training run.
        """
        self.objective = objective
        # Near N = 1 there are not as many eigenpairs as one would like to offer.
        self._largest = max(1, min(largest, objective.n_parameters - 1))
        self._smallest = min(smallest, objective.n_parameters - self._largest)
        self._seed = seed
        self._checkpoints = tuple(checkpoints)
        self._eigenpairs = KeptStream(
            lambda: stream_eigenpairs(objective, largest=self._largest, smallest=self._smallest, seed=seed)
        )
        self._densities: dict[int, KeptStream[SpectralDensity]] = {}
        self._traces: dict[tuple[str, int], KeptStream[TraceEstimate]] = {}

    def answer(self, request: Request, known: Known) -> Iterator[Update]:
        """Answer one request.

        Args:
            request: What is asked.
            known: What is known already.

        Yields:
            Updates, first of the picture, then of eigenpairs, traces and random planes.
        """
        eigenpairs = known.eigenpairs
        if request.needs_eigenpairs and eigenpairs is None:
            eigenpairs = yield from self._find_eigenpairs(picture=True)
        plane = yield from self._draw(request, eigenpairs)
        if self._checkpoints and _spans(plane.directions):
            points = [place.point for place in self._checkpoints]
            yield Update("checkpoints", 1.0, trajectory=place_checkpoints(self.objective, plane.directions, points))
        if eigenpairs is None:
            yield from self._find_eigenpairs(picture=False)
        yield from self._compare(request, known)
        if _spans(plane.directions):
            minima = find_plane_minima(self.objective, plane, most=_MOST_MINIMA)
            yield Update("minima of this plane", 1.0, picture=False, minima=minima)

    def follow(self, errand: Follow, known: Known) -> Iterator[Update]:
        """Go down along the eigenvector of the smallest eigenvalue.

        Args:
            errand: What is asked.
            known: What is known already.

        Yields:
            Updates, the last with a destination, or with a refusal where no curvature is negative beyond its error.
        """
        eigenpairs = known.eigenpairs
        if eigenpairs is None:
            eigenpairs = yield from self._find_eigenpairs(picture=True)
        lowest = directions_from_eigenpairs(eigenpairs)[-1]
        value, residual = float(eigenpairs.values[-1]), float(eigenpairs.residuals[-1])
        if not value < -residual:
            stated = format_uncertain(value, residual)
            yield Update("", 1.0, refusal=f"No negative curvature was found to follow: the smallest eigenvalue is {stated}.")
            return
        for descent in stream_descent(self.objective, lowest, lines=errand.lines, seed=self._seed):
            there = None
            if descent.progress >= 1:
                there = self.objective.theta.add_(lowest.vectors[0], alpha=descent.coordinate)
            yield Update("descent along v₋", descent.progress, descent=descent, destination=there)

    def plane(self, request: Request, eigenpairs: Eigenpairs | None) -> Directions:
        """Return the directions that a request means.

        Args:
            request: What is asked.
            eigenpairs: Both ends of the spectrum, where the request needs them.

        Returns:
            Two directions.
        """
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

    def _find_eigenpairs(self, *, picture: bool) -> Generator[Update, None, Eigenpairs]:
        for pairs in self._eigenpairs:
            if pairs.progress >= 1:
                yield Update("eigenvectors", 1.0, picture, eigenpairs=pairs)
                return pairs
            yield Update(f"eigenvectors, {pairs.hvps} products", pairs.progress, picture)
        raise RuntimeError("the search for eigenpairs ended without a result")

    def _draw(self, request: Request, eigenpairs: Eigenpairs | None) -> Generator[Update, None, LossSlice]:
        objective = self.objective
        directions = self.plane(request, eigenpairs)
        curvature = project_curvature(objective, directions)
        yield Update("curvature", 0.0, curvature=curvature)
        if isinstance(request.span, str):
            span: tuple[float, ...] = span_from_curvature(
                loss=curvature.loss,
                gradient=curvature.gradient,
                curvature=np.diag(curvature.matrix),
                norms=directions.norms,
                theta_norm=float(objective.theta.double().norm()),
            )
        else:
            span = tuple(request.span)
        span = tuple(float(f"{half * request.zoom:.2g}") for half in span)
        for plane in stream_slice(objective, directions, span=span, resolution=request.resolution):
            size = f"{request.resolution} × {request.resolution}"
            yield Update(f"slice, {size}", plane.progress, slice=plane)
        return plane

    def _compare(self, request: Request, known: Known) -> Iterator[Update]:
        objective, seed = self.objective, self._seed
        methods = request.trace_methods
        if request.probes and "hutchinson" in methods and _unfinished(known.trace):
            for trace in stream_trace(objective, samples=request.probes, seed=seed, resume=known.trace):
                yield Update("trace by Hutchinson", trace.progress, picture=False, trace=trace)
        if request.probes and request.normalization not in (None, "unit"):
            yield from self._scale_trace(request.normalization, request.probes, known)
        earlier = known.sample
        if earlier is not None and (earlier.distribution, earlier.normalization) != (request.distribution, request.normalization):
            earlier = None
        if request.planes and _unfinished(earlier):
            for sample in stream_projections(
                objective,
                samples=request.planes,
                distribution=request.distribution,
                normalization=request.normalization,
                seed=seed,
                resume=earlier,
            ):
                yield Update(f"{len(sample)} of {request.planes} random planes", sample.progress, picture=False, sample=sample)
        yield from self._find_density(request, known)
        if request.probes and "slices" in methods and _unfinished(known.slice_trace):
            for trace in stream_trace(
                objective, method="slices", samples=request.probes, seed=seed + 1, resume=known.slice_trace
            ):
                yield Update("trace from slices alone", trace.progress, picture=False, slice_trace=trace)
        if request.probes:
            yield from self._compare_traces(request, known)

    def _scale_trace(self, normalization: Normalization, samples: int, known: Known) -> Iterator[Update]:
        # What the plain trace cannot tell: the mean curvature along directions that are normalized by blocks.
        earlier = known.scaled_traces.get(str(normalization))
        if not _unfinished(earlier):
            return
        for trace in stream_normalized_trace(
            self.objective, normalization=normalization, samples=samples, seed=self._seed, resume=earlier
        ):
            traces = {**known.scaled_traces, str(normalization): trace}
            yield Update(f"trace, {normalization}-normalized", trace.progress, picture=False, scaled_traces=traces)

    def _compare_traces(self, request: Request, known: Known) -> Iterator[Update]:
        found = {trace.method: trace for trace in known.other_traces}
        others = [method for method in request.trace_methods if method not in ("hutchinson", "slices")]
        for place, method in enumerate(others):
            if not _unfinished(found.get(method)):
                continue
            for trace in self._trace_stream(method, request.probes, place):
                found[method] = trace
                name = METHOD_NAMES.get(method, method)
                yield Update(f"trace by {name}", trace.progress, picture=False, other_traces=tuple(found.values()))

    def _trace_stream(self, method: TraceMethod, samples: int, place: int) -> KeptStream[TraceEstimate]:
        # Of another seed than Hutchinson's: they would share probes, and not be independent.
        seed = self._seed + 2 + place
        return self._traces.setdefault(
            (method, samples), KeptStream(lambda: stream_trace(self.objective, method=method, samples=samples, seed=seed))
        )

    def _find_density(self, request: Request, known: Known) -> Iterator[Update]:
        if not request.spectrum_probes or not _unfinished(known.density):
            return
        probes, objective = request.spectrum_probes, self.objective
        held = _LANCZOS_BYTES // (objective.n_parameters * objective.theta.element_size())
        steps = int(max(_FEWEST_STEPS, min(_STEPS, held)))
        stream = self._densities.setdefault(
            probes, KeptStream(lambda: stream_spectral_density(objective, probes=probes, steps=steps, seed=self._seed))
        )
        for density in stream:
            yield Update(f"spectrum, {density.hvps} products", density.progress, picture=False, density=density)


def _unfinished(result: TraceEstimate | ProjectionSample | SpectralDensity | None) -> bool:
    return result is None or result.progress < 1


# Whether two directions span a plane in which a point has coordinates.
def _spans(plane: Directions) -> bool:
    cosines = plane.gram / np.outer(plane.norms, plane.norms)
    return bool(1 - cosines[0, 1] ** 2 > _PARALLEL)
