"""Take the README's picture: the explorer on the quickstart's classifier, in JupyterLab.

    make screenshot

Runs ``notebooks/01-quickstart.ipynb`` in headless Chromium, turns the plane into the Hessian's, and writes
``docs/images/explorer.png``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import WITH_WEBGL, find_chromium  # noqa: E402 - the repository's own tools, found only now
from tests.browser.pages import NotebookPage  # noqa: E402
from tests.browser.servers import Server  # noqa: E402
from tests.browser.watch import Watch  # noqa: E402

PATIENCE = 240_000  # milliseconds
TARGET = ROOT / "docs" / "images" / "explorer.png"
HESSIAN = """
import dataclasses
from curvwidget.widgets import EigenAxis
explorer.controls.scale.value = "difference"
explorer.request = dataclasses.replace(explorer.request, axes=(EigenAxis(0), EigenAxis(-1)))
explorer.wait()
"""


def main() -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server("lab", Path(home))
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=WITH_WEBGL)
            context = browser.new_context(viewport={"width": 1200, "height": 800}, device_scale_factor=2)
            context.set_default_timeout(PATIENCE)
            lab = NotebookPage(context.new_page(), server, Watch(context))
            lab.open("01-quickstart.ipynb", single=True)
            lab.run_all(timeout=PATIENCE / 1000)
            lab.evaluate(HESSIAN)
            explorer = lab.find(".cw-explorer")
            explorer.scroll_into_view_if_needed()
            expect(explorer.get_by_text("done", exact=True)).to_be_visible()
            lab.page.wait_for_timeout(1500)  # the last transitions of the plots
            TARGET.parent.mkdir(parents=True, exist_ok=True)
            explorer.screenshot(path=TARGET, animations="disabled")
            lab.close()
            browser.close()
        finally:
            server.stop()
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
