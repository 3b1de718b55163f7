"""The saddle demo's controls: they change nothing but the request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import ipywidgets

from curvwidget.widgets.request_panel import RequestPanel
from curvwidget.widgets.saddle_request import SaddleRequest

__all__ = ["SaddleControls"]

_SIZES = (3, 5, 11, 31, 101, 301, 1001, 3001)
_OUTLIERS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_PLANES = (100, 300, 1000, 2000)
_WIDE = {"width": "auto"}
_LABEL = {"description_width": "72px"}


class SaddleControls(RequestPanel[SaddleRequest]):
    """The panel at the demo's left.

    What the controls say as a whole is a `SaddleRequest`; `on_request` is called whenever a user changes one of them.
    """

    def __init__(
        self,
        request: SaddleRequest,
        *,
        on_request: Callable[[SaddleRequest], None],
        on_new_planes: Callable[[], None],
        on_cancel: Callable[[], None],
        below: Sequence[ipywidgets.Widget] = (),
    ) -> None:
        """Build the panel.

        Args:
            request: What the controls say at first.
            on_request: Takes a changed request.
            on_new_planes: Called when other random planes are asked for.
            on_cancel: Called when the work shall stop.
            below: What stands below the controls.
        """
        self.size = ipywidgets.SelectionSlider(
            options=[("3", 3)], description="N", continuous_update=False, style=_LABEL, layout=_WIDE,
            tooltip="Number of parameters; one direction is flat",
        )  # fmt: skip
        self.negative = ipywidgets.FloatSlider(
            min=0, max=1, step=0.01, description="negative", continuous_update=False, style=_LABEL, layout=_WIDE,
            readout_format=".0%", tooltip="Share of the directions with negative curvature",
        )  # fmt: skip
        self.outlier_size = ipywidgets.SelectionSlider(
            options=[("none", 1.0)], description="outliers", continuous_update=False, style=_LABEL, layout=_WIDE,
            tooltip="Curvature of a few positive directions that stick out",
        )  # fmt: skip
        self.planes = ipywidgets.Dropdown(
            options=[("100", 100)], description="planes", style=_LABEL, layout=_WIDE, tooltip="How many random planes to look at"
        )
        self.new_planes = ipywidgets.Button(
            description="New planes", icon="random", layout=_WIDE, tooltip="Draw all random planes anew"
        )
        self.next_plane = ipywidgets.Button(
            description="Next random plane", icon="step-forward", layout=_WIDE, tooltip="Show the next of the random planes"
        )
        for control in (self.size, self.negative, self.outlier_size, self.planes):
            control.observe(lambda _: self._changed(), "value")
        self.new_planes.on_click(lambda _: on_new_planes())
        self.next_plane.on_click(lambda _: self._show_next())
        controls = [self.size, self.negative, self.outlier_size, self.planes, self.next_plane, self.new_planes]
        super().__init__(request, controls, on_request=on_request, on_cancel=on_cancel, below=below, width="236px")

    def _write(self, request: SaddleRequest) -> None:
        outliers = [
            ("none" if size == 1 else f"{request.outliers} × {size:g}", size) for size in _with(_OUTLIERS, request.outlier_size)
        ]
        _offer(self.size, [(f"{size:,}", size) for size in _with(_SIZES, request.n_parameters)], request.n_parameters)
        _offer(self.outlier_size, outliers, request.outlier_size)
        _offer(self.planes, [(f"{count:,}", count) for count in _with(_PLANES, request.planes)], request.planes)
        self.negative.value = request.negative

    def _read(self) -> SaddleRequest:
        planes = int(self.planes.value)
        return dataclasses.replace(
            self._request,
            n_parameters=int(self.size.value),
            negative=float(self.negative.value),
            outlier_size=float(self.outlier_size.value),
            planes=planes,
            shown=min(self._request.shown, planes - 1),
        )

    def _show_next(self) -> None:
        self._on_request(dataclasses.replace(self._request, shown=(self._request.shown + 1) % self._request.planes))


def _with(values: Sequence[float], value: float) -> list[float]:
    # What Python asked for can be chosen, too.
    return sorted({*values, value})


def _offer(control: ipywidgets.Widget, options: list[tuple[str, float]], value: float) -> None:
    if list(control.options) == options:
        control.value = value
        return
    with control.hold_sync():
        control.options = options
        control.value = value
