"""The explorer: linked views of one point of a loss landscape, and the loop that keeps them up to date."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from curvwidget._checks import check_count, check_finite
from curvwidget._interrupt import rest
from curvwidget._number_words import format_number
from curvwidget.directions import Checkpoint, Directions
from curvwidget.objective import Objective
from curvwidget.runs import End, Executor, Kept, Worker
from curvwidget.slices import LossSlice
from curvwidget.widgets.answerers import Answerers
from curvwidget.widgets.axis_sources import EigenAxis, OwnAxis, RandomAxis
from curvwidget.widgets.comparison import predict
from curvwidget.widgets.controls import Controls
from curvwidget.widgets.explorer_state import ExplorerState
from curvwidget.widgets.explorer_views import ExplorerViews
from curvwidget.widgets.export.saved import SavedState
from curvwidget.widgets.minima_controls import MinimaControls
from curvwidget.widgets.places import Itinerary, Place, checkpoint_places
from curvwidget.widgets.remarks import around_words, descent_words, minima_words, remark
from curvwidget.widgets.request import Follow, LookAround, Request
from curvwidget.widgets.travel_controls import TravelControls
from curvwidget.widgets.update import Known, Update
from curvwidget.widgets.working_view import WorkingView

__all__ = ["CACHE_BYTES", "Explorer"]

CACHE_BYTES = 512 * 2**20
Job = Request | Follow | LookAround

_MARGIN = 1.1  # of the picture beyond the farthest minimum that it is to show
_DRAWN_IN = 0.07  # seconds that a browser takes for a first picture
_UPDATES_PER_SECOND = 10  # of progress and of the growing statistics; pictures are shown as they come


class Explorer(ExplorerState, WorkingView):
    """Linked views of the loss around one point.

    All state can be read, and what is a wish can be set, from Python: `request`, `directions`, `probe`. The rest are results;
    they change as the worker finds them, on its thread.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.runs import InlineExecutor
        >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2 + t[2] ** 2, torch.zeros(3, dtype=torch.float64))
        >>> explorer = cw.explore(saddle, resolution=11, planes=10, probes=10, executor=InlineExecutor())
        >>> explorer.slice.values.shape, explorer.eigenpairs.values.round(3).tolist()
        ((11, 11), [2.0, -2.0])
    """

    _picture_width = 1200
    _named = "explorer"

    request = traitlets.Instance(Request)
    """What is asked; setting it asks."""
    directions = traitlets.Instance(Directions, allow_none=True)
    """The plane shown; setting it shows another one."""
    probe = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0))
    """The probe's coordinates in units of the directions; setting it moves the probe in every view."""

    def __init__(
        self,
        objective: Objective,
        *,
        request: Request | None = None,
        seed: int | None = None,
        checkpoints: Iterable[Checkpoint] = (),
        saved: SavedState | None = None,
        cache_bytes: int = CACHE_BYTES,
        executor: Executor | None = None,
    ) -> None:
        """Build the views and begin to compute.

        Args:
            objective: The loss at θ.
            request: What to show first; None for a random plane.
            seed: Seed of eigensolver, probes and planes; None for that of ``saved``, or 0.
            checkpoints: Points of a training run, each in a form that `read_checkpoint` takes.
            saved: What to show in place of ``request``, all of it known; nothing is computed until something else is asked.
            cache_bytes: Memory for what was found before (slices, curvatures, samples, what is known of other points): asked
                again, it is there at once; beyond the bound, what was not asked for longest is forgotten.
            executor: Where to compute; None for a thread of the explorer's own.

        Raises:
            TypeError: If ``objective`` is no `Objective`.
            ValueError: If ``saved`` belongs to another N or another seed, or if θ has a single coordinate, which spans no plane.
        """
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective, got {type(objective).__name__}")
        if objective.n_parameters < 2:
            raise ValueError("objective must have at least two parameters to span a plane, got one")
        self.objective = objective
        self.checkpoints = checkpoint_places(objective, checkpoints)
        kept = Kept(check_count("cache_bytes", cache_bytes, minimum=0))
        self._itinerary = Itinerary(self.checkpoints, kept)
        self.seed = saved.choose_seed(seed) if saved is not None else 0 if seed is None else seed
        self._answerers = Answerers(objective, seed=self.seed, checkpoints=self.checkpoints, kept=kept)
        self._shown_place: Place | None = None  # that of the slice; a new place has none yet
        self._worker: Worker[Job, Update] = Worker(
            self._respond, on_result=self._on_update, on_end=self._on_end, executor=executor
        )
        self._quiet = False
        self._shown_at = 0.0
        self._behind = False  # whether the map alone shows the slice
        self._predicted_from: tuple[object, ...] = ()
        if saved is not None:
            if saved.n_parameters != objective.n_parameters:
                raise ValueError(f"saved must have N = {objective.n_parameters} parameters, got {saved.n_parameters}")
            request = saved.read_request(self.checkpoints)
        request = Request() if request is None else request
        self.travel = TravelControls(
            on_place=self.go_to,
            on_back=self.go_back,
            on_follow=self.follow,
            minima=MinimaControls(on_look=self.look_around, on_choose=self.go_to_minimum, on_widen=self.show_minima),
            checkpoints=self.checkpoints,
        )
        self.controls = self._panel = Controls(
            request,
            on_request=self._ask,
            on_new_plane=self.new_random_plane,
            on_cancel=self.cancel,
            travel=self.travel,
            checkpoints=self.checkpoints,
        )
        self.views = views = ExplorerViews(trajectory=bool(self.checkpoints))
        self.verdict_bar, self.tabs = views.verdict_bar, views.tabs
        self.loss_map, self.surface, self.profiles = views.loss_map, views.surface, views.profiles
        self.curvature_plot, self.spectrum_plot = views.curvature_plot, views.spectrum_plot
        self.trace_plot, self.trajectory_plot = views.trace_plot, views.trajectory_plot
        row = ipywidgets.HBox([self.controls, views.grid], layout=ipywidgets.Layout(width="100%", grid_gap="8px"))
        super().__init__([self.verdict_bar, row], layout=ipywidgets.Layout(width="100%"))
        self.add_class("cw-explorer")
        self._wire()
        if saved is not None:
            self._restore(saved, request)
        else:
            self.request = request

    def _wire(self) -> None:
        self.loss_map.observe(self._on_map_probe, "probe")
        self.loss_map.observe(self._on_map_picked, "picked")
        self.curvature_plot.observe(self._on_plane_selected, "selected")
        self.trajectory_plot.observe(self._on_checkpoint_selected, "selected")
        self.spectrum_plot.observe(self._on_eigenvalue_selected, "selected")
        self.controls.scale.observe(self._on_scale, "value")
        ipywidgets.link((self.controls.show_model, "value"), (self.loss_map, "show_model"))

    # What a user does

    def new_random_plane(self) -> None:
        """Show a random plane that was not seen before."""
        seed = secrets.randbelow(10**6)  # short enough to be read aloud; the global generators are not touched
        self._ask(dataclasses.replace(self.request, axes=(RandomAxis(seed, 0), RandomAxis(seed, 1)), blend=0.0))

    def go_to(self, place: Place | None) -> None:
        """Make another point the centre; what was computed of a point visited before is kept.

        Args:
            place: Where to go; None for the objective's own θ.
        """
        self._ask(dataclasses.replace(self.request, place=place))

    def go_to_probe(self) -> None:
        """Make the probe the centre."""
        with self._worker.lock:
            if self.slice is not None and self.probe != (0.0, 0.0):
                self._go_within_plane(self.slice, self.probe, "the probe", "was the probe")

    def go_to_minimum(self, number: int) -> None:
        """Make another minimum of the plane the centre.

        Args:
            number: Which of `minima`, the lowest of which is 0.

        Raises:
            IndexError: If there are not as many.
        """
        with self._worker.lock:
            known = 0 if self.minima is None else len(self.minima)
            if self.minima is None or self.slice is None or not 0 <= number < known:
                raise IndexError(f"number must be below the number of minima that are known, {known}, got {number}")
            self._go_within_plane(self.slice, self.minima.coordinates[number].tolist(), "a minimum", "is a minimum of a plane")

    def look_around(self) -> None:
        """Look for other minima of the plane shown, far beyond the picture; what it finds is `minima`.

        See `find_minima_around`; its slices take some thousand losses, of which each update says how many are spent.
        """
        with self._worker.lock:
            self._begin(LookAround(self.request))

    def show_minima(self) -> None:
        """Widen the picture, where it does not show all minima that are known."""
        with self._worker.lock:
            if self.minima is None or self.slice is None or not len(self.minima):
                return
            wider = float((np.abs(self.minima.coordinates).max(axis=0) / self.slice.span).max()) * _MARGIN
            if wider > 1:
                self._ask(dataclasses.replace(self.request, zoom=self.request.zoom * wider))

    def _go_within_plane(self, plane: LossSlice, coordinates: Sequence[float], label: str, origin: str) -> None:
        directions = plane.directions
        theta = self._answerers.at(self._shown_place).objective.theta
        for coordinate, vector in zip(coordinates, directions.vectors, strict=True):
            theta.add_(vector, alpha=coordinate)
        named = " and ".join(f"{format_number(at)} along {name}" for at, name in zip(coordinates, directions.labels, strict=True))
        start = "θ" if self._shown_place is None else self._shown_place.label
        number = self._itinerary.next_number
        self.go_to(Place(theta, f"{number}: {label}", f"Centre {number} {origin}: from {start} {named}."))

    def go_back(self) -> None:
        """Go back to the centre before this one; a `ValueError` says that there is none."""
        with self._worker.lock:
            self.go_to(self._itinerary.previous())

    def follow(self) -> None:
        """Go to the lowest loss along the eigenvector of the smallest eigenvalue, where that is negative.

        What it finds is `descent`: also what the best of 20 random lines reaches.
        """
        with self._worker.lock:
            self._begin(Follow(self.request))

    @property
    def center(self) -> Objective:
        """The loss at the point in the middle."""
        return self._answerers.at(self.request.place).objective

    @property
    def places(self) -> tuple[Place, ...]:
        """All points there are to go to, besides the objective's own θ."""
        return tuple(self._itinerary.places)

    def save(self, path: str | PathLike[str]) -> None:
        """Write what is asked, found and shown to a file, without pickle.

        Args:
            path: Where to write, ``.npz``; an existing file is replaced.
        """
        with self._worker.lock:
            saved = SavedState.of(self)
        saved.save(path)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        objective: Objective,
        *,
        seed: int | None = None,
        checkpoints: Iterable[Checkpoint] = (),
        cache_bytes: int = CACHE_BYTES,
        executor: Executor | None = None,
    ) -> Explorer:
        """Show again what `save` wrote; nothing is computed until something else is asked.

        Args:
            path: The file. `SavedView.load` shows it without an objective.
            objective: The loss at the same θ.
            seed: Of eigensolver, probes and planes, for a file of an earlier version, which does not say it; another one than a
                file says is refused.
            checkpoints: As the explorer had them.
            cache_bytes: Memory for what will be found, as for the explorer itself.
            executor: Where to compute; None for a thread of the explorer's own.

        Returns:
            The explorer.
        """
        saved = SavedState.load(path)
        return cls(objective, seed=seed, checkpoints=checkpoints, saved=saved, cache_bytes=cache_bytes, executor=executor)

    def to_html(self, path: str | PathLike[str] | None = None, *, frames: int = 11, shared_colors: bool = True) -> str:
        """Write map, profiles, curvatures, probe and blend as one page that works without a kernel and without a network.

        What is being computed is waited for; then the slices of the blend are. Without eigenpairs there is no blend.

        Args:
            path: Where to write; an existing file is replaced. None writes nothing.
            frames: How many steps there are from this plane to the Hessian's, both included.
            shared_colors: Whether a colour is the same loss in all steps; else each step has all colours, as the live map has.

        Returns:
            The page's source.
        """
        from curvwidget.widgets.export.page import explorer_page

        count = check_count("frames", frames)
        self.wait()
        page = explorer_page(self, count, shared_colors=shared_colors)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    # What follows from it

    @traitlets.observe("request")
    def _on_request(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self._ask(change["new"])

    def _restore(self, saved: SavedState, request: Request) -> None:
        self._quiet = True
        try:
            self.request = request
        finally:
            self._quiet = False
        if request.place is not None:
            self._arrive(request.place)
        self.controls.show_request(request)
        self.controls.scale.value, self.loss_map.show_model = saved.scale, saved.show_model
        saved.give(self)
        if saved.results.get("slice") is not None:
            self._show_slice(saved.results["slice"], request.place)
        self.probe = saved.probe
        if self.eigenpairs is not None:
            self.controls.offer(self.eigenpairs)
        self.views.show_numbers(self, None)
        saved.say(self.verdict_bar)
        self.controls.show_work("loaded", 1.0, busy=False)

    def _ask(self, request: Request) -> None:
        with self._worker.lock:
            if self.request != request:
                self.request = request  # comes back here
                return
            if request.place is not self._itinerary.here:
                self._arrive(request.place)
            else:
                self._say_origin(request.place)  # what was found in the plane before is not of this one
            self.controls.show_request(request)
            picked = self.spectrum_plot.selected
            if picked is not None and (self.eigenpairs is None or self._eigen_axis(picked) not in request.axes):
                self.spectrum_plot.selected = None
            self._begin(request)

    def _arrive(self, place: Place | None) -> None:
        # What is shown of the old place goes, except the picture, until there is another one.
        known = self._itinerary.arrive(place, self.known)
        self.recall(known)
        self.travel.show(self._itinerary.places, place, can_go_back=self._itinerary.can_go_back)
        self._say_origin(place)
        self.travel.minima.show(None, None)
        self.controls.offer(self.eigenpairs)
        self.views.wait()

    def _say_origin(self, place: Place | None) -> None:
        self.travel.say("" if place is None or place.checkpoint is not None else place.origin)

    @traitlets.validate("directions")
    def _check_directions(self, proposal: dict[str, Any]) -> Directions | None:
        value: Directions | None = proposal["value"]
        if value is not None and not self._quiet:
            if len(value) != 2:
                raise ValueError(f"directions must be two, got {len(value)}")
            if value.n_parameters != self.objective.n_parameters:
                raise ValueError(f"directions must have length N = {self.objective.n_parameters}, got {value.n_parameters}")
        return value

    @traitlets.observe("directions")
    def _on_directions(self, change: dict[str, Any]) -> None:
        new: Directions | None = change["new"]
        if not self._quiet and new is not None:
            self._ask(dataclasses.replace(self.request, axes=(OwnAxis(new[0]), OwnAxis(new[1])), blend=0.0))

    @traitlets.validate("probe")
    def _check_probe(self, proposal: dict[str, Any]) -> tuple[float, float]:
        x, y = proposal["value"]
        return check_finite("probe[0]", x), check_finite("probe[1]", y)

    @traitlets.observe("probe")
    def _on_probe(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            self.views.set_probe(change["new"])

    def _on_map_probe(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            self.probe = change["new"]

    def _on_map_picked(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            self.probe = change["new"][:2]
            self.go_to_probe()

    def _on_plane_selected(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            if change["new"] is not None and self.sample is not None and change["new"] < len(self.sample):
                seed = int(self.sample.seeds[change["new"]])
                self._ask(dataclasses.replace(self.request, axes=(RandomAxis(seed, 0), RandomAxis(seed, 1)), blend=0.0))

    def _on_eigenvalue_selected(self, change: dict[str, Any]) -> None:
        # From the upper end it becomes the first axis, from the lower end the second.
        with self._worker.lock:
            if change["new"] is None or self.eigenpairs is None:
                return
            axis = self._eigen_axis(change["new"])
            first, second = self.request.axes
            axes = (axis, second) if axis.rank >= 0 else (first, axis)
            self._ask(dataclasses.replace(self.request, axes=axes, blend=0.0))

    def _on_checkpoint_selected(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            if change["new"] is not None and change["new"] < len(self.checkpoints):
                self.go_to(self.checkpoints[change["new"]])

    def _eigen_axis(self, index: int) -> EigenAxis:
        assert self.eigenpairs is not None
        return EigenAxis(index if index < self.eigenpairs.largest else index - len(self.eigenpairs.values))

    def _on_scale(self, change: dict[str, Any]) -> None:
        with self._worker.lock:
            self.views.set_scale(change["new"])

    # What the worker does

    def _respond(self, job: Job) -> Iterator[Update]:
        request = _request_of(job)
        with self._worker.lock:
            known = self.known if request.place is self._itinerary.here else Known()
        answerer = self._answerers.at(request.place)
        if isinstance(job, Follow):
            return answerer.follow(job, known)
        return answerer.look_around(job, known) if isinstance(job, LookAround) else _unhurried(answerer.answer(job, known))

    def _on_update(self, job: Job, update: Update) -> None:
        request = _request_of(job)
        now = time.monotonic()
        # Statistics grow by hundreds of steps a second on a small model: the numbers are kept at once, drawn at a rate one can
        # read.
        draw = update.progress >= 1 or now - self._shown_at >= 1 / _UPDATES_PER_SECOND
        self.take(update)
        if update.look is not None:
            self._settle(update.look.plane, request.place)
            self.views.show_look(update.look)
            self.views.wait(for_plane=True)
        if update.slice is not None and (self._behind or self.slice is None or update.slice.values is not self.slice.values):
            self._show_slice(update.slice, request.place, alone=update.alone)
        if update.alone:
            return
        if update.eigenpairs is not None:
            self.controls.offer(update.eigenpairs)
        if draw or update.curvature is not None or update.eigenpairs is not None:
            self._shown_at = now
            self.controls.show_work(update.doing, update.progress, busy=True)
            waited_for = update.picture and update.slice is None and self.look is None
            self.loss_map.status = f"computing {update.doing}" if waited_for else ""
            self._show_numbers(request)
        if isinstance(job, Follow) and (update.refusal or update.destination is not None):
            self._end_descent(request, update)
        if isinstance(job, LookAround) and (update.refusal or (update.minima is not None and update.minima.progress >= 1)):
            self._begin(request)  # what was interrupted goes on
            self.travel.say(update.refusal or ("" if update.minima is None else around_words(update.minima)))

    def _end_descent(self, request: Request, update: Update) -> None:
        descent, destination = update.descent, update.destination
        if descent is None or destination is None or descent.coordinate == 0:
            self._begin(request)  # what was interrupted goes on
            self.travel.say(update.refusal or ("" if descent is None else descent_words(descent)))
            return
        place = Place(destination, f"{self._itinerary.next_number}: along v₋", descent_words(descent))
        self.go_to(place)

    def _show_slice(self, plane: LossSlice, place: Place | None, *, alone: bool = False) -> None:
        self.slice, self.look = plane, None
        self._settle(plane, place)
        self._behind = alone
        if alone:
            self.views.show_map(plane, self.curvature)
        else:
            self.views.show_slice(plane, self.curvature)

    # What is shown is of that plane now: is it another one?
    def _settle(self, plane: LossSlice, place: Place | None) -> None:
        moved = self._shown_place is not place or self.directions is not plane.directions
        self._shown_place = place
        if moved:
            self._quiet = True
            try:
                self.directions = plane.directions
            finally:
                self._quiet = False
        spans = plane.span
        kept = (0.0, 0.0) if moved else tuple(max(-s, min(s, p)) for p, s in zip(self.probe, spans, strict=True))
        self.probe = kept

    def _show_numbers(self, request: Request) -> None:
        center = self._answerers.at(request.place).objective
        self._predict(center, request)
        said = None
        if self.curvature is not None:
            said = remark(center, self.curvature, self.known, self.prediction)
            origin = (request.place.origin,) if request.place is not None and request.place.origin else ()
            minima = () if self.minima is None or self.slice is None else minima_words(self.minima, self.slice.span)
            said = dataclasses.replace(said, notes=(*origin, *said.notes, *minima))
        self.views.show_numbers(self, said)
        self.travel.minima.show(self.minima, None if self.slice is None else self.slice.span)

    def _predict(self, center: Objective, request: Request) -> None:
        scaled = self.scaled_traces.get(str(request.normalization))
        scaled = scaled if scaled is not None and scaled.progress >= 1 else None
        # Where planes have to be drawn for it a prediction takes a tenth of a second: only where something is new.
        basis = (center, self.trace, self.eigenpairs, scaled, request.normalization, request.distribution)
        if self._predicted_from != basis:
            self.prediction = predict(center, request, trace=self.trace, eigenpairs=self.eigenpairs, scaled=scaled)
            self._predicted_from = basis

    def _on_end(self, job: Job, end: End) -> None:
        self.loss_map.status = ""
        if self._behind and self.slice is not None:
            self._show_slice(self.slice, self._shown_place)
        if end.state == "complete":
            self._show_numbers(_request_of(job))
        elif self.curvature is None:
            self.views.give_up()
        self._finish(end)


# The first picture on the way goes to the map alone, and whoever draws it has the processors for a while: the browser is often on
# the same machine.
def _unhurried(updates: Iterator[Update]) -> Iterator[Update]:
    first = threading.current_thread() is not threading.main_thread()  # which nobody should hold up
    for update in updates:
        if first and (update.slice is not None or update.look is not None):
            first = False
            if update.progress < 1:
                yield dataclasses.replace(update, alone=True)
                rest(_DRAWN_IN)
        yield update


def _request_of(job: Job) -> Request:
    return job if isinstance(job, Request) else job.request
