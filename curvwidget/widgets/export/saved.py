"""The explorer's state as a file, and views that show it where the model is no longer at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from curvwidget._results import ArrayResult
from curvwidget.widgets import axis_sources
from curvwidget.widgets.explorer_state import ExplorerState
from curvwidget.widgets.explorer_views import ExplorerViews
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.places import Place
from curvwidget.widgets.request import Request

if TYPE_CHECKING:
    from curvwidget.widgets.explorer import Explorer
    from curvwidget.widgets.verdict_bar import VerdictBar

__all__ = ["SavedState", "SavedView"]

_RESULTS = (
    *("slice", "curvature", "eigenpairs", "trace", "slice_trace", "other_traces", "density", "scaled_traces"),
    *("trajectory", "minima", "descent", "sample", "prediction"),
)
_AXES = {kind.__name__: kind for kind in axis_sources.AxisSource.__args__}
_ELSEWHERE = ("axes", "place")  # fields of a request that are no plain values


@dataclass(frozen=True, eq=False)
class SavedState(ArrayResult):
    """What an explorer asks, has found and shows.

    Attributes:
        n_parameters: N.
        axes: Kind and fields of each axis.
        options: The other fields of the request.
        place: Point, label, origin and number of the checkpoint of the centre; None for the objective's own.
        probe: Where the probe stands.
        scale: How the slice is coloured.
        show_model: Whether the quadratic model is drawn.
        results: What was found, by the explorer's names.
        words: Sentence, kind, facts and notes of the verdict.
        seed: Of eigensolver, probes and planes; None in files of an earlier version, which did not say it.
    """

    n_parameters: int
    axes: tuple[dict[str, Any], ...]
    options: dict[str, Any]
    place: dict[str, Any] | None
    probe: tuple[float, float]
    scale: str
    show_model: bool
    results: dict[str, Any]
    words: dict[str, Any]
    seed: int | None = None

    @staticmethod
    def of(explorer: Explorer) -> SavedState:
        """Take the state of an explorer.

        Args:
            explorer: The explorer.

        Returns:
            Its state.
        """
        request, place, bar = explorer.request, explorer.request.place, explorer.verdict_bar
        stand = None
        if place is not None:
            theta = place.read(explorer.objective)
            stand = {"point": theta, "label": place.label, "origin": place.origin, "checkpoint": place.checkpoint}
        names = [field.name for field in dataclasses.fields(request) if field.name not in _ELSEWHERE]
        results = {name: getattr(explorer, name) for name in _RESULTS}
        return SavedState(
            n_parameters=explorer.objective.n_parameters,
            axes=tuple(_describe(axis) for axis in request.axes),
            options={name: getattr(request, name) for name in names},
            place=stand,
            probe=explorer.probe,
            scale=explorer.loss_map.scale,
            show_model=explorer.loss_map.show_model,
            results={**results, "scaled_traces": dict(explorer.scaled_traces)},
            words={
                "sentence": bar.sentence,
                "kind": bar.kind,
                "facts": tuple(tuple(fact) for fact in bar.facts),
                "notes": tuple(bar.notes),
            },
            seed=explorer.seed,
        )

    def choose_seed(self, seed: int | None) -> int:
        """Return the seed to go on with.

        Args:
            seed: What was asked for, None for nothing.

        Returns:
            That of the file, where it says one; else the one asked for, 0 by default.

        Raises:
            ValueError: If the two differ: what was found could not be gone on with.
        """
        if self.seed is None:
            return 0 if seed is None else seed
        if seed not in (None, self.seed):
            raise ValueError(f"seed must be that of the file, {self.seed}, or None, got {seed}")
        return self.seed

    def read_request(self, checkpoints: Sequence[Place] = ()) -> Request:
        """Return the request.

        Args:
            checkpoints: The explorer's, among which the place may be.

        Returns:
            The request.

        Raises:
            ValueError: If an axis is of a kind that this version does not know.
        """
        unknown = [axis["kind"] for axis in self.axes if axis["kind"] not in _AXES]
        if unknown:
            raise ValueError(f"the file holds an axis {unknown[0]!r}, which this version does not know")
        first, second = (
            _AXES[axis["kind"]](**{name: value for name, value in axis.items() if name != "kind"}) for axis in self.axes
        )
        place = None if self.place is None else Place(**self.place)
        if place is not None and place.checkpoint is not None and place.checkpoint < len(checkpoints):
            place = checkpoints[place.checkpoint]
        return Request(axes=(first, second), place=place, **self.options)

    def give(self, state: ExplorerState) -> None:
        """Hand over all that was found.

        Args:
            state: Takes it.
        """
        for name in _RESULTS:
            setattr(state, name, self.results[name])

    def say(self, bar: VerdictBar) -> None:
        """Say the verdict again.

        Args:
            bar: Says it.
        """
        with bar.hold_sync():
            bar.sentence, bar.kind = self.words["sentence"], self.words["kind"]
            bar.facts, bar.notes = [list(fact) for fact in self.words["facts"]], list(self.words["notes"])


def _describe(axis: axis_sources.AxisSource) -> dict[str, Any]:
    fields = {field.name: getattr(axis, field.name) for field in dataclasses.fields(axis)}
    return {"kind": type(axis).__name__, **fields}


class SavedView(Picture, ExplorerState, ipywidgets.VBox):
    """The views of a saved explorer, without a model to compute with; the probe moves, and nothing else changes."""

    _picture_width = 1200

    probe = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0))
    """The probe's coordinates in units of the directions."""

    def __init__(self, saved: SavedState) -> None:
        """Show a saved state.

        Args:
            saved: The state.
        """
        self.request = saved.read_request()
        self.views = views = ExplorerViews(trajectory=saved.results["trajectory"] is not None)
        self.verdict_bar, self.loss_map, self.surface, self.profiles = (
            views.verdict_bar,
            views.loss_map,
            views.surface,
            views.profiles,
        )
        super().__init__([views.verdict_bar, views.grid], layout=ipywidgets.Layout(width="100%"))
        saved.give(self)
        views.set_scale(saved.scale)
        self.loss_map.show_model = saved.show_model
        if self.slice is not None:
            views.show_slice(self.slice, self.curvature)
        views.show_numbers(self, None)
        saved.say(views.verdict_bar)
        self.observe(lambda change: views.set_probe(change["new"]), "probe")
        self.loss_map.observe(lambda change: self.set_trait("probe", change["new"]), "probe")
        self.probe = saved.probe

    @classmethod
    def load(cls, path: str | PathLike[str]) -> SavedView:
        """Show what `Explorer.save` wrote.

        Args:
            path: The file.

        Returns:
            The views.
        """
        return cls(SavedState.load(path))

    def to_html(self, path: str | PathLike[str] | None = None) -> str:
        """Write map, profiles, curvatures and probe as one page, without a blend, whose slices nobody can compute here.

        Args:
            path: Where to write; an existing file is replaced. None writes nothing.

        Returns:
            The page's source.
        """
        from curvwidget.widgets.export.page import explorer_page

        page = explorer_page(self, 1)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page
