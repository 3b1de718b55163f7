"""The other minima of the plane: look for them, go to one, see them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

from curvwidget._number_words import format_number
from curvwidget.curvature import PlaneMinima

__all__ = ["MinimaControls"]

_HALF = {"width": "auto", "flex": "1 1 0%", "min_width": "0"}
_LABEL = {"description_width": "64px"}


class MinimaControls(ipywidgets.VBox):
    """Look for other minima of the plane far beyond the picture, and choose one to go to."""

    def __init__(self, *, on_look: Callable[[], None], on_choose: Callable[[int], None], on_widen: Callable[[], None]) -> None:
        """Build the controls.

        Args:
            on_look: Called when other minima shall be looked for.
            on_choose: Takes the number of the minimum to go to.
            on_widen: Called when the picture shall show all that are known.
        """
        self._on_choose = on_choose
        self._quiet = False
        self.look = ipywidgets.Button(
            description="Look around",
            layout=_HALF,
            tooltip="Look for other minima of this plane, beyond −θ: a thousand losses and more; Cancel stops it",
        )
        self.widen = ipywidgets.Button(
            description="Show all",
            disabled=True,
            layout=_HALF,
            tooltip="Widen the picture to all minima of this plane that are known",
        )
        self.choice = ipywidgets.Dropdown(
            options=_options(None),
            value=0,
            description="minima",
            style=_LABEL,
            layout={"width": "auto", "display": "none"},
            tooltip="Other minima of this plane, by loss, curvatures and distance; choose one to make it the centre",
        )
        self.look.on_click(lambda _: on_look())
        self.widen.on_click(lambda _: on_widen())
        self.choice.observe(lambda change: self._chosen(change["new"]), "value")
        buttons = ipywidgets.HBox([self.look, self.widen], layout={"width": "auto"})
        super().__init__([buttons, self.choice], layout={"width": "auto"})

    def show(self, minima: PlaneMinima | None, span: Sequence[float] | None) -> None:
        """List what is known.

        Args:
            minima: The minima; None where it is not known yet whether there are any.
            span: How far the picture reaches; None where there is none.
        """
        options = _options(minima)
        self._quiet = True
        try:
            if self.choice.options != options:
                with self.choice.hold_sync():
                    self.choice.options = options
                    self.choice.value = 0
            self.choice.value = 0
        finally:
            self._quiet = False
        self.choice.disabled = minima is None
        if minima is not None:  # while another picture of the plane is drawn, the list keeps its room
            self.choice.layout.display = None if len(minima) else "none"
        outside = minima is not None and span is not None and not minima.within(span).all()
        self.widen.disabled = not outside

    def _chosen(self, number: int) -> None:
        if number and not self._quiet:
            self._on_choose(number - 1)


# By number, 0 for none of them: a selection of ipywidgets takes None for no selection.
def _options(minima: PlaneMinima | None) -> tuple[tuple[str, int], ...]:
    if minima is None:
        return (("…", 0),)
    rows = zip(minima.losses.tolist(), minima.principal.tolist(), minima.distances.tolist(), strict=True)
    found = [
        f"L = {format_number(loss)}, κ {format_number(low, 2)}, {format_number(high, 2)}, ‖Δθ‖ = {format_number(far, 2)}"
        for loss, (low, high), far in rows
    ]
    return ((f"{len(found)} known: go to …", 0), *((words, number) for number, words in enumerate(found, start=1)))
