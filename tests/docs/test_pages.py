"""Every piece of Python in the pages runs, from the top of a page to its end, and prints what the page says."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).parts[0] not in {"_build", "reference", "lectures"})
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Block(NamedTuple):
    """A piece of code in a page: its language, the line that it begins at, and its text."""

    language: str
    line: int
    source: str


def code_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if opened := re.match(r"(```+)(\S*)", line):
            inside = []
            for _, inner in lines:
                if inner.startswith(opened[1]):
                    break
                inside.append(inner)
            yield Block(opened[2], number + 1, "\n".join(inside) + "\n")


def run_page(path: Path, names: dict[str, object]) -> int:
    """Run the code of a page in one namespace; an example that prints something else than it says is an AssertionError."""
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    count = 0
    for block in code_blocks(path.read_text(encoding="utf-8")):
        if block.language == "python":
            # so many empty lines that a traceback names the page's own
            exec(compile("\n" * (block.line - 1) + block.source, str(path), "exec"), names)
        elif block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(block.source, names, path.name, str(path), block.line - 1)
            test.globs = names  # what an example assigns is there for the next one
            said: list[str] = []
            runner.run(test, out=said.append, clear_globs=False)
            assert runner.failures == 0, "".join(said)
        else:
            continue
        count += 1
    return count


def runnable(path: Path) -> bool:
    return any(block.language in {"python", "pycon"} for block in code_blocks(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=lambda path: str(path.relative_to(DOCS)))
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # what an example writes
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        assert run_page(page, names) > 0
    finally:
        for value in list(names.values()):
            if hasattr(value, "open") and hasattr(value, "close") and hasattr(value, "wait"):  # an explorer, or a demo
                value.close()


def test_no_language_is_misspelt_so_that_a_block_would_be_passed_over() -> None:
    known = {"python", "pycon", "sh", "text"}
    found = {(path.name, block.language) for path in PAGES for block in code_blocks(path.read_text(encoding="utf-8"))}
    assert {pair for pair in found if pair[1] not in known and not pair[1].startswith("{")} == set()


def test_an_example_that_says_something_else_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```pycon\n>>> x + 1\n2\n```\n")
    assert run_page(page, {}) == 2
    page.write_text("```python\nx = 2\n```\n\n```pycon\n>>> x + 1\n2\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md"):
        run_page(page, {})
