"""Writes the reference: a page for each package, with all its public names.

What `curvwidget` itself shows comes first on each page, then what else its package does. Nothing is listed by hand, so nothing
can be forgotten; a package without a title here stops the build.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages import write_page

import curvwidget
from curvwidget._results import ArrayResult

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

#: In the order in which they stand on each other, with the title of the page and a line on what it is about.
PACKAGES = {
    "objective": ("The loss as a function of θ", "A model on data, as $L(\\theta)$, its gradient and its Hessian's products."),
    "directions": ("Directions", "The axes of a slice: vectors in $\\mathbb{R}^N$ that know where they come from."),
    "slices": ("Slices", "The loss on a grid over one, two or three directions."),
    "curvature": ("Curvature", "What a slice shows of the Hessian, what many show, what is predicted for them, and the trace."),
    "linalg": ("Eigenvalues, traces, densities", "Symmetric matrices that are known only by their products with vectors."),
    "widgets": ("Widgets", "Each view alone, and those that link several."),
    "zoo": ("Zoo", "Losses and models to teach with, each from one line."),
    "runs": ("Where work runs", "What an `executor` is, for those who need another one."),
}
INTRODUCTION = """\
# Reference

All public names, from their docstrings. `import curvwidget as cw` and `cw.` gives those at the top of each page; the others are
imported from the package that their heading names.

```{toctree}
:maxdepth: 2

PAGES
```
"""


def public_names(package: str) -> tuple[list[str], list[str]]:
    """List the classes and functions of one of our packages.

    Args:
        package: Its name, without ``curvwidget.``.

    Returns:
        Those that ``curvwidget`` itself shows, and the others, as full names.
    """
    module = importlib.import_module(f"curvwidget.{package}")
    names = [name for name in module.__all__ if _belongs(getattr(module, name), module.__name__)]
    shown = [name for name in names if name in curvwidget.__all__]
    return [f"curvwidget.{name}" for name in shown], [f"{module.__name__}.{name}" for name in names if name not in shown]


def _belongs(value: object, module: str) -> bool:
    # Not what a package passes on from another one, nor a constant.
    return (inspect.isclass(value) or inspect.isroutine(value)) and f"{value.__module__}.".startswith(f"{module}.")


def reference_pages() -> dict[str, str]:
    """Compose the pages.

    Returns:
        Their texts by name.

    Raises:
        ValueError: If a public name is on none of them.
    """
    pages, found = {}, set()
    for package, (title, line) in PACKAGES.items():
        shown, others = public_names(package)
        found.update(name.split(".")[-1] for name in shown)
        pages[package] = "\n".join([f"# {title}\n", f"{line}\n", *_section(shown, others), *_entries(shown, others, package)])
    missing = sorted(set(curvwidget.__all__) - found)
    if missing:
        raise ValueError(f"each public name must be in the __all__ of a package with a page, got none for {', '.join(missing)}")
    pages["index"] = INTRODUCTION.replace("PAGES", "\n".join(PACKAGES))
    return pages


def _section(shown: list[str], others: list[str]) -> Iterator[str]:
    yield "```{eval-rst}\n.. currentmodule:: curvwidget\n\n.. autosummary::\n   :nosignatures:\n"
    for name in (*shown, *others):
        yield f"   ~{name.removeprefix('curvwidget.')}"
    yield "```\n"


def _entries(shown: list[str], others: list[str], package: str) -> Iterator[str]:
    for names, heading in ((shown, ""), (others, f"## More in `curvwidget.{package}`\n")):
        if names and shown and heading:
            yield heading
        for name in names:
            yield _entry(name)


def _entry(name: str) -> str:
    module, _, last = name.rpartition(".")
    value = getattr(importlib.import_module(module), last)
    lines = ["```{eval-rst}", f".. currentmodule:: {module}", ""]
    if inspect.isclass(value):
        lines.append(f".. autoclass:: {last}")
        if dataclasses.is_dataclass(value):
            lines.append("   :inherited-members: object")  # save and load; a widget would bring all of ipywidgets
    else:
        lines.append(f".. autofunction:: {last}")
    return "\n".join([*lines, "```\n"])


def tidy_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let |λ| be an absolute value, which reStructuredText takes for a substitution, and put a field's type beside its name.

    Args:
        app: Sphinx.
        what: The kind of object.
        name: Its name.
        obj: The object.
        options: Of the directive.
        lines: The docstring as Napoleon left it, changed in place.
    """
    in_example = False
    for index, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if not in_example:
            # an even piece is prose, an odd one between double backticks
            pieces = line.split("``")
            pieces[::2] = [piece.replace("|", "\\|") for piece in pieces[::2]]
            lines[index] = "``".join(pieces)
    attribute = 0
    for index, line in enumerate(lines):
        if line.startswith(".. attribute::"):
            attribute = index
        elif line.startswith("   :type: ") and attribute:
            kind = line.replace("\\|", "|").replace("numpy.ndarray[Any, Any]", "numpy.ndarray")
            lines[attribute + 1 : index + 1] = [kind, *lines[attribute + 1 : index]]
            attribute = 0


def hide_fields(app: Sphinx, what: str, name: str, obj: object, options: object, *signature: str) -> tuple[str, str] | None:
    """Leave the fields of a result out of its heading: nobody builds one, and they stand below with their shapes.

    Args:
        app: Sphinx.
        what: The kind of object.
        name: Its name.
        obj: The object.
        options: Of the directive.
        signature: Arguments and result.

    Returns:
        No arguments for a result; None leaves the others as they are.
    """
    is_result = inspect.isclass(obj) and issubclass(obj, ArrayResult) and obj is not curvwidget.Directions
    return ("", "") if is_result else None


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node) -> Any:
    """Resolve what Sphinx has found nothing for in a docstring or a signature.

    They also name what has no page: a type of PyTorch, an argument's alias, a helper of ours. That stays text, if it is known to
    our own modules at all. In the pages written by hand every reference must lead somewhere.

    Args:
        app: Sphinx.
        env: What it knows.
        node: The reference.
        content: What it shows.

    Returns:
        A link, the bare text, or None for "not found".
    """
    from docutils import nodes

    if not str(node.get("refdoc", "")).startswith("reference/") or node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"]).split(".")[-1]
    objects = env.domains.python_domain.objects
    for name in (f"curvwidget.{target}", *(f"curvwidget.{package}.{target}" for package in PACKAGES)):
        if name in objects:
            entry = objects[name]
            page = app.builder.get_relative_uri(node["refdoc"], entry.docname)
            return nodes.reference("", "", content, internal=True, refuri=f"{page}#{entry.node_id}")
    return content if node["reftype"] == "class" or target in _known_names() else None


@functools.cache
def _known_names() -> frozenset[str]:
    # Every identifier in our code, which its docstrings are no part of, and every module.
    names = {path.stem for path in Path(curvwidget.__file__).parent.rglob("*.py")}
    for path in Path(curvwidget.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names.update(str(value) for key in ("id", "attr", "arg", "name") if (value := getattr(node, key, None)) is not None)
    return frozenset(name.split(".")[-1] for name in names)


def write(app: Sphinx) -> None:
    """Write the pages into the folder of sources.

    Args:
        app: Sphinx.
    """
    folder = Path(app.srcdir) / "reference"
    pages = {folder / f"{name}.md": text for name, text in reference_pages().items()}
    for path in set(folder.glob("*.md")) - set(pages):
        path.unlink()
    for path, text in pages.items():
        write_page(path, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx.

    Args:
        app: Sphinx.

    Returns:
        That it may read and write in parallel.
    """
    app.connect("builder-inited", write)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-signature", hide_fields)
    app.connect("autodoc-process-docstring", tidy_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
