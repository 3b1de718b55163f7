"""Views that share one place, and a row of tabs that says which is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets

__all__ = ["TabbedViews"]


class TabbedViews(ipywidgets.VBox):
    """Several views in one place under a row of tabs.

    Views that are not seen keep their size and stay up to date: bqplot complains in the browser's console where a figure has no
    size. The row is a tab list to keyboards and screen readers.

    Example:
        >>> import ipywidgets
        >>> from curvwidget.widgets.tabbed_views import TabbedViews
        >>> views = TabbedViews({"A": ipywidgets.Label("a"), "B": ipywidgets.Label("b")})
        >>> views.selected = "B"
        >>> [view.layout.visibility for view in views.views.values()]
        ['hidden', 'visible']
    """

    def __init__(self, views: Mapping[str, ipywidgets.DOMWidget]) -> None:
        """Put views in one place; the first one is seen.

        Args:
            views: The views by the titles of their tabs; their layouts are changed.
        """
        self.views = dict(views)
        self._row = ipywidgets.Tab(
            [ipywidgets.Box() for _ in self.views],
            titles=tuple(self.views),
            selected_index=0,
            layout=ipywidgets.Layout(width="auto", flex="0 0 auto"),
        )
        self._row.add_class("cw-tabs")
        for view in self.views.values():
            view.layout.grid_area = "1 / 1 / 2 / 2"
            view.layout.min_width = view.layout.min_height = "0"
        stack = ipywidgets.GridBox(
            list(self.views.values()),
            layout=ipywidgets.Layout(
                width="100%",
                margin="0",
                flex="1 1 0%",
                min_height="0",
                overflow="hidden",
                grid_template_columns="100%",
                grid_template_rows="100%",
            ),
        )
        super().__init__(
            [self._row, stack], layout=ipywidgets.Layout(width="100%", height="100%", min_width="0", overflow="hidden")
        )
        self._show()
        self._row.observe(self._show, "selected_index")

    @property
    def selected(self) -> str:
        """The title of the view that is seen; setting it shows another one."""
        return list(self.views)[self._row.selected_index or 0]

    @selected.setter
    def selected(self, title: str) -> None:
        if title not in self.views:
            raise ValueError(f"selected must be one of {', '.join(map(repr, self.views))}, got {title!r}")
        self._row.selected_index = list(self.views).index(title)

    def _show(self, _: dict[str, Any] | None = None) -> None:
        for title, view in self.views.items():
            view.layout.visibility = "visible" if title == self.selected else "hidden"
