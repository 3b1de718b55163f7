"""Each lecture opened in JupyterLab: it shows its pictures, its cells run, and every view in it is drawn.

The quickstart and the lecture on saddles have tests of their own, which go further.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.pages import OUTPUT
from tests.browser.pixels import distinct_colours, picture
from tests.browser.servers import Server

DRAWN = 120_000  # milliseconds for a view that is still being computed when the last cell has run


class Views(NamedTuple):
    """What is seen of a lecture that has run."""

    cells: int  # that show something; each left a picture in the saved notebook
    explorers: int
    maps: int  # those of explorers, and those side by side, included
    plots: int  # by bqplot, those behind another tab left out
    figures: int  # by matplotlib


LECTURES = {
    "03-the-trace-without-hessian-products": Views(cells=2, explorers=0, maps=0, plots=2, figures=0),
    "04-hessian-directions": Views(cells=3, explorers=0, maps=2, plots=1, figures=0),
    "05-your-own-model": Views(cells=1, explorers=1, maps=1, plots=3, figures=0),
    "06-function-approximator": Views(cells=2, explorers=1, maps=5, plots=3, figures=0),
    "07-image-classifiers": Views(cells=3, explorers=2, maps=2, plots=6, figures=1),
    "08-along-a-training-run": Views(cells=3, explorers=1, maps=3, plots=3, figures=1),
}


def test_there_are_the_lectures_of_the_table_and_two_with_tests_of_their_own() -> None:
    names = sorted(path.stem for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
    assert names[2:] == list(LECTURES)
    assert [name[:2] for name in names[:2]] == ["01", "02"]


@pytest.mark.parametrize("lecture", LECTURES)
def test_every_view_of_the_lecture_is_drawn(lecture: str, visit: Callable[..., Any], jupyter_lab: Server) -> None:
    expected = LECTURES[lecture]
    lab = visit(jupyter_lab, f"{lecture}.ipynb", single=True)
    outputs = lab.page.locator(OUTPUT)
    pictures = outputs.locator("img")
    expect(pictures).to_have_count(expected.cells)  # as it was saved, before any kernel has computed anything
    lab.run_all(timeout=240)
    explorers, maps = outputs.locator(".cw-explorer"), outputs.locator(".cw-map canvas")
    plots = outputs.locator(".bqplot").filter(visible=True)
    expect(explorers).to_have_count(expected.explorers)
    for explorer in explorers.all():
        expect(explorer.get_by_text("done", exact=True)).to_be_visible(timeout=DRAWN)
    expect(maps).to_have_count(expected.maps)
    for drawn in maps.all():
        drawn.scroll_into_view_if_needed()
        assert distinct_colours(picture(drawn)) > 100
    expect(plots).to_have_count(expected.plots)
    for plot in plots.all():
        expect_marks(plot)
    expect(pictures).to_have_count(expected.figures)  # live views have taken the place of the others
    for figure in pictures.all():
        assert distinct_colours(picture(figure)) > 50
    if lecture.startswith("08"):  # where all tabs have something to show
        check_each_tab(lab.find(".cw-explorer"))
    lab.screenshot(f"lecture-{lecture[:2]}")


def expect_marks(plot: Locator) -> None:
    marks = plot.locator("path.line, path.dot, g.object_grp path, .mark rect").filter(visible=True)
    expect(marks.first).to_be_visible()


# Plots behind a tab are laid out while they cannot be seen; each must have drawn its marks by the time it is.
def check_each_tab(explorer: Locator) -> None:
    tabs, plots = explorer.locator(".cw-tabs .lm-TabBar-tab"), explorer.locator(".bqplot").filter(visible=True)
    of_tabs = {"Curvatures": 1, "Spectrum": 1, "Trace": 1, "Training": 2}  # the places of the checkpoints, and their losses
    assert tabs.all_inner_texts() == list(of_tabs)
    pictures, seen = set(), []
    for name, count in of_tabs.items():
        tabs.filter(has_text=name).click()
        for plot in seen:
            plot.wait_for_element_state("hidden")  # until then the plots of the tab before are counted
        expect(plots).to_have_count(2 + count)  # beside two profiles
        for plot in plots.all()[2:]:
            expect_marks(plot)
            pictures.add(picture(plot).tobytes())
        seen = [plot.element_handle() for plot in plots.all()[2:]]
    assert len(pictures) == sum(of_tabs.values())
