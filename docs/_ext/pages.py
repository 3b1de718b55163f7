"""Writing of pages that the build makes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_page"]


def write_page(path: Path, text: str) -> None:
    """Write a page, unless it already says that: Sphinx reads again what is newer than it knows.

    Args:
        path: Where.
        text: What.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
