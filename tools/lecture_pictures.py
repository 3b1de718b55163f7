"""What takes the place of a live view in a notebook that is read: its picture, and what that shows in words."""

from __future__ import annotations

import base64
import io

import ipywidgets
from IPython.display import display
from PIL import Image

from curvwidget.widgets.export.composition import compose
from curvwidget.widgets.export.picture import Picture

__all__ = ["show_picture", "small"]

_WIDTH = 1200  # pixels, of several views side by side
_COLORS = 256


def show_picture(view: ipywidgets.DOMWidget, words: str = "") -> None:
    """Put out the picture of a view, once all is computed that it shows.

    Args:
        view: A view of this package, or a box with such views or with bqplot's figures.
        words: What it shows; empty for a view that says so itself.

    Raises:
        ValueError: If nobody says in words what the picture shows.
    """
    if hasattr(view, "wait"):
        view.wait()
    if isinstance(view, Picture):
        bundle = view._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        png, words = base64.b64decode(data["image/png"]), words or data["text/plain"]
    else:
        buffer = io.BytesIO()
        compose(view, _WIDTH).savefig(buffer, format="png")
        png = buffer.getvalue()
    if not words:
        raise ValueError(f'{type(view).__name__} has no words of its own: give its cell some, as in `# %% alt="…"`')
    display({"image/png": base64.b64encode(png).decode(), "text/plain": words}, raw=True)


def small(png: bytes) -> bytes:
    """Write a picture anew with 256 colours of its own, without the date or the program that made it.

    Args:
        png: A picture.

    Returns:
        The same picture in a fraction of the bytes.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
