"""What a page must not do: raise, complain in the console, or ask anything of another machine."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError, WebSocket

__all__ = ["Watch", "check"]

#: Console errors that are not ours, and why each is let through.
TOLERATED_ERRORS = {
    r"attribute transform: Expected (number|transform function), .*translate\(undefined": (
        "bqplot moves the labels of a line's points to NaN where the line has a gap"
    ),
    r"<rect> attribute (width|height): A negative value is not valid\..*/bqplot/static/": (
        "bqplot lays a figure out while its cell is scrolled out of sight and has no size yet, and again when it is seen"
    ),
    r"^raised: TypeError: Cannot read properties of undefined \(reading 'schema'\)\s+at \S*/static/notebook/notebook_core\.": (
        "Notebook 7 while it starts: its keyboard shortcuts' listener may hear of another plugin's settings before it has its own"
    ),
    r"getter for the shared module is not a function.*/voila/labextensions/@jupyter-notebook/lab-extension/": (
        "Voila also loads Notebook 7's extension of Lab, which draws no widget and needs parts that Voila has not"
    ),
    r"getter for the shared module is not a function.*/voila/labextensions/jupyterlab-jupytext/": (
        "and jupytext's, which adds a menu to Lab"
    ),
    r"Failed to load resource: net::ERR_NAME_NOT_RESOLVED.*fontawesome": "see TOLERATED_REQUESTS",
}
#: Requests off the machine that are not ours, and why each is let through (it gets nowhere: Chromium resolves no name).
TOLERATED_REQUESTS = {
    r"^https://cdn\.jsdelivr\.net/npm/@fortawesome/": "Voila's page template asks for Font Awesome; without it icons are missing",
}


class Watch:
    """Listens to all pages of a browser context from now on.

    Attributes:
        errors: What was raised, or logged as an error, in the pages.
        foreign: The addresses off 127.0.0.1 that were asked for.
    """

    def __init__(self, context: BrowserContext) -> None:
        """Begin to listen.

        Args:
            context: The browser context.
        """
        self.errors: list[str] = []
        self.foreign: list[str] = []
        context.on("weberror", self._on_error)
        context.on("console", self._on_console)
        context.on("request", self._on_request)
        context.on("page", lambda page: page.on("websocket", self._on_socket))

    def _on_error(self, error: WebError) -> None:
        self.errors.append(f"raised: {error.error.stack or error.error.message}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location.get("url", "")
            self.errors.append(f"{message.text} ({where})")

    def _on_request(self, request: Request) -> None:
        self._note(request.url)

    def _on_socket(self, socket: WebSocket) -> None:
        self._note(socket.url)

    def _note(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in {"data", "blob", "about"} and address.hostname != "127.0.0.1":
            self.foreign.append(url)


def check(foreign: list[str], errors: list[str]) -> None:
    """Fail if anything was heard that is not tolerated for a reason written down in this file.

    Args:
        foreign: Addresses that were asked for.
        errors: What was raised or logged.
    """
    foreign = [url for url in foreign if not _matches(TOLERATED_REQUESTS, url)]
    errors = [text for text in errors if not _matches(TOLERATED_ERRORS, text)]
    assert not foreign, "the page asked another machine:\n" + "\n".join(foreign)
    assert not errors, "the page had errors:\n" + "\n".join(errors)


def _matches(tolerated: dict[str, str], text: str) -> bool:
    return any(re.search(pattern, text, re.DOTALL) for pattern in tolerated)
