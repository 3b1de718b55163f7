"""Where the explorer stands, and the ways from there: back, to a checkpoint, down the negative curvature, to other minima."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from curvwidget.widgets.minima_controls import MinimaControls
from curvwidget.widgets.places import Place
from curvwidget.widgets.style import sentence

__all__ = ["TravelControls"]

_WIDE = {"width": "auto"}
_HALF = {"width": "auto", "flex": "1 1 0%", "min_width": "0"}
_LABEL = {"description_width": "64px"}
_START = "θ"


class TravelControls(ipywidgets.VBox):
    """Choose the point in the middle: one visited before, a checkpoint, the one before, the lowest along v₋, another minimum."""

    def __init__(
        self,
        *,
        on_place: Callable[[Place | None], None],
        on_back: Callable[[], None],
        on_follow: Callable[[], None],
        minima: MinimaControls,
        checkpoints: Sequence[Place] = (),
    ) -> None:
        """Build the controls.

        Args:
            on_place: Takes the place that was chosen; None is where it all began.
            on_back: Called when the place before is asked for.
            on_follow: Called when the negative curvature shall be followed.
            minima: The part that leads to other minima of the plane.
            checkpoints: Places of a training run, in its order.
        """
        self._on_place = on_place
        self.minima = minima
        self._quiet = False
        self._places: tuple[Place, ...] = tuple(checkpoints)
        self._checkpoints = tuple(checkpoints)
        self.place = ipywidgets.Dropdown(
            options=_options(self._places),
            value=0,
            description="centre",
            style=_LABEL,
            layout=_WIDE,
            tooltip="The point in the middle; double-click the map, or press Enter there, to make the probe the centre",
        )
        self.checkpoint = ipywidgets.SelectionSlider(
            options=[(_START, 0), *((str(number), number) for number in range(1, 1 + len(checkpoints)))],
            value=0,
            description="training",
            style=_LABEL,
            layout={"width": "auto", "display": None if checkpoints else "none"},
            continuous_update=False,
            tooltip="Number of the checkpoint of the training run",
        )
        self.back = ipywidgets.Button(
            description="Back", icon="arrow-left", disabled=True, layout=_HALF, tooltip="To the centre before this one"
        )
        self.follow = ipywidgets.Button(
            description="Follow v₋",
            icon="arrow-down",
            layout=_HALF,
            tooltip="To the lowest loss along the eigenvector of the smallest eigenvalue, if that is negative",
        )
        self.message = ipywidgets.HTML(layout={"width": "auto", "display": "none"})
        self.place.observe(lambda change: self._chosen(self._places, change["new"]), "value")
        self.checkpoint.observe(lambda change: self._chosen(self._checkpoints, change["new"]), "value")
        self.back.on_click(lambda _: on_back())
        self.follow.on_click(lambda _: on_follow())
        buttons = ipywidgets.HBox([self.back, self.follow], layout={"width": "auto"})
        super().__init__([self.place, self.checkpoint, buttons, minima, self.message], layout={"width": "auto"})

    def show(self, places: Sequence[Place], here: Place | None, *, can_go_back: bool) -> None:
        """Say where one stands, without going anywhere.

        Args:
            places: All places there are to choose from.
            here: Where one stands.
            can_go_back: Whether there is a place before this one.
        """
        self._quiet = True
        try:
            if self._places != tuple(places):
                self._places = tuple(places)
                self.place.options = _options(self._places)
            self.place.value = 0 if here is None else 1 + self._places.index(here)
            if here is None or here in self._checkpoints:
                self.checkpoint.value = 0 if here is None else 1 + self._checkpoints.index(here)
        finally:
            self._quiet = False
        self.back.disabled = not can_go_back

    def say(self, text: str) -> None:
        """Show a sentence below the buttons.

        Args:
            text: What it says; an empty one takes no room.
        """
        self.message.value = sentence(text)
        self.message.layout.display = None if text else "none"

    def _chosen(self, places: Sequence[Place], index: int) -> None:
        if not self._quiet:
            self._on_place(places[index - 1] if index else None)


# By number, 0 for where it all began: a selection of ipywidgets takes None for no selection.
def _options(places: Sequence[Place]) -> list[tuple[str, int]]:
    return [(_START, 0), *((place.label, index + 1) for index, place in enumerate(places))]
