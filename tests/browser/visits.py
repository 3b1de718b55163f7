"""Notebooks open in browsers, and what is heard from their pages; the fixtures `visit` and `stay` (conftest.py) hand this out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from playwright.sync_api import Browser

from tests.browser.pages import PATIENCE, NotebookPage, Theme, VoilaPage
from tests.browser.servers import Server
from tests.browser.watch import Watch

__all__ = ["Visits"]


class Visits:
    """Opens notebooks, each in a browser context of its own; when it ends, they and their kernels are closed."""

    def __init__(self, browser: Callable[[bool], Browser]) -> None:
        """Open nothing yet.

        Args:
            browser: Gives the browser with or without WebGL; it must live longer than what is opened here.
        """
        self._browser = browser
        self._watches: list[Watch] = []
        self._leave = ExitStack()

    def __enter__(self) -> Visits:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.close()

    def open(
        self,
        server: Server,
        notebook: str,
        *,
        theme: Theme = "light",
        webgl: bool = True,
        size: tuple[int, int] = (1200, 800),
        single: bool = False,
    ) -> NotebookPage | VoilaPage:
        """Open a notebook.

        Args:
            server: Who serves it.
            notebook: Its path within the server's folder.
            theme: The theme to show it in.
            webgl: Whether the browser has WebGL.
            size: The window's width and height in pixels.
            single: In Lab, one document alone instead of the whole workbench.

        Returns:
            The page.
        """
        context = self._browser(webgl).new_context(viewport={"width": size[0], "height": size[1]})
        context.set_default_timeout(PATIENCE * 1000)
        watch = Watch(context)
        self._watches.append(watch)
        page = context.new_page()
        if server.kind == "voila":
            shown = VoilaPage(page, server, watch)
            self._leave.callback(context.close)
            self._leave.callback(shown.close)  # before the context: leaving the page is what tells Voila
            shown.open(notebook, theme=theme)
            return shown
        opened = NotebookPage(page, server, watch)
        self._leave.callback(opened.close)
        self._leave.callback(context.close)  # before the kernel: a page that loses its kernel complains
        opened.open(notebook, theme=theme, single=single)
        return opened

    def heard(self) -> tuple[list[str], list[str]]:
        """Say what the pages did that they must not, since this was asked for the last time.

        Returns:
            The addresses off this machine that were asked for, and the errors.
        """
        foreign = [url for watch in self._watches for url in watch.foreign]
        errors = [text for watch in self._watches for text in watch.errors]
        for watch in self._watches:
            watch.foreign.clear()
            watch.errors.clear()
        return foreign, errors
