"""Numbers of the saddle demo beside what is predicted for them, as a table."""

from __future__ import annotations

import html
import math

from curvwidget._number_words import format_number, format_share
from curvwidget.curvature import ProjectionSample
from curvwidget.widgets.saddle_answer import SaddlePoint
from curvwidget.widgets.saddle_words import SHAPES
from curvwidget.widgets.style import FAINT, INK

__all__ = ["demo_table"]

Row = tuple[str, ...]

_CELL = "width:1%;padding:1px 7px;text-align:right;white-space:nowrap"
_NAME = "padding:1px 7px 1px 4px;text-align:left"


def demo_table(point: SaddlePoint, sample: ProjectionSample | None) -> str:
    """Write the shares of shapes and the two averages, seen and predicted.

    Args:
        point: The saddle.
        sample: The random planes so far.

    Returns:
        HTML; all text is escaped.
    """
    head = f"seen in {len(sample):,}" if sample is not None and len(sample) else "seen"
    shapes: list[Row] = [("planes", head, "predicted", "closed form")]
    shapes += [_share(kind, point, sample) for kind in SHAPES]
    averages: list[Row] = [("two averages", "seen", "predicted"), *_averages(point, sample)]
    # Of a note on the closed form what is wrong with it; what follows tells a caller which arguments would help.
    doubts = [f"closed form: {note.partition(';')[0]}" for note in point.closed_form.notes[:1]]
    notes = [f"predicted: {point.prediction.method}", *doubts]
    closing = f'<div style="padding:0 4px">{html.escape("; ".join(notes))}</div>'
    font = "font:13px/1.35 var(--jp-ui-font-family, system-ui, sans-serif)"
    return f'<div style="{font};color:{INK}">{_table(shapes)}{_table(averages)}{closing}</div>'


def _share(kind: str, point: SaddlePoint, sample: ProjectionSample | None) -> Row:
    chance = point.prediction.probabilities[kind]
    seen = "–"
    if sample is not None and len(sample):
        # The error that the predicted chance lets one expect: that of the share itself is zero where none was seen.
        error = math.sqrt(chance * (1 - chance) / len(sample))
        share = sample.probabilities[kind]
        percent = f"{100 * share:.1f} ± {100 * error:.1f}" if error > 5e-4 else f"{100 * share:.4g}"
        seen = f"{round(share * len(sample)):,} ({percent} %)"
    return SHAPES[kind], seen, _chance(chance), _chance(point.closed_form.probabilities[kind])


def _chance(chance: float) -> str:
    if chance in (0, 1):
        return format_share(chance)
    return format_number(chance, 1) if chance < 1e-3 else f"{100 * chance:.1f} %"


def _averages(point: SaddlePoint, sample: ProjectionSample | None) -> list[Row]:
    trace, expected = point.prediction.trace, point.prediction.expected_principal.tolist()
    seen, said = ["–"] * 4, [format_number(value) for value in (*expected, trace, trace)]
    if sample is not None and len(sample) > 1:
        means, errors = sample.mean_principal.tolist(), sample.mean_principal_stderr.tolist()
        # The averaged matrix is tr(H)·I and a nearly normal rest of variance tr(H²)/S; this far from it lie its curvatures.
        gap = math.sqrt(0.5 * math.pi * point.prediction.trace_of_square / len(sample))
        seen = [f"{_rounded(mean, error)} ± {_rounded(error, error)}" for mean, error in zip(means, errors, strict=True)]
        seen += [_rounded(value, gap) for value in sample.curvature_of_mean.tolist()]
        said = [_rounded(value, error) for value, error in zip(expected, errors, strict=True)]
        said += [f"{format_number(trace, 5)} {sign} {_rounded(gap, gap)}" for sign in "−+"]
    names = ("average of curvatures ⟨κ₋⟩", "⟨κ₊⟩", "curvature of average κ̃₋", "κ̃₊")
    return list(zip(names, seen, said, strict=True))


def _rounded(value: float, error: float) -> str:
    # To the second significant digit of the error.
    digits = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 3
    return f"{value:.{digits}f}".replace("-", "−")


def _table(rows: list[Row]) -> str:
    lines = []
    for index, (name, *cells) in enumerate(rows):
        tag, scope = ("th", ' scope="col"') if index == 0 else ("td", "")
        rule = f";border-bottom:1px solid {FAINT};font-weight:600" if index == 0 else ""
        label = f'<th scope="{"row" if index else "col"}" style="{_NAME}{rule or ";font-weight:400"}">{html.escape(name)}</th>'
        numbers = "".join(f'<{tag}{scope} style="{_CELL}{rule}">{html.escape(cell)}</{tag}>' for cell in cells)
        lines.append(f"<tr>{label}{numbers}</tr>")
    return f'<table style="border-collapse:collapse;width:100%;margin:0 0 6px">{"".join(lines)}</table>'
