"""What the saddle demo shows, in a sentence and in numbers."""

from __future__ import annotations

from curvwidget.curvature import ProjectionSample
from curvwidget.curvature.number_words import format_number, format_share
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
    hessian = f"the plane of λ_max and λ_min shows {shape(point.curvature.verdict)} (κ₋ = {low}, κ₊ = {high})"
    if sample is None or not len(sample):
        return f"{hessian[0].upper()}{hessian[1:]}."
    if not negative or not positive:
        way = "downwards" if positive else "upwards"
        return f"No direction curves {way}: {_counted(sample)}, and {hessian}."
    saddles = round(sample.probabilities["saddle"] * len(sample))
    share = format_share(point.prediction.probabilities["saddle"])
    # Compared with the Hessian's plane, which shows both signs.
    link = "and" if saddles == len(sample) else "but"
    return (
        f"{negative:,} of {len(point.spectrum):,} directions curve downwards; {_counted(sample)} "
        f"(predicted: {share} saddles), {link} {hessian}."
    )


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


def _counted(sample: ProjectionSample) -> str:
    total = len(sample)
    counts = {kind: round(share * total) for kind, share in sample.probabilities.items()}
    saddles = counts.pop("saddle")
    planes = f"{total:,} random plane{'' if total == 1 else 's'}"
    if saddles == total:
        return f"all of {planes} show a saddle" if total > 1 else "the random plane shows a saddle"
    kind, most = max(counts.items(), key=lambda item: item[1])
    if most == total:
        if total == 1:
            return f"the random plane shows a {SHAPES[kind]}"
        return f"none of {planes} shows a saddle, all show a {SHAPES[kind]}"
    if saddles == 0:
        return f"none of {planes} shows a saddle"
    return f"{saddles:,} of {planes} show{'s' if saddles == 1 else ''} a saddle"
