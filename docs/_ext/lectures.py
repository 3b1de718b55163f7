"""Brings the lectures of ``notebooks/`` into the docs with the outputs that were committed; none is run for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pages import write_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def write(app: Sphinx) -> None:
    """Copy the notebooks into the folder of sources, and forget those that are gone.

    Args:
        app: Sphinx.
    """
    folder = Path(app.srcdir) / "lectures"
    lectures = {folder / path.name: path for path in NOTEBOOKS.glob("*.ipynb")}
    for path in set(folder.glob("*.ipynb")) - set(lectures):
        path.unlink()
    for path, source in lectures.items():
        write_page(path, with_words(source.read_text(encoding="utf-8")))


def with_words(notebook: str) -> str:
    """Tell MyST-NB what pictures show: it looks for that beside the cell, and not beside the output as nbconvert does.

    Args:
        notebook: A notebook, as JSON.

    Returns:
        The same notebook, its cells with an alternative text for their pictures.
    """
    content = json.loads(notebook)
    for cell in content["cells"]:
        for output in cell.get("outputs", []):
            if words := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell["metadata"]["mystnb"] = {"image": {"alt": words}}
    return json.dumps(content, ensure_ascii=False, indent=1)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.

    Returns:
        That it may read and write in parallel.
    """
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
