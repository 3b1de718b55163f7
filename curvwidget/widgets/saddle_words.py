"""What the saddle demo shows, in a sentence and in numbers."""

from __future__ import annotations

from curvwidget._number_words import format_number, format_share
from curvwidget.curvature import ProjectionSample
from curvwidget.curvature.projected import Verdict
from curvwidget.widgets.saddle_answer import SaddlePoint

__all__ = ["SHAPES", "demo_facts", "demo_sentence", "shape"]

#: What a plane looks like, by verdict.
SHAPES = {"saddle": "saddle", "minimum": "bowl", "maximum": "dome"}


def shape(verdict: Verdict) -> str:
    """Say what a plane looks like.

    Args:
        verdict: Of its curvature.

    Returns:
        A noun with its article.
    """
    return f"a {SHAPES.get(verdict, 'plain')}"


def demo_sentence(point: SaddlePoint, sample: ProjectionSample | None) -> str:
    """Say what is seen.

    Args:
        point: The saddle.
        sample: The random planes so far.

    Returns:
        One sentence: what the point is, what random planes show of it, what was to be expected, what the Hessian's plane shows.
    """
    negative, positive = int((point.spectrum < 0).sum()), int((point.spectrum > 0).sum())
    principal, error = point.curvature.principal, point.curvature.error
    low, high = (format_number(float(value) if abs(value) > error else 0.0) for value in principal)
    hessian = f"the Hessian's plane shows {shape(point.curvature.verdict)} (κ₋ = {low}, κ₊ = {high})"
    if sample is None or not len(sample):
        return f"{hessian[0].upper()}{hessian[1:]}."
    count, rest = _count(sample)
    if not negative or not positive:
        return f"No direction curves {'downwards' if positive else 'upwards'}: {count}{rest}, and {hessian}."
    share = format_share(point.prediction.probabilities["saddle"])
    down = f"{negative:,} of {len(point.spectrum):,} directions curve downwards"
    return f"{down}; {count} (predicted: {share}){rest}, while {hessian}."


def demo_facts(point: SaddlePoint) -> list[list[str]]:
    """List the numbers beside the sentence.

    Args:
        point: The saddle.

    Returns:
        Triples of name, value and explanation.
    """
    prediction, n = point.prediction, len(point.spectrum)
    return [
        ["tr H", format_number(prediction.trace), "sum of all eigenvalues: the expected curvature along a Gaussian direction"],
        ["tr H²", format_number(prediction.trace_of_square), "sum of their squares: how far single planes scatter"],
        ["tr H / N", format_number(prediction.trace / n), "mean curvature: what a random unit direction is expected to show"],
        ["‖∇L‖", format_number(point.curvature.gradient_norm), "length of the gradient: this is a critical point"],
        ["N", f"{n:,}", "number of parameters"],
    ]


def _count(sample: ProjectionSample) -> tuple[str, str]:
    # How many of the planes show a saddle, and what the others show if they all show the same.
    total = len(sample)
    counts = {kind: round(share * total) for kind, share in sample.probabilities.items()}
    saddles = counts.pop("saddle")
    kind, most = max(counts.items(), key=lambda item: item[1])
    rest = f", all show a {SHAPES[kind]}" if most == total > 1 else ""
    if total == 1:
        return f"the random plane shows {'a saddle' if saddles else 'no saddle'}", ""
    if saddles in (0, total):
        return f"{'all' if saddles else 'none'} of {total:,} random planes show{'' if saddles else 's'} a saddle", rest
    return f"{saddles:,} of {total:,} random planes show{'s' if saddles == 1 else ''} a saddle", rest
