"""The explorer's views, where they stand, and what each shows of a result."""

from __future__ import annotations

import ipywidgets

from curvwidget._number_words import format_number
from curvwidget.curvature import ProjectedCurvature
from curvwidget.slices import LossSlice
from curvwidget.slices.first_look import FirstLook
from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.explorer_state import ExplorerState
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.profiles import Profiles
from curvwidget.widgets.remarks import Remarks
from curvwidget.widgets.slice_words import look_words, slice_words
from curvwidget.widgets.spectrum_plot import SpectrumPlot
from curvwidget.widgets.surface import Surface
from curvwidget.widgets.tabbed_views import TabbedViews
from curvwidget.widgets.trace_plot import TracePlot
from curvwidget.widgets.trajectory_plot import TrajectoryPlot
from curvwidget.widgets.verdict_bar import VerdictBar

__all__ = ["ExplorerViews"]


class ExplorerViews:
    """All views; they show results and know nothing else.

    Attributes:
        verdict_bar: The verdict, numbers and notes.
        loss_map: The slice as a map.
        surface: The slice in three dimensions.
        profiles: The cross-sections through the probe.
        curvature_plot: The curvatures of random planes.
        spectrum_plot: The eigenvalues.
        trace_plot: The traces as they ran.
        trajectory_plot: The checkpoints.
        tabs: The last four, of which one is seen.
        grid: All but the verdict.
    """

    def __init__(self, *, trajectory: bool) -> None:
        """Build the views.

        Args:
            trajectory: Whether there are checkpoints to show.
        """
        self.verdict_bar = VerdictBar("Computing …", kind="busy", layout={"width": "100%"})
        self.loss_map = LossMap(layout={"width": "100%", "height": "100%"})
        self.surface = Surface()
        self.profiles = Profiles()
        self.curvature_plot = CurvaturePlot()
        self.spectrum_plot = SpectrumPlot()
        self.trace_plot = TracePlot()
        self.trajectory_plot = TrajectoryPlot()
        tabs: dict[str, ipywidgets.DOMWidget] = {
            "Curvatures": self.curvature_plot,
            "Spectrum": self.spectrum_plot,
            "Trace": self.trace_plot,
        }
        self.tabs = TabbedViews({**tabs, "Training": self.trajectory_plot} if trajectory else tabs)
        self.grid = ipywidgets.GridBox(
            [self.loss_map, self.surface, self.profiles, self.tabs],
            layout=ipywidgets.Layout(
                flex="1 1 auto",
                min_width="0",
                grid_template_columns="repeat(auto-fit, minmax(max(40%, min(360px, 100%)), 1fr))",  # two at most
                grid_auto_rows="301px",
                grid_gap="4px 8px",
            ),
        )

    def set_probe(self, probe: tuple[float, float]) -> None:
        """Move the probe in every view.

        Args:
            probe: Its coordinates.
        """
        for view in (self.loss_map, self.profiles, self.surface):
            view.probe = probe

    def set_scale(self, scale: str) -> None:
        """Colour the slice by the loss, its logarithm or its difference from the centre.

        Args:
            scale: As `LossMap` takes it.
        """
        for view in (self.loss_map, self.surface):
            view.scale = scale
        self.profiles.scale = "log" if scale == "log" else "linear"

    def show_slice(self, plane: LossSlice, curvature: ProjectedCurvature | None) -> None:
        """Show a slice.

        Args:
            plane: The slice.
            curvature: The curvature of its plane.
        """
        self.show_map(plane, curvature)
        self.profiles.show(plane, curvature)
        self.surface.slice = plane

    def show_map(self, plane: LossSlice, curvature: ProjectedCurvature | None) -> None:
        """Show a slice on the map alone.

        Args:
            plane: The slice.
            curvature: The curvature of its plane.
        """
        with self.loss_map.hold_sync():
            self.loss_map.show(plane, curvature)
            self.loss_map.caption = slice_words(plane)

    def show_look(self, look: FirstLook) -> None:
        """Show a first look, on the map alone, which says that it is one.

        Args:
            look: The first look.
        """
        with self.loss_map.hold_sync():
            self.loss_map.show(look.plane, None)
            self.loss_map.caption = look_words(look)
        self.profiles.show(None, None)
        self.surface.slice = None

    def show_numbers(self, state: ExplorerState, said: Remarks | None) -> None:
        """Show what is known besides the slice.

        Args:
            state: What is known.
            said: The same in words; None leaves the words as they are.
        """
        trace = state.trace
        with self.profiles.hold_trait_notifications():
            self.profiles.mean_curvature = None if trace is None else trace.mean_curvature
            self.profiles.mean_curvature_stderr = None if trace is None else trace.mean_curvature_stderr
        planes = self.curvature_plot
        with planes.hold_trait_notifications():
            planes.trace, planes.eigenvalues = trace, state.eigenpairs
            planes.curvature, planes.prediction, planes.sample = state.curvature, state.prediction, state.sample
        spectrum = self.spectrum_plot
        with spectrum.hold_trait_notifications():
            if spectrum.eigenpairs is not state.eigenpairs:
                spectrum.eigenpairs = state.eigenpairs
            spectrum.density = state.density
        traces = (state.slice_trace, trace, *state.other_traces)
        self.trace_plot.estimates = tuple(estimate for estimate in traces if estimate is not None)
        self.trajectory_plot.trajectory = state.trajectory
        with self.loss_map.hold_sync():
            self.loss_map.way, self.loss_map.spots = _way(state), _spots(state)
        if said is not None:
            bar = self.verdict_bar
            with bar.hold_sync():
                bar.sentence, bar.kind = said.statement.sentence, said.statement.kind or ""
                bar.facts, bar.notes = [list(fact) for fact in said.facts], list(said.notes)

    def wait(self, *, for_plane: bool = False) -> None:
        """Say that nothing is known yet.

        Args:
            for_plane: Whether of the plane alone, and the numbers of the point stay.
        """
        bar = self.verdict_bar
        with bar.hold_sync():
            bar.sentence, bar.kind, bar.notes = "Computing …", "busy", []
            if not for_plane:
                bar.facts = []

    def give_up(self) -> None:
        """Say that the plane's curvature is not going to be known."""
        with self.verdict_bar.hold_sync():
            self.verdict_bar.sentence, self.verdict_bar.kind = "The curvature of this plane was not computed.", ""


# The checkpoints by their numbers, of which the map has room for the first and the last.
def _way(state: ExplorerState) -> list[tuple[float, float, str]]:
    trajectory = state.trajectory
    if trajectory is None:
        return []
    ends = {0, len(trajectory) - 1}
    places = enumerate(trajectory.coordinates.tolist())
    return [(x, y, str(index + 1) if index in ends else "") for index, (x, y) in places]


# Further minima within the picture, by their curvatures; the notes have the rest.
def _spots(state: ExplorerState) -> list[tuple[float, float, str]]:
    minima, plane = state.minima, state.slice
    if minima is None or plane is None:
        return []
    seen = minima.within(plane.span)
    rows = zip(minima.coordinates[seen].tolist(), minima.principal[seen].tolist(), strict=True)
    return [(x, y, f"κ {format_number(low, 2)}, {format_number(high, 2)}") for (x, y), (low, high) in rows]
