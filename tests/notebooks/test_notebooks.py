"""Every lecture runs from top to bottom under nbmake, its assertions included."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_lectures() -> None:
    assert [path.stem for path in LECTURES][:1] == ["01-quickstart"]


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_lecture_and_its_readable_text_say_the_same(lecture: Path) -> None:
    notebook, text = jupytext.read(lecture), jupytext.read(lecture.with_suffix(".py"))
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [(cell.cell_type, cell.source) for cell in text.cells]


@pytest.mark.notebook
@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_lecture_runs(lecture: Path, tmp_path: Path) -> None:
    copy = shutil.copy(lecture, tmp_path)
    arguments = ["--nbmake", "--nbmake-timeout=300", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments, copy], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
