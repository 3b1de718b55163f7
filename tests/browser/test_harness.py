"""The browser tests' own tools do what they promise, in JupyterLab, Notebook 7 and Voila."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import HAS_WEBGL, KernelError
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
COUNTER = """
counter = ipywidgets.IntSlider(value=3, max=9)
button = ipywidgets.Button(description="one more")
button.on_click(lambda _: setattr(counter, "value", counter.value + 1))
ipywidgets.VBox([counter, button])
"""
PICTURES = """
ipywidgets.HTML("<div id=blank style='width:90px;height:60px;margin:9px;background:navy'></div>"
                "<div id=full style='width:90px;height:60px;background:linear-gradient(90deg, navy, gold)'></div>")
"""
SILENT = "marker = 'only in the source'"
DONE = "print('all', 'done')"


@pytest.fixture(scope="module")
def widgets(stay: Visit) -> Callable[[Server], Any]:
    """One notebook with all that these tests look at, which each server shows when it is first asked for."""

    @functools.cache
    def show(server: Server) -> Any:
        shown = stay(server, server.write("widgets", SLIDER, FIGURE, COUNTER, PICTURES, SILENT, DONE))
        if server.kind != "voila":
            shown.run_all()
        shown.wait_for_output("all done")
        return shown

    return show


@pytest.fixture(scope="module")
def without_kernel(stay: Visit, jupyter_lab: Server) -> Any:
    """A notebook that does not say which kernel it wants, and whose only cell raises."""
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": []}
    notebook = {
        "cells": [{**cell, "source": "raise ValueError('not today')"}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (jupyter_lab.folder / "no-kernel.ipynb").write_text(json.dumps(notebook))
    return stay(jupyter_lab, "no-kernel.ipynb")


@pytest.mark.parametrize("server", ["jupyter_lab", "notebook7", "voila"])
def test_a_slider_and_a_figure_are_drawn_without_any_error_or_foreign_request(
    server: str, widgets: Callable[[Server], Any], request: pytest.FixtureRequest
) -> None:
    running: Server = request.getfixturevalue(server)
    shown = widgets(running)
    expect(shown.find(".widget-readout")).to_have_text("3")
    figure = shown.find(".bqplot")
    expect(figure.locator("path.line").first).to_be_visible()
    assert distinct_colours(picture(figure)) > 10
    shown.screenshot(f"harness-{running.kind}")


@pytest.mark.parametrize("server", ["jupyter_lab", "notebook7"])
def test_code_is_evaluated_in_the_notebooks_kernel_and_widgets_follow(
    server: str, widgets: Callable[[Server], Any], request: pytest.FixtureRequest
) -> None:
    shown = widgets(request.getfixturevalue(server))
    assert shown.evaluate("counter.value = 7; print(counter.value + 1)") == "8"
    readout = shown.find(".widget-vbox .widget-readout")
    expect(readout).to_have_text("7")
    shown.find(".widget-vbox button").click()
    expect(readout).to_have_text("8")
    assert shown.evaluate("print(counter.value)") == "8"
    with pytest.raises(KernelError, match="ZeroDivisionError"):
        shown.evaluate("1 / 0")


def test_a_notebook_without_a_kernel_gets_one_and_nobody_is_asked_about_news(without_kernel: Any) -> None:
    assert without_kernel.evaluate("print(6 * 7)") == "42"
    expect(without_kernel.page.locator(".jp-Dialog")).to_have_count(0)
    expect(without_kernel.page.get_by_text("get notified about official Jupyter news")).to_have_count(0)


def test_a_cell_that_raises_fails_the_run(without_kernel: Any) -> None:
    with pytest.raises(AssertionError, match="not today"):
        without_kernel.run_all()


def test_text_is_looked_for_in_outputs_and_not_in_the_source(widgets: Callable[[Server], Any], jupyter_lab: Server) -> None:
    lab = widgets(jupyter_lab)
    expect(lab.page.get_by_text("only in the source").first).to_be_visible()
    expect(lab.output("only in the source")).to_have_count(0)


@pytest.mark.parametrize("server", ["jupyter_lab", "notebook7"])
def test_the_dark_theme_is_dark(server: str, widgets: Callable[[Server], Any], request: pytest.FixtureRequest) -> None:
    shown = widgets(request.getfixturevalue(server))
    brightness = {}
    for theme in ("dark", "light"):
        shown.set_theme(theme)
        brightness[theme] = mean_brightness(picture(shown.page))
    assert brightness["dark"] < 100 < 200 < brightness["light"]


def test_the_dark_theme_is_dark_in_voila(visit: Visit, widgets: Callable[[Server], Any], voila: Server) -> None:
    dark = visit(voila, voila.write("dark", DONE), theme="dark")
    assert mean_brightness(picture(dark.page)) < 100
    assert mean_brightness(picture(widgets(voila).page)) > 200


def test_one_browser_has_webgl_and_the_other_has_not(browser: Browser, browser_without_webgl: Browser) -> None:
    for running, has in ((browser, True), (browser_without_webgl, False)):
        page = running.new_page()
        assert page.evaluate(HAS_WEBGL) is has
        page.close()


def test_blank_and_full_pictures_are_told_apart(widgets: Callable[[Server], Any], jupyter_lab: Server) -> None:
    lab = widgets(jupyter_lab)
    blank, full = picture(lab.find("#blank")), picture(lab.find("#full"))
    assert share_of_main_colour(blank) > 0.9
    assert distinct_colours(full) > 20 > distinct_colours(blank)


def test_the_watch_hears_errors_and_foreign_requests_and_nothing_gets_out(
    widgets: Callable[[Server], Any], jupyter_lab: Server
) -> None:
    lab = widgets(jupyter_lab)
    check(lab.watch.foreign, lab.watch.errors)  # what was heard until now would be forgotten below
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
