"""The browser tests' fixtures.

A test asks for a server and for `visit`, and gets a notebook in a browser:

    def test_the_slider_moves(visit, jupyter_lab):
        name = jupyter_lab.write("slider", "import ipywidgets\\nslider = ipywidgets.IntSlider()\\nslider")
        lab = visit(jupyter_lab, name, theme="dark")
        lab.run_all()                                        # fails where a cell raises
        lab.evaluate("slider.value = 7")                     # in the notebook's kernel
        expect(lab.find(".widget-readout")).to_have_text("7")   # Playwright's own assertions wait for what they assert
        assert distinct_colours(picture(lab.find("canvas"))) > 50
        lab.screenshot("slider-dark")                        # to look at, in tests/browser/screenshots

`visit(server, notebook, theme=, webgl=, size=, single=)` opens a fresh browser context, 1200 × 800 unless told otherwise. When
the test ends, every page error, console error and request off this machine fails it (`watch.py` lists what is let through, and
why), and the notebook's kernel is shut down. `stay(…)` does the same for a fixture of the module, whose tests share the notebook
that it opens (a JupyterLab takes some six seconds to come up): what is heard fails the test in which it is heard, and the kernel
is shut down after the last one. The lectures are in each server's folder under their own names.

The servers live for the whole session, Playwright for one module: while it lives, nothing else in this thread can use asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser.chromium import WITH_WEBGL, WITHOUT_WEBGL, find_chromium
from tests.browser.pages import PATIENCE, NotebookPage, VoilaPage
from tests.browser.servers import Kind, Server
from tests.browser.visits import Visits
from tests.browser.watch import check

Open = Callable[..., NotebookPage | VoilaPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's path, or skip."""
    return find_chromium()


@pytest.fixture(scope="module")
def playwright(chromium: str) -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE * 1000 / 2)  # Playwright's five seconds are few on a machine that is busy
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """Chromium with WebGL."""
    running = playwright.chromium.launch(executable_path=chromium, args=WITH_WEBGL)
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser_without_webgl(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=chromium, args=WITHOUT_WEBGL)
    yield running
    running.close()


def _serve(kind: Kind, paths: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(kind, paths.mktemp(kind))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def jupyter_lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve("lab", tmp_path_factory)


@pytest.fixture(scope="session")
def notebook7(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve("notebook", tmp_path_factory)


@pytest.fixture(scope="session")
def voila(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve("voila", tmp_path_factory)


@pytest.fixture
def visit(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open notebooks in browsers, as told at the top of this file."""
    with Visits(lambda webgl: request.getfixturevalue("browser" if webgl else "browser_without_webgl")) as visits:
        yield visits.open
        heard = visits.heard()  # what comes from closing is no finding
    check(*heard)


@pytest.fixture(scope="module")
def stays(browser: Browser, browser_without_webgl: Browser) -> Iterator[Visits]:
    """The notebooks that stay open for a module's tests."""
    with Visits(lambda webgl: browser if webgl else browser_without_webgl) as visits:
        yield visits


@pytest.fixture(scope="module")
def stay(stays: Visits) -> Open:
    """Open notebooks that stay open, as told at the top of this file."""
    return stays.open


@pytest.fixture(autouse=True)
def nothing_is_heard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in which a notebook that stays open does what it must not."""
    stays: Visits | None = request.getfixturevalue("stays") if "stays" in request.fixturenames else None
    yield
    if stays is not None:
        check(*stays.heard())
