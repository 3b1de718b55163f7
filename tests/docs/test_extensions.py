"""What the build of the docs makes by itself: reference, lectures, benchmarks; and that it fetches nothing."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

import curvwidget

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_ext"


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    return importlib.import_module(request.param)


@pytest.mark.parametrize("extension", ["public_names"], indirect=True)
def test_every_public_name_stands_on_one_page_of_the_reference(extension: ModuleType) -> None:
    text = "\n".join(extension.reference_pages().values())
    entries = re.findall(r"^\.\. currentmodule:: (\S+)\n\n\.\. auto(?:class|function):: (\S+)$", text, re.MULTILINE)
    assert sorted(name for module, name in entries if module == "curvwidget") == sorted(curvwidget.__all__)


@pytest.mark.parametrize("extension", ["public_names"], indirect=True)
def test_a_public_name_without_a_page_stops_the_build(extension: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(extension.PACKAGES, "slices")
    with pytest.raises(ValueError, match=r"got none for .*slice_loss"):
        extension.reference_pages()


@pytest.mark.parametrize("extension", ["lectures"], indirect=True)
def test_lectures_are_brought_with_words_for_their_pictures_and_those_that_are_gone_are_forgotten(
    extension: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks, docs = tmp_path / "notebooks", tmp_path / "docs"
    notebooks.mkdir()
    monkeypatch.setattr(extension, "NOTEBOOKS", notebooks)
    for name in ("01-a.ipynb", "02-b.ipynb"):
        picture = {"data": {"image/png": "AA"}, "metadata": {"image/png": {"alt": f"a saddle & {name} θ"}}}
        cells = [{"metadata": {}, "outputs": [picture]}, {"metadata": {}, "outputs": [{"text": "1"}]}, {"metadata": {}}]
        (notebooks / name).write_text(json.dumps({"cells": cells}), encoding="utf-8")
    extension.write(SimpleNamespace(srcdir=str(docs)))
    (notebooks / "02-b.ipynb").unlink()
    extension.write(SimpleNamespace(srcdir=str(docs)))
    assert [path.name for path in (docs / "lectures").iterdir()] == ["01-a.ipynb"]
    brought = json.loads((docs / "lectures" / "01-a.ipynb").read_text(encoding="utf-8"))
    assert brought["cells"][0].pop("metadata") == {"mystnb": {"image": {"alt": "a saddle & 01-a.ipynb θ"}}}
    original = json.loads((notebooks / "01-a.ipynb").read_text(encoding="utf-8"))
    original["cells"][0].pop("metadata")
    assert brought == original


@pytest.mark.parametrize("extension", ["benchmark_page"], indirect=True)
def test_without_results_the_page_of_the_benchmarks_says_so(extension: ModuleType, tmp_path: Path) -> None:
    page, plots = extension.benchmark_page(tmp_path)
    assert "There are no results yet" in page
    assert plots == {}


def spread(median: float) -> dict[str, float]:
    return {"median": median, "lower_quartile": median / 2, "upper_quartile": 2 * median}


def product(net: str, package: str, gradients: float) -> dict[str, Any]:
    return {"net": net, "parameters": 12345, "batch": 8, "package": package, "gradients": spread(gradients)}


@pytest.mark.parametrize("extension", ["benchmark_page"], indirect=True)
def test_results_become_tables(extension: ModuleType, tmp_path: Path) -> None:
    results = {
        "title": "One run",
        "description": "What was done.",
        "machine": {"processor": "x", "threads": 2},
        "date": "2020-01-02",
        "hvp_of": [{"package": "ours", "time_ms": 1.23456, "spread": [1, 2]}, {"package": "a|b <i>", "time_ms": None}],
        "times": [{"time_ms": spread(1234.5)}],
        "growth": {"with_n": {"exponent": 1.0}, "points": [{"n": 10}]},
    }
    (tmp_path / "run.json").write_text(json.dumps(results), encoding="utf-8")
    page, _ = extension.benchmark_page(tmp_path)
    assert "There are no results yet" not in page
    lines = page.splitlines()
    assert {"## One run", "### Hvp of", "### Growth", "#### Points", "What was done."} <= set(lines)
    assert {"- machine: processor x, threads 2", "| 1,234 (617 to 2,469) |", "## Where it was measured"} <= set(lines)
    assert "From `benchmarks/results/run.json`, 2020-01-02." in lines
    start = lines.index("| package | time (ms) | spread |")
    assert lines[start + 2 : start + 4] == ["| ours | 1.23 | 1, 2 |", "| a\\|b &lt;i&gt; | — |  |"]


@pytest.mark.parametrize("extension", ["benchmark_page"], indirect=True)
def test_what_was_asked_for_comes_first_and_a_net_is_named_once(extension: ModuleType, tmp_path: Path) -> None:
    rows = [product("a", "curvwidget", 1.5), product("a", "PyHessian", 1.6), product("b", "curvwidget", 2.0)]
    criteria = [
        {"criterion": "c", "where": "a", "wanted": "at most 1", "measured": spread(1.0), "met": met}
        for met in (True, False, None)
    ]
    for name, results in (
        ("another", {}),
        ("hvp-cuda", {"title": "Products", "one_product": rows, "machine": {"device": "a card"}}),
        ("hvp", {"title": "Products", "one_product": rows, "machine": {"device": "CPU"}}),
        ("acceptance", {"title": "Asked for", "criteria": criteria}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(results), encoding="utf-8")
    page, plots = extension.benchmark_page(tmp_path)
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## Asked for", "## Products", "## another", "## Products, on a card", "## Where it was measured"]
    assert list(plots) == ["hvp-one-product", "hvp-cuda-one-product"]
    table = page.split("### One product")[1].split("\n\n")[1].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in table] == ["a (N = 12,345, batch 8)", "", "b (N = 12,345, batch 8)"]
    assert [row.split("|")[5].strip() for row in page.splitlines() if "at most 1" in row] == ["yes", "**no**", "—"]


@pytest.mark.parametrize("extension", ["benchmark_page"], indirect=True)
def test_long_tables_are_folded_away(extension: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"points": [{"n": n} for n in range(50)]}), encoding="utf-8")
    page, _ = extension.benchmark_page(tmp_path)
    assert "<summary>50 rows</summary>\n\n| n |" in page


@pytest.mark.parametrize("extension", ["benchmark_plots"], indirect=True)
def test_plots_say_in_words_what_they_show_and_are_legible_on_both_pages(extension: ModuleType) -> None:
    rows = [product("a", "curvwidget", 1.5), product("a", "PyHessian", 1.6), product("b", "curvwidget", 2.0)]
    runs = [{"net": "a", "method": "m", "time_ms": spread(time), "relative_error": 1 / time} for time in (1.0, 10.0)]
    points = [{"what": "slice", "over": "points", "size": size, "time_ms": spread(float(size))} for size in (9, 900)]
    plots = {
        **extension.plots_of("hvp", {"one_product": rows}),
        **extension.plots_of("trace-cuda", {"runs": runs}),
        **extension.plots_of("growth", {"points": points}),
        **extension.plots_of("unknown", {"points": points}),
    }
    assert list(plots) == ["hvp-one-product", "trace-cuda-runs", "growth-points"]
    assert "a: curvwidget 1.5, PyHessian 1.6; b: curvwidget 2." in plots["hvp-one-product"].alt
    assert "a, m: 0.1 in 10 ms" in plots["trace-cuda-runs"].alt
    assert "slice over points: 9 ms at 9, 900 ms at 900" in plots["growth-points"].alt
    (panel,) = plots["hvp-one-product"].panels
    assert [(series.name, series.x, series.y) for series in panel.series] == [
        ("curvwidget", (1.5, 2.0), ("a", "b")),
        ("PyHessian", (1.6,), ("a",)),
    ]
    for plot in plots.values():
        for theme, (ink, _) in extension.THEMES.items():
            picture = extension.draw(plot, theme)
            assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
            assert ink in picture
            assert picture == extension.draw(plot, theme)  # the same to the last bit: a build can be repeated


@pytest.mark.parametrize("extension", ["benchmark_page"], indirect=True)
def test_plots_stand_beside_the_page_and_those_that_are_gone_are_forgotten(
    extension: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, docs = tmp_path / "results", tmp_path / "docs"
    results.mkdir()
    (docs / "benchmarks").mkdir(parents=True)
    (docs / "benchmarks" / "old-light.svg").write_text("<svg/>", encoding="utf-8")
    monkeypatch.setattr(extension, "RESULTS", results)
    (results / "hvp.json").write_text(json.dumps({"one_product": [product("a", "curvwidget", 1.5)]}), encoding="utf-8")
    extension.write(SimpleNamespace(srcdir=str(docs)))
    names = sorted(path.name for path in (docs / "benchmarks").iterdir())
    assert names == ["hvp-one-product-dark.svg", "hvp-one-product-light.svg"]
    page = (docs / "benchmarks.md").read_text(encoding="utf-8")
    for theme in ("dark", "light"):
        assert f"```{{image}} benchmarks/hvp-one-product-{theme}.svg\n:class: only-{theme}\n:alt: One Hessian" in page


@pytest.mark.parametrize("extension", ["benchmark_page"], indirect=True)
def test_results_that_are_no_object_are_refused(extension: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"run\.json must hold a JSON object, got a list"):
        extension.benchmark_page(tmp_path)


@pytest.mark.parametrize("extension", ["offline"], indirect=True)
def test_what_a_browser_would_fetch_from_elsewhere_is_found(extension: ModuleType) -> None:
    page = """
        <script src="https://elsewhere.example/a.js"></script> <img src="//elsewhere.example/b.png">
        <link rel="stylesheet" href="http://elsewhere.example/c.css"> <p style="background: url('https://elsewhere.example/d.png')">
        <script src="_static/e.js"></script> <img src="data:image/png;base64,AA"> <a href="https://elsewhere.example/f">f</a>
        <link rel="canonical" href="https://elsewhere.example/g">
    """
    assert [address[-5:].lstrip("/") for address in extension.foreign_resources(page)] == ["a.js", "b.png", "c.css", "d.png"]
    sheet = (
        '@import "https://elsewhere.example/h.css"; p { background: url(i.png) } b { background: url(//elsewhere.example/j.png) }'
    )
    assert [address[-5:] for address in extension.foreign_resources(sheet, style=True)] == ["h.css", "j.png"]
