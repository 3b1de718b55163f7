"""Every lecture runs from top to bottom under nbmake, its assertions included; what is committed shows what it showed."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_lectures() -> None:
    assert [path.stem for path in LECTURES][:1] == ["01-quickstart"]


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_lecture_and_its_readable_text_say_the_same(lecture: Path) -> None:
    notebook, text = jupytext.read(lecture), jupytext.read(lecture.with_suffix(".py"))
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [(cell.cell_type, cell.source) for cell in text.cells]


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_outputs_are_those_of_these_cells(lecture: Path) -> None:
    notebook = jupytext.read(lecture)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    of_these = hashlib.sha256("\n".join(cell.source for cell in cells).encode()).hexdigest()
    assert notebook.metadata.get("curvwidget", {}).get("outputs_of") == of_these, "changed since `make lectures` ran it"
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        outputs = cell.outputs
        assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
        if prints(cell.source):
            assert any(output.output_type == "stream" and output.text.strip() for output in outputs)
        shown = [output for output in outputs if "data" in output]
        assert len(shown) == int(shows(cell.source))
        for output in shown:
            assert set(output.data) == {"image/png", "text/plain"}  # no live view, which would ask for a kernel that is gone
            assert len(output.metadata["image/png"]["alt"]) > 40
            picture = Image.open(io.BytesIO(b64decode(output.data["image/png"]))).convert("RGB")
            assert picture.width >= 600
            assert len(picture.getcolors(picture.width * picture.height)) > 20


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_notebook_is_small_and_names_no_folder_of_the_machine_that_ran_it(lecture: Path) -> None:
    text = lecture.read_text(encoding="utf-8")
    assert len(text.encode()) < 500_000
    assert "widget-view" not in text
    assert "iopub" not in text  # the times at which cells ran
    outputs = json.dumps([cell.get("outputs") for cell in jupytext.read(lecture).cells])
    assert not [place for place in (str(ROOT), str(Path.home()), "/tmp/", "site-packages") if place in outputs]


def test_an_output_is_expected_where_a_cell_shows_or_prints_something() -> None:
    assert shows("view = f()\nview")
    assert shows("plt.show()")
    assert not shows("print(view)")
    assert not shows("view = f()")
    assert prints("for x in y:\n    print(x)")
    assert not prints("def f():\n    print(1)")
    assert not prints("view")


def shows(source: str) -> bool:
    """Whether a cell ends with a view, or draws with matplotlib."""
    last = ast.parse(source).body[-1]
    return isinstance(last, ast.Expr) and not (isinstance(last.value, ast.Call) and ast.unparse(last.value.func) == "print")


def prints(source: str) -> bool:
    """Whether a cell prints when it runs, and not only in a function that it defines."""
    outside = [node for node in ast.parse(source).body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    calls = [inner for node in outside for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return any(ast.unparse(call.func) == "print" for call in calls)


def cells_of(lecture: str, *beginnings: str) -> dict[str, Any]:
    """Run those code cells of a lecture that hold one of the texts, in order, and return their names."""
    (path,) = (ROOT / "notebooks").glob(f"{lecture}-*.py")
    chosen = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {"__name__": "lecture"}
    for beginning in beginnings:
        (source,) = [source for source in chosen if beginning in source]
        exec(compile(source, path.name, "exec"), names)
    return names


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    """A folder with the six files of CIFAR-10's binary version, each of twelve images of noise."""
    folder = tmp_path / "data" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        records = generator.integers(0, 256, (12, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / name)
    return folder


def test_the_lecture_on_image_classifiers_looks_at_cifar_10_where_its_files_are(
    cifar10: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CURVWIDGET_CIFAR10", raising=False)
    monkeypatch.chdir(cifar10)  # where there is no folder `data`
    names = cells_of("07", "import copy", "def sample_losses", "def find_cifar10()")
    assert "no CIFAR-10 here" in capsys.readouterr().out
    assert names["find_cifar10"]() is None
    monkeypatch.chdir(cifar10.parents[1])
    assert names["find_cifar10"]() == "data"
    monkeypatch.setenv("CURVWIDGET_CIFAR10", str(cifar10))
    assert names["find_cifar10"]() == str(cifar10)

    view = names["compare_resnets"](names["find_cifar10"](), samples=12, steps=2, batch=4, images=4)
    said = capsys.readouterr().out
    for network, parameters in (("with shortcuts", "272,474"), ("without", "269,722")):
        assert f"{network}: N = {parameters}, loss " in said
    assert said.count("λ_max = ") == said.count("λ_min = ") == said.count("tr(H) = ") == 2
    assert [drawn.title for drawn in view.children] == ["ResNet-20 with shortcuts", "ResNet-20 without"]
    assert all(np.isfinite(drawn.slice.values).all() for drawn in view.children)


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
