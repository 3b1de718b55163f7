"""Running estimates of the trace: from loss slices alone, and from Hessian-vector products."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from curvwidget._checks import check_positive
from curvwidget._number_words import format_number, format_uncertain
from curvwidget.curvature.agreement import AGREE, METHOD_NAMES, compare_traces
from curvwidget.linalg.trace_estimate import TraceEstimate
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.style import Key, legend, sentence
from curvwidget.widgets.trace_marks import BESIDE, STYLES, Curve, TraceMarks

__all__ = ["HVP_COST", "TracePlot"]

Array = np.ndarray[Any, Any]

# A gradient costs about three evaluations (forward once, backward twice that), a product about two gradients: B. A. Pearlmutter,
# "Fast exact multiplication by the Hessian", 1994; A. Griewank and A. Walther, "Evaluating derivatives", 2008, section 3.
HVP_COST = 6.0

_HEIGHT = 260
_MOST_POINTS = 200  # of a line; more are not told apart
_SETTLED = 0.2  # of a method's cost, before which its estimates need not fit into the plot
_MARGIN = 0.08  # of the height, above and below what must be seen


class TracePlot(Picture, ipywidgets.VBox):
    """Estimates of tr(H) as they ran: each with the band of its standard error, over what it cost.

    The cost is in loss evaluations. Slices need nothing else; a Hessian-vector product counts as `hvp_cost` of them, and the axis
    says so. The legend has the last numbers and their errors, and a sentence says whether they agree.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.widgets.trace_plot import TracePlot
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(50, dtype=torch.float64))
        >>> view = TracePlot([cw.estimate_trace(bowl, method="slices", seed=1), cw.estimate_trace(bowl)])
        >>> [estimate.method for estimate in view.estimates]
        ['slices', 'hutchinson']
    """

    estimates = traitlets.Tuple()
    """The estimates, of one matrix, each by another method.

    - Type: tuple of `TraceEstimate`
    - Default: empty
    """

    hvp_cost = traitlets.Float(HVP_COST)
    """How many loss evaluations one Hessian-vector product counts as.

    - Type: positive float
    - Default: 6, from the count of operations; what it takes on a machine may differ
    """

    def __init__(
        self,
        estimates: Sequence[TraceEstimate] = (),
        *,
        hvp_cost: float = HVP_COST,
        height: int = _HEIGHT,
        layout: ipywidgets.Layout | None = None,
    ) -> None:
        """Draw how estimates ran.

        Args:
            estimates: The estimates, of one matrix, each by another method.
            hvp_cost: How many loss evaluations one Hessian-vector product counts as.
            height: Height of the plot in pixels.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._legend = ipywidgets.HTML()
        self._marks = TraceMarks(height)
        self._label = ipywidgets.HTML()
        super().__init__([self._legend, self._marks.figure, self._label], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        self.hvp_cost = hvp_cost
        self.estimates = tuple(estimates)
        self._draw()
        self.observe(lambda change: self._draw(), ["estimates", "hvp_cost"])

    @traitlets.validate("estimates")
    def _check_estimates(self, proposal: dict[str, Any]) -> tuple[TraceEstimate, ...]:
        value: tuple[TraceEstimate, ...] = proposal["value"]
        for estimate in value:
            if not isinstance(estimate, TraceEstimate):
                raise TypeError(f"estimates must be TraceEstimates, got {type(estimate).__name__}")
            if estimate.method not in STYLES:
                raise ValueError(f"estimates must be by one of the methods {', '.join(STYLES)}, got {estimate.method!r}")
        methods, sizes = [estimate.method for estimate in value], {estimate.size for estimate in value}
        if len(set(methods)) < len(methods):
            raise ValueError(f"estimates must each be by another method, got {', '.join(methods)}")
        if len(sizes) > 1:
            raise ValueError(f"estimates must be of matrices of one size, got {', '.join(map(str, sorted(sizes)))}")
        return value

    @traitlets.validate("hvp_cost")
    def _check_hvp_cost(self, proposal: dict[str, Any]) -> float:
        return check_positive("hvp_cost", proposal["value"])

    @property
    def agreements(self) -> tuple[str, ...]:
        """Whether the estimates agree: a sentence for each pair."""
        return tuple(compare_traces(first, second).words for first, second in itertools.combinations(self.estimates, 2))

    def _draw(self) -> None:
        with self._lock:
            shown = {estimate.method: estimate for estimate in self.estimates if len(estimate.history)}
            curves = {method: self._curve(estimate) for method, estimate in shown.items()}
            # The exact trace takes so many products that the others would be squeezed: it is a level, wherever it ended.
            running = [curve for method, curve in curves.items() if method != "exact"] or list(curves.values())
            cost = max((float(curve.cost[-1]) for curve in running), default=1.0)
            self._marks.set_range(cost, *_visible(running, [_last(curve) for curve in curves.values()]))
            ends: list[float] = []
            for method in STYLES:
                curve = curves.get(method)
                if curve is not None and method == "exact" and shown[method].progress >= 1:
                    curve = Curve(np.array([0.0, cost]), np.repeat(curve.estimates[-1:], 2), np.zeros(2))
                end = np.nan if curve is None else float(curve.cost[-1])
                self._marks.draw_curve(method, curve, sum(abs(other - end) < BESIDE * cost for other in ends))
                ends.append(end)
            self._legend.value = legend([_key(estimate) for estimate in shown.values()], note=self._note())
            unit = f"cost in loss evaluations (one HVP counts as {format_number(self.hvp_cost, 2)})"
            self._label.value = sentence(unit, centered=True)

    def _curve(self, estimate: TraceEstimate) -> Curve:
        rows = estimate.history
        if len(rows) > _MOST_POINTS:
            rows = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_POINTS).round().astype(int))]
        per_unit = 1.0 if estimate.method == "slices" else self.hvp_cost
        return Curve(rows[:, 2] * per_unit, rows[:, 0], rows[:, 1])

    def _picture_note(self) -> str:
        texts = [_key(estimate).text for estimate in self.estimates]
        return f"running estimates of tr(H) with their standard errors. {'; '.join(texts)}. {self._note()}".strip()

    def _note(self) -> str:
        if not self.estimates:
            return "no estimate of the trace yet"
        pairs = [compare_traces(first, second) for first, second in itertools.combinations(self.estimates, 2)]
        known = [pair for pair in pairs if not math.isnan(pair.in_stderrs)]
        if len(pairs) < 2 or not known:
            return f"They {pairs[0].judgement}" if pairs else ""
        worst = max(known, key=lambda pair: pair.in_stderrs)
        if worst.in_stderrs <= AGREE:
            return f"All agree: no two are more than {format_number(worst.in_stderrs, 2)} standard errors apart."
        return worst.words


def _last(curve: Curve) -> tuple[float, float]:
    error = float(curve.stderrs[-1])
    return float(curve.estimates[-1]), error if error > 0 else 0.0


def _visible(running: list[Curve], last: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the limits of the trace: all that was said once an estimate had settled, and three errors around its end."""
    seen: list[float] = []
    for value, error in last:
        seen += [value - 3 * error, value + 3 * error]
    for curve in running:
        settled = curve.cost >= _SETTLED * curve.cost[-1]
        errors = np.nan_to_num(curve.stderrs[settled])
        seen += [*(curve.estimates[settled] - errors), *(curve.estimates[settled] + errors)]
    finite = [value for value in seen if np.isfinite(value)]
    low, high = min(finite, default=-1.0), max(finite, default=1.0)
    room = _MARGIN * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def _key(estimate: TraceEstimate) -> Key:
    style = STYLES[estimate.method]
    number = format_uncertain(estimate.trace, estimate.stderr)
    return Key(f"{METHOD_NAMES[estimate.method]} {number}", style.color, style.dash, style.marker)
