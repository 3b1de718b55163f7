"""The explorer's numbers with their errors, and what must be known to trust them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curvwidget._number_words import format_number, format_share, format_uncertain
from curvwidget.curvature import ProjectedCurvature, ProjectionPrediction, ProjectionSample, TraceEstimate
from curvwidget.curvature.agreement import METHOD_NAMES, compare_traces
from curvwidget.curvature.plane_minima import PlaneMinima
from curvwidget.curvature.wording import LOOKS_LIKE, Statement, describe
from curvwidget.directions import directions_from_eigenpairs
from curvwidget.linalg import Eigenpairs, SpectralDensity
from curvwidget.objective import Objective
from curvwidget.slices import Descent
from curvwidget.widgets.update import Known

__all__ = ["Remarks", "around_words", "descent_words", "minima_words", "remark"]

_FEW = 20  # samples below which a standard error is itself uncertain by more than a sixth
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Remarks:
    """What the explorer says.

    Attributes:
        statement: The verdict in words.
        facts: Name, value with its error, and explanation of each number.
        notes: What a reader must know to trust them, in sentences.
    """

    statement: Statement
    facts: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def remark(objective: Objective, curvature: ProjectedCurvature, known: Known, prediction: ProjectionPrediction | None) -> Remarks:
    """Say what is known.

    Args:
        objective: The loss at θ.
        curvature: That of the plane shown.
        known: What is known of θ so far.
        prediction: What it predicts for random planes.

    Returns:
        Verdict, numbers and notes.
    """
    statement = describe(curvature, trace=known.trace, eigenpairs=known.eigenpairs, sample=known.sample, prediction=prediction)
    traces = [trace for trace in (known.slice_trace, known.trace, *known.other_traces) if trace is not None]
    notes = [
        *statement.details,
        *_on_eigenpairs(known.eigenpairs),
        *_on_agreement(traces),
        *_on_samples(traces, known.sample),
        *_on_density(known.density),
        *_on_prediction(known, prediction),
        *(f"{_title(trace)}: {_sentence(note)}" for trace in traces if trace is not known.trace for note in trace.notes),
        *(f"About the loss: {_sentence(note)}" for note in objective.notes),
    ]
    return Remarks(statement, tuple(_facts(objective, curvature, known)), tuple(dict.fromkeys(notes)))


def descent_words(descent: Descent) -> str:
    """Say how far down a direction led, and how far random lines did.

    Args:
        descent: The search, finished.

    Returns:
        A sentence or two.
    """
    start, lines = format_number(descent.center, 4), len(descent.random_losses)
    if descent.coordinate == 0:
        found = f"Along v₋ no loss lower than {start} was found within ‖Δθ‖ = {format_number(descent.reach, 2)}"
    else:
        found = f"Along v₋ the loss falls from {start} to {format_number(descent.loss, 4)}"
    if not lines:
        return f"{found}."
    if descent.best_random < descent.center:
        return f"{found}; the best of {lines} random lines reaches {format_number(descent.best_random, 4)}."
    return f"{found}; none of {lines} random lines goes lower."


def minima_words(minima: PlaneMinima, span: Sequence[float]) -> Iterator[str]:
    """Describe further minima of a plane.

    Args:
        minima: The minima.
        span: How far the picture reaches.

    Yields:
        A sentence for each.
    """
    rows = zip(minima.coordinates, minima.losses, minima.principal, minima.errors, minima.gradient_norms, strict=True)
    inside = minima.within(span)
    for index, ((x, y), loss, (low, high), error, slope) in enumerate(rows):
        where = "" if inside[index] else f", outside the picture, ‖Δθ‖ = {format_number(minima.distances[index])} away"
        both = [format_uncertain(value, error, always=True) for value in (low, high)]
        curvatures = f"κ₋ = {both[0]} and κ₊ = {both[1]}"
        seen = minima.verdicts[index]
        shape = LOOKS_LIKE[seen]
        doubt = "" if seen == "minimum" else f" (by these the plane is {shape} there: it is a kink that holds the loss up)"
        yield (
            f"This plane has a minimum at ({format_number(x)}, {format_number(y)}){where}: L = {format_number(loss)}, "
            f"{curvatures}{doubt}; it is one of the plane alone where ‖∇L‖ = {format_number(slope)} is not zero."
        )


def around_words(minima: PlaneMinima) -> str:
    """Say what looking around has found, and its cost.

    Args:
        minima: The minima.

    Returns:
        A sentence.
    """
    count = {0: "No other minimum", 1: "One other minimum"}.get(len(minima), f"{len(minima)} other minima")
    reach = " and ".join(f"±{format_number(far, 2)}" for far in minima.span)
    return f"{count} of this plane up to {reach} from θ, by {minima.evaluations:,} losses and {minima.hvps} HVPs."


def _facts(objective: Objective, curvature: ProjectedCurvature, known: Known) -> Iterator[tuple[str, str, str]]:
    rounding = str(objective.dtype).removeprefix("torch.")
    yield "L(θ)", format_number(curvature.loss), f"loss at the centre, on all samples; exact but for {rounding} rounding"
    yield (
        "‖∇L‖",
        format_number(curvature.gradient_norm),
        f"length of the gradient, zero at a critical point; exact but for {rounding} rounding",
    )
    if known.trace is not None:
        yield "tr H", _uncertain(known.trace), f"trace of the Hessian by Hutchinson ± standard error, {known.trace.hvps} HVPs"
    if known.slice_trace is not None:
        what = "trace of the Hessian" if known.trace is None else "the same"
        yield (
            "tr H, slices",
            _uncertain(known.slice_trace),
            f"{what} from {known.slice_trace.evaluations} loss values alone, without derivatives, ± standard error",
        )
    yield "N", f"{objective.n_parameters:,}", "number of parameters"


def _on_eigenpairs(pairs: Eigenpairs | None) -> Iterator[str]:
    if pairs is None or not len(pairs.values):
        return
    names = [label.split(" = ")[0] for label in directions_from_eigenpairs(pairs).labels]
    rows = zip(names, pairs.values.tolist(), pairs.residuals.tolist(), pairs.converged.tolist(), strict=True)
    ends = [
        f"{name} = {format_uncertain(value, error, always=True)}{'' if sure else ', not converged'}"
        for name, value, error, sure in rows
    ]
    yield (
        f"Eigenvalues, each ± its residual ‖Hv − λv‖, within which one lies: {'; '.join(ends)} (tolerance {pairs.tolerance:g}, "
        f"{pairs.hvps} HVPs)."
    )
    if not pairs.converged.all():
        yield "What has not converged is not to be trusted as an end of the spectrum: a more extreme eigenvalue may be there."


def _uncertain(trace: TraceEstimate) -> str:
    if len(trace.samples) < 2:
        return f"{format_number(trace.trace)} ± ?"
    return format_uncertain(trace.trace, trace.stderr, always=True)


def _title(trace: TraceEstimate) -> str:
    name = METHOD_NAMES.get(trace.method, trace.method)
    return f"Trace by {name}" if trace.method != "slices" else "Trace from slices alone"


def _on_agreement(traces: Sequence[TraceEstimate]) -> Iterator[str]:
    # From slices alone against everything else: the others all use derivatives.
    for other in traces[1:]:
        if traces[0].method != "slices":
            return
        seen = compare_traces(traces[0], other)
        if not math.isfinite(seen.in_stderrs):
            continue
        reason = (
            "" if seen.in_stderrs <= 3 else " Kinks, as of ReLU, do that: differences of losses see them, derivatives do not."
        )
        yield f"Traces: {seen.words}{reason}"


def _on_samples(traces: Sequence[TraceEstimate], sample: ProjectionSample | None) -> Iterator[str]:
    for trace in traces:
        count = len(trace.samples)
        if trace.method != "exact" and 1 < count < _FEW:
            spread = format_share(1 / math.sqrt(2 * (count - 1)))  # relative standard deviation of a standard deviation
            yield f"{_title(trace)}: only {count} samples; the standard error itself is uncertain by about {spread}."
        elif count == 1:
            yield f"{_title(trace)}: a single sample says nothing of its error."
    if sample is None:
        return
    shown = sample.principal[np.isfinite(sample.principal).all(axis=1)]
    count = len(shown)
    if count:
        share = sample.probabilities["saddle"] * len(sample) / count
        yield f"Share of saddles among random planes: {_share_words(share, count)}."


def _on_density(density: SpectralDensity | None) -> Iterator[str]:
    if density is None or density.progress < 1:
        return
    mean = format_uncertain(density.mean_curvature, density.mean_curvature_stderr)
    count = len(density.nodes)
    yield (
        f"Density of eigenvalues from {count} {'probe' if count == 1 else 'probes'} of up to {density.steps} products "
        f"({density.hvps} HVPs), broadened by σ = {format_number(density.broadening, 2)}; its mean, tr(H)/N, is {mean}."
    )
    yield from (f"Density of eigenvalues: {_sentence(note)}" for note in density.notes)


def _share_words(share: float, count: int) -> str:
    hits = round(share * count)
    if hits in (0, count):
        # No exception in S trials leaves every chance above 1 − 0.05^(1/S) too unlikely.
        bound = 1 - (1 - _CONFIDENCE) ** (1 / count)
        side = f"below {format_share(bound)}" if hits == 0 else f"above {format_share(1 - bound)}"
        return f"{hits} of {count}, so it is {side} at {_CONFIDENCE:.0%} confidence".replace("%", " %").replace("  ", " ")
    return f"{format_uncertain(100 * share, 100 * math.sqrt(share * (1 - share) / count))} % ({hits} of {count})"


def _on_prediction(known: Known, prediction: ProjectionPrediction | None) -> Iterator[str]:
    if prediction is None:
        if known.sample is not None and known.sample.normalization not in (None, "unit"):
            yield (
                f"No prediction is drawn for {known.sample.normalization}-normalized directions: "
                "the trace of the whole Hessian does not determine it."
            )
        return
    scaled = known.scaled_traces.get(str(prediction.normalization))
    if scaled is not None:
        mean = format_uncertain(scaled.trace, scaled.stderr)
        yield f"The mean curvature along {prediction.normalization}-normalized directions is {mean} ({scaled.hvps} HVPs)."
    doubt = "" if prediction.notes else "; nothing known speaks against it"
    yield f"How the law of random planes is predicted: {prediction.method}{doubt}."


def _sentence(note: str) -> str:
    return note if note.endswith(".") else f"{note}."
