"""The explorer without a mouse: what the keyboard reaches, what a screen reader is told, how large letters are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.servers import Server
from tests.browser.test_explorer import DONE, SMALL, eventually, wait_until_done

LETTER = 13  # pixels, as JupyterLab's own
SMALLER = """
(root, least) => [...root.querySelectorAll("*")]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }) && parseFloat(getComputedStyle(e).fontSize) < least)
  .filter((e) => [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()))
  .map((e) => `${e.tagName} ${e.getAttribute("class")} ${getComputedStyle(e).fontSize}: ${e.textContent.slice(0, 40)}`)
"""


def test_the_keyboard_does_what_the_mouse_does_and_a_screen_reader_hears_it(
    visit: Callable[..., Any], jupyter_lab: Server
) -> None:
    lab = visit(jupyter_lab, jupyter_lab.write("keyboard", SMALL, DONE), single=True)
    lab.run_all()
    wait_until_done(lab)
    explorer, keys = lab.find(".cw-explorer"), lab.page.keyboard
    assert explorer.evaluate(SMALLER, LETTER) == []

    expect(explorer.get_by_role("application", name="Loss as a surface")).to_be_visible()
    told = explorer.aria_snapshot()
    assert re.search(r"status: .*(bowl|dome|saddle|plain)", told)
    assert re.search(r"application .Loss map: loss over random 1 .*Arrow keys move the probe", told)
    assert re.search(r"application .Loss as a surface: axis 1: random 1 .*Arrow keys turn it", told)

    # sliders have their descriptions as names and say their values as they are read
    expect(explorer.get_by_role("slider")).to_have_count(2)
    blend = explorer.get_by_role("slider", name="blend")
    expect(blend).to_have_attribute("aria-valuetext", "0%")
    expect(explorer.get_by_role("slider", name="span ×")).to_have_attribute("aria-valuetext", "1.00")

    # the map: the probe moves and is announced, and Enter goes there
    loss_map = explorer.get_by_role("application", name="Loss map")
    expect(loss_map).to_have_accessible_description(re.compile(r"^probe \(0\.0+, 0\.0+\): \d"))
    loss_map.focus()
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Shift+ArrowUp")
    expect(explorer.locator(".cw-map [role=status]")).to_have_text(re.compile(r"^probe at \(0\.\d+, 0\.\d+\), loss \d"))
    steps = "print(*(round(p / (a[1] - a[0])) for p, a in zip(explorer.probe, explorer.slice.axes)))"
    eventually(lambda: lab.evaluate(steps) == "2 5")

    # the surface turns
    before = lab.evaluate("print(explorer.surface._scene.figure.camera.position)")
    explorer.get_by_role("application", name="Loss as a surface").focus()
    keys.press("ArrowLeft")
    eventually(lambda: lab.evaluate("print(explorer.surface._scene.figure.camera.position)") != before)

    # the tabs, and a random plane by its number
    explorer.get_by_role("tab", name="Curvatures").focus()
    keys.press("ArrowRight")
    keys.press("Enter")
    expect(explorer.get_by_role("spinbutton", name="eigenvalue")).to_be_visible()
    explorer.get_by_role("tab", name="Spectrum").focus()
    keys.press("ArrowLeft")
    keys.press("Enter")
    plane = explorer.get_by_role("spinbutton", name="plane")
    expect(plane).to_be_visible()
    plane.focus()
    keys.press("Control+A")
    keys.type("3")
    keys.press("Enter")
    chosen = "print(explorer.request.axes[0].seed == explorer.sample.seeds[2], explorer.curvature_plot.selected)"
    eventually(lambda: lab.evaluate(chosen) == "True 2")
    wait_until_done(lab)

    # Enter on the map: its probe is the new centre
    loss_map.focus()
    keys.press("ArrowDown")
    keys.press("Enter")
    eventually(lambda: lab.evaluate("print(explorer.request.place is not None)") == "True")
    wait_until_done(lab)

    # the notes unfold and fold, and say what each number means
    summary = explorer.locator(".cw-verdict-notes > summary")
    summary.focus()
    keys.press("Enter")
    expect(explorer.get_by_role("listitem").filter(has_text="number of parameters")).to_be_visible()
    keys.press("Escape")
    expect(explorer.get_by_role("listitem").first).to_be_hidden()

    # a slider says its new value
    blend.focus()
    keys.press("ArrowRight")
    expect(blend).to_have_attribute("aria-valuetext", re.compile("^[1-9][0-9]?%$"))
