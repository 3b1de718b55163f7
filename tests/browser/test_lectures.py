"""Each lecture opened in JupyterLab: its cells run, and every view in it is drawn.

The quickstart and the lecture on saddles have tests of their own, which go further.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.pages import OUTPUT
from tests.browser.pixels import distinct_colours, picture
from tests.browser.servers import Server

LECTURES = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))[2:]
DRAWN = 120_000  # milliseconds for a view that is still being computed when the last cell has run


def test_there_are_more_lectures_than_the_two_with_tests_of_their_own() -> None:
    assert [name[:2] for name in LECTURES] == ["03", "04", "05", "06", "07", "08"]


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda name: name.removesuffix(".ipynb"))
def test_every_view_of_the_lecture_is_drawn(lecture: str, visit: Callable[..., Any], jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, lecture, single=True)
    lab.run_all(timeout=240)
    outputs = lab.page.locator(OUTPUT)
    explorers, maps, plots = (outputs.locator(selector) for selector in (".cw-explorer", ".cw-map canvas", ".bqplot"))
    assert explorers.count() + maps.count() + plots.count() > 0
    for explorer in explorers.all():
        expect(explorer.get_by_text("done", exact=True)).to_be_visible(timeout=DRAWN)
    for drawn in maps.all():
        drawn.scroll_into_view_if_needed()
        assert distinct_colours(picture(drawn)) > 100
    for plot in plots.all():
        if plot.is_visible():
            expect(plot.locator("path.line, path.dot, g.object_grp path").filter(visible=True).first).to_be_visible()
    lab.screenshot(f"lecture-{lecture[:2]}")
