"""Writes the page of the benchmarks from ``benchmarks/results/*.json``; no number in it was typed by hand.

A results file is a JSON object. What it holds decides how it is shown: a list of objects becomes a table with their keys as
columns, an object becomes a list of names and values, or a section where it holds tables itself, and a single value becomes a
line. Names are shown as they are in the file, but for underscores. ``title`` and ``description`` are heading and first paragraph.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages import write_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
INTRODUCTION = """\
# Benchmarks

Made from the files in `benchmarks/results/`, as the benchmarks wrote them. Each file is one run, with the machine and the
versions that it ran on.
"""
NOTHING = "\nThere are no results yet: no benchmark has been run and kept.\n"
_DIGITS = 4


def benchmark_page(folder: Path) -> str:
    """Compose the page.

    Args:
        folder: Where the results are.

    Returns:
        Its text, in Markdown.

    Raises:
        ValueError: If a file holds no JSON object.
    """
    parts = [INTRODUCTION]
    for path in sorted(folder.glob("*.json")):
        results = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(results, dict):
            raise ValueError(f"{path.name} must hold a JSON object, got a {type(results).__name__}")
        heading = _text(results.pop("title", _words(path.stem)))
        parts += [f"## {heading}\n", *_blocks(results, depth=3), f"From `benchmarks/results/{path.name}`.\n"]
    return "\n".join(parts) if len(parts) > 1 else parts[0] + NOTHING


def _blocks(results: dict[str, Any], depth: int) -> Iterator[str]:
    if description := results.get("description"):
        yield f"{_text(description)}\n"
    plain = {name: value for name, value in results.items() if not _is_table(value) and not _is_section(value)}
    plain.pop("description", None)
    if plain:
        yield "\n".join(f"- {_words(name)}: {_value(value)}" for name, value in plain.items()) + "\n"
    for name, value in results.items():
        if _is_table(value):
            yield from (f"{'#' * min(depth, 6)} {_words(name)}\n", _table(value))
        elif _is_section(value):
            yield f"{'#' * min(depth, 6)} {_words(name)}\n"
            yield from _blocks(value, depth + 1)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _is_section(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(inner, dict) or _is_table(inner) for inner in value.values())


def _table(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [all(isinstance(row.get(name, 0), (int, float)) for row in rows) for name in columns]
    lines = [
        "| " + " | ".join(map(_words, columns)) + " |",
        "| " + " | ".join("---:" if right else ":---" for right in numeric) + " |",
        *("| " + " | ".join(_value(row[name]) if name in row else "" for name in columns) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, dict):
        return ", ".join(f"{_words(name)} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return _text(value)


def _words(name: str) -> str:
    return _text(name.replace("_", " "))


def _text(value: object) -> str:
    # As text, whatever it holds: neither HTML nor Markdown nor a column's end.
    escaped = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]$|#":
        escaped = escaped.replace(sign, "\\" + sign)
    return " ".join(escaped.split())


def write(app: Sphinx) -> None:
    """Write the page into the folder of sources.

    Args:
        app: Sphinx.
    """
    write_page(Path(app.srcdir) / "benchmarks.md", benchmark_page(RESULTS))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.

    Returns:
        That it may read and write in parallel.
    """
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
