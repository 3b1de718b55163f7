"""How the bqplot views look: colours that light and dark pages and all kinds of colour vision can bear, fonts, legends, axes."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import bqplot
import ipywidgets
import numpy as np
from bqscales import Scale

from curvwidget._number_words import format_number, format_power

__all__ = [
    "BLUE",
    "FAINT",
    "GREEN",
    "INK",
    "ORANGE",
    "PURPLE",
    "Key",
    "axis",
    "axis_name",
    "draw",
    "figure",
    "fitting_ticks",
    "legend",
    "sentence",
    "set_ticks",
    "shorten",
    "thin_out",
    "ticks",
]

Array = np.ndarray[Any, Any]
Dash = Literal["solid", "dashed", "dotted", "dash_dotted"]
Marker = Literal["circle", "ring", "diamond", "square", "triangle-up", "cross", "bar", "band"]

# Okabe and Ito's colours, "Color universal design", 2008, moved to a lightness that has a contrast of at least 3 : 1 (WCAG 2,
# graphical objects) on a white and on a #111 page.
BLUE = "#1f83c4"
ORANGE = "#e0700f"
GREEN = "#0f9b76"
PURPLE = "#c0619a"
# What stands for the loss itself is drawn in the page's own ink.
INK = "var(--jp-content-font-color1, #222222)"
FAINT = "var(--jp-content-font-color3, #888888)"

_FONT = "var(--jp-ui-font-family, system-ui, sans-serif)"
# No letter is smaller than the notebook's own. bqplot's stylesheet turns the labels of a dark page orange, which here would read
# as a colour of the data, greys its ticks, and clips what stands at the rim; the rules reach only figures of this package.
_RULES = """<style>
.cw-plot .bqplot {
  --bq-content-font-color: var(--jp-content-font-color1, #222);
  --bq-axislabel-fill: var(--jp-content-font-color1, #222);
  --bq-axis-tick-text-fill: var(--jp-content-font-color1, #222);
  --bq-axislabel-font: 13px var(--jp-ui-font-family, sans-serif);
  --bq-axis-tick-text-font: 13px var(--jp-ui-font-family, sans-serif);
}
.cw-plot .bqplot text { font-family: var(--jp-ui-font-family, sans-serif); }
.cw-plot .bqplot text.label {
  paint-order: stroke;
  stroke: var(--jp-layout-color0, #fff);
  stroke-width: 4px;
  stroke-linejoin: round;
}
.cw-surface .ipyvolume-toolicon { display: none; }
.cw-stage { position: relative; }
.cw-stage > .cw-over { position: absolute; inset: 0; margin: 0; pointer-events: none; }
.cw-surface canvas { max-width: 100% !important; height: auto !important; }
.cw-plot .bqplot { min-width: 0; overflow: hidden; }
.cw-plot .bqplot > svg { min-width: 0; }
.cw-plot .bqplot > svg.svg-figure { overflow: hidden; }
.cw-tabs > .widget-tab-contents { display: none; }
.cw-picker input[type="number"] { width: 64px; height: 24px; flex: 0 0 64px; }
</style>"""

_TICK_FORMAT = ".6~g"  # of an axis that has no ticks of its own yet
_MOST_DECIMALS = 5


@dataclass(frozen=True)
class Key:
    """One entry of a legend.

    Attributes:
        text: What it says.
        color: Colour of its swatch.
        dash: Pattern of its line; None where the swatch has no line.
        marker: Shape of its marker; None where it has none.
    """

    text: str
    color: str
    dash: Dash | None = None
    marker: Marker | None = None


def figure(marks: Sequence[bqplot.Mark], axes: Sequence[bqplot.Axis], *, height: int, margin: dict[str, int]) -> bqplot.Figure:
    """Make a figure that fills the width it is given, and gives way where its box has less height than it wants.

    Args:
        marks: What it draws, from back to front.
        axes: Its axes.
        height: The height it wants, in pixels.
        margin: Room around the plotting area in pixels: ``top``, ``bottom``, ``left`` and ``right``.

    Returns:
        The figure.
    """
    return bqplot.Figure(
        marks=list(marks),
        axes=list(axes),
        fig_margin=margin,
        padding_x=0,
        padding_y=0,
        display_toolbar=False,
        layout=ipywidgets.Layout(width="auto", height=f"{height}px", min_width="120px", min_height="90px", flex="1 1 auto"),
    )


def axis(scale: Scale, label: str, **options: Any) -> bqplot.Axis:
    """Make an axis with letters of 13 pixels.

    Args:
        scale: What it measures.
        label: Its label, which is SVG text: HTML in it is not read as such.
        options: Further traits of `bqplot.Axis`.

    Returns:
        The axis.
    """
    return bqplot.Axis(scale=scale, label=label, **{"tick_format": _TICK_FORMAT, "tick_style": {"font-size": "13px"}, **options})


def ticks(low: float, high: float, count: int) -> Array:
    """Choose round numbers between two limits.

    Args:
        low: The lower limit.
        high: The upper limit, above it.
        count: At most how many, 3 or more.

    Returns:
        Multiples of 1, 2 or 5 times a power of ten, with an exact 0 where 0 lies between the limits; of 2.5 where those would be
        fewer than three.
    """
    power = 10.0 ** np.floor(np.log10((high - low) / count))
    for factors in ((1, 2, 5, 10, 20, 50), (1, 2, 2.5, 5, 10, 20, 25, 50)):
        for step in (factor * power for factor in factors):
            found = step * np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
            if len(found) <= count:
                break
        if len(found) >= 3:
            break
    return np.asarray(found, dtype=np.float64)


def thin_out(values: Array, letters: int, length: float) -> Array:
    """Leave out ticks of an axis along which there is no room for what they all say.

    Args:
        values: What the ticks say, ascending.
        letters: As many fit along the axis.
        length: Of the axis, in the unit of the ticks.

    Returns:
        Every n-th of them, as few left out as need be; two at least, where there are two.
    """
    for step in range(1, len(values)):
        kept = values[::step]
        whole = sum(map(len, _tick_labels(kept))) + len(kept) - 1
        if len(kept) <= 2 or (whole <= letters and _are_apart(kept, letters, length)):
            return kept
    return values


def fitting_ticks(low: float, high: float, count: int, letters: int) -> Array:
    """Choose round numbers between two limits, fewer where what they say would touch.

    Args:
        low: The lower limit, where the axis begins.
        high: The upper limit, where it ends.
        count: At most how many, 3 or more.
        letters: As many fit along the axis.

    Returns:
        As `ticks`; where even three of those are too close, 0 between numbers of one digit as far out as there are, and at last
        these two alone.
    """
    options = [ticks(low, high, most) for most in range(count, 2, -1)]
    if low < 0 < high:
        far = min(-low, high)
        unit = 10.0 ** np.floor(np.log10(far) + 1e-9)
        options.append(np.floor(far / unit + 1e-9) * unit * np.array([-1.0, 0.0, 1.0]))
    options.append(options[-1][[0, -1]])
    return next((option for option in options if _are_apart(option, letters, high - low)), options[-1])


def set_ticks(axis: bqplot.Axis, values: Array, *, name: str = "", unit: str = "", log: bool = False) -> None:
    """Give an axis its ticks, with as many digits as tell them apart and true minus signs.

    Args:
        axis: The axis.
        values: What the ticks say, ascending.
        name: What an axis is called whose label may take a power of ten that the ticks leave out; they leave out none without it.
        unit: In which unit; no more than a symbol.
        log: Whether the axis measures decimal logarithms.
    """
    positions = np.round(np.log10(values), 4) if log else values + 0.0
    far = float(np.abs(values).max(initial=0.0))
    shift = int(np.floor(np.log10(far) + 1e-9)) if name and far and not log and not 1e-2 <= far < 1e4 else 0
    near = log and 1e-2 <= far < 1e4 and far <= 10 * np.abs(values).min(initial=far)  # within a decade: with as many digits
    said = [format_number(value) for value in values.tolist()] if log and not near else _tick_labels(values / 10.0**shift)
    # Labels first, and in a message of their own: bqplot draws new ticks with the labels that it knows when it hears of them.
    axis.tick_labels = {_as_browser(position): text for position, text in zip(positions.tolist(), said, strict=True)}
    if axis.tick_values is None or not np.array_equal(axis.tick_values, positions):
        axis.tick_values = positions
    if name:
        units = " ".join(part for part in (f"×{format_power(shift)}" if shift else "", unit) if part)
        axis.label = f"{name} ({units})" if units else name


def draw(mark: bqplot.Mark, x: Array, y: Array) -> None:
    """Give a mark new numbers; it is told only what is new, and hidden where nothing can be drawn.

    Args:
        mark: `bqplot.Lines`, `bqplot.Scatter` or `bqplot.Label`.
        x: Abscissas ``(n,)``, or a row a line.
        y: Ordinates ``(n,)``, or a row a line; NaN parts a line.
    """
    # At the ends of a line bqplot stumbles over NaN, and over marks without points: errors in the browser's console.
    drawn = np.flatnonzero(np.isfinite(np.atleast_2d(y)).all(axis=0))
    if not drawn.size:
        mark.visible = False
        return
    span = slice(drawn[0], drawn[-1] + 1)
    x, y = x[..., span], y[..., span]
    with mark.hold_sync():
        if not np.array_equal(mark.x, x):
            mark.x = x
        if not np.array_equal(mark.y, y, equal_nan=True):
            mark.y = y
        mark.visible = True


def legend(keys: Sequence[Key], *, note: str = "") -> str:
    """Draw a legend.

    Args:
        keys: Its entries.
        note: A sentence above them.

    Returns:
        HTML with one small picture an entry; all text is escaped.
    """
    entries = [f'<span style="flex:1 0 100%">{html.escape(note)}</span>'] if note else []
    inline = "display:inline-flex;align-items:center;gap:5px;white-space:nowrap"
    entries += [f'<span style="{inline}">{_swatch(key)}{html.escape(key.text)}</span>' for key in keys]
    flow = f"display:flex;flex-wrap:wrap;column-gap:14px;row-gap:0;font:13px/1.4 {_FONT};color:{INK};padding:0 4px"
    return f'{_RULES}<div style="{flow}">{"".join(entries)}</div>'


def sentence(text: str, *, centered: bool = False) -> str:
    """Write a sentence in the page's font.

    Args:
        text: What it says; HTML in it is escaped.
        centered: Whether it stands in the middle.

    Returns:
        HTML.
    """
    align = "center" if centered else "start"
    return f'<div style="font:13px/1.35 {_FONT};color:{INK};padding:0 4px;text-align:{align}">{html.escape(text)}</div>'


def shorten(name: str, most: int = 28) -> str:
    """Leave out the middle of a long name, such as that of a direction from a seed of many digits.

    Args:
        name: The name.
        most: How many letters it may have.

    Returns:
        The name, with an ellipsis where it was longer.
    """
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-(most - most // 2 - 1) :]}"


def axis_name(name: str, unit: str) -> str:
    """Write the name of an axis with its unit below it, where there is no room beside it.

    Args:
        name: What it measures.
        unit: In which unit; never parted.

    Returns:
        HTML.
    """
    return sentence(f"{shorten(name)} ({unit})".replace(unit, unit.replace(" ", "\N{NO-BREAK SPACE}")), centered=True)


# Numbers at equal steps, all with the same decimals, which may be more than those of the step.
def _tick_labels(values: Array) -> list[str]:
    far, step = float(np.abs(values).max(initial=0.0)), float(np.diff(values).min(initial=np.inf))
    if not np.isfinite(step):
        return [format_number(value, 6) for value in values.tolist()]
    exact = (places for places in range(_MOST_DECIMALS + 1) if (np.abs(values - values.round(places)) < 1e-6 * step).all())
    decimals = next(exact, None)
    if decimals is None or far >= 1e5:
        digits = int(np.floor(np.log10(far)) - np.floor(np.log10(step))) + 2
        return [format_number(value, digits) for value in values.tolist()]
    return [f"{value:.{decimals}f}".replace("-", "−") if abs(value) > 1e-9 * far else "0" for value in values.tolist()]


# Each label stands in the middle under its tick, with a letter's room to the next.
def _are_apart(values: Array, letters: int, length: float) -> bool:
    lengths = np.array([len(label) for label in _tick_labels(values)])
    return bool((letters * np.diff(values) / length >= 0.5 * (lengths[1:] + lengths[:-1]) + 1).all())


# As JavaScript writes a number: bqplot looks a label up by its tick's position as text.
def _as_browser(position: float) -> str:
    if position and not 1e-6 <= abs(position) < 1e21:
        return np.format_float_scientific(position, trim="-", exp_digits=1)
    return np.format_float_positional(position + 0.0, trim="-")


_DASHES: dict[str, str] = {"solid": "none", "dashed": "6,4", "dotted": "2,4", "dash_dotted": "7,3,2,3"}


def _swatch(key: Key) -> str:
    parts = []
    if key.marker == "band":
        parts.append(f'<rect x="0" y="1" width="26" height="10" fill="{key.color}" opacity="0.35"/>')
    if key.dash is not None:
        parts.append(
            f'<line x1="0" y1="6" x2="26" y2="6" stroke="{key.color}" stroke-width="2.2" stroke-dasharray="{_DASHES[key.dash]}"/>'
        )
    shapes = {
        "circle": '<circle cx="13" cy="6" r="4.5" {}/>',
        "ring": '<circle cx="13" cy="6" r="4" {}/>',
        "diamond": '<path d="M13 0.5 L18 6 L13 11.5 L8 6 Z" {}/>',
        "square": '<rect x="9" y="2" width="8" height="8" {}/>',
        "triangle-up": '<path d="M13 1 L18 10.5 L8 10.5 Z" {}/>',
        "cross": '<path d="M11 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z" {}/>',
        "bar": '<line x1="13" y1="0" x2="13" y2="12" {}/>',
    }
    if key.marker in shapes:
        outlined = key.marker in ("ring", "bar")
        paint = f'fill="none" stroke="{key.color}" stroke-width="2.2"' if outlined else f'fill="{key.color}"'
        parts.append(shapes[key.marker].format(paint))
    return f'<svg width="26" height="12" aria-hidden="true" style="flex:none">{"".join(parts)}</svg>'
