"""What the build of the docs makes by itself: reference, lectures, benchmarks; and that it fetches nothing."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

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


@pytest.mark.parametrize("extension", ["benchmark_tables"], indirect=True)
def test_without_results_the_page_of_the_benchmarks_says_so(extension: ModuleType, tmp_path: Path) -> None:
    assert "There are no results yet" in extension.benchmark_page(tmp_path)


@pytest.mark.parametrize("extension", ["benchmark_tables"], indirect=True)
def test_results_become_tables(extension: ModuleType, tmp_path: Path) -> None:
    results = {
        "title": "One run",
        "machine": {"processor": "x", "threads": 2},
        "hvp": [{"package": "ours", "median_ms": 1.23456, "spread": [1, 2]}, {"package": "a|b <i>", "median_ms": None}],
        "growth": {"with_n": {"exponent": 1.0}, "points": [{"n": 10}]},
    }
    (tmp_path / "run.json").write_text(json.dumps(results), encoding="utf-8")
    page = extension.benchmark_page(tmp_path)
    assert "There are no results yet" not in page
    lines = page.splitlines()
    assert {"## One run", "### hvp", "### growth", "#### points", "- machine: processor x, threads 2"} <= set(lines)
    start = lines.index("| package | median ms | spread |")
    assert lines[start + 2 : start + 4] == ["| ours | 1.235 | 1, 2 |", "| a\\|b &lt;i&gt; | — |  |"]


@pytest.mark.parametrize("extension", ["benchmark_tables"], indirect=True)
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
