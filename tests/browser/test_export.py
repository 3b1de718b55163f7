"""The exported page lives alone: no kernel, no network, and still a probe to drag and a plane to turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page

import curvwidget as cw
from curvwidget.runs import InlineExecutor

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=\"document.title='evil'\"></script><b>"


def explore(labels: tuple[str, str] | None = None) -> cw.widgets.Explorer:
    diagonal = torch.tensor([3.0, 1.0, 1.0, 1.0, 1.0, -2.0], dtype=torch.float64)
    objective = cw.Objective.from_function(lambda t: 2 + 0.5 * (diagonal * t**2).sum(), torch.zeros(6, dtype=torch.float64))
    explorer = cw.explore(objective, resolution=21, planes=30, probes=30, executor=InlineExecutor())
    if labels is not None:
        explorer.directions = cw.Directions(torch.eye(6, dtype=torch.float64)[:2], labels)
    return explorer


@pytest.fixture
def page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, offline=True)
    troubles: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else troubles.append(request.url)
    )
    yield page, troubles
    context.close()


def drawn(page: Page, selector: str) -> list[str]:
    return page.locator(selector).evaluate_all("nodes => nodes.map((node) => node.outerHTML)")


def colours(page: Page) -> str:
    return str(page.locator(".cw-page-map canvas").evaluate("canvas => canvas.toDataURL()"))


def test_the_exported_page_works_offline(page: tuple[Page, list[str]], tmp_path: Path) -> None:
    view, troubles = page
    explore().to_html(tmp_path / "page.html", frames=3)
    view.goto((tmp_path / "page.html").as_uri())
    view.wait_for_selector(".cw-page-map .cw-probe circle")
    assert len(drawn(view, ".cw-page-profile svg.cw-page-plot")) == 2
    profiles, map_before, planes = drawn(view, ".cw-page-profile"), colours(view), drawn(view, ".cw-page-planes")
    readout = view.locator(".cw-map-at").inner_text()

    box = view.locator(".cw-map-plot").bounding_box()
    assert box is not None
    view.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.mouse.down()
    view.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"], steps=4)
    view.mouse.up()
    view.wait_for_timeout(100)
    dragged = drawn(view, ".cw-page-profile")
    assert dragged[0] != profiles[0]
    assert dragged[1] != profiles[1]
    assert view.locator(".cw-map-at").inner_text() != readout
    assert colours(view) == map_before  # the probe moves over the same slice

    view.locator("#blend").focus()
    view.keyboard.press("End")
    view.wait_for_timeout(200)
    assert view.locator("output").inner_text() == "100 %"
    assert colours(view) != map_before
    assert drawn(view, ".cw-page-profile") != dragged
    assert drawn(view, ".cw-page-planes") != planes
    assert view.locator(".cw-verdict").get_attribute("data-kind") == "saddle"
    assert troubles == []


def test_the_page_draws_the_loss_where_python_has_it(page: tuple[Page, list[str]], tmp_path: Path) -> None:
    view, troubles = page
    explorer = explore()
    at = (float(explorer.slice.axes[0][15]), float(explorer.slice.axes[1][4]))
    explorer.probe = at
    explorer.to_html(tmp_path / "page.html", frames=2)
    view.goto((tmp_path / "page.html").as_uri())
    view.wait_for_selector(".cw-page-map .cw-probe circle")
    said = float(view.locator(".cw-map-at").inner_text().rsplit(" ", 1)[1].replace("−", "-"))
    assert said == pytest.approx(explorer.slice.values[15, 4], rel=1e-3)
    assert troubles == []


def test_html_in_a_label_stays_text_on_the_page(page: tuple[Page, list[str]], tmp_path: Path) -> None:
    view, troubles = page
    explorer = explore((EVIL, "b"))
    explorer.verdict_bar.sentence = EVIL  # the labels travel in bytes, the sentence in the page's own text
    explorer.to_html(tmp_path / "page.html", frames=2)
    view.goto((tmp_path / "page.html").as_uri())
    view.wait_for_selector(".cw-page-map .cw-probe circle")
    assert view.locator("img, b").count() == 0
    assert view.title() == view.locator(".cw-verdict-sentence").inner_text() == EVIL
    assert view.locator(".cw-page-profile text", has_text="<img src=x").count() == 1
    assert troubles == []
