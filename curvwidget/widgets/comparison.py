"""What theory says about the random planes that the explorer draws."""

from __future__ import annotations

import math
from typing import Any

from curvwidget.curvature import ProjectionPrediction, TraceEstimate, predict_projections
from curvwidget.curvature.from_spectrum import DOMINANT
from curvwidget.linalg import Eigenpairs
from curvwidget.objective import Objective
from curvwidget.widgets.request import Request

__all__ = ["predict"]


def predict(
    objective: Objective,
    request: Request,
    *,
    trace: TraceEstimate | None,
    eigenpairs: Eigenpairs | None,
    scaled: TraceEstimate | None = None,
) -> ProjectionPrediction | None:
    """Predict the curvatures of random planes from what is known so far.

    Args:
        objective: The loss at θ.
        request: Says how random directions are drawn and normalized.
        trace: An estimate of tr(H) and tr(H²).
        eigenpairs: Both ends of the spectrum; where few eigenvalues dominate, converged ones make the prediction exact in them.
        scaled: What `estimate_normalized_trace` found for a normalization by block; without it the spread of the curvatures is
            not known for "layer", and nothing for "filter": the traces by parameter that come with tr(H) know no filters.

    Returns:
        The prediction; None as long as the estimates say too little.
    """
    normalization, distribution = request.normalization, request.distribution
    if normalization not in (None, "unit"):
        if scaled is not None and math.isfinite(scaled.trace_of_square):
            return predict_projections(scaled=scaled, normalization=normalization, distribution=distribution)
        rows = None if trace is None else _rows(objective, normalization, trace)
        return None if rows is None else predict_projections(blocks=rows, normalization=normalization, distribution=distribution)
    if trace is None:
        return None
    square = trace.trace_of_square
    if not math.isfinite(square) or trace.trace**2 > objective.n_parameters * square:
        return None
    inputs: dict[str, Any] = {
        "trace": trace.trace,
        "trace_of_square": square,
        "trace_stderr": trace.stderr,
        "trace_of_square_stderr": trace.trace_of_square_stderr,
        "n_parameters": objective.n_parameters,
        "normalization": normalization,
        "distribution": distribution,
    }
    if eigenpairs is None:
        return predict_projections(**inputs)
    sure = bool(eigenpairs.converged.all())
    if sure and len(eigenpairs.values) == objective.n_parameters:
        return predict_projections(eigenvalues=eigenpairs.values, normalization=normalization, distribution=distribution)
    if sure and trace.progress >= 1 and _dominates(eigenpairs, square):
        return predict_projections(**inputs, eigenvalues=eigenpairs.values)
    return predict_projections(**inputs, extremes=(float(eigenpairs.values.min()), float(eigenpairs.values.max())))


# Whether few eigenvalues carry so much of tr(H²) that the closed form fails, and the estimate of it leaves room for the others.
def _dominates(eigenpairs: Eigenpairs, trace_of_square: float) -> bool:
    squares = eigenpairs.values**2
    return bool(squares.max() > DOMINANT * trace_of_square and squares.sum() < trace_of_square)


# (‖θ_b‖, tr(H_bb), n_b[, tr(H_bb²)]) of the blocks that a normalization makes, as far as an estimate of tr(H) knows them.
def _rows(objective: Objective, normalization: str, trace: TraceEstimate) -> list[list[float]] | None:
    theta = objective.theta.double()
    if normalization == "model":
        square = max(trace.trace_of_square, trace.trace**2 / len(theta))
        return [[float(theta.norm()), trace.trace, len(theta), square]] if math.isfinite(square) else None
    if normalization == "layer" and set(trace.by_block) == {block.name for block in objective.blocks}:
        return [[float(theta[block.slice].norm()), trace.by_block[block.name], block.size] for block in objective.blocks]
    return None
