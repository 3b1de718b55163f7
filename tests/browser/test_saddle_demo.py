"""The lecture on saddles in a real browser: its demo is drawn, its controls move it, and all of it fits a screen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.pages import Theme
from tests.browser.pixels import distinct_colours, mean_brightness, picture
from tests.browser.servers import Server

Visit = Callable[..., Any]

LECTURE = "02-random-projections-hide-saddles.ipynb"
COMPUTED = 120_000  # milliseconds that a thousand planes may take on a machine that does other things as well
SMALL = "import curvwidget as cw\ndemo = cw.SaddleDemo(n_parameters=301, negative=0.2, planes=100)\ndemo"


def verdict(lab: Any) -> Locator:
    return lab.find(".cw-saddle-demo [role=status]")


def wait_until_done(lab: Any) -> None:
    expect(lab.find(".cw-saddle-demo").get_by_text("done", exact=True)).to_be_visible(timeout=COMPUTED)


def test_the_lecture_runs_and_its_demo_answers_to_keys_and_buttons(visit: Visit, jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, LECTURE, single=True)
    lab.run_all(timeout=COMPUTED / 1000)
    demo = lab.find(".cw-saddle-demo")
    demo.scroll_into_view_if_needed()
    wait_until_done(lab)
    expect(verdict(lab)).to_contain_text(re.compile(r"500 of 1,001 directions curve downwards; 7\d\d of 1,000 random planes"))
    maps = demo.locator(".cw-map canvas")
    assert maps.count() == 2
    random, hessian = (distinct_colours(picture(maps.nth(index))) for index in (0, 1))
    assert hessian > 200
    assert 20 < random < hessian  # in the same colours there is far less to see
    expect(demo.locator(".bqplot path.line").filter(visible=True).first).to_be_visible()
    expect(demo.get_by_role("row", name=re.compile(r"saddle 7\d\d \(7\d\.\d ± 1\.4 %\) 70\.7 %"))).to_be_visible()
    lab.screenshot("saddle-demo-even")

    handle = demo.locator(".widget-slider", has_text="negative").locator(".noUi-handle")
    handle.focus()
    handle.press("Home")
    expect(verdict(lab)).to_contain_text("No direction curves downwards: none of 1,000 random planes", timeout=COMPUTED)
    lab.evaluate("demo.controls.negative.value = 0.2")
    expect(verdict(lab)).to_contain_text(
        "none of 1,000 random planes shows a saddle (predicted: less than 0.1 %)", timeout=COMPUTED
    )
    wait_until_done(lab)
    lab.screenshot("saddle-demo-uneven")

    demo.get_by_role("button", name="Next random plane").click()
    expect(demo.get_by_text("random plane 2 of 1,000 shows a bowl")).to_be_visible(timeout=COMPUTED)
    seed = lab.evaluate("print(demo.request.seed)")
    demo.get_by_role("button", name="New planes").click()
    wait_until_done(lab)
    assert lab.evaluate("demo.wait(); print(demo.request.seed)") != seed


@pytest.fixture(scope="module")
def small(stay: Visit, jupyter_lab: Server) -> Any:
    """A small demo, made where the theme is dark."""
    lab = stay(jupyter_lab, jupyter_lab.write("saddle", SMALL), theme="dark", single=True)
    lab.run_all()
    wait_until_done(lab)
    return lab


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_all_of_it_fits_a_screen_of_1200_by_800(theme: Theme, small: Any) -> None:
    lab = small
    lab.set_theme(theme)
    demo = lab.find(".cw-saddle-demo")
    demo.scroll_into_view_if_needed()
    box = demo.bounding_box()
    room = lab.page.locator(".jp-Notebook, .jp-WindowedPanel-outer").first.bounding_box()
    assert box["height"] <= room["height"]
    assert box["x"] + box["width"] <= 1200
    cut = demo.evaluate(
        "(root) => [...root.querySelectorAll('table, .cw-root, .bqplot, .widget-label')]"
        ".filter((e) => e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1).length"
    )
    assert cut == 0
    brightness = mean_brightness(picture(demo))
    assert brightness > 150 if theme == "light" else brightness < 110
    lab.screenshot(f"saddle-demo-{theme}")


def test_voila_serves_the_lecture_as_a_page(visit: Visit, voila: Server) -> None:
    page = visit(voila, LECTURE)
    page.wait_for_output("ten outliers of 50", timeout=COMPUTED / 1000)
    demo = page.find(".cw-saddle-demo")
    demo.scroll_into_view_if_needed()
    wait_until_done(page)
    assert distinct_colours(picture(demo.locator(".cw-map canvas").nth(1))) > 200
    expect(page.page.get_by_text("Random projections hide saddles").first).to_be_attached()
    demo.get_by_role("button", name="Next random plane").click()
    expect(demo.get_by_text(re.compile(r"^random plane 2 of 1,000 shows"))).to_be_visible(timeout=COMPUTED)
    page.screenshot("saddle-demo-voila")
