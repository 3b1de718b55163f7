"""What the Hessian looks like along directions, what the mean curvature predicts, and what to say about it."""

from curvwidget.curvature.ensemble import sample_projections, stream_projections
from curvwidget.curvature.fit import fit_slice
from curvwidget.curvature.graph import graph_curvature
from curvwidget.curvature.minima_around import find_minima_around, stream_minima_around
from curvwidget.curvature.normalized_trace import estimate_normalized_trace, stream_normalized_trace
from curvwidget.curvature.plane_minima import PlaneMinima, find_plane_minima
from curvwidget.curvature.prediction import ProjectionPrediction, predict_projections
from curvwidget.curvature.project import project_curvature
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.curvature.trace import estimate_trace, stream_trace
from curvwidget.linalg import TraceEstimate

__all__ = [
    "PlaneMinima",
    "ProjectedCurvature",
    "ProjectionPrediction",
    "ProjectionSample",
    "TraceEstimate",
    "estimate_normalized_trace",
    "estimate_trace",
    "find_minima_around",
    "find_plane_minima",
    "fit_slice",
    "graph_curvature",
    "predict_projections",
    "project_curvature",
    "sample_projections",
    "stream_minima_around",
    "stream_normalized_trace",
    "stream_projections",
    "stream_trace",
]
