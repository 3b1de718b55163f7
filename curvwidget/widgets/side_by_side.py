"""The same slice of two losses side by side: on training and on test data, say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import ipywidgets
import traitlets
from torch import Tensor

from curvwidget._number_words import format_number, format_uncertain
from curvwidget.curvature import ProjectedCurvature
from curvwidget.curvature.project import project_somehow
from curvwidget.curvature.wording import LOOKS_LIKE
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.runs import End, Executor, Worker
from curvwidget.slices import LossSlice, stream_slice
from curvwidget.widgets.explorer import Explorer
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.loss_packet import Scale
from curvwidget.widgets.shared_limits import shared_limits
from curvwidget.widgets.slice_words import slice_words
from curvwidget.widgets.verdict_bar import VerdictBar
from curvwidget.widgets.working_view import WorkingView

__all__ = ["SideBySide"]

_HEIGHT = "400px"


@dataclass(frozen=True)
class _Plane:
    """What the explorer shows; directions are equal where they are the same object."""

    directions: Directions
    span: tuple[float, ...]
    resolution: int
    tolerance: float | None


_Job = tuple[_Plane, Tensor]  # the plane, and θ in its middle


class SideBySide(WorkingView):
    """An explorer's slice, and beside it the same points of another loss: same axes, same colours, one probe.

    The other loss is of the same parameters: that on test data, say, or with another criterion. Whatever plane the explorer shows
    next, both maps show it.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.runs import InlineExecutor
        >>> train = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> test = cw.Objective.from_function(lambda t: t[0] ** 2 + t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> explorer = cw.explore(train, resolution=11, planes=0, probes=10, executor=InlineExecutor())
        >>> both = cw.SideBySide(explorer, test, executor=InlineExecutor())
        >>> both.curvature.verdict, bool((both.slice.axes[0] == explorer.slice.axes[0]).all())
        ('minimum', True)
    """

    _picture_width = 1200

    slice = traitlets.Instance(LossSlice, allow_none=True)
    """The other loss on the plane that the explorer shows, the finest so far."""
    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """The projected curvature of the other loss on that plane."""

    def __init__(
        self,
        explorer: Explorer,
        other: Objective,
        *,
        names: tuple[str, str] = ("training data", "test data"),
        executor: Executor | None = None,
    ) -> None:
        """Put another loss beside an explorer.

        Args:
            explorer: The explorer to follow.
            other: The other loss, of as many parameters.
            names: What to call the explorer's loss and the other one.
            executor: Where to compute; None for a thread of its own.

        Raises:
            TypeError: If ``explorer`` is no `Explorer` or ``other`` no `Objective`.
            ValueError: If the two losses differ in the number of parameters, or ``names`` are not two.
        """
        if not isinstance(explorer, Explorer):
            raise TypeError(f"explorer must be an Explorer, got {type(explorer).__name__}")
        if not isinstance(other, Objective):
            raise TypeError(f"other must be an Objective, got {type(other).__name__}")
        if other.n_parameters != explorer.objective.n_parameters:
            raise ValueError(
                f"other must have the explorer's N = {explorer.objective.n_parameters} parameters, got {other.n_parameters}"
            )
        if len(names) != 2:
            raise ValueError(f"names must be two, got {len(names)}")
        self.explorer, self.other, self.names = explorer, other, tuple(str(name) for name in names)
        self._asked: _Plane | None = None
        self._worker: Worker[_Job, LossSlice | ProjectedCurvature] = Worker(
            self._respond, on_result=self._on_result, on_end=self._on_end, executor=executor
        )
        fill = {"width": "100%", "height": "100%"}
        scale = cast(Scale, explorer.loss_map.scale)
        self.maps = tuple(LossMap(title=name, scale=scale, layout=fill) for name in self.names)
        self.verdict_bar = VerdictBar("Computing …", kind="busy", layout={"width": "100%"})
        columns = "repeat(auto-fit, minmax(min(360px, 100%), 1fr))"
        grid = ipywidgets.Layout(width="100%", grid_template_columns=columns, grid_auto_rows=_HEIGHT, grid_gap="4px 8px")
        super().__init__([self.verdict_bar, ipywidgets.GridBox(self.maps, layout=grid)], layout=ipywidgets.Layout(width="100%"))
        self.add_class("cw-side-by-side")
        # In the browser as well as here: there a probe is dragged in both at once, whatever the kernel does.
        self._links = [
            ipywidgets.jslink((explorer.loss_map, name), (view, name)) for name in ("probe", "scale") for view in self.maps
        ]
        explorer.observe(self._on_slice, "slice")
        explorer.loss_map.observe(self._on_explorers_map, ["probe", "scale"])
        for view in self.maps:
            view.observe(self._on_own_map, ["probe", "scale"])
        self._follow(explorer.slice)

    def close(self) -> None:
        """Stop following the explorer and remove the maps."""
        if self.__dict__.get("_links"):  # not where __init__ refused its arguments, nor once more when Python forgets the widget
            self.explorer.unobserve(self._on_slice, "slice")
            self.explorer.loss_map.unobserve(self._on_explorers_map, ["probe", "scale"])
            while self._links:
                self._links.pop().unlink()
        super().close()

    def _on_slice(self, change: dict[str, Any]) -> None:
        self._follow(change["new"])

    def _follow(self, plane: LossSlice | None) -> None:
        if plane is None:
            return
        request = self.explorer.request
        with self._worker.lock:
            before, self._asked = self._asked, _Plane(plane.directions, plane.span, request.resolution, request.tolerance)
            if self._asked != before:
                self.slice = self.curvature = None
                self.verdict_bar.sentence, self.verdict_bar.kind, self.verdict_bar.notes = "Computing …", "busy", []
            self._show()
            if self._asked != before:
                self._begin((self._asked, self.explorer.center.theta))

    def _on_explorers_map(self, change: dict[str, Any]) -> None:
        for view in self.maps:
            setattr(view, change["name"], change["new"])

    def _on_own_map(self, change: dict[str, Any]) -> None:
        setattr(self.explorer.loss_map, change["name"], change["new"])

    def _respond(self, job: _Job) -> Iterator[LossSlice | ProjectedCurvature]:
        asked, theta = job
        there = self.other.at(theta)
        yield project_somehow(there, asked.directions)
        yield from stream_slice(there, asked.directions, span=asked.span, resolution=asked.resolution, tolerance=asked.tolerance)

    def _on_result(self, job: _Job, result: LossSlice | ProjectedCurvature) -> None:
        if isinstance(result, ProjectedCurvature):
            self.curvature = result
        elif self.slice is None or self.slice.values is not result.values:
            self.slice = result
        else:
            return
        self._show()

    def _on_end(self, job: _Job, end: End) -> None:
        self._finish(end)

    def _show(self) -> None:
        planes, curvatures = (self.explorer.slice, self.slice), (self.explorer.curvature, self.curvature)
        limits = shared_limits([plane for plane in planes if plane is not None], cast(Scale, self.maps[0].scale))
        for view, plane, curvature in zip(self.maps, planes, curvatures, strict=True):
            with view.hold_sync():
                view.set_trait("limits", limits)
                view.show(plane, curvature)
                view.caption = "" if plane is None else slice_words(plane)
        if self.curvature is not None and self.explorer.curvature is not None:
            both = list(zip(self.names, (self.explorer.curvature, self.curvature), strict=True))
            sentences = [_describe(name, seen) for name, seen in both]
            self.verdict_bar.sentence, self.verdict_bar.kind = " ".join(sentences), self.curvature.verdict
            self.verdict_bar.notes = [f"On {name}: {note}" for name, seen in both for note in seen.notes]


def _describe(name: str, seen: ProjectedCurvature) -> str:
    low, high = (format_uncertain(float(value), seen.error) for value in seen.principal)
    return f"On {name}: L = {format_number(seen.loss)}, {LOOKS_LIKE[seen.verdict]} (κ₋ = {low}, κ₊ = {high})."
