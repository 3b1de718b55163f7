"""Writes the page of the benchmarks from ``benchmarks/results/*.json``, tables and plots; no number in it was typed by hand.

``title`` and ``description`` of a results file are heading and first paragraph. What was asked for comes first, then the parts in
the order of the run, then whatever else there is; where it was measured stands once, at the end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_plots import THEMES, Plot, draw, plots_of
from benchmark_tables import blocks, text, words
from pages import write_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
#: The folder of the plots, beside the page.
PLOTS = "benchmarks"
ORDER = ("acceptance", "hvp", "slices", "spectrum", "trace", "growth", "memory", "latencies", "densenet121")
INTRODUCTION = """\
# Benchmarks

What curvwidget costs, beside other packages, as `make bench` measured and wrote it in `benchmarks/results/`; tables and plots are
made from those files when this page is built. Packages take turns in one process, and nothing is timed before it was seen to
compute the same numbers. In a table, 1.2 (1.1 to 1.4) is a median with its quartiles.
"""
NOTHING = "\nThere are no results yet: no benchmark has been run and kept.\n"
#: Shown once for all parts that share them.
_WHERE = ("machine", "versions")
_WHEN = ("date", "run")


def benchmark_page(folder: Path) -> tuple[str, dict[str, Plot]]:
    """Compose the page.

    Args:
        folder: Where the results are.

    Returns:
        Its text, in Markdown, and its plots by name of the file.

    Raises:
        ValueError: If a file holds no JSON object.
    """
    parts, plots = [INTRODUCTION], {}
    where: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: (_place(path.stem), path.stem)):
        results = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(results, dict):
            raise ValueError(f"{path.name} must hold a JSON object, got a {type(results).__name__}")
        heading = text(results.pop("title", words(path.stem)))
        device = results.get("machine", {}).get("device", "CPU") if isinstance(results.get("machine"), dict) else "CPU"
        parts.append(f"## {heading}{'' if device == 'CPU' else f', on {text(device)}'}\n")
        if description := results.pop("description", None):
            parts.append(f"{text(description)}\n")
        dates = [str(results.pop(name)) for name in _WHEN if name in results]
        described = {name: results.pop(name) for name in _WHERE if name in results}
        if described:
            where.setdefault(_listed(described), []).append(heading)
        for name, plot in plots_of(path.stem, results).items():
            plots[name] = plot
            parts.append(_pictures(name, plot))
        parts += blocks(results, depth=3)
        parts.append(f"From `benchmarks/results/{path.name}`{', ' + dates[0] if dates else ''}.\n")
    if len(parts) == 1:
        return INTRODUCTION + NOTHING, {}
    if where:
        parts.append("## Where it was measured\n")
    for listed, headings in where.items():
        parts.append(f"{'; '.join(headings)}:\n\n{listed}")
    return "\n".join(parts), plots


def _place(name: str) -> tuple[int, bool]:
    # In the order of the run; what was measured on a GPU after all of that.
    stem, _, device = name.partition("-")
    return (ORDER.index(stem) if stem in ORDER else len(ORDER)) + (len(ORDER) + 1) * bool(device), bool(device)


def _listed(described: dict[str, Any]) -> str:
    return "\n".join(blocks(described, depth=6)).replace("###### ", "")


def _pictures(name: str, plot: Plot) -> str:
    return "\n".join(
        f"```{{image}} {PLOTS}/{name}-{theme}.svg\n:class: only-{theme}\n:alt: {text(plot.alt)}\n```\n" for theme in THEMES
    )


def write(app: Sphinx) -> None:
    """Write the page and its plots into the folder of sources.

    Args:
        app: Sphinx.
    """
    source = Path(app.srcdir)
    page, plots = benchmark_page(RESULTS)
    for old in (source / PLOTS).glob("*.svg"):
        old.unlink()
    for name, plot in plots.items():
        for theme in THEMES:
            write_page(source / PLOTS / f"{name}-{theme}.svg", draw(plot, theme))
    write_page(source / "benchmarks.md", page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.

    Returns:
        That it may read and write in parallel.
    """
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
