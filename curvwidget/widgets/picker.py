"""A number field that chooses one of a plot's points, for whoever has no mouse to click on it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

__all__ = ["Picker"]


class Picker(ipywidgets.HBox):
    """The name of a plot's axis, and beside it the number of the point that is chosen: 1 for the first one, 0 for none.

    Example:
        >>> from curvwidget.widgets.picker import Picker
        >>> heard = []
        >>> picker = Picker("curvature κ", "plane", heard.append)
        >>> picker.show(200, None)
        >>> picker.number.value = 3
        >>> heard
        [2]
    """

    def __init__(self, name: str, kind: str, on_choice: Callable[[int | None], None]) -> None:
        """Build the field.

        Args:
            name: HTML that names the axis; empty where the field's own name does.
            kind: What is chosen, in a word.
            on_choice: Takes the place of the point chosen, from 0; None for none.
        """
        self._on_choice = on_choice
        self._quiet = False
        self.number = ipywidgets.BoundedIntText(
            min=0,
            max=0,
            description=kind,
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "auto", "height": "26px", "flex": "0 0 auto", "margin": "0"},
            tooltip=f"Number of the {kind} that is marked, as by a click on its point; 0 for none",
        )
        self.number.add_class("cw-picker")
        self.number.observe(self._on_number, "value")
        label = ipywidgets.HTML(name, layout={"flex": "1 1 0%", "min_width": "0", "margin": "0"})
        super().__init__(
            [label, self.number] if name else [self.number],
            layout={"width": "100%", "flex": "0 0 auto", "align_items": "center", "justify_content": "center"},
        )

    def show(self, count: int, chosen: int | None) -> None:
        """Show what is chosen, without choosing.

        Args:
            count: How many points there are.
            chosen: The place of the point chosen, from 0; None for none.
        """
        self._quiet = True
        try:
            with self.number.hold_trait_notifications():
                self.number.max = count
                self.number.value = 0 if chosen is None else chosen + 1
            self.number.disabled = not count
        finally:
            self._quiet = False

    def _on_number(self, change: dict[str, int]) -> None:
        if not self._quiet:
            self._on_choice(change["new"] - 1 if change["new"] else None)
