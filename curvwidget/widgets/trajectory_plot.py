"""A training run beside the plane shown: where its checkpoints lie in it, and what the plane shows in their place."""

from __future__ import annotations

import threading
from typing import Any

import bqplot
import ipywidgets
import numpy as np
import traitlets

from curvwidget._number_words import format_number, format_share
from curvwidget.directions import Trajectory
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.picker import Picker
from curvwidget.widgets.style import BLUE, INK, ORANGE, Key, axis_name, legend, sentence
from curvwidget.widgets.trajectory_marks import LossMarks, WayMarks

__all__ = ["TrajectoryPlot"]


class TrajectoryPlot(Picture, ipywidgets.VBox):
    """Where the checkpoints of a training run lie in a plane, and how the loss there differs from that of the checkpoints.

    On the left the way within the plane, with a square for the last checkpoint; on the right the loss at each checkpoint beside
    the loss at the nearest point of the plane, which is what a map of the plane shows under the checkpoint's marker. A sentence
    has the share of the squared distances from θ that each axis holds: what the plane leaves out is the rest. A click on a
    checkpoint selects it, and so does its number in the field below.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.widgets.trajectory_plot import TrajectoryPlot
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(3))
        >>> way = [torch.tensor([3.0, 4.0, 2.0]), torch.tensor([1.0, 2.0, 0.0])]
        >>> view = TrajectoryPlot(cw.place_checkpoints(bowl, cw.trajectory_directions(bowl, way), way))
        >>> len(view.trajectory)
        2
    """

    trajectory = traitlets.Instance(Trajectory, allow_none=True)
    """Where the checkpoints lie beside a plane of two directions.

    - Type: `Trajectory` or None
    - Default: None
    """

    selected = traitlets.Int(None, allow_none=True)
    """Which checkpoint was clicked.

    - Type: int or None
    - Default: None
    """

    def __init__(self, trajectory: Trajectory | None = None, *, layout: ipywidgets.Layout | None = None) -> None:
        """Draw a training run.

        Args:
            trajectory: Where its checkpoints lie beside a plane of two directions.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._legend = ipywidgets.HTML()
        self._way, self._losses = WayMarks(self._on_click), LossMarks(self._on_click)
        self._label = ipywidgets.HTML()
        half = {"flex": "1 1 0%", "min_width": "120px", "overflow": "hidden"}
        self._picker = Picker("", "checkpoint", self._on_choice)
        row = ipywidgets.HBox(
            [
                ipywidgets.VBox([self._way.figure, self._label], layout=ipywidgets.Layout(**half)),
                ipywidgets.VBox([self._losses.figure, self._picker], layout=ipywidgets.Layout(**half)),
            ],
            layout=ipywidgets.Layout(width="100%", flex="1 1 auto", min_height="0", overflow="hidden"),
        )
        super().__init__([self._legend, row], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        self.trajectory = trajectory
        self._draw()
        self.observe(lambda change: self._draw(), ["trajectory", "selected"])

    @traitlets.validate("trajectory")
    def _check_trajectory(self, proposal: dict[str, Any]) -> Trajectory | None:
        value: Trajectory | None = proposal["value"]
        if value is not None and value.coordinates.shape[1] != 2:
            raise ValueError(f"trajectory must be in a plane of two directions, got {value.coordinates.shape[1]}")
        return value

    def _on_click(self, mark: bqplot.Scatter, content: dict[str, Any]) -> None:
        trajectory = self.trajectory
        if trajectory is None:
            return
        index = int(content["data"]["index"])
        for points, losses in zip(self._losses.points, (trajectory.losses, trajectory.projected_losses), strict=True):
            if mark is points:  # what is not finite has no mark there
                index = int(np.flatnonzero(np.isfinite(losses))[index])
        self.selected = None  # so that a second click on one is heard as well
        self.selected = index

    def _on_choice(self, checkpoint: int | None) -> None:
        self.selected = checkpoint

    def _draw(self) -> None:
        with self._lock:
            trajectory = self.trajectory
            self._way.draw(trajectory)
            self._losses.draw(trajectory)
            nameless = sentence("\N{NO-BREAK SPACE}")  # in a name's room, so that nothing moves
            self._label.value = nameless if trajectory is None else axis_name(f"axis 1: {trajectory.directions.labels[0]}", "v₁")
            self._picker.show(0 if trajectory is None else len(trajectory), self.selected)
            self._legend.value = legend(_KEYS if trajectory is not None else (), note=_note(trajectory, self.selected))

    def _picture_note(self) -> str:
        return f"checkpoints in a plane through θ, and their losses. {_note(self.trajectory, self.selected)}"


_KEYS = (
    Key("checkpoints", BLUE, "solid", "circle"),
    Key("nearest in this plane", ORANGE, "dashed", "diamond"),
    Key("centre θ", INK, None, "ring"),
)


def _note(trajectory: Trajectory | None, selected: int | None) -> str:
    if trajectory is None:
        return "no checkpoints placed; that takes a plane, of two axes that differ"
    shares = trajectory.explained
    if not np.isfinite(shares).all():
        return "all checkpoints are the centre itself"
    chosen = ""
    if selected is not None and selected < len(trajectory):
        loss, far = float(trajectory.losses[selected]), float(trajectory.distances[selected])
        chosen = f" Checkpoint {selected + 1}: L = {format_number(loss)}, {format_number(far)} from the plane."
    return (
        f"This plane holds {format_share(float(shares.sum()))} of the squared distances from θ "
        f"({format_share(float(shares[0]))} + {format_share(float(shares[1]))}).{chosen}"
    )
