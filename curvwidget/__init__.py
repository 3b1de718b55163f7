"""Jupyter widgets that show the loss landscape of a PyTorch model, and whether its picture can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curvwidget.curvature import (
    PlaneMinima,
    ProjectedCurvature,
    ProjectionPrediction,
    ProjectionSample,
    estimate_normalized_trace,
    estimate_trace,
    find_minima_around,
    find_plane_minima,
    fit_slice,
    graph_curvature,
    predict_projections,
    project_curvature,
    sample_projections,
    stream_minima_around,
    stream_normalized_trace,
    stream_projections,
    stream_trace,
)
from curvwidget.directions import (
    Directions,
    Trajectory,
    blend_directions,
    directions_between,
    gradient_direction,
    hessian_directions,
    own_directions,
    place_checkpoints,
    random_directions,
    trajectory_directions,
)
from curvwidget.linalg import (
    Eigenpairs,
    SpectralDensity,
    TraceEstimate,
    extreme_eigenpairs,
    spectral_density,
    stream_eigenpairs,
    stream_spectral_density,
)
from curvwidget.objective import Objective
from curvwidget.slices import Descent, LossSlice, find_descent, slice_loss, stream_descent, stream_slice

if TYPE_CHECKING:
    from curvwidget.widgets import (
        CurvaturePlot,
        Explorer,
        LossMap,
        Profiles,
        SaddleDemo,
        SideBySide,
        SpectrumPlot,
        Surface,
        TracePlot,
        TrajectoryPlot,
        explore,
        link_explorers,
    )

__version__ = "0.1.0.dev0"

# What draws is imported when it is first asked for: a script or a cluster job needs no widget library.
_WIDGETS = (
    "CurvaturePlot",
    "Explorer",
    "LossMap",
    "Profiles",
    "SaddleDemo",
    "SideBySide",
    "SpectrumPlot",
    "Surface",
    "TracePlot",
    "TrajectoryPlot",
    "explore",
    "link_explorers",
)

__all__ = [
    "CurvaturePlot",
    "Descent",
    "Directions",
    "Eigenpairs",
    "Explorer",
    "LossMap",
    "LossSlice",
    "Objective",
    "PlaneMinima",
    "Profiles",
    "ProjectedCurvature",
    "ProjectionPrediction",
    "ProjectionSample",
    "SaddleDemo",
    "SideBySide",
    "SpectralDensity",
    "SpectrumPlot",
    "Surface",
    "TraceEstimate",
    "TracePlot",
    "Trajectory",
    "TrajectoryPlot",
    "blend_directions",
    "directions_between",
    "estimate_normalized_trace",
    "estimate_trace",
    "explore",
    "extreme_eigenpairs",
    "find_descent",
    "find_minima_around",
    "find_plane_minima",
    "fit_slice",
    "gradient_direction",
    "graph_curvature",
    "hessian_directions",
    "link_explorers",
    "own_directions",
    "place_checkpoints",
    "predict_projections",
    "project_curvature",
    "random_directions",
    "sample_projections",
    "slice_loss",
    "spectral_density",
    "stream_descent",
    "stream_eigenpairs",
    "stream_minima_around",
    "stream_normalized_trace",
    "stream_projections",
    "stream_slice",
    "stream_spectral_density",
    "stream_trace",
    "trajectory_directions",
]


def __getattr__(name: str) -> object:
    if name in _WIDGETS:
        from curvwidget import widgets

        return getattr(widgets, name)
    raise AttributeError(f"module 'curvwidget' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WIDGETS])
