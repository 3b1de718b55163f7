"""The explorer in a real browser: the quickstart in JupyterLab, and shorter in Notebook 7 and in Voila."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.pages import Theme
from tests.browser.pixels import distinct_colours, mean_brightness, picture
from tests.browser.servers import Server

Visit = Callable[..., Any]

QUICKSTART = "01-quickstart.ipynb"
COMPUTED = 120_000  # milliseconds that all of the explorer's numbers may take on a machine that does other things as well
SMALL = """
import torch
from torch import nn
import curvwidget as cw
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
x, y = torch.randn(80, 6), torch.randint(0, 3, (80,))
explorer = cw.explore(cw.Objective(model, nn.functional.cross_entropy, (x, y)), resolution=21, planes=30, probes=20)
explorer
"""
# Each shader that the page compiles from now on: ipyvolume would compile its meshes' anew at each change.
COUNT_SHADERS = """
() => {
  window.cwShaders = 0;
  for (const { prototype } of [WebGLRenderingContext, WebGL2RenderingContext]) {
    const compile = prototype.compileShader;
    prototype.compileShader = function (shader) { window.cwShaders += 1; compile.call(this, shader); };
  }
}
"""
DONE = "explorer.wait(); print('all', explorer.state)"


def verdict(shown: Any) -> Locator:
    return shown.find(".cw-explorer [role=status]")


def wait_until_done(shown: Any) -> None:
    expect(shown.find(".cw-explorer").get_by_text("done", exact=True)).to_be_visible(timeout=COMPUTED)


def choose(shown: Any, name: str, option: str | re.Pattern[str]) -> None:
    box = shown.find(".cw-explorer").locator(".widget-dropdown", has_text=re.compile(rf"^{name}")).locator("select")
    label = box.locator("option").filter(has_text=option).first.inner_text()
    box.select_option(label=label)


def eventually(holds: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def check_views_are_drawn(shown: Any) -> None:
    assert distinct_colours(picture(shown.find(".cw-explorer canvas"))) > 200
    explorer = shown.find(".cw-explorer")
    expect(explorer.locator(".bqplot path.line").filter(visible=True).first).to_be_visible()
    assert explorer.locator(".bqplot").count() >= 3


def check_the_profiles_follow_the_probe(lab: Any) -> None:
    canvas = lab.find(".cw-explorer canvas").bounding_box()
    before = picture(lab.find(".cw-explorer .bqplot")).tobytes()
    middle = (canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2)
    assert lab.evaluate("print(explorer.probe)") == "(0.0, 0.0)"
    mouse = lab.page.mouse
    mouse.move(*middle)
    mouse.down()
    mouse.move(middle[0] + 20, middle[1] - 15, steps=3)
    mouse.move(middle[0] + 45, middle[1] - 40, steps=5)
    mouse.up()
    eventually(lambda: min(map(float, lab.evaluate("print(*explorer.probe)").split())) > 0)
    assert lab.evaluate("print(explorer.profiles.probe == explorer.surface.probe == explorer.probe)") == "True"
    eventually(lambda: picture(lab.find(".cw-explorer .bqplot")).tobytes() != before)


@pytest.fixture(scope="module")
def small(stay: Visit, jupyter_lab: Server) -> Any:
    """The small explorer, made where the theme is dark."""
    lab = stay(jupyter_lab, jupyter_lab.write("small", SMALL, DONE), theme="dark", single=True)
    lab.run_all()
    wait_until_done(lab)
    return lab


def test_the_quickstart_goes_the_whole_way(visit: Visit, jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, QUICKSTART, single=True)
    lab.run_all()
    lab.find(".cw-explorer").scroll_into_view_if_needed()
    wait_until_done(lab)
    check_views_are_drawn(lab)
    lab.screenshot("quickstart-random-light")
    check_the_profiles_follow_the_probe(lab)
    expect(verdict(lab)).to_contain_text("bowl")
    assert float(lab.evaluate("print(explorer.eigenpairs.values.min())")) < 0

    # the Hessian's axes show the saddle
    choose(lab, "axis 1", "λ_max")
    choose(lab, "axis 2", "λ_min")
    expect(verdict(lab)).to_contain_text(re.compile("saddle"), timeout=COMPUTED)
    assert lab.evaluate("explorer.wait(); print(explorer.curvature.verdict)") == "saddle"
    choose(lab, "colour", "L\\(θ\\)".replace("\\", ""))
    wait_until_done(lab)
    lab.screenshot("quickstart-hessian-light")

    # back to a random plane, and the blend turns it into the Hessian's
    lab.page.evaluate(COUNT_SHADERS)
    surface = lab.find(".cw-explorer").locator(".cw-surface canvas").first
    before = picture(surface).tobytes()
    lab.find(".cw-explorer").get_by_role("button", name="New random plane").click()
    expect(verdict(lab)).to_contain_text("This plane looks like a bowl", timeout=COMPUTED)
    eventually(lambda: picture(surface).tobytes() != before)
    assert lab.page.evaluate("() => window.cwShaders") == 0
    handle = lab.find(".cw-explorer").locator(".widget-slider", has_text="blend").locator(".noUi-handle")
    handle.focus()
    handle.press("End")
    expect(verdict(lab)).to_contain_text("This plane shows a saddle", timeout=COMPUTED)

    # a long run is cancelled
    lab.find(".cw-explorer").locator(".widget-checkbox", has_text="exact").locator("input").check()
    choose(lab, "grid", "101")
    cancel = lab.find(".cw-explorer").get_by_role("button", name="Cancel")
    expect(cancel).to_be_enabled()
    cancel.click()
    expect(lab.find(".cw-explorer").get_by_text("cancelled", exact=True)).to_be_visible(timeout=COMPUTED)
    assert lab.evaluate("print(explorer.state, explorer.slice.values.shape[0] < 101)") == "cancelled True"


@pytest.mark.parametrize("server", ["notebook7", "voila"])
def test_the_explorer_is_drawn_in_other_front_ends(server: str, visit: Visit, request: pytest.FixtureRequest) -> None:
    running: Server = request.getfixturevalue(server)
    shown = visit(running, running.write("explorer", SMALL, DONE))
    if running.kind != "voila":
        shown.run_all()
    shown.wait_for_output("all idle", timeout=COMPUTED / 1000)
    wait_until_done(shown)
    check_views_are_drawn(shown)
    before = verdict(shown).inner_text()
    choose(shown, "axis 1", "λ_max")
    choose(shown, "axis 2", "λ_min")
    expect(verdict(shown)).to_contain_text("saddle", timeout=COMPUTED)
    assert verdict(shown).inner_text() != before
    shown.screenshot(f"explorer-{running.kind}")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_all_of_it_fits_a_screen_of_1200_by_800(theme: Theme, small: Any) -> None:
    lab = small
    lab.set_theme(theme)
    explorer = lab.find(".cw-explorer")
    explorer.scroll_into_view_if_needed()
    box = explorer.bounding_box()
    room = lab.page.locator(".jp-Notebook, .jp-WindowedPanel-outer").first.bounding_box()
    assert box["height"] <= room["height"]
    assert box["x"] + box["width"] <= 1200
    scrolling = explorer.evaluate(
        "(root) => [...root.querySelectorAll('*')].filter((e) => e.checkVisibility() && e.clientWidth > 0"
        " && e.scrollWidth > e.clientWidth + 2"
        " && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))"
        ".map((e) => `${e.tagName} ${e.className} ${e.scrollWidth} > ${e.clientWidth} ${e.textContent.slice(0, 60)}`)"
    )
    assert scrolling == []
    brightness = mean_brightness(picture(explorer))
    assert brightness > 150 if theme == "light" else brightness < 110
    lab.screenshot(f"explorer-{theme}")


def test_the_probe_moves_by_keys_while_the_kernel_is_busy(small: Any) -> None:
    lab = small
    step, start = map(float, lab.evaluate("a = explorer.slice.axes[0]; print(a[1] - a[0], explorer.probe[0])").split())
    target = lab.find(".cw-explorer [role=application][aria-label]")
    target.focus()
    lab.page.evaluate(
        "() => { window.busy = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({ code: 'import time; time.sleep(8)' }).done.then(() => { window.idle = true }) }"
    )
    before = picture(lab.find(".cw-explorer canvas").locator("xpath=..")).tobytes()
    for _ in range(4):
        lab.page.keyboard.press("ArrowRight")
    eventually(lambda: picture(lab.find(".cw-explorer canvas").locator("xpath=..")).tobytes() != before)
    assert lab.page.evaluate("() => window.idle") is None
    lab.page.wait_for_function("() => window.idle", timeout=COMPUTED)
    lab.wait_until_idle()
    eventually(lambda: float(lab.evaluate("print(explorer.probe[0])")) == pytest.approx(start + 4 * step, rel=1e-6))
