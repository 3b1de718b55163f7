"""How the explorer answers a request: first the picture, then what it is compared with."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np

from curvwidget.curvature import ProjectionSample, TraceEstimate, project_curvature, stream_projections, stream_trace
from curvwidget.curvature.agreement import METHOD_NAMES
from curvwidget.curvature.trace import TraceMethod
from curvwidget.directions import (
    Directions,
    blend_directions,
    directions_from_eigenpairs,
    gradient_direction,
    random_directions,
)
from curvwidget.linalg import Eigenpairs, SpectralDensity, stream_eigenpairs, stream_spectral_density
from curvwidget.objective import Objective
from curvwidget.slices import span_from_curvature, stream_slice
from curvwidget.widgets.kept_stream import KeptStream
from curvwidget.widgets.request import AxisSource, EigenAxis, GradientAxis, RandomAxis, Request
from curvwidget.widgets.update import Known, Update

__all__ = ["Answerer"]

_STEPS = 80  # of Lanczos a probe of the spectral density, where memory allows
_FEWEST_STEPS = 10
_LANCZOS_BYTES = 2**30  # that the vectors of a probe may take


class Answerer:
    """Turns requests about one objective into streams of updates.

    What a newer request interrupts is taken up where it stopped: eigenpairs, density and the traces that cannot be resumed from
    their streams, the others and planes from the snapshots that are known.
    """

    def __init__(self, objective: Objective, *, largest: int = 1, smallest: int = 1, seed: int = 0) -> None:
        """Say what to answer about.

        Args:
            objective: The loss at θ.
            largest: Eigenpairs from the upper end.
            smallest: Eigenpairs from the lower end.
            seed: Seed of eigensolver, probes and planes.
        """
        self._objective = objective
        # Near N = 1 there are not as many eigenpairs as one would like to offer.
        self._largest = max(1, min(largest, objective.n_parameters - 1))
        self._smallest = min(smallest, objective.n_parameters - self._largest)
        self._seed = seed
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
        yield from self._draw(request, eigenpairs)
        if eigenpairs is None:
            yield from self._find_eigenpairs(picture=False)
        yield from self._compare(request, known)

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
                self._objective,
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
        return gradient_direction(self._objective) if isinstance(axis, GradientAxis) else axis.direction

    def _find_eigenpairs(self, *, picture: bool) -> Generator[Update, None, Eigenpairs]:
        for pairs in self._eigenpairs:
            if pairs.progress >= 1:
                yield Update("eigenvectors", 1.0, picture, eigenpairs=pairs)
                return pairs
            yield Update(f"eigenvectors, {pairs.hvps} products", pairs.progress, picture)
        raise RuntimeError("the search for eigenpairs ended without a result")

    def _draw(self, request: Request, eigenpairs: Eigenpairs | None) -> Iterator[Update]:
        objective = self._objective
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

    def _compare(self, request: Request, known: Known) -> Iterator[Update]:
        objective, seed = self._objective, self._seed
        methods = request.trace_methods
        if request.probes and "hutchinson" in methods and _unfinished(known.trace):
            for trace in stream_trace(objective, samples=request.probes, seed=seed, resume=known.trace):
                yield Update("trace by Hutchinson", trace.progress, picture=False, trace=trace)
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
            (method, samples), KeptStream(lambda: stream_trace(self._objective, method=method, samples=samples, seed=seed))
        )

    def _find_density(self, request: Request, known: Known) -> Iterator[Update]:
        if not request.spectrum_probes or not _unfinished(known.density):
            return
        probes, objective = request.spectrum_probes, self._objective
        held = _LANCZOS_BYTES // (objective.n_parameters * objective.theta.element_size())
        steps = int(max(_FEWEST_STEPS, min(_STEPS, held)))
        stream = self._densities.setdefault(
            probes, KeptStream(lambda: stream_spectral_density(objective, probes=probes, steps=steps, seed=self._seed))
        )
        for density in stream:
            yield Update(f"spectrum, {density.hvps} products", density.progress, picture=False, density=density)


def _unfinished(result: TraceEstimate | ProjectionSample | SpectralDensity | None) -> bool:
    return result is None or result.progress < 1
