"""Run the lectures and keep what they show, for whoever reads them without running them: on GitHub, in nbviewer, in the docs.

    make lectures                   every lecture
    make lectures ARGS="02 07"      some of them

Each ``notebooks/*.py`` runs from top to bottom in a kernel of its own and is written as ``.ipynb`` beside it: what was printed,
and a picture with its words in the place of each live view, for a saved notebook has no kernel that a view could ask. With
them goes the checksum of the cells that they came from, by which a test finds a lecture that was changed and not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.lecture_pictures import small  # noqa: E402 - the repository's own, found only now

WIDGET = "application/vnd.jupyter.widget-view+json"
PATIENCE = 300  # seconds for a cell, as the tests allow
LARGEST = 1_000_000  # bytes of a notebook that git should be asked to keep


def main() -> None:
    """Run the lectures that the command line asks for, one a processor."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lectures", nargs="*", help="numbers of lectures, such as 02; all where none is given")
    asked = parser.parse_args().lectures
    texts = sorted((ROOT / "notebooks").glob("*.py"))
    chosen = [path for path in texts if not asked or path.name[:2] in asked]
    if not chosen:
        parser.error(f"lectures must be among {', '.join(path.name[:2] for path in texts)}, got {' '.join(asked)}")
    # Kernels inherit these: one thread each, our packages, and nothing that the user has set up for interactive work.
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as home, ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        os.environ["IPYTHONDIR"] = home
        for line in pool.map(write_lecture, chosen):
            print(line, flush=True)


def write_lecture(text: Path) -> str:
    """Run a lecture and write it with its outputs.

    Args:
        text: The lecture as percent script; the notebook beside it is replaced once all of it has run.

    Returns:
        A line that says how long that took, and how large it is.

    Raises:
        ValueError: If the notebook would name folders of this machine, or be too large for git.
    """
    begin = time.monotonic()
    notebook = jupytext.read(text)
    run(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    notebook.metadata = {
        "curvwidget": {"outputs_of": hashlib.sha256("\n".join(cells).encode()).hexdigest()},
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    written = nbformat.writes(notebook) + "\n"
    for folder in (str(ROOT), str(Path.home()), tempfile.gettempdir()):
        if folder in written:
            raise ValueError(f"outputs must not name folders of this machine, got {folder} in {text.name}")
    size = len(written.encode())
    if size > LARGEST:
        raise ValueError(f"a notebook must have less than {LARGEST} bytes, got {size} for {text.name}")
    text.with_suffix(".ipynb").write_text(written, encoding="utf-8")
    return f"{text.stem:45s} {time.monotonic() - begin:5.0f} s  {size // 1000:4d} kB"


def run(notebook: NotebookNode) -> None:
    """Run a notebook's cells, and put pictures in the place of its views.

    Args:
        notebook: The notebook; its code cells get their outputs.
    """
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=PATIENCE,
            resources={"metadata": {"path": folder}},
            store_widget_state=False,
            record_timing=False,
            coalesce_streams=True,
        )
        with client.setup_kernel():
            for index, cell in enumerate(notebook.cells):
                cell.id = f"cell-{index + 1}"
                if cell.cell_type == "code":
                    count += 1
                    client.execute_cell(cell, index, execution_count=count)
                    cell.outputs = [_readable(client, cell, output, count) for output in cell.outputs]


# An output as it is kept: text as it is, a view as its picture.
def _readable(client: NotebookClient, cell: NotebookNode, output: NotebookNode, count: int) -> NotebookNode:
    words = cell.metadata.get("alt", "")
    if WIDGET in output.get("data", {}):
        asked = f"__import__('tools.lecture_pictures').lecture_pictures.show_picture(Out[{count}], {words!r})"
        asking = nbformat.v4.new_code_cell(asked)
        client.nb.cells.append(asking)
        client.execute_cell(asking, len(client.nb.cells) - 1, store_history=False)
        client.nb.cells.remove(asking)
        output.data = asking.outputs[0].data
        words = words or output.data["text/plain"]
    if "image/png" in output.get("data", {}):
        png = b64encode(small(b64decode(output.data["image/png"]))).decode()
        output.data = {"image/png": png, "text/plain": words}
        output.metadata = {"image/png": {"alt": words}}
    return output


if __name__ == "__main__":
    main()
