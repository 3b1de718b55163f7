"""How the saddle demo answers a request: the point itself, two pictures of it, then many random planes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from curvwidget.curvature import (
    ProjectedCurvature,
    ProjectionPrediction,
    ProjectionSample,
    TraceEstimate,
    predict_projections,
    project_curvature,
    stream_projections,
)
from curvwidget.directions import Directions, hessian_directions, random_directions
from curvwidget.objective import Objective
from curvwidget.slices import LossSlice, stream_slice
from curvwidget.widgets.saddle_request import SaddleRequest

__all__ = ["SaddleAnswerer", "SaddlePoint", "SaddleUpdate"]

Array = np.ndarray[Any, Any]

_REACH = 1.0  # half-width of both pictures: the same distance from the point, along unit vectors
_RESOLUTION = 41


@dataclass(frozen=True, eq=False)
class SaddlePoint:
    """What is known of a saddle, whatever random planes it is looked at through.

    Attributes:
        objective: The loss at the critical point.
        spectrum: All eigenvalues of its Hessian ``(N,)``, descending.
        trace: tr(H), the sum of the eigenvalues.
        prediction: The law of the curvatures of random planes, from the spectrum.
        closed_form: The same from tr(H) and tr(H²) alone, which holds where no eigenvalue dominates.
        hessian: The eigenvectors of λ_max and λ_min, as the eigensolver finds them.
        curvature: The curvature along them.
    """

    objective: Objective
    spectrum: Array
    trace: TraceEstimate
    prediction: ProjectionPrediction
    closed_form: ProjectionPrediction
    hessian: Directions
    curvature: ProjectedCurvature

    @classmethod
    def of(cls, request: SaddleRequest) -> SaddlePoint:
        """Look at a saddle.

        Args:
            request: Which.

        Returns:
            What is known of it.
        """
        objective, spectrum = request.objective(), request.spectrum()
        trace, trace_of_square = float(spectrum.sum()), float((spectrum**2).sum())
        hessian = hessian_directions(objective)
        return cls(
            objective=objective,
            spectrum=spectrum,
            trace=TraceEstimate(
                trace=trace,
                stderr=0.0,
                size=len(spectrum),
                method="exact",
                samples=np.empty(0),
                history=np.empty((0, 3)),
                trace_of_square=trace_of_square,
                normalization="none",
            ),
            prediction=predict_projections(eigenvalues=spectrum),
            closed_form=predict_projections(
                trace=trace,
                trace_of_square=trace_of_square,
                n_parameters=len(spectrum),
                extremes=(float(spectrum[-1]), float(spectrum[0])),
            ),
            hessian=hessian,
            curvature=project_curvature(objective, hessian),
        )


@dataclass(frozen=True)
class SaddleUpdate:
    """One result on the way to the answer; None for no news.

    Attributes:
        doing: What is being done, in words.
        progress: Share of that, in [0, 1].
        point: What is known of a saddle that is new.
        curvature: The curvature of the random plane that is about to be shown, along Gaussian directions.
        slice: The random plane on the finest grid so far, along the same directions at unit length.
        hessian_slice: The Hessian's plane on the finest grid so far.
        sample: More random planes.
    """

    doing: str
    progress: float
    point: SaddlePoint | None = None
    curvature: ProjectedCurvature | None = None
    slice: LossSlice | None = None
    hessian_slice: LossSlice | None = None
    sample: ProjectionSample | None = None


class SaddleAnswerer:
    """Turns requests into streams of updates, and keeps what the next request can use.

    Every plane is a real one: two vectors drawn in R^N and multiplied with the Hessian of the loss. Of a plane only its seed and
    its 2 × 2 matrix are kept.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._asked: tuple[int, int, int, float] | None = None
        self._point: SaddlePoint | None = None
        self._hessian_slice: LossSlice | None = None
        self._sample: ProjectionSample | None = None

    def answer(self, request: SaddleRequest) -> Iterator[SaddleUpdate]:
        """Answer one request.

        Args:
            request: What is asked.

        Yields:
            Updates: the point, the Hessian's plane, the random plane, and then the rest of the planes.
        """
        if self._asked != request.saddle or self._point is None:
            yield SaddleUpdate("eigenvectors", 0.0)
            self._point, self._hessian_slice, self._sample = None, None, None
            self._point = SaddlePoint.of(request)
            self._asked = request.saddle
        point = self._point
        yield SaddleUpdate("eigenvectors", 1.0, point=point)
        if self._sample is not None and (self._sample.seed != request.seed or len(self._sample) > request.planes):
            self._sample = None
        yield from self._draw(point)
        # The plane shown is one of the sample, which may have to be drawn up to it first.
        yield from self._sample_planes(request.shown + 1, request, point)
        assert self._sample is not None
        yield from self._show(self._sample, request, point)
        yield from self._sample_planes(request.planes, request, point)

    def _draw(self, point: SaddlePoint) -> Iterator[SaddleUpdate]:
        if self._hessian_slice is not None and self._hessian_slice.progress == 1:
            yield SaddleUpdate("plane of λ_max and λ_min", 1.0, hessian_slice=self._hessian_slice)
            return
        for plane in stream_slice(point.objective, point.hessian, span=_REACH, resolution=_RESOLUTION):
            self._hessian_slice = plane
            yield SaddleUpdate("plane of λ_max and λ_min", plane.progress, hessian_slice=plane)

    def _show(self, sample: ProjectionSample, request: SaddleRequest, point: SaddlePoint) -> Iterator[SaddleUpdate]:
        directions = sample.directions(request.shown)
        yield SaddleUpdate("random plane", 0.0, curvature=project_curvature(point.objective, directions))
        unit = random_directions(point.objective, normalization="unit", seed=int(sample.seeds[request.shown]))
        unit = replace(unit, labels=("random direction 1", "random direction 2"))
        for plane in stream_slice(point.objective, unit, span=_REACH, resolution=_RESOLUTION):
            yield SaddleUpdate("random plane", plane.progress, slice=plane)

    def _sample_planes(self, count: int, request: SaddleRequest, point: SaddlePoint) -> Iterator[SaddleUpdate]:
        if self._sample is not None and len(self._sample) >= count:
            yield SaddleUpdate("random planes", len(self._sample) / request.planes, sample=self._sample)
            return
        for sample in stream_projections(point.objective, samples=count, seed=request.seed, resume=self._sample):
            self._sample = sample
            yield SaddleUpdate(
                f"{len(sample):,} of {request.planes:,} random planes", len(sample) / request.planes, sample=sample
            )
