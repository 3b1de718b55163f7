"""The saddle demo: why a random picture of a loss landscape cannot be trusted, on a loss whose every curvature is known."""

from __future__ import annotations

import dataclasses
import secrets
import time
from typing import Any

import ipywidgets
import traitlets

from curvwidget.curvature import ProjectedCurvature, ProjectionPrediction, ProjectionSample
from curvwidget.directions.hessian import without_noise
from curvwidget.runs import End, Executor, Worker
from curvwidget.slices import LossSlice
from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.saddle_answer import SaddleAnswerer, SaddlePoint, SaddleUpdate
from curvwidget.widgets.saddle_controls import SaddleControls
from curvwidget.widgets.saddle_request import SaddleRequest
from curvwidget.widgets.saddle_table import demo_table
from curvwidget.widgets.saddle_words import demo_facts, demo_sentence, shape
from curvwidget.widgets.shared_limits import shared_limits
from curvwidget.widgets.spectrum_bars import spectrum_bars
from curvwidget.widgets.verdict_bar import VerdictBar
from curvwidget.widgets.working_view import WorkingView

__all__ = ["SaddleDemo"]

_UPDATES_PER_SECOND = 4  # of the growing statistics: a thousand points take their time to be drawn


class SaddleDemo(WorkingView):
    """One saddle, seen through random planes and through the plane of its Hessian's extreme eigenvectors.

    The loss is that of `curvwidget.zoo.saddle_loss`, whose spectrum the controls set. Everything seen is computed from it: each
    random plane is drawn in all N dimensions.

    Example:
        >>> import curvwidget as cw
        >>> from curvwidget.runs import InlineExecutor
        >>> demo = cw.SaddleDemo(negative=0.2, planes=20, executor=InlineExecutor())
        >>> demo.sample.probabilities["saddle"], demo.hessian_curvature.verdict
        (0.0, 'saddle')
    """

    _picture_width = 1200
    _named = "demo"

    request = traitlets.Instance(SaddleRequest)
    """What is asked; setting it asks."""
    point = traitlets.Instance(SaddlePoint, allow_none=True)
    """The saddle: its objective, spectrum, prediction and Hessian directions."""
    sample = traitlets.Instance(ProjectionSample, allow_none=True)
    """The curvatures of the random planes, so far."""
    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """The curvature of the random plane shown, along its two Gaussian directions."""
    slice = traitlets.Instance(LossSlice, allow_none=True)
    """The random plane shown, along the same directions at unit length."""
    hessian_slice = traitlets.Instance(LossSlice, allow_none=True)
    """The plane of the eigenvectors of λ_max and λ_min."""

    def __init__(
        self,
        *,
        n_parameters: int = 1001,
        negative: float = 0.5,
        outlier_size: float = 1.0,
        outliers: int = 10,
        planes: int = 1000,
        seed: int = 0,
        executor: Executor | None = None,
    ) -> None:
        """Build the views and begin to compute.

        A number out of bounds is refused with a `ValueError` that names it.

        Args:
            n_parameters: N, at least 3; one direction is flat.
            negative: Share of negative curvatures among the N − 1 others.
            outlier_size: Curvature of the outliers; 1 for none.
            outliers: How many of the positive curvatures are outliers.
            planes: Number of random planes.
            seed: Seed of the planes.
            executor: Where to compute; None for a thread of the demo's own, `InlineExecutor` to compute in place.
        """
        request = SaddleRequest(n_parameters, negative, outlier_size, outliers, planes, seed)
        self._worker: Worker[SaddleRequest, SaddleUpdate] = Worker(
            SaddleAnswerer().answer, on_result=self._on_update, on_end=self._on_end, executor=executor
        )
        self._drawn_at = 0.0
        self.verdict_bar = VerdictBar("Computing …", kind="busy", layout={"width": "100%"})
        fill = {"width": "100%", "height": "100%"}
        self.loss_map = LossMap(scale="difference", title="a random plane", layout=fill)
        self.hessian_map = LossMap(scale="difference", title="the Hessian's plane", layout=fill)
        self.curvature_plot = CurvaturePlot(height=200)
        self.spectrum, self.table = ipywidgets.HTML(), ipywidgets.HTML()
        self.controls = self._panel = SaddleControls(
            request, on_request=self._ask, on_new_planes=self.new_planes, on_cancel=self.cancel, below=[self.spectrum]
        )
        super().__init__([self.verdict_bar, self._lay_out()], layout=ipywidgets.Layout(width="100%"))
        self.add_class("cw-saddle-demo")
        self.curvature_plot.observe(self._on_plane_selected, "selected")
        self.request = request

    def _lay_out(self) -> ipywidgets.HBox:
        views = ipywidgets.GridBox(
            [self.loss_map, self.hessian_map, self.curvature_plot, self.table],
            layout=ipywidgets.Layout(
                flex="1 1 auto",
                min_width="0",
                grid_template_columns="repeat(auto-fit, minmax(max(40%, min(380px, 100%)), 1fr))",  # two at most
                grid_template_rows="300px 290px",
                grid_gap="4px 8px",
            ),
        )
        return ipywidgets.HBox([self.controls, views], layout=ipywidgets.Layout(width="100%", grid_gap="8px"))

    @property
    def prediction(self) -> ProjectionPrediction | None:
        """What the spectrum predicts for random planes; None until it is known."""
        return None if self.point is None else self.point.prediction

    @property
    def hessian_curvature(self) -> ProjectedCurvature | None:
        """The curvature of the Hessian's plane; None until it is known."""
        return None if self.point is None else self.point.curvature

    # What a user does

    def new_planes(self) -> None:
        """Draw all random planes anew."""
        self._ask(dataclasses.replace(self.request, seed=secrets.randbelow(10**6), shown=0))

    # What follows from it

    @traitlets.observe("request")
    def _on_request(self, change: dict[str, Any]) -> None:
        self._ask(change["new"])

    def _ask(self, request: SaddleRequest) -> None:
        with self._worker.lock:
            if self.request != request:
                self.request = request  # comes back here
                return
            self.controls.show_request(request)
            self._begin(request)

    def _on_plane_selected(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            chosen = change["new"]
            if chosen is not None and chosen < self.request.planes and chosen != self.request.shown:
                self._ask(dataclasses.replace(self.request, shown=chosen))

    # What the worker finds

    def _on_update(self, request: SaddleRequest, update: SaddleUpdate) -> None:
        if update.point is not None and update.point is not self.point:
            self._show_point(update.point)
        if update.sample is not None:
            self.sample = update.sample
        if update.curvature is not None:
            self.curvature = update.curvature
            seen = shape(update.curvature.verdict)
            self.loss_map.title = f"random plane {request.shown + 1:,} of {request.planes:,} shows {seen}"
        for name, found in (("slice", update.slice), ("hessian_slice", update.hessian_slice)):
            if found is not None:
                setattr(self, name, found)
        if update.slice is not None or update.hessian_slice is not None:
            self._show_pictures()
        now = time.monotonic()
        if now - self._drawn_at >= 1 / _UPDATES_PER_SECOND or update.point is not None or update.curvature is not None:
            self._drawn_at = now
            self.controls.show_work(update.doing, update.progress, busy=True)
            self._show_numbers()

    def _show_point(self, point: SaddlePoint) -> None:
        self.point, self.sample, self.curvature, self.slice, self.hessian_slice = point, None, None, None, None
        self.loss_map.show(None)
        self.hessian_map.title = f"the Hessian's plane shows {shape(point.curvature.verdict)}"
        self.spectrum.value = spectrum_bars(point.spectrum)
        self.verdict_bar.facts = demo_facts(point)

    def _show_pictures(self) -> None:
        shown = [(self.loss_map, self.slice), (self.hessian_map, self.hessian_slice)]
        limits = shared_limits([plane for _, plane in shown if plane is not None], "difference")
        for view, plane in shown:
            with view.hold_sync():
                view.set_trait("limits", limits)
                if view.slice is not plane:
                    view.show(plane)

    def _show_numbers(self) -> None:
        point = self.point
        if point is None:
            return
        self.verdict_bar.sentence, self.verdict_bar.kind = demo_sentence(point, self.sample), point.curvature.verdict
        self.table.value = demo_table(point, self.sample)
        plot, eigenvalues = self.curvature_plot, point.hessian.eigenvalues
        with plot.hold_trait_notifications():
            plot.curvature = self.curvature
            plot.trace = point.trace
            plot.prediction = point.prediction
            plot.eigenvalues = None if eigenvalues is None else without_noise(eigenvalues, point.hessian.vectors.dtype)
            plot.sample = self.sample
        shown = self.request.shown  # last, for another sample drops what is selected
        plot.selected = shown if self.sample is not None and shown < len(self.sample) else None

    def _on_end(self, request: SaddleRequest, end: End) -> None:
        if end.state != "failed":
            self._show_numbers()
        self._finish(end)
