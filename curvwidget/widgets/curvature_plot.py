"""The curvatures of many random planes, beside what is predicted for them and what the Hessian has."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import ipywidgets
import numpy as np
import traitlets
from bqscales import LinearScale
from numpy.typing import ArrayLike

from curvwidget.curvature import ProjectionPrediction
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.trace_estimate import TraceEstimate
from curvwidget.widgets.histogram import bin_edges, density_outline
from curvwidget.widgets.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    Key,
    axis,
    draw,
    figure,
    legend,
    number,
    sentence,
    set_ticks,
    ticks,
)

__all__ = ["CurvaturePlot", "place", "visible_range"]

Array = np.ndarray[Any, Any]

_HEIGHT = 260
_FEWEST = 5  # planes that make a histogram; fewer are points alone
_POINTS = 241
_STRETCH = 3.0  # how far beyond the sample the plot reaches to show a mark: its width is at most so many times the sample's
_ROOM = 0.27  # of the width, for one text
_GOLDEN = 0.618033988749895  # its multiples fill [0, 1) evenly: neighbours in the sample stand apart

# Heights in the plot. Densities take 0 to _PEAK, names of what is marked stand above, rows of points below.
_TOP, _TRACE, _NOW, _PEAK = 1.29, 1.2, 1.02, 0.9
_PLUS_ROW, _MINUS_ROW, _LAMBDA_ROW, _SPREAD, _BOTTOM = -0.14, -0.32, -0.52, 0.11, -0.64


class CurvaturePlot(ipywidgets.VBox):
    """Principal curvatures κ₋ ≤ κ₊ of S random planes through θ.

    Above: their histograms, the predicted densities, the expectation tr(H) with its standard error, and the plane shown now.
    Below: each plane as a point in either row, at the same height within both; a click on one selects that plane. Below that the
    extreme eigenvalues of the Hessian, curvatures along unit vectors, which random planes hardly ever show.

    Example:
        >>> from curvwidget.widgets.curvature_plot import CurvaturePlot
        >>> view = CurvaturePlot(eigenvalues=[12.5, -0.3])
        >>> view.observe(lambda change: None, "selected")
    """

    sample = traitlets.Instance(ProjectionSample, allow_none=True)
    """The planes.

    - Type: `ProjectionSample` or None
    - Default: None

    Another sample drops `selected`, except one that continues the old one.
    """

    prediction = traitlets.Instance(ProjectionPrediction, allow_none=True)
    """What the theory says about them.

    - Type: `ProjectionPrediction` or None
    - Default: None
    """

    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """The plane shown now.

    - Type: `ProjectedCurvature` or None
    - Default: None
    """

    eigenvalues = traitlets.Any(None, allow_none=True)
    """Eigenvalues of the Hessian, of which the extreme ones are named.

    - Type: `Eigenpairs`, numbers ``(k,)`` or None
    - Default: None
    """

    trace = traitlets.Instance(TraceEstimate, allow_none=True)
    """An estimate of tr(H), with its error: the expected curvature of a random plane.

    - Type: `TraceEstimate` or None
    - Default: None
    """

    selected = traitlets.Int(None, allow_none=True)
    """Which plane of the sample was clicked.

    - Type: int or None
    - Default: None
    """

    def __init__(
        self,
        sample: ProjectionSample | None = None,
        *,
        prediction: ProjectionPrediction | None = None,
        curvature: ProjectedCurvature | None = None,
        eigenvalues: Eigenpairs | ArrayLike | None = None,
        trace: TraceEstimate | None = None,
        selected: int | None = None,
        height: int = _HEIGHT,
        layout: ipywidgets.Layout | None = None,
    ) -> None:
        """Draw the curvatures of random planes.

        Args:
            sample: The planes.
            prediction: What the theory says about them.
            curvature: The plane shown now.
            eigenvalues: Eigenvalues of the Hessian.
            trace: An estimate of tr(H).
            selected: A plane to mark.
            height: Height of the plot in pixels.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._legend = ipywidgets.HTML()
        self._label = ipywidgets.HTML(sentence("curvature κ (per unit of the direction, squared)", centered=True))
        self._make_marks()
        plot = figure(
            self._marks,
            [
                axis(self._x, "", grid_lines="none"),
                axis(self._density, "density", side="left", label_offset="46px"),
                axis(
                    self._rows,
                    "",
                    side="left",
                    grid_lines="none",
                    tick_values=np.array([_PLUS_ROW, _MINUS_ROW, _LAMBDA_ROW]),
                    tick_labels={str(_PLUS_ROW): "κ₊", str(_MINUS_ROW): "κ₋", str(_LAMBDA_ROW): "λ"},
                ),
            ],
            height=height,
            margin={"top": 4, "bottom": 24, "left": 62, "right": 18},
        )
        super().__init__([self._legend, plot, self._label], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        self._figure = plot
        with self.hold_trait_notifications():
            self.sample, self.prediction, self.curvature, self.trace = sample, prediction, curvature, trace
            self.eigenvalues = eigenvalues
        self.selected = selected
        self._draw()
        self.observe(lambda change: self._draw(), ["sample", "prediction", "curvature", "eigenvalues", "trace"])
        self.observe(lambda change: self._draw_selected(), "selected")

    @traitlets.validate("eigenvalues")
    def _check_eigenvalues(self, proposal: dict[str, Any]) -> Eigenpairs | Array | None:
        value = proposal["value"]
        if value is None or isinstance(value, Eigenpairs):
            return value
        numbers = np.asarray(value, dtype=np.float64)
        if numbers.ndim != 1:
            raise ValueError(f"eigenvalues must be Eigenpairs or numbers of shape (k,), got shape {numbers.shape}")
        return numbers

    @traitlets.observe("sample")
    def _on_sample(self, change: dict[str, Any]) -> None:
        old, new, selected = change["old"], change["new"], self.selected
        if selected is None or not isinstance(old, ProjectionSample):
            return
        kept = new is not None and selected < len(new) and selected < len(old) and old.seeds[selected] == new.seeds[selected]
        if not kept:
            self.selected = None

    def _make_marks(self) -> None:
        self._x = LinearScale(min=-1.0, max=1.0)
        self._density = LinearScale(min=_BOTTOM / _PEAK, max=_TOP / _PEAK)
        self._rows = LinearScale(min=_BOTTOM, max=_TOP)
        line = {"x": np.zeros(2), "y": np.zeros(2), "visible": False}
        point = {"x": np.zeros(1), "y": np.zeros(1), "visible": False}
        dense, rows = {"x": self._x, "y": self._density}, {"x": self._x, "y": self._rows}
        self._zero = bqplot.Lines(x=np.zeros(2), y=np.array([_BOTTOM, _TRACE]), scales=rows, colors=[FAINT], stroke_width=1.5)
        self._base = bqplot.Lines(x=np.array([-1.0, 1.0]), y=np.zeros(2), scales=rows, colors=[FAINT], stroke_width=1)
        self._bars = tuple(
            bqplot.Lines(
                **line, scales=dense, colors=[color], stroke_width=1, fill="inside", fill_colors=[color], fill_opacities=[0.3]
            )
            for color in (BLUE, ORANGE)
        )
        self._curves = tuple(
            bqplot.Lines(**line, scales=dense, colors=[color], stroke_width=2.4, line_style=dash)
            for color, dash in ((BLUE, "solid"), (ORANGE, "dashed"))
        )
        self._band = bqplot.Lines(
            **line, scales=rows, colors=["transparent"], stroke_width=0, fill="inside", fill_colors=[GREEN], fill_opacities=[0.3]
        )
        self._trace_line = bqplot.Lines(**line, scales=rows, colors=[GREEN], stroke_width=2.4)
        self._expected_error = bqplot.Lines(**line, scales=rows, colors=[INK], stroke_width=2)
        self._expected = bqplot.Scatter(
            **point, scales=rows, colors=[BLUE, ORANGE], marker="triangle-up", default_size=90, stroke=INK, stroke_width=1
        )
        tooltip = bqplot.Tooltip(fields=["name"], show_labels=False)
        self._points = tuple(
            bqplot.Scatter(
                **point,
                scales=rows,
                colors=[color],
                default_size=26,
                opacities=np.array([0.75]),
                display_names=False,
                tooltip=tooltip,
                hovered_style={"stroke": "currentColor", "stroke-width": "2"},
            )
            for color in (BLUE, ORANGE)
        )
        for mark in self._points:
            mark.on_element_click(self._on_click)
        self._chosen = bqplot.Scatter(**point, scales=rows, colors=[INK], default_size=110, fill=False, stroke_width=2.2)
        self._stems = tuple(bqplot.Lines(**line, scales=rows, colors=[color], stroke_width=1.5) for color in (BLUE, ORANGE))
        self._now = bqplot.Scatter(
            **point, scales=rows, colors=[BLUE, ORANGE], marker="diamond", default_size=110, stroke=INK, stroke_width=1
        )
        self._residuals = bqplot.Lines(**line, scales=rows, colors=[PURPLE], stroke_width=2)
        self._lambdas = bqplot.Scatter(**point, scales=rows, colors=[PURPLE], marker="square", default_size=60)
        self._texts = {
            name: bqplot.Label(**point, scales=rows, colors=[INK], default_size=12.5, font_weight="normal", text=np.array([""]))
            for name in ("trace", "now 0", "now 1", "λ 0", "λ 1", "zero")
        }
        self._marks = [
            self._zero, self._base, *self._bars, self._band, self._trace_line, *self._curves, self._expected_error,
            self._expected, *self._points, *self._stems, self._now, self._residuals, self._lambdas, self._chosen,
            *self._texts.values(),
        ]  # fmt: skip

    def _on_click(self, mark: bqplot.Scatter, content: dict[str, Any]) -> None:
        index = int(content["data"]["index"])
        with self._lock:
            planes = self._planes
        if 0 <= index < len(planes):
            self.selected = int(planes[index])  # outside the lock: who hears of it may take locks of its own

    def _draw(self) -> None:
        with self._lock:
            principal = np.empty((0, 2)) if self.sample is None else self.sample.principal
            self._planes = np.flatnonzero(np.isfinite(principal).all(axis=1))
            principal = principal[self._planes]
            expectation = self._expectation()
            named = self._named_eigenvalues()
            low, high = self._limits(principal, expectation, named)
            with self._x.hold_sync():
                self._x.min, self._x.max = low, high
            set_ticks(self._figure.axes[0], ticks(low, high, 5))
            draw(self._base, np.array([low, high]), np.zeros(2))
            self._write(("zero",), 0.08, [0.0], ["0"] if not low <= 0 <= high else [""])
            self._draw_densities(principal, low, high)
            self._draw_points(principal)
            self._draw_expectation(expectation, low, high)
            self._draw_current(low, high)
            self._draw_eigenvalues(named, low, high)
            self._draw_selected()
            self._legend.value = legend(self._keys(len(principal), expectation), note=self._note(len(principal)))

    def _expectation(self) -> tuple[str, float, float] | None:
        """Return the name of a random plane's expected curvature, its value and its standard error."""
        trace, prediction = self.trace, self.prediction
        source = self.sample if self.sample is not None else prediction
        normalization = None if source is None else source.normalization
        if trace is not None and normalization is None:
            return "tr(H)", trace.trace, trace.stderr
        if trace is not None and normalization == "unit":
            return "tr(H)/N", trace.mean_curvature, trace.mean_curvature_stderr
        if prediction is not None:
            return "expected curvature", prediction.curvature_of_expectation, np.nan
        return None

    def _named_eigenvalues(self) -> dict[str, tuple[float, float]]:
        """Return the extreme eigenvalues and their residuals, by name; an end of the spectrum that was not looked for has none."""
        found = self.eigenvalues
        if found is None:
            return {}
        if isinstance(found, Eigenpairs):
            pairs = list(zip(found.values.tolist(), found.residuals.tolist(), strict=True))
            upper, lower = pairs[: found.largest], pairs[found.largest :]
        else:
            pairs = [(value, 0.0) for value in found[np.isfinite(found)].tolist()]
            upper, lower = pairs, pairs if len(pairs) > 1 else []
        named = {}
        if upper:
            named["largest"] = max(upper)
        if lower:
            named["smallest"] = min(lower)
        return named

    def _limits(
        self, principal: Array, expectation: tuple[str, float, float] | None, named: dict[str, tuple[float, float]]
    ) -> tuple[float, float]:
        core = principal.ravel().tolist()
        if self.prediction is not None:
            expected, std = self.prediction.expected_principal, self.prediction.std
            core += (expected - 3 * std).tolist() + (expected + 3 * std).tolist()
        marks = [0.0, *(value for value, _ in named.values())]
        if expectation is not None:
            marks.append(expectation[1])
        if self.curvature is not None:
            marks += self.curvature.principal.tolist()
        return visible_range(core, marks)

    def _draw_densities(self, principal: Array, low: float, high: float) -> None:
        outlines = []
        if len(principal) >= _FEWEST:
            edges = bin_edges(principal[:, 0], principal[:, 1])
            outlines = [density_outline(principal[:, column], edges) for column in (0, 1)]
        grid = np.linspace(low, high, _POINTS)
        curves = np.full((2, _POINTS), np.nan) if self.prediction is None else self.prediction.density(grid)
        heights = [float(y.max()) for _, y in outlines] + curves[np.isfinite(curves)].tolist()
        peak = max(heights, default=0.0)
        curves = np.where(curves > 1e-3 * peak, curves, np.nan)  # nothing on the base line, where the points' own marks stand
        with self._density.hold_sync():
            unit = (peak or 1.0) / _PEAK
            self._density.min, self._density.max = _BOTTOM * unit, _TOP * unit
        set_ticks(self._figure.axes[1], ticks(0.0, peak, 2) if peak else np.zeros(1))
        for column in (0, 1):
            x, y = outlines[column] if outlines else (np.zeros(2), np.full(2, np.nan))
            draw(self._bars[column], x, y)
            draw(self._curves[column], grid, curves[column])

    def _draw_points(self, principal: Array) -> None:
        heights = _SPREAD * (np.modf(self._planes * _GOLDEN)[0] - 0.5)
        names = []
        if self.sample is not None:
            seeds = self.sample.seeds[self._planes]
            names = [
                f"κ₋ = {number(low)}, κ₊ = {number(high)}, seed {seed}"
                for (low, high), seed in zip(principal, seeds, strict=True)
            ]
        for column, row in ((0, _MINUS_ROW), (1, _PLUS_ROW)):
            mark = self._points[column]
            with mark.hold_sync():
                if names:
                    mark.names = np.array(names)
                draw(mark, principal[:, column], row + heights)

    def _draw_selected(self) -> None:
        with self._lock:
            selected, sample = self.selected, self.sample
            if selected is None or sample is None or selected not in self._planes:
                self._chosen.visible = False
                return
            height = _SPREAD * ((selected * _GOLDEN) % 1.0 - 0.5)
            draw(self._chosen, sample.principal[selected], np.array([_MINUS_ROW, _PLUS_ROW]) + height)

    def _draw_expectation(self, expectation: tuple[str, float, float] | None, low: float, high: float) -> None:
        name, value, stderr = expectation or ("", np.nan, np.nan)
        inside = low <= value <= high
        draw(self._trace_line, np.full(2, value), np.array([0.0, _TRACE - 0.07]) if inside else np.full(2, np.nan))
        left, right = max(low, value - stderr), min(high, value + stderr)
        whole = stderr > 0 and left < right
        corners = np.array([0.0, 0.0, _TRACE - 0.07, _TRACE - 0.07]) if whole else np.full(4, np.nan)
        draw(self._band, np.array([left, right, right, left]), corners)
        error = f" ± {number(stderr)}" if stderr > 0 else ""
        self._write(("trace",), _TRACE, [value], [f"{name} = {number(value)}{error}"])
        expected = np.full(2, np.nan) if self.prediction is None else self.prediction.expected_principal
        draw(self._expected, expected, np.where((low <= expected) & (expected <= high), 0.0, np.nan))
        errors = np.zeros(2) if self.prediction is None else self.prediction.stderr
        ends = np.stack([expected - errors, expected + errors], axis=1)
        draw(self._expected_error, ends, np.where(np.isfinite(ends) & (errors[:, None] > 0), 0.0, np.nan))

    def _draw_current(self, low: float, high: float) -> None:
        principal = np.full(2, np.nan)
        if self.curvature is not None and len(self.curvature.principal) == 2:
            principal = self.curvature.principal
        heights = np.where((low <= principal) & (principal <= high), _NOW, np.nan)
        draw(self._now, principal, heights)
        for column in (0, 1):
            draw(self._stems[column], np.full(2, principal[column]), np.array([0.0, 1.0]) * heights[column])
        names = [f"{name} = {number(value)}" for name, value in zip(("κ₋", "κ₊"), principal, strict=True)]
        self._write(("now 0", "now 1"), _NOW, principal.tolist(), names)

    def _draw_eigenvalues(self, named: dict[str, tuple[float, float]], low: float, high: float) -> None:
        values, errors = np.array([named.get(name, (np.nan, np.nan)) for name in ("smallest", "largest")]).T
        heights = np.where((low <= values) & (values <= high), _LAMBDA_ROW, np.nan)
        draw(self._lambdas, values[np.isfinite(heights)], heights[np.isfinite(heights)])
        ends = np.stack([values - errors, values + errors], axis=1)
        draw(self._residuals, ends, np.where(errors > 0, heights, np.nan)[:, None] * np.ones(2))
        names = [f"{name} = {number(value)}" for name, value in zip(("λ_min", "λ_max"), values, strict=True)]
        self._write(("λ 0", "λ 1"), _LAMBDA_ROW, values.tolist(), names)

    def _write(self, marks: tuple[str, ...], height: float, values: list[float], texts: list[str]) -> None:
        """Write texts beside the values that they name."""
        low, high = self._x.min, self._x.max
        places = place([(value - low) / (high - low) for value in values], texts)
        for index, name in enumerate(marks):
            mark = self._texts[name]
            if index >= len(places):
                mark.visible = False
                continue
            share, align, text = places[index]
            with mark.hold_sync():
                mark.align, mark.y_offset = align, 4
                mark.x_offset = 0 if share in (0.0, 1.0) else {"start": 10, "end": -10}[align]
                mark.text = np.array([text])
                draw(mark, np.array([low + share * (high - low)]), np.array([height]))

    def _keys(self, planes: int, expectation: tuple[str, float, float] | None) -> list[Key]:
        keys = []
        if planes:
            kind = "band" if planes >= _FEWEST else "circle"
            keys += [Key("κ₋", BLUE, None, kind), Key("κ₊", ORANGE, None, kind)]
        if self.prediction is not None and self.prediction.law is not None:
            keys += [Key("predicted", INK, "solid"), Key("their means", INK, None, "triangle-up")]
        if expectation is not None:
            banded = expectation[2] > 0
            keys.append(
                Key(f"{expectation[0]} ± stderr" if banded else expectation[0], GREEN, "solid", "band" if banded else None)
            )
        if self.curvature is not None:
            keys.append(Key("this plane", INK, None, "diamond"))
        if self.eigenvalues is not None:
            keys.append(Key("λ (unit vectors)", PURPLE, None, "square"))
        return keys

    def _note(self, planes: int) -> str:
        if self.sample is None:
            return "" if self.prediction is not None else "no random planes yet"
        shares = self.sample.probabilities
        dropped = len(self.sample) - planes
        parts = [f"{100 * shares[kind]:.0f} % {kind}" for kind in ("saddle", "minimum", "maximum")] if len(self.sample) else []
        lost = f" ({dropped} not finite)" if dropped else ""
        return f"{len(self.sample)} random planes{lost}: {', '.join(parts)}"


def place(shares: list[float], texts: list[str]) -> list[tuple[float, str, str]]:
    """Find room for the texts of one or two values in one row: outwards where there is room, else side by side or in one.

    Args:
        shares: Where the values stand between the plot's left rim (0) and its right rim (1), ascending; beyond a rim, a text gets
            an arrow. NaN has no text.
        texts: What is written beside them; an empty one is left out.

    Returns:
        For each text where it is anchored, ``"start"`` or ``"end"`` for the side of the anchor that it stands on, and the text.
    """
    found = [(share, text) for share, text in zip(shares, texts, strict=True) if np.isfinite(share) and text]
    anchors = [min(max(share, 0.0), 1.0) for share, _ in found]
    said = [f"◀ {text}" if share < 0 else f"{text} ▶" if share > 1 else text for share, text in found]
    if len(found) < 2:
        return [(anchor, "start" if anchor < 1 - _ROOM else "end", text) for anchor, text in zip(anchors, said, strict=True)]
    (left, right), (first, second) = anchors, said
    room_left, room_right, room_between = left > _ROOM, right < 1 - _ROOM, right - left > _ROOM
    if room_left and room_right:
        return [(left, "end", first), (right, "start", second)]
    if room_right:
        return [(left, "start", first), (right, "start", second)] if room_between else [(right, "start", f"{first}, {second}")]
    if room_left:
        return [(left, "end", first), (right, "end", second)] if room_between else [(left, "end", f"{first}, {second}")]
    return [(left, "start", first), (right, "end", second)]


def visible_range(core: list[float], marks: list[float]) -> tuple[float, float]:
    """Choose the limits of the curvature axis.

    Args:
        core: Curvatures that must be seen; what is not finite does not count.
        marks: Curvatures to be seen where that leaves the others room enough, the nearest first.

    Returns:
        The lower and the upper limit, with a margin.
    """
    inner = [value for value in core if np.isfinite(value)]
    outer = sorted(value for value in marks if np.isfinite(value))
    if not inner:
        inner, outer = outer, []
    low, high = min(inner, default=0.0), max(inner, default=0.0)
    widest = _STRETCH * ((high - low) or abs(low) or 1.0)
    for value in sorted(outer, key=lambda value: max(low - value, value - high)):
        if max(high, value) - min(low, value) <= widest:
            low, high = min(low, value), max(high, value)
    margin = 0.05 * (high - low) or 0.5 * abs(low) or 1.0
    return low - margin, high + margin
