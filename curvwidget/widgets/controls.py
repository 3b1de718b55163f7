"""The explorer's controls: they change nothing but the request."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from curvwidget.directions import NORMALIZATIONS, directions_from_eigenpairs
from curvwidget.linalg import Eigenpairs
from curvwidget.widgets.axis_sources import (
    AxisSource,
    CheckpointAxis,
    EigenAxis,
    GradientAxis,
    OwnAxis,
    RandomAxis,
    TrajectoryAxis,
)
from curvwidget.widgets.places import Place
from curvwidget.widgets.request import TOLERANCE, Request
from curvwidget.widgets.request_panel import RequestPanel
from curvwidget.widgets.travel_controls import TravelControls

__all__ = ["Controls"]

_RESOLUTIONS = (11, 21, 41, 61, 81, 101)
_SCALES = (("loss", "linear"), ("log₁₀ loss", "log"), ("loss − L(θ)", "difference"))
_MOST_SEED = 2**53 - 1  # what a browser holds exactly
_WIDE = {"width": "auto"}
_LABEL = {"description_width": "64px"}


class _AxisControl:
    """One axis: where it comes from, and the seed where that is chance."""

    def __init__(self, name: str, row: int, checkpoints: Sequence[Place], changed: Callable[[], None]) -> None:
        self._row = row
        self._random = RandomAxis(0, row)  # shown last
        self._checkpoints = checkpoints
        self._own: OwnAxis | None = None
        self.source = ipywidgets.Dropdown(description=name, style=_LABEL, layout=_WIDE, tooltip="Where the direction comes from")
        self.seed = ipywidgets.BoundedIntText(
            min=0,
            max=_MOST_SEED,
            description="seed",
            style=_LABEL,
            layout=_WIDE,
            tooltip="The same seed gives the same direction",
        )
        self.offer(None)
        self.source.observe(lambda _: changed(), "value")
        self.seed.observe(lambda _: changed(), "value")

    def offer(self, eigenpairs: Eigenpairs | None) -> None:
        """List what there is to choose, and keep what is chosen."""
        chosen = self.source.value
        if eigenpairs is None:
            ends = [("λ_max (largest)", ("eigen", 0)), ("λ_min (smallest)", ("eigen", -1))]
        else:
            labels = directions_from_eigenpairs(eigenpairs).labels
            upper = eigenpairs.largest
            ends = [(label, ("eigen", i if i < upper else i - len(labels))) for i, label in enumerate(labels)]
        own = [("own vector", ("own",))] if self._own is not None else []
        ways = [(f"to {place.label}", ("checkpoint", index)) for index, place in enumerate(self._checkpoints)]
        if len(ways) > 1:
            ways = [(f"trajectory, PCA {row + 1}", ("trajectory", row)) for row in range(2)] + ways
        options = [("random", ("random",)), *ends, ("gradient", ("gradient",)), *ways, *own]
        keep = chosen if chosen in [value for _, value in options] else ("random",)
        with self.source.hold_sync():
            self.source.options = options
            self.source.value = keep

    def read(self) -> AxisSource:
        """Return the axis chosen."""
        kind, *rest = self.source.value
        if kind == "random":
            # What was asked for may be of another row, or have a seed that the field does not hold.
            kept = self.seed.value == _shown(self._random.seed)
            return self._random if kept else RandomAxis(int(self.seed.value), self._row)
        if kind == "eigen":
            return EigenAxis(rest[0])
        if kind == "checkpoint":
            return CheckpointAxis(rest[0])
        if kind == "trajectory":
            return TrajectoryAxis(rest[0])
        if kind == "own" and self._own is not None:
            return self._own
        return GradientAxis()

    def write(self, axis: AxisSource, eigenpairs: Eigenpairs | None) -> None:
        """Show an axis."""
        self._own = axis if isinstance(axis, OwnAxis) else None
        if isinstance(axis, OwnAxis) or ("own",) in [value for _, value in self.source.options]:
            self.offer(eigenpairs)
        if isinstance(axis, RandomAxis):
            self._random, self.seed.value = axis, _shown(axis.seed)
            self._choose(("random",), "random")
        elif isinstance(axis, EigenAxis):
            self._choose(("eigen", axis.rank), f"eigenvector {axis.rank}")
        elif isinstance(axis, CheckpointAxis):
            self._choose(("checkpoint", axis.index), f"to checkpoint {axis.index + 1}")
        elif isinstance(axis, TrajectoryAxis):
            self._choose(("trajectory", axis.row), f"trajectory, PCA {axis.row + 1}")
        else:
            self._choose(("own",) if isinstance(axis, OwnAxis) else ("gradient",), "own vector")
        shows_seed = isinstance(axis, RandomAxis) and axis.seed <= _MOST_SEED
        self.seed.layout.display = None if shows_seed else "none"

    def _choose(self, value: tuple[object, ...], label: str) -> None:
        # A request may ask for what is not listed; whether there is such a direction, the answer says.
        if value not in [listed for _, listed in self.source.options]:
            self.source.options = [*self.source.options, (label, value)]
        self.source.value = value


def _shown(seed: int) -> int:
    return min(seed, _MOST_SEED)


class Controls(RequestPanel[Request]):
    """The panel at the explorer's left.

    What the controls say as a whole is a `Request`; `on_request` is called whenever a user changes one of them, on whichever
    thread the kernel handles it.
    """

    def __init__(
        self,
        request: Request,
        *,
        on_request: Callable[[Request], None],
        on_new_plane: Callable[[], None],
        on_cancel: Callable[[], None],
        travel: TravelControls,
        checkpoints: Sequence[Place] = (),
    ) -> None:
        """Build the panel.

        Args:
            request: What the controls say at first.
            on_request: Takes a changed request.
            on_new_plane: Called when a new random plane is asked for.
            on_cancel: Called when the work shall stop.
            travel: The part of the panel that says where one stands.
            checkpoints: Points of a training run, to choose axes from.
        """
        self._eigenpairs: Eigenpairs | None = None
        self._tolerance = TOLERANCE  # to go back to from exact values
        self.axes = tuple(_AxisControl(f"axis {row + 1}", row, checkpoints, self._changed) for row in range(2))
        self.normalization = ipywidgets.Dropdown(
            options=["none", *(name for name in NORMALIZATIONS if name is not None)],
            description="normalize",
            style=_LABEL,
            layout=_WIDE,
            tooltip="How random directions are scaled; eigenvectors never are",
        )
        self.zoom = ipywidgets.FloatLogSlider(
            min=-1.5, max=1.5, step=0.05, value=1.0, description="span ×", style=_LABEL, layout=_WIDE, readout_format=".2f",
            continuous_update=False, tooltip="How far the picture reaches, times the span chosen from the curvature",
        )  # fmt: skip
        self.resolution = ipywidgets.Dropdown(
            options=[(f"{number} × {number}", number) for number in _RESOLUTIONS],
            value=41,
            description="grid",
            style=_LABEL,
            layout=_WIDE,
            tooltip="Points of the slice",
        )
        self.exact = ipywidgets.Checkbox(
            description="exact",
            indent=False,
            layout=ipywidgets.Layout(width="70px", flex="none"),
            tooltip="Evaluate the loss at each point, as logarithms need it; else most are interpolated, within a stated error",
        )
        self.scale = ipywidgets.Dropdown(
            options=_SCALES, description="colour", style=_LABEL, layout=_WIDE, tooltip="What is coloured"
        )
        self.show_model = ipywidgets.Checkbox(
            description="quadratic model",
            indent=False,
            layout=_WIDE,
            tooltip="Contours of the model from slope and curvature at θ",
        )
        self.new_plane = ipywidgets.Button(
            description="New random plane", icon="random", layout=_WIDE, tooltip="Two new random directions"
        )
        self.blend = ipywidgets.FloatSlider(
            min=0, max=1, step=0.02, description="blend", style=_LABEL, layout=_WIDE, readout_format=".0%",
            tooltip="Turns this plane into that of λ_max and λ_min",
        )  # fmt: skip
        self.blend_hint = ipywidgets.HTML(
            "<div style='display:flex;justify-content:space-between;font-size:13px;margin:-6px 4px 0 72px'>"
            "<span>this plane</span><span>Hessian</span></div>"
        )
        for control in (self.normalization, self.zoom, self.resolution, self.exact, self.blend):
            control.observe(lambda _: self._changed(), "value")
        self.scale.observe(self._on_scale, "value")
        self.new_plane.on_click(lambda _: on_new_plane())
        rows = [control for axis in self.axes for control in (axis.source, axis.seed)]
        super().__init__(
            request,
            [
                *rows,
                self.normalization,
                self.new_plane,
                self.blend,
                self.blend_hint,
                self.zoom,
                self.resolution,
                self.scale,
                ipywidgets.HBox([self.show_model, self.exact]),
                travel,
            ],
            on_request=on_request,
            on_cancel=on_cancel,
            width="220px",
        )

    def offer(self, eigenpairs: Eigenpairs | None) -> None:
        """Name the eigenvectors that can be chosen by their eigenvalues.

        Args:
            eigenpairs: Both ends of the spectrum; None where they are not known.
        """
        with self._silence():
            self._eigenpairs = eigenpairs
            for axis in self.axes:
                axis.offer(eigenpairs)

    def _on_scale(self, change: dict[str, Any]) -> None:
        # An error that is a small share of the range may be many times a loss near zero, which a logarithm shows.
        if change["new"] == "log":
            self.exact.value = True

    def _write(self, request: Request) -> None:
        for axis, control in zip(request.axes, self.axes, strict=True):
            control.write(axis, self._eigenpairs)
        self.normalization.value = request.normalization or "none"
        self.zoom.max = max(self.zoom.max, math.log10(request.zoom))  # what Python asked for can be chosen, too
        self.zoom.min = min(self.zoom.min, math.log10(request.zoom))
        self.zoom.value = request.zoom
        if request.resolution not in [number for _, number in self.resolution.options]:
            self.resolution.options = [
                *self.resolution.options,
                (f"{request.resolution} × {request.resolution}", request.resolution),
            ]
        self.resolution.value = request.resolution
        self.exact.value = request.tolerance is None
        self._tolerance = self._tolerance if request.tolerance is None else request.tolerance
        self.blend.value = request.blend

    def _read(self) -> Request:
        return dataclasses.replace(
            self._request,
            axes=(self.axes[0].read(), self.axes[1].read()),
            normalization=None if self.normalization.value == "none" else self.normalization.value,
            zoom=float(self.zoom.value),
            resolution=int(self.resolution.value),
            tolerance=None if self.exact.value else self._tolerance,
            blend=float(self.blend.value),
        )
