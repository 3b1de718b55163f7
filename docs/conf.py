"""How the docs are built: strictly, and without asking anything off this machine.

    make docs

Pages that follow from something else are written by the modules in ``_ext`` before Sphinx reads: the reference from the package's
public names, the lectures from ``notebooks/``, the benchmarks from their results.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import curvwidget

project = "curvwidget"
author = "the curvwidget developers"
copyright = author  # noqa: A001 - Sphinx's own name for it
version = release = curvwidget.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax and its fonts beside the pages
    "public_names",
    "lectures",
    "benchmark_page",
    "offline",
]
exclude_patterns = ["_build"]
nitpicky = True
suppress_warnings = ["ref.python"]  # the type `slice` in a signature, where several views have a trait of that name

# --- text
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3
mathjax3_config = {"tex": {"macros": {"tr": r"\operatorname{tr}", "E": r"\mathbb{E}", "Var": r"\operatorname{Var}"}}}

# --- lectures: as they were committed, and no script from elsewhere for their widgets
nb_execution_mode = "off"
nb_ipywidgets_js = {}

# --- reference
default_role = "py:obj"  # what a docstring has in single backticks
autosummary_generate = False  # the tables alone; the entries stand on the same page
autodoc_class_signature = "mixed"
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "no-value": True,
    "class-doc-from": "both",
}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_display_short_literal_types = True
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = False

# --- looks
html_theme = "furo"
html_title = "curvwidget"
html_favicon = "_static/saddle.svg"
html_static_path = ["_static"]
html_css_files = ["curvwidget.css"]
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}


def leave_out_picture(app: Sphinx, page: str, source: list[str]) -> None:
    """Leave out the explorer's picture, where `make screenshot` has not taken it yet.

    Args:
        app: Sphinx.
        page: The page's name.
        source: Its text, changed in place.
    """
    if page == "index" and not (Path(app.srcdir) / "images" / "explorer.png").is_file():
        source[0] = "\n".join(line for line in source[0].splitlines() if "images/explorer.png" not in line)


def setup(app: Sphinx) -> None:
    """Register with Sphinx.

    Args:
        app: Sphinx.
    """
    app.connect("source-read", leave_out_picture)
