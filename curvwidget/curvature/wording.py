"""What the numbers say, in words that a lecturer can read aloud."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curvwidget.curvature.facts import PointFacts, read_point, stationarity
from curvwidget.curvature.predicted import ProjectionPrediction
from curvwidget.curvature.projected import ProjectedCurvature, Verdict
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["Statement", "describe", "format_number"]

LONGEST = 250  # characters of a sentence
SHAPES: dict[Verdict, str] = {"minimum": "a bowl", "maximum": "a dome", "saddle": "a saddle", "flat": "a plain"}
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Statement:
    """A verdict in words.

    Attributes:
        sentence: What matters most, in at most 250 characters.
        kind: What the slice shows, or without a slice what the Hessian says; None where neither is known.
        details: Longer remarks, and what did not fit into the sentence.
        point: What the Hessian says of the point itself; None where its eigenvalues are unknown or cannot be told from zero.
        critical: Whether the gradient is small enough for the point to count as a critical one; None where that is unknown.
    """

    sentence: str
    kind: Verdict | None
    details: tuple[str, ...] = ()
    point: Verdict | None = None
    critical: bool | None = None


def describe(
    curvature: ProjectedCurvature | None,
    *,
    trace: TraceEstimate | None = None,
    eigenpairs: Eigenpairs | None = None,
    sample: ProjectionSample | None = None,
    prediction: ProjectionPrediction | None = None,
) -> Statement:
    """Say in words what a slice shows, and whether it can be believed.

    What counts: an eigenvalue, if it converged and lies further from zero than its residual. The point counts as critical if
    following the gradient would lower the quadratic model of the loss, by ‖∇L‖²/(2λ), by no more than 1 % of |L|, or if it would
    end within 1e-6 of the point; λ is the largest |eigenvalue| known, or else √tr(H²), which is not smaller.

    Args:
        curvature: The slice's; any of the arguments may be None, and the sentence is then shorter.
        trace: Gives the mean curvature tr(H)/N, which predicts tr(H)/N·‖v‖² along a direction v.
        eigenpairs: Extreme ones of the Hessian.
        sample: Curvatures of many random planes.
        prediction: Their predicted law.

    Returns:
        The statement.
    """
    point = read_point(eigenpairs)
    critical = None if curvature is None else stationarity(curvature.gradient_norm, curvature.loss, eigenpairs, trace)
    parts = [] if curvature is None else [_plane_words(curvature, point, critical)]
    if curvature is None or point.kind is not None:
        parts.append(_point_words(point, curvature, critical))
    parts.append(_gradient_words(critical))
    parts.append(_sample_words(sample, point))
    parts.append(_mean_curvature_words(curvature, trace, prediction))
    sentence, left_over = _fit([part for part in parts if part])
    details = [*left_over, *_plane_details(curvature), *_gradient_details(curvature, critical), *point.remarks]
    details += [*_trace_details(trace), *_prediction_details(prediction)]
    for result in (curvature, trace, eigenpairs, prediction):
        details += [] if result is None else [_closed(_upper(note)) for note in result.notes]
    return Statement(
        sentence=sentence or "Nothing is known of this point yet.",
        kind=point.kind if curvature is None else curvature.verdict,
        details=tuple(dict.fromkeys(details)),
        point=point.kind,
        critical=None if critical is None else critical.holds,
    )
