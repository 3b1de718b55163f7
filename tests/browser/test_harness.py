"""The browser tests' own tools do what they promise, in JupyterLab, Notebook 7 and Voila."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.pages import KernelError
from tests.browser.pixels import distinct_colours, mean_brightness, picture, share_of_main_colour
from tests.browser.servers import Server
from tests.browser.watch import check

Visit = Callable[..., Any]

SLIDER = """
import ipywidgets
slider = ipywidgets.IntSlider(value=3, max=9)
slider
"""
FIGURE = """
import bqplot, bqscales, numpy
x = numpy.linspace(-1, 1, 50)
scales = {"x": bqscales.LinearScale(), "y": bqscales.LinearScale()}
axes = [bqplot.Axis(scale=scales["x"]), bqplot.Axis(scale=scales["y"], orientation="vertical")]
bqplot.Figure(marks=[bqplot.Lines(x=x, y=x**2, scales=scales)], axes=axes)
"""
BUTTON = """
button = ipywidgets.Button(description="one more")
button.on_click(lambda _: setattr(slider, "value", slider.value + 1))
button
"""
DONE = "print('all', 'done')"


@pytest.mark.parametrize("server", ["jupyter_lab", "notebook7", "voila"])
def test_a_slider_and_a_figure_are_drawn_without_any_error_or_foreign_request(
    server: str, visit: Visit, request: pytest.FixtureRequest
) -> None:
    running: Server = request.getfixturevalue(server)
    shown = visit(running, running.write("widgets", SLIDER, FIGURE, DONE))
    if running.kind != "voila":
        shown.run_all()
    shown.wait_for_output("all done")
    expect(shown.find(".widget-readout")).to_have_text("3")
    figure = shown.find(".bqplot")
    expect(figure.locator("path.line").first).to_be_visible()
    assert distinct_colours(picture(figure)) > 10
    shown.screenshot(f"harness-{running.kind}")


@pytest.mark.parametrize("server", ["jupyter_lab", "notebook7"])
def test_code_is_evaluated_in_the_notebooks_kernel_and_widgets_follow(
    server: str, visit: Visit, request: pytest.FixtureRequest
) -> None:
    running: Server = request.getfixturevalue(server)
    shown = visit(running, running.write("evaluate", SLIDER, BUTTON))
    shown.run_all()
    assert shown.evaluate("slider.value = 7; print(slider.value + 1)") == "8"
    expect(shown.find(".widget-readout")).to_have_text("7")
    shown.find("button").click()
    expect(shown.find(".widget-readout")).to_have_text("8")
    assert shown.evaluate("print(slider.value)") == "8"
    with pytest.raises(KernelError, match="ZeroDivisionError"):
        shown.evaluate("1 / 0")


def test_a_cell_that_raises_fails_the_run(visit: Visit, jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, jupyter_lab.write("raises", "raise ValueError('not today')", DONE))
    with pytest.raises(AssertionError, match="not today"):
        lab.run_all()


def test_text_is_looked_for_in_outputs_and_not_in_the_source(visit: Visit, jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, jupyter_lab.write("silent", "marker = 'only in the source'", DONE))
    lab.run_all()
    lab.wait_for_output("all done")
    expect(lab.page.get_by_text("only in the source").first).to_be_visible()
    expect(lab.output("only in the source")).to_have_count(0)


@pytest.mark.parametrize("server", ["jupyter_lab", "notebook7", "voila"])
def test_the_dark_theme_is_dark(server: str, visit: Visit, request: pytest.FixtureRequest) -> None:
    running: Server = request.getfixturevalue(server)
    brightness = {
        theme: mean_brightness(picture(visit(running, running.write(theme, DONE), theme=theme).page))
        for theme in ("light", "dark")
    }
    assert brightness["dark"] < 100 < 200 < brightness["light"]


def test_one_browser_has_webgl_and_the_other_has_not(visit: Visit, jupyter_lab: Server) -> None:
    ask = "() => document.createElement('canvas').getContext('webgl') !== null"
    for webgl in (True, False):
        assert visit(jupyter_lab, jupyter_lab.write(f"webgl-{webgl}", DONE), webgl=webgl).page.evaluate(ask) is webgl


def test_a_notebook_without_a_kernel_gets_one_and_nobody_is_asked_about_news(visit: Visit, jupyter_lab: Server) -> None:
    path = jupyter_lab.folder / "no-kernel.ipynb"
    path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    lab = visit(jupyter_lab, path.name)
    assert lab.evaluate("print(6 * 7)") == "42"
    expect(lab.page.locator(".jp-Dialog")).to_have_count(0)
    expect(lab.page.get_by_text("get notified about official Jupyter news")).to_have_count(0)


def test_blank_and_full_pictures_are_told_apart(visit: Visit, jupyter_lab: Server) -> None:
    draw = """
import ipywidgets
ipywidgets.HTML("<div id=blank style='width:90px;height:60px;background:navy'></div>"
                "<div id=full style='width:90px;height:60px;background:linear-gradient(90deg, navy, gold)'></div>")
"""
    lab = visit(jupyter_lab, jupyter_lab.write("pictures", draw))
    lab.run_all()
    blank, full = picture(lab.find("#blank")), picture(lab.find("#full"))
    assert share_of_main_colour(blank) > 0.9
    assert distinct_colours(full) > 20 > distinct_colours(blank)


def test_the_watch_hears_errors_and_foreign_requests_and_nothing_gets_out(visit: Visit, jupyter_lab: Server) -> None:
    lab = visit(jupyter_lab, jupyter_lab.write("watch", DONE))
    fetched = lab.page.evaluate("() => fetch('https://example.org/x').then(() => 'fetched', () => 'refused')")
    lab.page.evaluate("() => { setTimeout(() => { throw new Error('from a timer') }); console.error('complaint') }")
    lab.page.wait_for_timeout(300)
    foreign, errors = list(lab.watch.foreign), list(lab.watch.errors)
    lab.watch.foreign.clear()
    lab.watch.errors.clear()

    assert fetched == "refused"
    assert foreign == ["https://example.org/x"]
    assert any("from a timer" in error for error in errors)
    assert any("complaint" in error for error in errors)
    with pytest.raises(AssertionError, match="example"):
        check(foreign, [])
    with pytest.raises(AssertionError, match="complaint"):
        check([], errors)


@pytest.mark.parametrize("kind", ["lab", "voila"])
def test_a_server_leaves_no_process_behind(
    kind: Any, visit: Visit, tmp_path_factory: pytest.TempPathFactory, chromium: str
) -> None:
    server = Server(kind, tmp_path_factory.mktemp("short-lived"))
    try:
        shown = visit(server, server.write("kernel", DONE))
        if kind == "lab":
            shown.run_all()
        shown.wait_for_output("all done")
        kernels = server.kernels()
        shown.page.context.close()
    finally:
        server.stop()
    assert kernels
    assert not any(psutil.pid_exists(kernel.pid) for kernel in kernels)
    assert server.process.poll() is not None
