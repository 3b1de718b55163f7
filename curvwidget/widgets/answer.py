"""How the explorer answers a request: first the picture, then what it is compared with."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

from curvwidget._number_words import format_uncertain
from curvwidget.curvature import ProjectionSample, TraceEstimate, stream_projections, stream_trace
from curvwidget.curvature.agreement import METHOD_NAMES
from curvwidget.curvature.ensemble import SampleMethod
from curvwidget.curvature.normalized_trace import stream_normalized_trace
from curvwidget.curvature.trace import TraceMethod
from curvwidget.directions import Normalization, directions_from_eigenpairs
from curvwidget.linalg import Eigenpairs, SpectralDensity, stream_eigenpairs, stream_spectral_density
from curvwidget.objective import Objective
from curvwidget.runs import Kept, bytes_of
from curvwidget.slices import stream_descent
from curvwidget.widgets.kept_stream import KeptStream
from curvwidget.widgets.pictures import Pictures
from curvwidget.widgets.places import Place
from curvwidget.widgets.request import Follow, LookAround, Request
from curvwidget.widgets.update import Known, Update

__all__ = ["Answerer"]

Result = TypeVar("Result", TraceEstimate, SpectralDensity)

_STEPS = 80  # of Lanczos a probe of the spectral density, where memory allows
_FEWEST_STEPS = 10
_LANCZOS_BYTES = 2**30  # that the vectors of a probe may take


class Answerer:
    """Turns requests about one objective into streams of updates.

    What a newer request interrupts is taken up where it stopped: eigenpairs, density and the traces that cannot be resumed from
    their streams, the others and planes from the snapshots that are known. What is finished is kept; where more probes or planes
    are asked for they are added, or else, where a snapshot cannot be gone on with, all are drawn anew while the old result stays.

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
        kept: Kept | None = None,
    ) -> None:
        """Say what to answer about.

        Args:
            objective: The loss at θ.
            largest: Eigenpairs from the upper end.
            smallest: Eigenpairs from the lower end.
            seed: Seed of eigensolver, probes and planes.
            checkpoints: Points of a training run.
            kept: Where planes are kept, shared with other points; None keeps them without a bound.
        """
        self.objective = objective
        # Near N = 1 there are not as many eigenpairs as one would like to offer.
        self._largest = max(1, min(largest, objective.n_parameters - 1))
        self._smallest = min(smallest, objective.n_parameters - self._largest)
        self._seed = seed
        self._kept = Kept(sys.maxsize) if kept is None else kept
        self._pictures = Pictures(objective, checkpoints=checkpoints, kept=self._kept, seed=seed)
        self._eigenpairs = KeptStream(
            lambda: stream_eigenpairs(objective, largest=self._largest, smallest=self._smallest, seed=seed)
        )
        self._densities: dict[int, KeptStream[SpectralDensity]] = {}
        self._traces: dict[tuple[str, int], KeptStream[TraceEstimate]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes that θ, its gradient and what the streams hold may take: of an unfinished one, a vector a product."""
        vector = self.objective.n_parameters * self.objective.theta.element_size()
        found: list[Eigenpairs | SpectralDensity | TraceEstimate | None] = [
            self._eigenpairs.latest,
            *(stream.latest for stream in self._densities.values()),
            *(stream.latest for stream in self._traces.values()),
        ]
        held = sum(bytes_of(result) + (result.progress < 1) * result.hvps * vector for result in found if result is not None)
        return 2 * vector + held

    def release(self) -> None:
        """Give back the memory of what makes the next step cheap; a slice that was interrupted will be drawn anew."""
        self.objective.release()
        self._pictures.release()

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
        plane = yield from self._pictures.draw(request, eigenpairs)
        yield from self._pictures.compare(request, eigenpairs)
        yield from self._pictures.recall_minima(request, eigenpairs)
        if self._pictures.curvature(request, eigenpairs).method == "hvp":
            if known.eigenpairs is None and eigenpairs is None:
                yield from self._find_eigenpairs(picture=False)
            yield from self._compare(request, known)
        else:
            yield from self._compare_losses(request, known)
        yield from self._pictures.find_minima(request, eigenpairs, plane)

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

    def look_around(self, errand: LookAround, known: Known) -> Iterator[Update]:
        """Look for the other minima of a plane.

        Args:
            errand: What is asked.
            known: What is known already.

        Yields:
            Updates, the last with all minima that were found, or with a refusal where the axes span no plane.
        """
        request, eigenpairs = errand.request, known.eigenpairs
        if request.needs_eigenpairs and eigenpairs is None:
            eigenpairs = yield from self._find_eigenpairs(picture=True)
        plane = yield from self._pictures.draw(request, eigenpairs)
        yield from self._pictures.look_around(request, eigenpairs, plane)

    def _find_eigenpairs(self, *, picture: bool) -> Generator[Update, None, Eigenpairs]:
        for pairs in self._eigenpairs:
            if pairs.progress >= 1:
                yield Update("eigenvectors", 1.0, picture, eigenpairs=pairs)
                return pairs
            yield Update(f"eigenvectors, {pairs.hvps} products", pairs.progress, picture)
        raise RuntimeError("the search for eigenpairs ended without a result")

    def _compare(self, request: Request, known: Known) -> Iterator[Update]:
        if request.probes and "hutchinson" in request.trace_methods and _lacks_samples(known.trace, request.probes):
            for trace in stream_trace(self.objective, samples=request.probes, seed=self._seed, resume=known.trace):
                yield Update("trace by Hutchinson", trace.progress, picture=False, trace=trace)
        if request.probes and request.normalization not in (None, "unit"):
            yield from self._scale_trace(request.normalization, request.probes, known)
        if request.planes:
            yield from self._sample(request, known)
        yield from self._find_density(request, known)
        yield from self._trace_from_slices(request, known)
        if request.probes:
            yield from self._compare_traces(request, known)

    def _compare_losses(self, request: Request, known: Known) -> Iterator[Update]:
        # As far as losses go, where there are no products with the Hessian.
        if request.planes:
            yield from self._sample(request, known, method="difference")
        yield from self._trace_from_slices(request, known)

    def _trace_from_slices(self, request: Request, known: Known) -> Iterator[Update]:
        wanted = request.probes and "slices" in request.trace_methods
        if not wanted or not _lacks_samples(known.slice_trace, request.probes):
            return
        seed = self._seed + 1  # not Hutchinson's: they would share probes
        for trace in stream_trace(self.objective, method="slices", samples=request.probes, seed=seed, resume=known.slice_trace):
            yield Update("trace from slices alone", trace.progress, picture=False, slice_trace=trace)

    def _sample(self, request: Request, known: Known, *, method: SampleMethod = "hvp") -> Iterator[Update]:
        law = (request.distribution, request.normalization)
        key = (self.objective, "sample", law)
        sample: ProjectionSample | None = known.sample
        if sample is None or (sample.distribution, sample.normalization) != law:
            sample = self._kept.get(key)
        drawn = iter(()) if sample is None or sample is known.sample else iter((sample,))
        if sample is None or sample.progress < 1 or len(sample) < request.planes:
            more = stream_projections(
                self.objective,
                samples=request.planes,
                distribution=request.distribution,
                normalization=request.normalization,
                method=method,
                seed=self._seed,
                resume=sample,
            )
            drawn = itertools.chain(drawn, more)
        try:
            for sample in drawn:
                yield Update(f"{len(sample)} of {request.planes} random planes", sample.progress, picture=False, sample=sample)
        finally:  # whoever is interrupted, too, has something to go on with
            if sample is not None:
                self._kept.put(key, sample, bytes_of(sample))

    def _scale_trace(self, normalization: Normalization, samples: int, known: Known) -> Iterator[Update]:
        # What the plain trace cannot tell: the mean curvature along directions that are normalized by blocks.
        earlier = known.scaled_traces.get(str(normalization))
        if not _lacks_samples(earlier, samples):
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
            earlier = found.get(method)
            if not _lacks_products(earlier, request.probes):
                continue
            for trace in self._trace_stream(method, request.probes, place):
                found[method] = _better(trace, earlier)
                name = METHOD_NAMES.get(method, method)
                yield Update(f"trace by {name}", trace.progress, picture=False, other_traces=tuple(found.values()))

    def _trace_stream(self, method: TraceMethod, samples: int, place: int) -> KeptStream[TraceEstimate]:
        # Of another seed than Hutchinson's: they would share probes, and not be independent.
        seed = self._seed + 2 + place
        return self._traces.setdefault(
            (method, samples), KeptStream(lambda: stream_trace(self.objective, method=method, samples=samples, seed=seed))
        )

    def _find_density(self, request: Request, known: Known) -> Iterator[Update]:
        earlier = known.density
        if earlier is not None and earlier.progress >= 1 and len(earlier.nodes) >= request.spectrum_probes:
            return
        if not request.spectrum_probes:
            return
        probes, objective = request.spectrum_probes, self.objective
        held = _LANCZOS_BYTES // (objective.n_parameters * objective.theta.element_size())
        steps = int(max(_FEWEST_STEPS, min(_STEPS, held)))
        stream = self._densities.setdefault(
            probes, KeptStream(lambda: stream_spectral_density(objective, probes=probes, steps=steps, seed=self._seed))
        )
        for density in stream:
            shown = _better(density, earlier)
            yield Update(f"spectrum, {density.hvps} products", density.progress, picture=False, density=shown)


# Whether an estimate that can be gone on with, sample by sample, is to be.
def _lacks_samples(trace: TraceEstimate | None, samples: int) -> bool:
    return trace is None or trace.progress < 1 or len(trace.samples) < samples


# The same of one that cannot: XTrace takes an even number of products, and with 2·N of them these methods know all of the matrix.
def _lacks_products(trace: TraceEstimate | None, samples: int) -> bool:
    if trace is None or trace.progress < 1:
        return True
    asked = samples - samples % 2 if trace.method == "xtrace" else samples
    return trace.method != "exact" and trace.hvps < min(asked, 2 * trace.size)


# What is begun anew takes the place of an earlier result when it rests on as many products, or is at its end.
def _better(new: Result, earlier: Result | None) -> Result:
    return new if earlier is None or new.progress >= 1 or new.hvps >= earlier.hvps else earlier
