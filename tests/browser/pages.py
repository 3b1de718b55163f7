"""A notebook in the browser: `NotebookPage` for JupyterLab and Notebook 7, `VoilaPage` for Voila.

Both know the page (`page`, Playwright's own), the server and the watch over the page. A test gets them from the fixture `visit`
(conftest.py), which also closes them and their kernels.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

from playwright.sync_api import Locator, Page, expect

from tests.browser.servers import Server
from tests.browser.watch import Watch

__all__ = ["HAS_WEBGL", "KernelError", "NotebookPage", "Theme", "VoilaPage"]

Theme = Literal["light", "dark"]

SCREENSHOTS = Path(__file__).parent / "screenshots"
OUTPUT = ".jp-OutputArea-output"
PATIENCE = 60.0  # seconds

HAS_WEBGL = "() => document.createElement('canvas').getContext('webgl') !== null"

# Whether the notebook is in front and its kernel is there; a dialog that asks for a kernel is accepted on the way. Notebook 7 and
# Lab share these parts.
PANEL = """
(path) => {
  const ask = document.querySelector(".jp-Dialog");
  if (ask?.textContent.includes("Select Kernel")) ask.querySelector(".jp-mod-accept")?.click();
  const panel = window.jupyterapp?.shell?.currentWidget;
  const session = panel?.sessionContext;
  return Boolean(panel?.context?.path === path && panel.context.isReady && session?.isReady && session.session?.kernel);
}
"""
EXECUTE = """
async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code, store_history: false, allow_stdin: false });
  let text = "";
  future.onIOPub = (message) => {
    if (message.header.msg_type === "stream" && message.content.name === "stdout") text += message.content.text;
  };
  const reply = (await future.done).content;
  return { status: reply.status, text, traceback: (reply.traceback ?? []).join("\\n") };
}
"""
CELLS = """
() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter((cell) => cell.model.type === "code" && cell.model.sharedModel.getSource().trim())
  .map((cell) => ({
    source: cell.model.sharedModel.getSource(),
    count: cell.model.executionCount,
    state: cell.model.executionState,
    errors: cell.model.outputs.toJSON()
      .filter((output) => output.output_type === "error")
      .map((output) => `${output.ename}: ${output.evalue}`),
  }))
"""
# The command's own promise says when all have run: a lecture has outputs and counts of cells from the start.
RUN_ALL = """
() => {
  window.ranAll = false;
  void window.jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.ranAll = true; });
}
"""
IDLE = """
() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.filter((cell) => cell.model.type === "code" && cell.model.sharedModel.getSource().trim());
  return panel.sessionContext.session.kernel.status === "idle"
    && cells.every((cell) => !["running", "pending", "scheduled"].includes(cell.model.executionState) && cell.prompt !== "*");
}
"""


class KernelError(AssertionError):
    """Code that a test ran in the notebook's kernel raised; the message is the traceback."""


class _Page:
    """What a notebook in Lab, in Notebook 7 and in Voila have in common."""

    def __init__(self, page: Page, server: Server, watch: Watch) -> None:
        self.page = page
        self.server = server
        self.watch = watch

    def output(self, text: str) -> Locator:
        """Find the outputs that hold a text; a cell's source is never looked at.

        Args:
            text: What the output shows.

        Returns:
            The output areas.
        """
        return self.page.locator(OUTPUT).filter(has_text=text)

    def wait_for_output(self, text: str, *, timeout: float = PATIENCE) -> Locator:
        """Wait until a text is seen in an output.

        Args:
            text: What the output shows.
            timeout: How long to wait, in seconds.

        Returns:
            The first output area that shows it.
        """
        found = self.output(text).first
        expect(found).to_be_visible(timeout=timeout * 1000)
        return found

    def find(self, selector: str, *, timeout: float = PATIENCE) -> Locator:
        """Wait for an element within the outputs.

        Args:
            selector: A CSS selector.
            timeout: How long to wait, in seconds.

        Returns:
            The first element, which is visible.
        """
        found = self.page.locator(OUTPUT).locator(selector).first
        expect(found).to_be_visible(timeout=timeout * 1000)
        return found

    def screenshot(self, name: str, element: Locator | None = None) -> Path:
        """Save a picture for people to look at, in ``tests/browser/screenshots`` (not in git).

        Args:
            name: The picture's name, without an ending.
            element: What to show; the whole window if it is ``None``.

        Returns:
            The picture's path.
        """
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        if element is None:
            self.page.screenshot(path=path, animations="disabled")
        else:
            element.screenshot(path=path, animations="disabled")
        return path


class NotebookPage(_Page):
    """A notebook open in JupyterLab or Notebook 7, with a kernel."""

    def open(self, notebook: str, *, theme: Theme = "light", single: bool = False) -> None:
        """Open a notebook and wait for its kernel.

        Args:
            notebook: Its path within the server's folder.
            theme: The theme to show it in.
            single: In Lab, one document alone (as ``make demo`` does) instead of the whole workbench.
        """
        self.notebook = notebook
        workspace = uuid.uuid4().hex  # of its own: the default one brings back what the last test had open
        view = "doc" if single else "lab"
        path = "notebooks" if self.server.kind == "notebook" else f"{view}/workspaces/{workspace}/tree"
        self.page.goto(f"{self.server.url}/{path}/{notebook}?token={self.server.token}")
        self.page.wait_for_function(PANEL, arg=notebook, timeout=2 * PATIENCE * 1000)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the theme and wait until it is seen.

        Args:
            theme: The theme to show.
        """
        name = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[theme]
        self.execute("apputils:change-theme", theme=name)
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name, timeout=PATIENCE * 1000)

    def execute(self, command: str, **arguments: object) -> None:
        """Start one of JupyterLab's commands, without waiting for its end.

        Args:
            command: Its name, such as ``"notebook:run-all-cells"``.
            **arguments: What it takes.
        """
        self.page.evaluate(
            "([command, given]) => { void window.jupyterapp.commands.execute(command, given) }", [command, arguments]
        )

    def run_all(self, *, wait: bool = True, timeout: float = 2 * PATIENCE) -> None:
        """Run all cells.

        Args:
            wait: Whether to wait for their end, and fail if a cell raised.
            timeout: How long to wait, in seconds.
        """
        self.page.evaluate(RUN_ALL)
        if wait:
            self.page.wait_for_function("() => window.ranAll", timeout=timeout * 1000)
            self.wait_until_idle(timeout=timeout)
            errors = self.cell_errors()
            assert not errors, "a cell raised:\n" + "\n".join(errors)

    def wait_until_idle(self, *, timeout: float = 2 * PATIENCE) -> None:
        """Wait until no cell waits or runs, and the kernel is idle.

        Args:
            timeout: How long to wait, in seconds.
        """
        self.page.wait_for_function(IDLE, timeout=timeout * 1000)

    def cell_errors(self) -> list[str]:
        """List what the cells raised.

        Returns:
            One text, such as ``"ValueError: …"``, for each exception.
        """
        return [error for cell in self.page.evaluate(CELLS) for error in cell["errors"]]

    def evaluate(self, code: str) -> str:
        """Run code in the notebook's kernel, beside its cells, and wait for its end.

        Args:
            code: Python; it sees the cells' variables.

        Returns:
            What it printed, without white space at the ends.

        Raises:
            KernelError: If it raised.
        """
        answer = self.page.evaluate(EXECUTE, code)
        if answer["status"] != "ok":
            raise KernelError(answer["traceback"] or answer["status"])
        return str(answer["text"]).strip()

    def close(self) -> None:
        """End the notebook's kernel."""
        if self.server.process.poll() is not None:
            return  # with the server its kernels are gone
        for session in self.server.request("GET", "/api/sessions"):
            if session["path"] == self.notebook:
                self.server.request("DELETE", f"/api/sessions/{session['id']}")


class VoilaPage(_Page):
    """A notebook shown by Voila, which runs it when it is opened."""

    def open(self, notebook: str, *, theme: Theme = "light") -> None:
        """Open a notebook; Voila begins to run it.

        Args:
            notebook: Its path within the server's folder.
            theme: The theme to show it in.
        """
        url = f"{self.server.url}/voila/render/{notebook}?token={self.server.token}&theme={theme}"
        self.page.goto(url, timeout=2 * PATIENCE * 1000)

    def close(self) -> None:
        """Leave the page; Voila ends the kernel by itself."""
        if not self.page.is_closed():
            self.page.goto("about:blank")
