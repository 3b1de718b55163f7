"""What a user asks of the explorer, in one frozen object: from it any picture can be had again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget.curvature.trace import TRACE_METHODS, TraceMethod
from curvwidget.directions import DISTRIBUTIONS, NORMALIZATIONS, Distribution, Normalization
from curvwidget.slices.grid import check_resolution
from curvwidget.slices.span import check_span
from curvwidget.widgets.axis_sources import AxisSource, EigenAxis, RandomAxis
from curvwidget.widgets.places import Place

__all__ = ["TOLERANCE", "Follow", "LookAround", "Request"]

TOLERANCE = 0.01  # what nobody sees in a picture


@dataclass(frozen=True)
class Request:
    """What the explorer shall show.

    Attributes:
        axes: Where each of the two axes comes from.
        distribution: Of random axes.
        normalization: Of random axes.
        span: ``"auto"``, or the half-width of each axis in units of its direction.
        zoom: Factor on the span, whichever it is.
        resolution: Points on each axis, odd.
        tolerance: How large the error of a value may be, as a share of the range of the losses, as for `slice_loss`; None
            evaluates the loss at each point.
        blend: How far the plane is turned towards the Hessian's, from 0 (the axes themselves) to 1 (λ_max and λ_min).
        planes: Number of random planes to compare with.
        probes: Number of random probes for the trace, of each method, at least: what was found with more is kept.
        trace_methods: How the trace is estimated, as for `estimate_trace`.
        spectrum_probes: The same for the density of all eigenvalues; 0 leaves it out.
        place: The point in the middle; None for the objective's own.
    """

    axes: tuple[AxisSource, AxisSource] = field(default_factory=lambda: (RandomAxis(0, 0), RandomAxis(0, 1)))
    distribution: Distribution = "gaussian"
    normalization: Normalization = None
    span: Literal["auto"] | Sequence[float] = "auto"
    zoom: float = 1.0
    resolution: int = 41
    tolerance: float | None = TOLERANCE
    blend: float = 0.0
    planes: int = 200
    probes: int = 100
    trace_methods: tuple[TraceMethod, ...] = ("hutchinson", "slices")
    spectrum_probes: int = 4
    place: Place | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be answered.

        Raises:
            TypeError: If an axis is no source of a direction, or the place is none.
            ValueError: If a number or a choice is refused.
        """
        if len(self.axes) != 2:
            raise ValueError(f"axes must be two, got {len(self.axes)}")
        for axis in self.axes:
            if not isinstance(axis, AxisSource):
                kinds = "RandomAxis, EigenAxis, GradientAxis, CheckpointAxis, TrajectoryAxis or OwnAxis"
                raise TypeError(f"axes must be {kinds}, got {type(axis).__name__}")
        if self.place is not None and not isinstance(self.place, Place):
            raise TypeError(f"place must be a Place or None, got {type(self.place).__name__}")
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        if self.span != "auto":
            object.__setattr__(self, "span", check_span(self.span, 2))
        if not check_finite("zoom", self.zoom) > 0:
            raise ValueError(f"zoom must be positive, got {self.zoom}")
        check_resolution(self.resolution, 2)
        if self.tolerance is not None and not 0 < check_finite("tolerance", self.tolerance) < 1:
            raise ValueError(f"tolerance must be a share of the range, above 0 and below 1, or None, got {self.tolerance}")
        if not 0 <= check_finite("blend", self.blend) <= 1:
            raise ValueError(f"blend must be from 0 to 1, got {self.blend}")
        check_count("planes", self.planes, minimum=0)
        check_count("probes", self.probes, minimum=0)
        check_count("spectrum_probes", self.spectrum_probes, minimum=0)
        object.__setattr__(self, "trace_methods", tuple(self.trace_methods))
        for method in self.trace_methods:
            check_choice("trace_methods", method, TRACE_METHODS)

    @property
    def needs_eigenpairs(self) -> bool:
        """Whether the picture itself needs eigenvectors."""
        return self.blend > 0 or any(isinstance(axis, EigenAxis) for axis in self.axes)


@dataclass(frozen=True)
class Follow:
    """The wish to go down along the eigenvector of the smallest eigenvalue.

    Attributes:
        request: Where to go down from, and what to show below.
        lines: Number of random lines to compare with.
    """

    request: Request
    lines: int = 20


@dataclass(frozen=True)
class LookAround:
    """The wish to know the other minima of the plane, far beyond the picture.

    Attributes:
        request: The plane to look at, and what to show afterwards.
    """

    request: Request
