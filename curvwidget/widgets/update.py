"""What the explorer's worker knows of a point, and what it reports on the way to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from curvwidget.curvature import ProjectedCurvature, ProjectionSample, TraceEstimate
from curvwidget.curvature.plane_minima import PlaneMinima
from curvwidget.directions import Trajectory
from curvwidget.linalg import Eigenpairs, SpectralDensity
from curvwidget.slices import Descent, LossSlice
from curvwidget.slices.first_look import FirstLook

__all__ = ["Known", "Update"]


@dataclass(frozen=True)
class Known:
    """What is known of a point whatever plane is shown; each may be unfinished.

    Attributes:
        eigenpairs: Both ends of the spectrum.
        trace: The trace by Hutchinson.
        slice_trace: The trace from slices alone.
        sample: The curvatures of random planes.
        other_traces: The trace by further methods.
        density: The density of all eigenvalues.
        scaled_traces: By normalization, the trace that directions see that are normalized by blocks.
    """

    eigenpairs: Eigenpairs | None = None
    trace: TraceEstimate | None = None
    slice_trace: TraceEstimate | None = None
    sample: ProjectionSample | None = None
    other_traces: tuple[TraceEstimate, ...] = ()
    density: SpectralDensity | None = None
    scaled_traces: Mapping[str, TraceEstimate] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """One result on the way to the answer.

    Attributes:
        doing: What is being done, in words.
        progress: Share of that, in [0, 1].
        picture: Whether the picture itself is still being made, and not what it is compared with.
        alone: Whether the map alone shows the slice, so that nothing stands before it; the same comes again for all views.
        eigenpairs: New eigenpairs, final; None for no news (and so below).
        curvature: The curvature of the plane that is about to be shown.
        look: The plane on some of the samples, to be shown until there is the slice; like a curvature it begins a new picture.
        slice: The plane on the finest grid so far.
        trace: A better trace by Hutchinson.
        slice_trace: A better trace from slices.
        sample: More random planes.
        other_traces: Traces by further methods, of which one is better.
        density: A better density of all eigenvalues.
        scaled_traces: Traces as normalized directions see them, of which one is better.
        trajectory: Where the checkpoints lie beside the plane that is shown.
        minima: Further minima of the plane that is shown.
        descent: How far down the eigenvector of the smallest eigenvalue leads, so far.
        destination: The lowest point that was found on it, once it is found.
        refusal: Why there is nothing to follow.
    """

    doing: str
    progress: float
    picture: bool = True
    alone: bool = False
    eigenpairs: Eigenpairs | None = None
    curvature: ProjectedCurvature | None = None
    look: FirstLook | None = None
    slice: LossSlice | None = None
    trace: TraceEstimate | None = None
    slice_trace: TraceEstimate | None = None
    sample: ProjectionSample | None = None
    other_traces: tuple[TraceEstimate, ...] | None = None
    density: SpectralDensity | None = None
    scaled_traces: Mapping[str, TraceEstimate] | None = None
    trajectory: Trajectory | None = None
    minima: PlaneMinima | None = None
    descent: Descent | None = None
    destination: Tensor | None = None
    refusal: str = ""
