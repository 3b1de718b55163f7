"""The import rule: a package imports only what stands to its left, and nothing left of the widgets imports a widget library.

Every import counts, wherever it stands: at the top, inside a function, under ``TYPE_CHECKING`` (a type is knowledge too) and as
text given to ``import_module``. What a module imports from third-party packages on the way is seen at run time, in a process of
its own, by the last tests.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "curvwidget"
ORDER = ("linalg", "objective", "directions", "slices", "curvature", "runs", "zoo", "widgets", "cli")
HEADLESS = ORDER[: ORDER.index("widgets")]
WIDGET_LIBRARIES = frozenset(
    {"IPython", "anywidget", "bqplot", "bqscales", "ipyvolume", "ipywidgets", "matplotlib", "pythreejs", "traitlets"}
)
#: Packages that use nothing of ours at all, apart from the small helpers that everything stands on.
INDEPENDENT = frozenset({"linalg", "runs"})


def imported_names(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Yield the full dotted name of everything that a module's source imports, at any depth.

    Args:
        source: The module's source.
        module: Its dotted name.
        is_package: Whether it is an ``__init__``.

    Yields:
        Dotted names; for ``from a.b import c`` it is ``a.b.c``, as nothing in the text says whether c is a module.
    """
    parent = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parent[: len(parent) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def violations(package: Path) -> list[str]:
    """List what breaks the import rule in a tree laid out like ours.

    Args:
        package: The folder of the package; its name is the package's name.

    Returns:
        One sentence for each import that breaks the rule.
    """
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        here = parts[0]
        if here == "__init__":  # the front door may show everything
            continue
        module = ".".join((package.name, *(part for part in parts if part != "__init__")))
        if here == "__main__":
            here = "cli"
        if not here.startswith("_") and here not in ORDER:
            found.append(f"{module} stands in no layer")
            continue
        for name in imported_names(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"):
            reason = _objection(here, name.split("."), package.name)
            if reason:
                found.append(f"{module} imports {name}: {reason}")
    return found


def _objection(here: str, name: list[str], package: str) -> str | None:
    """Say what is wrong with an import, if anything."""
    headless = here.startswith("_") or here in HEADLESS
    if name[0] != package:
        return "a widget library left of the widgets" if headless and name[0] in WIDGET_LIBRARIES else None
    there = name[1] if len(name) > 1 else ""
    if here in {there, "cli"} or (there.startswith("_") and not there.startswith("__")):
        return None
    if there not in ORDER:
        return "the front door, which stands right of everything"
    if here.startswith("_"):
        return "a helper that everything stands on imports none of it"
    if here in INDEPENDENT:
        return f"{here} uses none of the others"
    return "stands to its right" if ORDER.index(there) > ORDER.index(here) else None


def test_every_module_imports_only_what_stands_to_its_left() -> None:
    assert violations(PACKAGE) == []


def test_every_layer_of_the_order_exists() -> None:
    missing = [name for name in ORDER if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").is_file()]
    assert missing == []


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("linalg/lanczos.py", "import curvwidget.objective", "linalg uses none of the others"),
        ("slices/plan.py", "from curvwidget.widgets import explore", "stands to its right"),
        ("slices/plan.py", "from curvwidget import widgets", "stands to its right"),
        ("slices/plan.py", "from curvwidget import explore", "the front door"),
        ("slices/plan.py", "import curvwidget as cw", "the front door"),
        ("slices/plan.py", "from ..curvature import sample", "stands to its right"),
        ("slices/__init__.py", "from ..curvature.sample import sample", "stands to its right"),
        ("slices/plan.py", "def late():\n    from curvwidget.runs import worker", "stands to its right"),
        (
            "slices/plan.py",
            "if TYPE_CHECKING:\n    import curvwidget.zoo",
            "stands to its right",
        ),
        ("slices/plan.py", "import importlib\nimportlib.import_module('curvwidget.widgets')", "stands to its right"),
        ("runs/worker.py", "from curvwidget.linalg import operator", "runs uses none of the others"),
        ("curvature/sample.py", "from matplotlib import pyplot", "a widget library"),
        ("objective/batches.py", "def late():\n    import ipywidgets", "a widget library"),
        ("_checks.py", "from curvwidget.linalg import operator", "a helper"),
        ("_checks.py", "import traitlets", "a widget library"),
        ("utils.py", "", "stands in no layer"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, path: str, source: str, said: str) -> None:
    module = tmp_path / "curvwidget" / path
    module.parent.mkdir(parents=True)
    module.write_text(source)
    (found,) = violations(tmp_path / "curvwidget")
    assert said in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("__init__.py", "from curvwidget.widgets import explore"),
        (
            "slices/plan.py",
            "import scipy\nfrom curvwidget._checks import check_count\nfrom curvwidget.linalg import Operator",
        ),
        ("slices/plan.py", "from .grid import grid\nfrom ..linalg.operator import Operator\nfrom . import fit"),
        ("slices/__init__.py", "from .grid import grid\nfrom ..linalg.operator import Operator\nfrom . import fit"),
        ("runs/worker.py", "from curvwidget._interrupt import checkpoint\nfrom curvwidget.runs import store\nimport threading"),
        (
            "widgets/explorer.py",
            "import ipywidgets\nfrom curvwidget.runs import worker\nfrom curvwidget.widgets import loss_map",
        ),
        ("cli.py", "import curvwidget\nfrom curvwidget import zoo"),
        ("__main__.py", "from curvwidget.cli import main"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path: Path, path: str, source: str) -> None:
    module = tmp_path / "curvwidget" / path
    module.parent.mkdir(parents=True)
    module.write_text(source)
    assert violations(tmp_path / "curvwidget") == []


@pytest.mark.parametrize("names", [["curvwidget"], [f"curvwidget.{layer}" for layer in HEADLESS], ["curvwidget.cli"]])
def test_importing_what_is_headless_loads_no_widget_library(names: list[str]) -> None:
    assert widget_libraries_loaded_by(f"import {', '.join(names)}") == []


def test_the_look_at_run_time_can_see_a_widget_library() -> None:
    assert widget_libraries_loaded_by("import traitlets") == ["traitlets"]


def widget_libraries_loaded_by(code: str) -> list[str]:
    look = f"{code}; import sys; print(*sorted({set(WIDGET_LIBRARIES)!r} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout.split()
