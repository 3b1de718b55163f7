"""The exported page lives alone: no kernel, no network, and still a probe to drag and a plane to turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

import curvwidget as cw
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import Explorer, OwnAxis, Request, SavedView
from tests.browser.test_explorer import eventually

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
    eventually(lambda: all(now != then for now, then in zip(drawn(view, ".cw-page-profile"), profiles, strict=True)))
    view.wait_for_timeout(100)  # the last of the drag's steps
    dragged = drawn(view, ".cw-page-profile")
    assert view.locator(".cw-map-at").inner_text() != readout
    assert colours(view) == map_before  # the probe moves over the same slice

    view.locator("#blend").focus()
    view.keyboard.press("End")
    expect(view.locator("output")).to_have_text("100 %")
    expect(view.locator(".cw-verdict")).to_have_attribute("data-kind", "saddle")
    eventually(lambda: colours(view) != map_before)
    eventually(lambda: drawn(view, ".cw-page-profile") != dragged)
    eventually(lambda: drawn(view, ".cw-page-planes") != planes)
    assert troubles == []


def test_the_page_draws_the_loss_where_python_has_it(page: tuple[Page, list[str]], tmp_path: Path) -> None:
    view, troubles = page
    explorer = explore()
    at = (float(explorer.slice.axes[0][15]), float(explorer.slice.axes[1][4]))
    explorer.probe = at
    explorer.to_html(tmp_path / "page.html", frames=2)
    view.goto((tmp_path / "page.html").as_uri())
    view.wait_for_selector(".cw-page-map .cw-probe circle")
    # the loss comes last, with its error where it is interpolated
    said = re.search(r"([−\d.]+)(?: ± \S+)?$", view.locator(".cw-map-at").inner_text())
    said = float(said.group(1).replace("−", "-"))
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


def test_a_saved_view_makes_the_same_page_without_a_blend(page: tuple[Page, list[str]], tmp_path: Path) -> None:
    view, troubles = page
    explorer = explore()
    explorer.controls.scale.value = "log"
    explorer.save(tmp_path / "state.npz")
    pictures = []
    for name, shown in (("live", explorer), ("saved", SavedView.load(tmp_path / "state.npz"))):
        shown.to_html(tmp_path / f"{name}.html", **({"frames": 1} if name == "live" else {}))
        view.goto((tmp_path / f"{name}.html").as_uri())
        view.wait_for_selector(".cw-page-map .cw-probe circle")
        pictures.append([colours(view), *drawn(view, ".cw-page-profile"), *drawn(view, ".cw-page-planes")])
        assert view.locator("#blend").is_hidden()
    assert pictures[0] == pictures[1]
    assert view.locator(".cw-page-profile text", has_text="loss (log scale)").count() == 2  # as the map's
    assert view.locator(".cw-verdict-sentence").inner_text() == explorer.verdict_bar.sentence
    assert troubles == []


def test_a_loss_that_is_no_number_is_hatched_and_parts_the_profile(page: tuple[Page, list[str]], tmp_path: Path) -> None:
    view, troubles = page

    def loss(t: torch.Tensor) -> torch.Tensor:
        return torch.where(t[0] > 0.5, torch.nan, 1 + t[0] ** 2 + t[1] ** 2)

    objective = cw.Objective.from_function(loss, torch.zeros(2, dtype=torch.float64))
    own = cw.own_directions(objective, torch.eye(2))
    request = Request(axes=(OwnAxis(own[0]), OwnAxis(own[1])), span=[1.0, 1.0], resolution=21, planes=5, probes=5)
    explorer = Explorer(objective, request=request, executor=InlineExecutor())
    explorer.probe = (0.8, 0.0)
    assert np.isnan(explorer.slice.values).sum() == 5 * 21
    explorer.to_html(tmp_path / "page.html", frames=2)
    view.goto((tmp_path / "page.html").as_uri())
    view.wait_for_selector(".cw-page-map .cw-probe circle")
    assert "NaN" in view.locator(".cw-map-at").inner_text()
    lines = view.locator(".cw-page-profile").first.locator("svg.cw-page-plot > svg > path")
    # the loss is the last but one, before the probe's: it ends where the loss does, three quarters of the way
    path = lines.nth(lines.count() - 2).get_attribute("d")
    across = [float(number) for number in re.findall(r"[ML]([\d.]+) ", path)]
    frame = view.locator(".cw-page-profile").first.locator("svg.cw-page-plot > svg")
    left, width = (float(frame.get_attribute(name)) for name in ("x", "width"))
    assert (max(across) - left) / width == pytest.approx(0.75, abs=0.03)
    assert path.count("M") == 1
    assert troubles == []
