"""What theory says about the random planes that the explorer draws."""

from __future__ import annotations

import math

from curvwidget.curvature import ProjectionPrediction, TraceEstimate, predict_projections
from curvwidget.linalg import Eigenpairs
from curvwidget.objective import Objective
from curvwidget.widgets.request import Request

__all__ = ["predict"]


def predict(
    objective: Objective, request: Request, *, trace: TraceEstimate | None, eigenpairs: Eigenpairs | None
) -> ProjectionPrediction | None:
    """Predict the curvatures of random planes from what is known so far.

    Args:
        objective: The loss at θ.
        request: Says how random directions are normalized.
        trace: An estimate of tr(H) and tr(H²).
        eigenpairs: Both ends of the spectrum, to see whether few eigenvalues dominate.

    Returns:
        The prediction; None as long as the estimates say too little, or for normalizations by block, for which tr(H) alone says
        nothing.
    """
    if trace is None or request.normalization not in (None, "unit"):
        return None
    square = trace.trace_of_square
    if not math.isfinite(square) or trace.trace**2 > objective.n_parameters * square:
        return None
    extremes = None if eigenpairs is None else (float(eigenpairs.values.min()), float(eigenpairs.values.max()))
    return predict_projections(
        trace=trace.trace,
        trace_of_square=square,
        trace_stderr=trace.stderr,
        trace_of_square_stderr=trace.trace_of_square_stderr,
        n_parameters=objective.n_parameters,
        normalization=request.normalization,
        extremes=extremes,
    )
