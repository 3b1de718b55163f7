"""What the numbers say, in words that a lecturer can read aloud."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from curvwidget._number_words import format_number, format_share, format_uncertain
from curvwidget.curvature.facts import Eigenvalue, PointFacts, Stationarity, check_stationarity, read_point
from curvwidget.curvature.predicted import ProjectionPrediction
from curvwidget.curvature.projected import ProjectedCurvature, Verdict
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["LOOKS_LIKE", "Statement", "describe"]

_LONGEST = 250  # characters of a sentence
#: What a plane looks like, by verdict.
LOOKS_LIKE: dict[Verdict, str] = {"minimum": "a bowl", "maximum": "a dome", "saddle": "a saddle", "flat": "a plain"}
_POINTS: dict[Verdict, str] = {"minimum": "a minimum", "maximum": "a maximum", "saddle": "a saddle", "flat": "flat"}
_SIGNS: dict[Verdict, str] = {
    "minimum": "the Hessian has only positive curvatures",
    "maximum": "the Hessian has only negative curvatures",
    "saddle": "the Hessian has curvatures of both signs",
    "flat": "the Hessian is zero",
}


@dataclass(frozen=True)
class Statement:
    """A verdict in words.

    Attributes:
        sentence: What matters most, in about 250 characters.
        kind: What the slice shows; without a slice what the Hessian says, None where that is not settled either.
        details: Longer remarks, and what did not fit into the sentence.
        point: The signs of all curvatures of the Hessian, as of a critical point; None where they are not settled.
        critical: Whether the gradient is small enough to speak of a critical point; None where that is not known.
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

    Only what is sure is stated as a fact: eigenvalues that converged and lie further from zero than their residual; what is not
    is named as open (`read_point`). `check_stationarity` says when a point counts as critical.

    Args:
        curvature: The slice's; any of the arguments may be None, and the sentence is then shorter.
        trace: Gives the mean curvature tr(H)/N, which predicts tr(H)/N·‖v‖² along a direction v.
        eigenpairs: Extreme ones of the Hessian.
        sample: Curvatures of many random planes.
        prediction: Their predicted law.

    Returns:
        The statement.

    Example:
        >>> import numpy as np
        >>> from curvwidget.curvature import ProjectedCurvature
        >>> matrix = np.diag([2.0, 3.0])
        >>> seen = ProjectedCurvature(matrix, np.array([2.0, 3.0]), np.zeros(2), 0.0, np.eye(2), 0.1, 0.0, ("a", "b"))
        >>> describe(seen).sentence
        'This plane looks like a bowl (κ₋ = 2, κ₊ = 3).'
    """
    point = read_point(eigenpairs, curvature)
    critical = check_stationarity(curvature, eigenpairs, trace)
    # in the order of the text; the smaller the rank the more a part matters where not all fit
    ranked = (
        (0, _what_is_seen(curvature, point, critical)),
        (2, _what_planes_hide(sample, point)),
        (3, _what_the_mean_predicts(curvature, trace, prediction)),
        (1, _what_the_gradient_says(curvature, critical)),
    )
    sentence, left_over = _fit([(rank, text) for rank, text in ranked if text])
    remarks = [
        *left_over,
        *_remarks_on_slice(curvature, critical),
        *_remarks_on_point(point),
        *_remarks_on_averages(trace, prediction),
        *(
            _as_sentence(note)
            for result in (curvature, trace, eigenpairs, prediction)
            if result is not None
            for note in result.notes
        ),
    ]
    return Statement(
        sentence=sentence or "Nothing is known about this point yet.",
        kind=point.kind if curvature is None else curvature.verdict,
        details=tuple(dict.fromkeys(remarks)),
        point=point.kind,
        critical=None if critical is None else critical.holds,
    )


def _fit(ranked: list[tuple[int, str]]) -> tuple[str, list[str]]:
    kept: set[int] = set()
    length = -1
    for rank, text in sorted(ranked):
        if not kept or length + 1 + len(text) <= _LONGEST:
            kept.add(rank)
            length += 1 + len(text)
    return " ".join(text for rank, text in ranked if rank in kept), [text for rank, text in ranked if rank not in kept]


def _what_is_seen(curvature: ProjectedCurvature | None, point: PointFacts, critical: Stationarity | None) -> str:
    if curvature is None:
        return _as_sentence(_point_clause(point, critical) or _open_clause(point))
    slice_name = _slice_name(curvature)
    if not np.isfinite(curvature.principal).all():
        return f"The curvature of {slice_name} is not a number."
    numbers = _principal_words(curvature)
    kind = curvature.verdict
    if kind == "flat":
        seen = f"{slice_name} looks like a plain: {numbers}, which cannot be told from zero"
    elif kind == "saddle":
        seen = f"{slice_name} shows a saddle ({numbers})"
    else:
        seen = f"{slice_name} looks like {LOOKS_LIKE[kind]} ({numbers})"
    seen = seen[0].upper() + seen[1:]
    if point.contradiction:
        return f"{seen}, but the eigenvalues exclude that: {_eigenvalue_words(point)}. One of the two is wrong."
    clause = _point_clause(point, critical)
    if clause:
        return f"{seen}, {'and' if point.kind == kind else 'but'} {clause}."
    open_clause = _open_clause(point)
    return f"{seen}. {_as_sentence(open_clause)}" if open_clause else f"{seen}."


def _point_clause(point: PointFacts, critical: Stationarity | None) -> str:
    if point.kind is None or point.proven_by_plane:
        return ""
    if critical is not None and critical.holds is False:
        return f"{_SIGNS[point.kind]}: {_eigenvalue_words(point)}"
    return f"the point is {_POINTS[point.kind]}: {_eigenvalue_words(point)}"


def _open_clause(point: PointFacts) -> str:
    """Return what keeps the signs of the Hessian from being settled, where they are not."""
    low, high = point.low, point.high
    if point.kind is not None or (low is None and high is None):
        return ""
    if low is None or high is None:
        known = high if low is None else low
        assert known is not None
        side = "lower" if low is None else "upper"
        return f"{_stated(known)}; the {side} end of the spectrum is not known"
    if low.state == "zero" and high.state == "known":
        return f"the Hessian shows no negative curvature beyond its error: {_stated(high)}"
    if high.state == "zero" and low.state == "known":
        return f"the Hessian shows no positive curvature beyond its error: {_stated(low)}"
    if low.state == high.state == "zero":
        return "all curvatures of the Hessian are within their error of zero"
    names = " and ".join(end.name for end in (low, high) if end.state == "open")
    return f"{names} {'have' if ' and ' in names else 'has'} not converged, so what the point is remains open"


def _what_planes_hide(sample: ProjectionSample | None, point: PointFacts) -> str:
    if sample is None or len(sample) == 0:
        return ""
    counts = {kind: round(share * len(sample)) for kind, share in sample.probabilities.items()}
    total = int(np.isfinite(sample.principal).all(axis=1).sum())  # planes whose loss is no number show nothing
    if total == 0:
        return ""
    so_far = "so far " if sample.progress < 1 else ""
    planes = "random plane" if total == 1 else "random planes"
    hidden = total - counts["saddle"]
    if point.kind == "saddle" and hidden > 0:
        return _as_sentence(f"{so_far}{hidden} of {total} {planes} {_verb('show', hidden)} no saddle")
    counts["flat"] = total - sum(counts.values())
    (kind, first), *others = _by_count(counts)
    if not others:
        return _as_sentence(
            f"{so_far}{'the' if total == 1 else f'all {total}'} {planes} {_verb('show', total)} {LOOKS_LIKE[kind]}"
        )
    shapes = [f"{first} {_verb('show', first)} {LOOKS_LIKE[kind]}", *(f"{count} {LOOKS_LIKE[kind]}" for kind, count in others)]
    return _as_sentence(f"{so_far}of {total} {planes} {', '.join(shapes[:-1])} and {shapes[-1]}")


def _what_the_mean_predicts(
    curvature: ProjectedCurvature | None, trace: TraceEstimate | None, prediction: ProjectionPrediction | None
) -> str:
    mean, stderr = math.nan, math.nan
    if trace is not None:
        mean, stderr = trace.mean_curvature, trace.mean_curvature_stderr
    elif prediction is not None and prediction.n_parameters:
        mean = prediction.trace / prediction.n_parameters
    if curvature is None or not math.isfinite(mean):
        return ""
    squares = np.diagonal(curvature.gram)
    if float(squares.max()) <= 1.1 * float(squares.min()):
        size = float(squares.mean())
        along = {1: "it", 2: "both directions"}.get(len(squares), "all directions")
        return f"The mean curvature predicts {format_uncertain(mean * size, stderr * size)} along {along}."
    numbers = [format_number(mean * float(size)) for size in squares]
    return f"The mean curvature predicts {', '.join(numbers[:-1])} and {numbers[-1]} along the directions."


def _what_the_gradient_says(curvature: ProjectedCurvature | None, critical: Stationarity | None) -> str:
    if curvature is None or critical is None or critical.holds is not False:
        return ""
    if critical.share < 1:
        return f"It is not a critical point: following the gradient can lower the loss by about {format_share(critical.share)}."
    return f"It is not a critical point: ‖∇L‖ = {format_number(critical.gradient_norm)}."  # too steep for a quadratic model


def _remarks_on_slice(curvature: ProjectedCurvature | None, critical: Stationarity | None) -> list[str]:
    if curvature is None:
        return []
    remarks = []
    if curvature.degenerate and curvature.verdict != "flat":
        remarks.append(
            f"A principal curvature is within its error ({format_number(curvature.error)}) of zero, so the others decide what "
            f"{_slice_name(curvature)} looks like."
        )
    if critical is not None and critical.gradient_norm > 0:
        remarks.append(
            f"‖∇L‖ = {format_number(critical.gradient_norm)}: along the gradient the quadratic model falls by "
            f"{format_number(critical.drop)} from {format_number(curvature.loss)}; up to 1 % of it, the point counts as critical."
        )
    return remarks


def _remarks_on_point(point: PointFacts) -> list[str]:
    remarks = []
    if point.proven_by_plane:
        remarks.append("Curvatures of both signs were seen, so the Hessian has both, whatever its other eigenvalues are.")
    for end in (point.low, point.high):
        if end is not None and end.state != "known":
            remarks.append(_as_sentence(_stated(end)))
    return remarks


def _remarks_on_averages(trace: TraceEstimate | None, prediction: ProjectionPrediction | None) -> list[str]:
    remarks = []
    if trace is not None:
        remarks.append(
            f"tr(H) = {format_uncertain(trace.trace, trace.stderr)}, so the mean curvature tr(H)/N is "
            f"{format_uncertain(trace.mean_curvature, trace.mean_curvature_stderr)}."
        )
    if prediction is not None and np.isfinite(prediction.expected_principal).all():
        low, high = (float(value) for value in prediction.expected_principal)
        spread = [format_number(float(value), 2) for value in prediction.std]
        saddles = format_share(prediction.probabilities["saddle"])
        remarks.append(
            f"Random planes are expected to show κ₋ = {format_number(low)} and κ₊ = {format_number(high)} on average, with "
            f"standard deviations of {spread[0]} and {spread[1]}; {saddles} of them show a saddle."
        )
    elif prediction is not None:
        expected = format_number(prediction.curvature_of_expectation)
        remarks.append(f"Random planes are expected to show the curvature {expected} along each direction.")
    return remarks


def _slice_name(curvature: ProjectedCurvature) -> str:
    return {1: "this line", 2: "this plane"}.get(len(curvature.principal), "this slice")


def _principal_words(curvature: ProjectedCurvature) -> str:
    numbers = [format_uncertain(float(value), curvature.error) for value in curvature.principal]
    if len(numbers) == 1:
        return f"κ = {numbers[0]}"
    return f"κ₋ = {numbers[0]}, κ₊ = {numbers[1]}" if len(numbers) == 2 else f"κ from {numbers[0]} to {numbers[-1]}"


def _eigenvalue_words(point: PointFacts) -> str:
    return ", ".join(_stated(end) for end in (point.low, point.high) if end is not None)


def _stated(end: Eigenvalue) -> str:
    """Return the eigenvalue as the fact that it is, or with what keeps it from being one."""
    if end.state == "known":
        return f"{end.name} = {format_uncertain(end.value, end.residual)}"
    value, residual = format_number(end.value), format_number(end.residual, 2)
    if end.state == "zero":
        return f"{end.name} cannot be told from zero ({value} with a residual of {residual})"
    return f"{end.name} has not converged ({value} with a residual of {residual})"


def _by_count(counts: dict[str, int]) -> list[tuple[Verdict, int]]:
    kinds: tuple[Verdict, ...] = ("minimum", "maximum", "saddle", "flat")
    return sorted(((kind, counts[kind]) for kind in kinds if counts[kind] > 0), key=lambda pair: -pair[1])


def _verb(verb: str, count: int) -> str:
    return f"{verb}s" if count == 1 else verb


def _as_sentence(text: str) -> str:
    if not text:
        return ""
    # a symbol at the start stays as it is: λ and κ have capitals that mean something else
    first = text[0].upper() if text[0].isascii() and not text.startswith("tr(") else text[0]
    return first + text[1:] + ("" if text.endswith(".") else ".")
