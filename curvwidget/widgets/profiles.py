"""The loss along both axes of a slice, beside what its curvature and the mean curvature say."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import ipywidgets
import numpy as np
import traitlets
from bqscales import LinearScale

from curvwidget._checks import check_choice, check_finite
from curvwidget.curvature.projected import ProjectedCurvature, quadratic
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.interpolate import CrossSection, cross_sections
from curvwidget.widgets.style import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    Key,
    axis,
    axis_name,
    draw,
    figure,
    fitting_ticks,
    legend,
    set_ticks,
    ticks,
)

__all__ = ["Profiles"]

Array = np.ndarray[Any, Any]

_POINTS = 121  # a parabola looks smooth from here on
_MARGIN = 0.08  # of the height, above and below the curve
_LEAST = 0.5  # of the height, that a curve fills whose limits stay
_NO_LOSSES = np.array([0.1, 1.0])  # what an axis is for that has no loss to show
_HEIGHT = 240
# Of a plot that has the whole width, and of two that share it: ticks at most, and letters along an axis at its narrowest.
_TICKS = {1: 9, 2: 3}
_LETTERS = {1: 68, 2: 13}


class Profiles(Picture, ipywidgets.VBox):
    """The two cross-sections of a slice through the probe, or the one of a slice along one direction.

    Each shows the loss, the parabola of the projected curvature, and the parabola that the mean curvature of all N dimensions
    predicts for such a direction: the same loss and slope, with the matrix (tr(H)/N)·vᵀv. Where the two parabolas part, the slice
    looks different from what the whole Hessian is on average.

    While the probe moves, the axis of the loss stays as long as it suits the curve, which is then seen to rise and to fall.

    Example:
        >>> from curvwidget.widgets.profiles import Profiles
        >>> view = Profiles()
        >>> view.probe = (0.5, -0.25)
    """

    _picture_width = 800

    slice = traitlets.Instance(LossSlice, allow_none=True)
    """The slice shown, of one or two directions.

    - Type: `LossSlice` or None
    - Default: None, empty plots
    """

    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """Loss, slope and curvature along the slice's directions; drawn only beside a slice of as many directions.

    - Type: `ProjectedCurvature` or None
    - Default: None, no parabolas
    """

    mean_curvature = traitlets.Float(None, allow_none=True)
    """The mean curvature tr(H)/N.

    - Type: float or None
    - Default: None, no prediction
    """

    mean_curvature_stderr = traitlets.Float(0.0, allow_none=True)
    """Its standard error, drawn as a band around the prediction.

    - Type: float or None
    - Default: 0, no band
    """

    probe = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0))
    """The point that the cross-sections go through, in units of the directions; a slice along one direction takes the first.

    - Type: two finite numbers
    - Default: ``(0.0, 0.0)``, the centre
    """

    scale = traitlets.Unicode("linear")
    """The scale of the loss.

    - Type: ``"linear"`` or ``"log"``; a loss that is not positive has no logarithm and is left out
    - Default: ``"linear"``
    """

    def __init__(
        self,
        slice: LossSlice | None = None,  # noqa: A002 - the word for it, here as in `slice_loss`
        *,
        curvature: ProjectedCurvature | None = None,
        mean_curvature: float | None = None,
        mean_curvature_stderr: float | None = 0.0,
        probe: tuple[float, float] = (0.0, 0.0),
        scale: str = "linear",
        height: int = _HEIGHT,
        layout: ipywidgets.Layout | None = None,
    ) -> None:
        """Draw the profiles of a slice.

        Args:
            slice: The slice, of one or two directions; None for empty plots.
            curvature: Loss, slope and curvature along the same directions.
            mean_curvature: tr(H)/N.
            mean_curvature_stderr: Its standard error.
            probe: The point that the cross-sections go through, in units of the directions.
            scale: ``"linear"`` or ``"log"``.
            height: Height of the plots in pixels.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._held = False
        self._drawn: tuple[LossSlice, str] | None = None  # the slice and the scale that the limits were chosen for
        self._plots = (_Plot("direction 1", height), _Plot("direction 2", height))
        row = ipywidgets.HBox(
            [plot.box for plot in self._plots],
            layout=ipywidgets.Layout(width="100%", flex="1 1 auto", min_height="0", overflow="hidden"),
        )
        self._legend = ipywidgets.HTML(legend(_KEYS))
        super().__init__([self._legend, row], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        self.set_trait("slice", slice)
        self.curvature = curvature
        self.mean_curvature = mean_curvature
        self.mean_curvature_stderr = mean_curvature_stderr
        self.probe = probe
        self.scale = scale
        self._draw()
        self.observe(
            lambda change: self._draw(), ["slice", "curvature", "mean_curvature", "mean_curvature_stderr", "probe", "scale"]
        )

    def show(self, plane: LossSlice | None, curvature: ProjectedCurvature | None) -> None:
        """Show a slice and its curvature in one step, so that no view ever sees one with the other of another plane.

        Args:
            plane: The slice, or None.
            curvature: Loss, slope and curvature along its directions, or None.
        """
        with self._lock:
            self._held = True
            try:
                self.set_trait("slice", plane)
                self.curvature = curvature
            finally:
                self._held = False
            self._draw()

    @traitlets.validate("slice")
    def _check_slice(self, proposal: dict[str, Any]) -> LossSlice | None:
        value: LossSlice | None = proposal["value"]
        if value is not None and len(value.axes) not in (1, 2):
            raise ValueError(f"slice must have one or two directions, got {len(value.axes)}")
        return value

    @traitlets.validate("probe")
    def _check_probe(self, proposal: dict[str, Any]) -> tuple[float, float]:
        first, second = proposal["value"]
        return check_finite("probe", first), check_finite("probe", second)

    @traitlets.validate("scale")
    def _check_scale(self, proposal: dict[str, Any]) -> str:
        check_choice("scale", proposal["value"], ("linear", "log"))
        return str(proposal["value"])

    def _draw(self) -> None:
        """Bring both plots up to date; only marks whose numbers changed are sent."""
        with self._lock:
            if self._held:
                return
            shown, curvature = self.slice, self.curvature
            if shown is None:
                self._drawn = None
                for index, plot in enumerate(self._plots):
                    plot.clear(f"direction {index + 1}", self.scale)
                return
            count = len(shown.axes)
            probe = self.probe[:count]
            if curvature is not None and len(curvature.gradient) != count:
                curvature = None
            moved = self._drawn is not None and self._drawn[0] is shown and self._drawn[1] == self.scale
            self._drawn = (shown, self.scale)
            for index, section in enumerate(cross_sections(shown, probe)):
                coordinates = np.linspace(section.coordinates[0], section.coordinates[-1], _POINTS)
                line = [coordinates if axis == index else np.asarray(probe[axis]) for axis in range(count)]
                self._plots[index].show(
                    shown.directions.labels[index],
                    section,
                    coordinates,
                    seen=None if curvature is None else curvature.model(*line),
                    predicted=self._prediction(curvature, line),
                    center=shown.center if all(value == 0 for other, value in enumerate(probe) if other != index) else None,
                    scale=self.scale,
                    sharing=count,
                    moved=moved,
                )
            self._legend.value = legend([key for key, plotted in zip(_KEYS, self._plotted(curvature), strict=True) if plotted])
            self._plots[1].box.layout.display = None if count == 2 else "none"

    # Of what the legend names, what there is to see.
    def _plotted(self, curvature: ProjectedCurvature | None) -> tuple[bool, ...]:
        predicted = curvature is not None and self.mean_curvature is not None and np.isfinite(self.mean_curvature)
        return True, curvature is not None, bool(predicted), True, any(plot.center_point.visible for plot in self._plots)

    def _prediction(self, curvature: ProjectedCurvature | None, line: list[Array]) -> tuple[Array, Array, Array] | None:
        """Return what the mean curvature predicts on a line, and what it predicts at either end of its error."""
        mean, stderr = self.mean_curvature, self.mean_curvature_stderr
        if curvature is None or mean is None or not np.isfinite(mean):
            return None
        spread = stderr if stderr is not None and np.isfinite(stderr) else 0.0
        middle, low, high = (
            quadratic(curvature.loss, curvature.gradient, value * curvature.gram, *line)
            for value in (mean, mean - spread, mean + spread)
        )
        return middle, low, high


_KEYS = (
    Key("loss", INK, "solid"),
    Key("curvature of this slice", BLUE, "dashed"),
    Key("mean curvature tr(H)/N", ORANGE, "dash_dotted"),
    Key("probe", INK, "solid", "circle"),
    Key("centre θ", INK, None, "ring"),
)


class _Plot:
    """One cross-section."""

    def __init__(self, label: str, height: int) -> None:
        self.x = LinearScale(min=-1.0, max=1.0)
        # One linear scale for losses and for their logarithms: bqplot loses its way where scales are exchanged in a quick row.
        self.y = LinearScale(min=0.0, max=1.0)
        scales = {"x": self.x, "y": self.y}
        # bqplot draws no empty mark without an error in the browser's console: where there is nothing to draw, a mark is hidden.
        start = {"x": np.zeros(2), "y": np.zeros(2), "scales": scales, "visible": False}
        point = {**start, "x": np.zeros(1), "y": np.zeros(1)}
        self.loss = bqplot.Lines(**start, colors=[INK], stroke_width=2.4)
        self.seen = bqplot.Lines(**start, colors=[BLUE], stroke_width=2.4, line_style="dashed")
        self.predicted = bqplot.Lines(**start, colors=[ORANGE], stroke_width=2.4, line_style="dash_dotted")
        self.band = bqplot.Lines(
            **{**start, "y": np.zeros((2, 2))},
            colors=["transparent"],
            fill="between",
            fill_colors=[ORANGE],
            fill_opacities=[0.25],
            stroke_width=0,
        )
        unit = {"x": self.x, "y": LinearScale(min=0.0, max=1.0)}
        self.probe_line = bqplot.Lines(x=np.zeros(2), y=np.array([0.0, 1.0]), scales=unit, colors=[FAINT], stroke_width=1.5)
        self.probe_point = bqplot.Scatter(**point, colors=[INK], default_size=70, stroke=INK)
        self.center_point = bqplot.Scatter(**point, colors=[INK], default_size=90, fill=False, stroke_width=2.2)
        self._measured = [self.band, self.predicted, self.seen, self.loss, self.center_point, self.probe_point]
        self.x_axis = axis(self.x, "", grid_lines="none")
        self.y_axis = axis(self.y, "loss", side="left", label_offset="54px")
        self.figure = figure(
            [self.probe_line, *self._measured],
            [self.x_axis, self.y_axis],
            height=height,
            margin={"top": 8, "bottom": 24, "left": 70, "right": 18},
        )
        # A direction's name may be longer than its plot is wide, and SVG text does not wrap.
        self.label = ipywidgets.HTML()
        self.box = ipywidgets.VBox(
            [self.figure, self.label], layout=ipywidgets.Layout(flex="1 1 0%", min_width="120px", overflow="hidden")
        )
        self.clear(label, "linear")

    def clear(self, label: str, scale: str) -> None:
        """Show an empty, labelled plot."""
        self._set_label(label)
        for mark in self._measured:
            mark.visible = False
        self._set_limits(np.array([-1.0, 1.0]), np.array([]), log=scale == "log")

    def show(
        self,
        label: str,
        section: CrossSection,
        coordinates: Array,
        *,
        seen: Array | None,
        predicted: tuple[Array, Array, Array] | None,
        center: float | None,
        scale: str,
        sharing: int,
        moved: bool,
    ) -> None:
        """Show one cross-section; where no more than the probe has moved, its limits stay while it is well within them."""
        log = scale == "log"
        self._set_label(label)
        losses = _drawable(section.losses, log)
        if not (moved and self._fits(losses)):
            self._set_limits(section.coordinates, losses, log=log, sharing=sharing)
        draw(self.loss, section.coordinates, losses)
        nothing = np.full(len(coordinates), np.nan)
        draw(self.seen, coordinates, nothing if seen is None else _drawable(seen, log))
        draw(self.predicted, coordinates, nothing if predicted is None else _drawable(predicted[0], log))
        edges = np.stack([nothing, nothing] if predicted is None else [_drawable(values, log) for values in predicted[1:]])
        if np.array_equal(edges[0], edges[1]):
            edges[:] = np.nan  # no error, no band
        draw(self.band, coordinates, edges)
        draw(self.probe_line, np.full(2, section.position), np.array([0.0, 1.0]))
        draw(self.probe_point, np.array([section.position]), _drawable(np.array([section.loss]), log))
        draw(self.center_point, np.zeros(1), _drawable(np.array([np.nan if center is None else center]), log))

    def _set_label(self, label: str) -> None:
        self.label.value = axis_name(label, "units of the direction")

    # Limits that changed at each move would leave the curve where it is: numbers would jump where a loss should rise.
    def _fits(self, losses: Array) -> bool:
        finite = losses[np.isfinite(losses)]
        if not finite.size:
            return True
        low, high = float(finite.min()), float(finite.max())
        return bool(self.y.min <= low and high <= self.y.max and high - low >= _LEAST * (self.y.max - self.y.min))

    def _set_limits(self, coordinates: Array, losses: Array, *, log: bool, sharing: int = 2) -> None:
        first, last = float(coordinates[0]), float(coordinates[-1])
        if first == last:
            first, last = first - 1.0, last + 1.0
        with self.x.hold_sync():
            self.x.min, self.x.max = first, last
        reach = min(-first, last)
        low, high = (-reach, reach) if first < 0 < last else (first, last)
        letters = int(_LETTERS[sharing] * (high - low) / (last - first))
        set_ticks(self.x_axis, fitting_ticks(low, high, _TICKS[sharing], letters))
        finite = losses[np.isfinite(losses)]
        if not finite.size:
            finite = _drawable(_NO_LOSSES, log)
        low, high = float(finite.min()), float(finite.max())
        room = _MARGIN * (high - low) or 0.05 * (1.0 if log else abs(high)) or 1.0
        with self.y.hold_sync():
            self.y.min, self.y.max = low - room, high + room
        losses = _log_ticks(low - room, high + room) if log else ticks(low - room, high + room, 5)
        set_ticks(self.y_axis, losses, name="loss (log scale)" if log else "loss", log=log)


def _drawable(values: Array, log: bool) -> Array:
    """Return what is drawn in place of losses: the loss or its decimal logarithm, NaN in place of what cannot be."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = np.log10(values) if log else values
    return np.where(np.isfinite(shown), shown, np.nan)


def _log_ticks(low: float, high: float) -> Array:
    """Return round losses between two decimal logarithms: powers of ten where there are several, else their 1, 2 and 5."""
    decades = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    if len(decades) >= 3:
        return np.asarray(decades[:: 1 + len(decades) // 6])
    steps = np.concatenate([decade * np.array([1.0, 2.0, 5.0]) for decade in 10.0 ** np.arange(np.floor(low), high + 1)])
    inside = steps[(steps >= 10.0**low) & (steps <= 10.0**high)]
    return np.asarray(inside if len(inside) >= 3 else ticks(10.0**low, 10.0**high, 4))
