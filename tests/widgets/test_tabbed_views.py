"""Views in one place under a row of tabs."""

from __future__ import annotations

import ipywidgets
import pytest

from curvwidget.widgets.tabbed_views import TabbedViews


def test_one_view_is_seen_and_the_others_keep_their_size() -> None:
    views = TabbedViews({title: ipywidgets.Label(title) for title in "ABC"})
    assert views.selected == "A"
    views._row.selected_index = 2  # as a click on a tab does
    assert views.selected == "C"
    assert [view.layout.visibility for view in views.views.values()] == ["hidden", "hidden", "visible"]
    assert all(view.layout.display is None for view in views.views.values())
    assert len({view.layout.grid_area for view in views.views.values()}) == 1


def test_a_tab_that_is_not_there_is_refused() -> None:
    views = TabbedViews({"A": ipywidgets.Label("a")})
    with pytest.raises(ValueError, match="selected must be one of 'A', got 'B'"):
        views.selected = "B"
