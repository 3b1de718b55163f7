"""Looks through the built pages for anything that a browser would fetch from elsewhere: each is a warning, and so an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["foreign_resources"]

_ELSEWHERE = re.compile(r"(https?:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
#: What a browser loads by itself, as it does not with the link that a reader may follow.
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src"}


class _Resources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        address = values.get(_LOADED.get(tag, ""), "")
        if tag == "link" and values.get("rel", "") not in {"canonical", "author", "license"}:
            address = values.get("href", "")
        if _ELSEWHERE.match(address):
            self.found.append(address)
        self.found += _IN_STYLES.findall(values.get("style", ""))


def foreign_resources(text: str, *, style: bool = False) -> list[str]:
    """List what a browser would fetch from elsewhere for a page or a style sheet.

    Args:
        text: The HTML or the CSS.
        style: Whether it is CSS.

    Returns:
        The addresses.
    """
    if style:
        return _IN_STYLES.findall(text)
    parser = _Resources()
    parser.feed(text)
    return parser.found


def _found(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.css")]):
        for address in foreign_resources(path.read_text(encoding="utf-8"), style=path.suffix == ".css"):
            yield path.relative_to(folder).as_posix(), address


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn of each foreign resource of the built pages.

    Args:
        app: Sphinx.
        error: What stopped the build, if anything did.
    """
    from sphinx.util import logging

    if error is None and app.builder.format == "html":
        for page, address in _found(Path(app.outdir)):
            logging.getLogger(__name__).warning("%s would fetch %s", page, address)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.

    Returns:
        That it may read and write in parallel.
    """
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
