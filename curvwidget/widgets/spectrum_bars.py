"""A spectrum of few distinct eigenvalues, as bars of their multiplicities."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from curvwidget._number_words import format_number
from curvwidget.widgets.style import BLUE, FAINT, INK, ORANGE

__all__ = ["spectrum_bars"]

Array = np.ndarray[Any, Any]


def spectrum_bars(spectrum: Array) -> str:
    """Draw how many eigenvalues have which value, the largest on top.

    Args:
        spectrum: All eigenvalues ``(N,)``, few of them distinct.

    Returns:
        HTML: a table of values, bars and multiplicities; negative ones blue, positive ones orange.
    """
    values, counts = np.unique(np.asarray(spectrum), return_counts=True)
    rows = []
    for value, count in zip(values[::-1], counts[::-1], strict=True):
        color = ORANGE if value > 0 else BLUE if value < 0 else FAINT
        width = f"max(2px, {100 * count / counts.max():.1f}%)"
        bar = f'<div style="width:{width};height:16px;background:{color}"></div>'
        name, number = html.escape(f"λ = {format_number(float(value))}"), f"{count:,} ×"
        rows.append(
            f'<tr><th scope="row" style="text-align:left;font-weight:400;white-space:nowrap;padding:1px 6px 1px 4px">{name}</th>'
            f'<td style="text-align:right;white-space:nowrap;padding:1px 6px">{number}</td>'
            f'<td style="width:60%;padding:1px 4px">{bar}</td></tr>'
        )
    mean = f"mean curvature tr(H)/N = {format_number(float(np.mean(spectrum)))}"
    style = f"font:13px/1.35 var(--jp-ui-font-family, system-ui, sans-serif);color:{INK};padding-top:6px"
    title = f'<div style="font-weight:600;padding:0 4px">true spectrum, {len(spectrum):,} eigenvalues</div>'
    table = f'<table style="border-collapse:collapse;width:100%">{"".join(rows)}</table>'
    return f'<div style="{style}">{title}{table}<div style="padding:0 4px">{html.escape(mean)}</div></div>'
