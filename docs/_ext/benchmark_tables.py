"""Tables of the benchmarks from ``benchmarks/results/*.json``: what a results file holds decides how it is shown.

A list of objects becomes a table with their keys as columns, an object becomes a list of names and values, or a section where it
holds tables itself, and a single value becomes a line. Names are shown as they are in the file, but for underscores and units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["blocks", "is_spread", "number", "text", "words"]

#: Endings of names that are units.
UNITS = ("ms", "s", "MiB", "GiB")
#: What says of which net a row is: one column, filled where the net changes.
NET = ("net", "parameters", "batch")
#: Columns that are filled where they change.
GROUPS = ("net", "criterion", "method", "what", "over")
_DIGITS = 3
_MANY_ROWS = 36  # a table of more is folded away
_SPREAD = ("median", "lower_quartile", "upper_quartile")
_ANSWERS = {True: "yes", False: "**no**", None: "—"}


def blocks(results: dict[str, Any], depth: int) -> Iterator[str]:
    """Show what a file holds.

    Args:
        results: An object of the file.
        depth: Of its headings.

    Yields:
        Paragraphs, lists and tables in Markdown.
    """
    plain = {name: value for name, value in results.items() if not _is_table(value) and not _is_section(value)}
    if plain:
        yield "\n".join(f"- {words(name)}: {_value(value)}" for name, value in plain.items()) + "\n"
    for name, value in results.items():
        if _is_table(value):
            yield _titled(name, depth)
            yield _folded(name, value) if len(value) > _MANY_ROWS and "met" not in value[0] else _table(value)
        elif _is_section(value):
            yield _titled(name, depth)
            yield from blocks(value, depth + 1)


def _titled(name: str, depth: int) -> str:
    title = words(name)
    return f"{'#' * min(depth, 6)} {title[:1].upper()}{title[1:]}\n"


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _is_section(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(inner, dict) or _is_table(inner) for inner in value.values())


def is_spread(value: object) -> bool:
    """Say whether a value is a median with its quartiles.

    Args:
        value: Anything.

    Returns:
        Whether it is.
    """
    return isinstance(value, dict) and tuple(value) == _SPREAD


def _table(rows: Sequence[dict[str, Any]]) -> str:
    rows = [_with_one_net(row) for row in rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [all(isinstance(row.get(name, 0), (int, float)) or is_spread(row.get(name)) for row in rows) for name in columns]
    lines = [
        "| " + " | ".join(map(_heading, columns)) + " |",
        "| "
        + " | ".join("---:" if right and name != "met" else ":---" for name, right in zip(columns, numeric, strict=True))
        + " |",
    ]
    above: dict[str, Any] = {}
    for row in rows:
        # A group's name stands where it begins, and again where one before it does.
        begins, cells = False, []
        for name in columns:
            again = name in GROUPS and not begins and row.get(name) == above.get(name)
            begins = begins or (name in GROUPS and not again)
            cells.append("" if again or name not in row else _cell(name, row[name]))
        lines.append("| " + " | ".join(cells) + " |")
        above = row
    return "\n".join(lines) + "\n"


def _with_one_net(row: dict[str, Any]) -> dict[str, Any]:
    if not all(name in row for name in NET):
        return row
    net = f"{row['net']} (N = {row['parameters']:,}, batch {row['batch']})"
    return {"net": net, **{name: value for name, value in row.items() if name not in NET}}


def _folded(name: str, rows: Sequence[dict[str, Any]]) -> str:
    return f"<details>\n<summary>{len(rows)} rows</summary>\n\n{_table(rows)}\n</details>\n"


def _heading(name: str) -> str:
    stem, _, unit = name.rpartition("_")
    return f"{words(stem)} ({unit})" if stem and unit in UNITS else words(name)


def _cell(name: str, value: object) -> str:
    return _ANSWERS[value] if name == "met" and (value is None or isinstance(value, bool)) else _value(value)


def _value(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict) and is_spread(value):
        low, high = number(value["lower_quartile"]), number(value["upper_quartile"])
        return f"{number(value['median'])} ({low} to {high})"
    if isinstance(value, dict):
        return ", ".join(f"{words(name)} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return text(value)


def number(value: float) -> str:
    """Write a number with few digits.

    Args:
        value: The number.

    Returns:
        Three significant digits; large ones in full, with separators.

    Example:
        >>> number(1234.5), number(0.012345), number(2.0)
        ('1,234', '0.0123', '2')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.{_DIGITS}g}"


def words(name: str) -> str:
    """Write a name of the file for a reader.

    Args:
        name: With underscores.

    Returns:
        Without.
    """
    return text(name.replace("_", " "))


def text(value: object) -> str:
    """Write anything as text: neither HTML nor Markdown nor a column's end.

    Args:
        value: What is written.

    Returns:
        The text, escaped.
    """
    escaped = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]$|#":
        escaped = escaped.replace(sign, "\\" + sign)
    return " ".join(escaped.split())
