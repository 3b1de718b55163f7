"""Take pictures of every view of the lectures, as a class would see them: in JupyterLab at 1200 × 800, light and dark.

    make screenshots                                   all lectures
    make screenshots ARGS="02 07"                      some of them
    make screenshots ARGS="02 --vision deuteranopia"   as the colour-blind see them, too (or achromatopsia: in greys)

Each lecture runs once in headless Chromium; each output with a view is then scrolled to, each tab opened, and the window saved to
``tests/browser/screenshots/lectures`` (not in git), to be looked at.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, expect, sync_playwright
from screenshot import PATIENCE, ROOT

from tests.browser.chromium import WITH_WEBGL, find_chromium
from tests.browser.pages import OUTPUT, NotebookPage, Theme
from tests.browser.servers import Server
from tests.browser.watch import Watch

TARGET = ROOT / "tests" / "browser" / "screenshots" / "lectures"
THEMES: tuple[Theme, ...] = ("light", "dark")
VISIONS = ("achromatopsia", "deuteranopia", "protanopia", "tritanopia")
SETTLE = 1500  # milliseconds, for the last transitions of the plots


def main() -> None:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lectures", nargs="*", help="numbers of lectures, such as 02; all where none is given")
    parser.add_argument("--vision", choices=VISIONS, action="append", default=[], help="take each light picture like this, too")
    asked = parser.parse_args()
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    names = [path.name for path in paths if not asked.lectures or path.name[:2] in asked.lectures]
    TARGET.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server("lab", Path(home))
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=WITH_WEBGL)
            for name in names:
                context = browser.new_context(viewport={"width": 1200, "height": 800})
                context.set_default_timeout(PATIENCE)
                lab = NotebookPage(context.new_page(), server, Watch(context))
                lab.open(name, single=True)
                lab.run_all(timeout=PATIENCE / 1000)
                for explorer in lab.page.locator(".cw-explorer, .cw-saddle-demo").all():
                    expect(explorer.get_by_text("done", exact=True)).to_be_visible()
                for theme in THEMES:
                    lab.set_theme(theme)
                    lab.page.wait_for_timeout(2 * SETTLE)
                    _take(lab, f"{name[:2]}-{theme}", asked.vision if theme == "light" else [])
                lab.close()
                context.close()
            browser.close()
        finally:
            server.stop()


# Every output with a view, from its top to its end, and what stands behind its tabs.
def _take(lab: NotebookPage, name: str, visions: list[str]) -> None:
    outputs = lab.page.locator(OUTPUT).filter(has=lab.page.locator(".jupyter-widgets, img, svg"))
    for place, output in enumerate(outputs.filter(visible=True).all(), start=1):
        height = output.bounding_box()["height"]
        for part in range(1 + int(height > 760)):
            output.evaluate("(element, end) => element.scrollIntoView({ block: end ? 'end' : 'start' })", bool(part))
            _save(lab, f"{name}-{place}{'ab'[part]}", visions)
        for tab in output.locator(".cw-tabs .lm-TabBar-tab").all()[1:]:
            tab.scroll_into_view_if_needed()
            tab.click()
            _save(lab, f"{name}-{place}-{_slug(tab)}", visions)


def _slug(tab: Locator) -> str:
    return tab.inner_text().strip().lower().replace(" ", "-")


def _save(lab: NotebookPage, name: str, visions: list[str]) -> None:
    lab.page.wait_for_timeout(SETTLE)
    lab.page.screenshot(path=TARGET / f"{name}.png", animations="disabled")
    if visions:
        devtools = lab.page.context.new_cdp_session(lab.page)
        for vision in visions:
            devtools.send("Emulation.setEmulatedVisionDeficiency", {"type": vision})
            lab.page.screenshot(path=TARGET / f"{name}-{vision}.png", animations="disabled")
        devtools.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    print(name)


if __name__ == "__main__":
    main()
