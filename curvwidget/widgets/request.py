"""What a user asks of the explorer, in one frozen object: from it any picture can be had again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget.curvature.trace import TRACE_METHODS, TraceMethod
from curvwidget.directions import DISTRIBUTIONS, NORMALIZATIONS, Directions, Distribution, Normalization
from curvwidget.directions.random import check_seed
from curvwidget.slices.grid import check_resolution
from curvwidget.slices.span import check_span

__all__ = ["AxisSource", "EigenAxis", "GradientAxis", "OwnAxis", "RandomAxis", "Request"]


@dataclass(frozen=True)
class RandomAxis:
    """A random direction.

    Attributes:
        seed: As `random_directions` takes it.
        row: Which of the directions of that seed; two axes of one seed take rows 0 and 1 and are that seed's plane.
    """

    seed: int
    row: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no seed or row."""
        check_seed(self.seed)
        check_count("row", self.row, minimum=0)


@dataclass(frozen=True)
class EigenAxis:
    """An eigenvector of the Hessian.

    Attributes:
        rank: 0 for the largest eigenvalue, 1 for the next, …; −1 for the smallest, −2 for the next from below, ….
    """

    rank: int


@dataclass(frozen=True)
class GradientAxis:
    """The direction of the gradient."""


@dataclass(frozen=True, eq=False)
class OwnAxis:
    """A direction that the user gave.

    Attributes:
        direction: A single one.
    """

    direction: Directions

    def __post_init__(self) -> None:
        """Refuse anything but one direction.

        Raises:
            ValueError: If there are several.
        """
        if len(self.direction) != 1:
            raise ValueError(f"direction must be a single one, got {len(self.direction)}")


AxisSource = RandomAxis | EigenAxis | GradientAxis | OwnAxis


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
        blend: How far the plane is turned towards the Hessian's, from 0 (the axes themselves) to 1 (λ_max and λ_min).
        planes: Number of random planes to compare with.
        probes: Number of random probes for the trace, of each method.
        trace_methods: How the trace is estimated, as for `estimate_trace`.
        spectrum_probes: Number of random probes for the density of all eigenvalues; 0 leaves it out.
    """

    axes: tuple[AxisSource, AxisSource] = field(default_factory=lambda: (RandomAxis(0, 0), RandomAxis(0, 1)))
    distribution: Distribution = "gaussian"
    normalization: Normalization = None
    span: Literal["auto"] | Sequence[float] = "auto"
    zoom: float = 1.0
    resolution: int = 41
    blend: float = 0.0
    planes: int = 200
    probes: int = 100
    trace_methods: tuple[TraceMethod, ...] = ("hutchinson", "slices")
    spectrum_probes: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be answered.

        Raises:
            TypeError: If an axis is no source of a direction.
            ValueError: If a number or a choice is refused.
        """
        if len(self.axes) != 2:
            raise ValueError(f"axes must be two, got {len(self.axes)}")
        for axis in self.axes:
            if not isinstance(axis, AxisSource):
                raise TypeError(f"axes must be RandomAxis, EigenAxis, GradientAxis or OwnAxis, got {type(axis).__name__}")
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        if self.span != "auto":
            object.__setattr__(self, "span", check_span(self.span, 2))
        if not check_finite("zoom", self.zoom) > 0:
            raise ValueError(f"zoom must be positive, got {self.zoom}")
        check_resolution(self.resolution, 2)
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
