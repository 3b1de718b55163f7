"""Tabs, notes and travel in a real browser: what the mouse does, and that the keyboard alone can do it, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.pages import HAS_WEBGL
from tests.browser.servers import Server
from tests.browser.test_explorer import check_views_are_drawn, wait_until_done

Visit = Callable[..., Any]

COMPUTED = 120_000  # milliseconds
TRAINED = """
import torch
from torch import nn
import curvwidget as cw
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
x, y = torch.randn(80, 6), torch.randint(0, 3, (80,))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
states = []
for step in range(40):
    if step % 10 == 0:
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
objective = cw.Objective(model, nn.functional.cross_entropy, (x, y))
explorer = cw.explore(objective, resolution=11, planes=20, probes=15, spectrum_probes=2, checkpoints=states)
explorer
"""


def tab(lab: Any, title: str) -> Locator:
    return lab.find(".cw-explorer").get_by_role("tab", name=title)


def place(lab: Any) -> str:
    return str(lab.evaluate("explorer.wait(); print(explorer.request.place and explorer.request.place.label)"))


@pytest.fixture(scope="module")
def lab(stay: Visit, jupyter_lab: Server) -> Any:
    """The explorer of a trained model, in a browser that has no WebGL."""
    cells = (TRAINED, "explorer.wait(); print('all', explorer.state)", "explorer.loss_map")
    opened = stay(jupyter_lab, jupyter_lab.write("travel", *cells), webgl=False)
    opened.run_all()
    opened.wait_for_output("all idle", timeout=COMPUTED / 1000)
    return opened


def test_without_webgl_a_sentence_stands_where_the_surface_would_be(lab: Any) -> None:
    wait_until_done(lab)
    assert lab.page.evaluate(HAS_WEBGL) is False
    expect(lab.find(".cw-explorer").get_by_text(re.compile("WebGL")).first).to_be_visible()
    check_views_are_drawn(lab)
    assert lab.evaluate("print(explorer.state)") == "idle"


def test_tabs_notes_and_travel(lab: Any) -> None:
    explorer = lab.find(".cw-explorer")
    # the picture that a notebook keeps beside a view stands in only where there is no live one
    assert lab.evaluate("print('image/png' in explorer.loss_map._repr_mimebundle_()[0])") == "True"
    expect(lab.page.locator(".cw-map canvas")).to_have_count(2)
    expect(lab.page.locator("img[alt*='L(θ)']")).to_have_count(0)
    explorer.evaluate("(element) => element.scrollIntoView({ block: 'start' })")

    # one tab is seen at a time, and a click on an eigenvalue makes it an axis
    for title, figure in (("Trace", 4), ("Training", 5), ("Spectrum", 3)):
        tab(lab, title).click()
        expect(tab(lab, title)).to_have_attribute("aria-selected", "true")
        figures = explorer.locator(".bqplot")
        for index in range(2, 6):  # the kernel decides, and answers a little later
            expect(figures.nth(index)).to_have_css("visibility", "visible" if index == figure else "hidden")
    square = explorer.locator(".bqplot").nth(3).locator("path.element").filter(visible=True).first
    square.click()
    expect(explorer.locator(".widget-dropdown", has_text=re.compile("^axis")).locator("select").first).to_contain_text("λ_max")
    lab.evaluate("explorer.wait()")
    assert "EigenAxis" in lab.evaluate("print(explorer.request.axes)")

    # the notes unfold over the views, and Escape folds them
    notes = explorer.locator(".cw-verdict-notes")
    summary = notes.locator("summary")
    expect(summary).to_have_text(re.compile(r"^\d+ notes$"))
    summary.click()
    expect(notes.get_by_text("Eigenvalues, each ± its residual")).to_be_visible()
    summary.press("Escape")
    expect(notes.get_by_text("Eigenvalues, each ± its residual")).to_be_hidden()

    # a double click goes to a point, Enter to the next, and Back comes back
    assert place(lab) == "None"
    canvas = explorer.locator("canvas").first.bounding_box()
    lab.page.mouse.dblclick(canvas["x"] + 0.55 * canvas["width"], canvas["y"] + 0.4 * canvas["height"])
    back = explorer.get_by_role("button", name="Back")
    expect(back).to_be_enabled()
    assert place(lab) == "1: the probe"
    target = lab.find(".cw-explorer [tabindex='0'][aria-label][role=application]")
    target.focus()
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        lab.page.keyboard.press(key)
    expect(explorer.locator(".widget-dropdown", has_text=re.compile("^centre"))).to_contain_text("2: the probe")
    assert place(lab) == "2: the probe"
    back.click()
    expect(explorer.locator(".widget-dropdown", has_text=re.compile("^centre")).locator("select")).to_have_value("1: the probe")
    back.click()
    expect(back).to_be_disabled()
    assert place(lab) == "None"

    # the slider moves along the training
    handle = explorer.locator(".widget-slider", has_text="training").locator(".noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    expect(back).to_be_enabled()
    assert place(lab) == "checkpoint 1"
    assert lab.evaluate("print(explorer.slice.center == objective.loss(explorer.center.theta))") == "True"

    # v₋ leads down, or it is said why not
    explorer.get_by_role("button", name="Follow v₋").click()
    said = explorer.get_by_text(re.compile("^(Along v₋|No negative curvature)"))  # beside the button, and in the notes
    expect(said.filter(visible=True).first).to_be_visible(timeout=COMPUTED)
    lab.evaluate("explorer.wait()")
    assert lab.evaluate("print(explorer.state)") == "idle"

    # other minima of the plane are looked for; what is listed is what was found
    explorer.get_by_role("button", name="Look around").click()
    found = explorer.get_by_text(re.compile(r"^(No other minimum|One other minimum|\d+ other minima) of this plane up to ±"))
    expect(found.filter(visible=True).first).to_be_visible(timeout=COMPUTED)
    lab.evaluate("explorer.wait()")
    count = int(lab.evaluate("print(len(explorer.minima))"))
    minima = explorer.locator(".widget-dropdown", has_text=re.compile("^minima")).locator("option")
    expect(minima).to_have_count(1 + count)
    lab.screenshot("explorer-travel")
