"""Whether two estimates of one trace agree, in standard errors and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from curvwidget._number_words import format_number, format_uncertain
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["AGREE", "DOUBTFUL", "METHOD_NAMES", "Agreement", "compare_traces"]

METHOD_NAMES = {
    "slices": "slices alone",
    "hutchinson": "Hutchinson",
    "hutch++": "Hutch++",
    "xtrace": "XTrace",
    "exact": "exact",
}
"""What the methods of `estimate_trace` are called in plots and sentences."""

# In standard errors: 95.4 % and 99.7 % of differences are smaller where both estimate one number.
AGREE, DOUBTFUL = 2.0, 3.0


@dataclass(frozen=True)
class Agreement:
    """The difference of two estimates of one number.

    Attributes:
        difference: The first minus the second.
        stderr: Its standard error √(σ₁² + σ₂²), as of independent estimates; NaN where an error is not known.
        in_stderrs: Its size in standard errors; NaN where an error is not known.
        judgement: Whether chance explains it, without the names: "agree: … apart (… standard errors).".
        words: The same in a sentence.
    """

    difference: float
    stderr: float
    in_stderrs: float
    judgement: str
    words: str


def compare_traces(first: TraceEstimate, second: TraceEstimate) -> Agreement:
    """Compare two estimates of the trace of one matrix.

    They must have been drawn with different seeds, or by methods that draw differently, to be independent.

    Args:
        first: An estimate of tr(A).
        second: Another one.

    Returns:
        Their difference, and whether chance explains it.

    Raises:
        ValueError: If the two matrices differ in size.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.curvature.agreement import compare_traces
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(50, dtype=torch.float64))
        >>> slices, products = (
        ...     cw.estimate_trace(bowl, method=method, seed=i) for i, method in enumerate(("slices", "hutchinson"))
        ... )
        >>> compare_traces(slices, products).words.split(":")[0]
        'Slices alone and Hutchinson agree'
    """
    if first.size != second.size:
        raise ValueError(f"first and second must be of matrices of one size, got {first.size} and {second.size}")
    difference = first.trace - second.trace
    stderr = math.hypot(first.stderr, second.stderr)
    if stderr == 0:
        in_stderrs = 0.0 if difference == 0 else math.inf
    else:
        in_stderrs = abs(difference) / stderr
    names = f"{_name(first)} and {_name(second)}"
    judgement = _judgement(difference, stderr, in_stderrs)
    return Agreement(difference, stderr, in_stderrs, judgement, f"{names[0].upper()}{names[1:]} {judgement}")


def _name(estimate: TraceEstimate) -> str:
    return METHOD_NAMES.get(estimate.method, estimate.method)


def _judgement(difference: float, stderr: float, in_stderrs: float) -> str:
    if math.isnan(in_stderrs):
        return "cannot be compared yet: an error is not known."
    if in_stderrs == 0:
        return "agree: they are equal."
    size, ratio = format_uncertain(abs(difference), stderr), f"({format_number(in_stderrs, 2)} standard errors)"
    if in_stderrs <= AGREE:
        return f"agree: {size} apart {ratio}."
    if in_stderrs <= DOUBTFUL:
        odds = 1 / math.erfc(in_stderrs / math.sqrt(2))
        return f"differ by {size} {ratio}: chance does that once in {format_number(odds, 2)} times."
    return f"do not agree: {size} apart {ratio}."
