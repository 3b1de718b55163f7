"""What every view can do: become a picture, also where no browser shows the live one."""

from __future__ import annotations

import base64
import html
import io
from os import PathLike
from pathlib import Path
from typing import Any

from curvwidget._number_words import format_number

__all__ = ["Picture"]

_SHOWN = ("slice", "sample", "prediction", "eigenvalues", "eigenpairs", "density", "estimates", "trajectory", "point")


class Picture:
    r"""A view that can be drawn without a browser, and that leaves a picture where the live one cannot be.

    To be named before the widget's own base class.

    Example:
        >>> from curvwidget.widgets import CurvaturePlot
        >>> CurvaturePlot(eigenvalues=[12.5, -0.3]).to_png()[:4]
        b'\x89PNG'
    """

    _picture_width = 640

    def to_png(self, path: str | PathLike[str] | None = None) -> bytes:
        """Draw the view as PNG, on white.

        Args:
            path: Where to write; an existing file is replaced. None writes nothing.

        Returns:
            The picture.
        """
        return self._to_bytes("png", path, dpi=200)

    def to_svg(self, path: str | PathLike[str] | None = None) -> str:
        """Draw the view as SVG, on white; letters become outlines, so that it looks alike everywhere.

        Args:
            path: Where to write; an existing file is replaced. None writes nothing.

        Returns:
            The picture's source.
        """
        return self._to_bytes("svg", path, dpi=200, metadata={"Date": None}).decode()

    def _to_bytes(self, kind: str, path: str | PathLike[str] | None, **options: Any) -> bytes:
        # matplotlib takes most of a second to import, which a view without a picture need not spend.
        from curvwidget.widgets.export.composition import compose

        buffer = io.BytesIO()
        compose(self, self._picture_width).savefig(buffer, format=kind, **options)
        if path is not None:
            Path(path).write_bytes(buffer.getvalue())
        return buffer.getvalue()

    def _picture_text(self) -> str:
        # What the picture shows, in words; empty as long as there is nothing to show.
        if not any(_is_something(getattr(self, name, None)) for name in _SHOWN):
            return ""
        bar = getattr(self, "verdict_bar", None)
        if bar is not None:
            return f"{bar.sentence} {'; '.join(f'{name} = {value}' for name, value, _ in bar.facts)}".strip()
        plane = getattr(self, "slice", None)
        if plane is None:
            return f"{type(self).__name__}: {self._picture_note()}"
        reach = zip(plane.directions.labels, plane.span, strict=True)
        spans = ", ".join(f"{label}: ±{format_number(float(span))}" for label, span in reach)
        return f"{type(self).__name__}: the loss over {spans}; L(θ) = {format_number(plane.center, 4)}"

    def _picture_note(self) -> str:
        # What a view that is no picture of a slice says in words.
        return "no slice yet"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        # The live view, and beside it a picture for where that cannot be: GitHub, nbviewer, PDF.
        bundle = super()._repr_mimebundle_(**options)  # type: ignore[misc]
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        text = self._picture_text() if data else ""
        if not text:
            return bundle
        image = base64.b64encode(self._to_bytes("png", None, dpi=100)).decode()
        said = html.escape(text, quote=True)
        data = {
            **data,
            "text/plain": text,
            "image/png": image,
            "text/html": f'<img alt="{said}" src="data:image/png;base64,{image}" style="max-width:100%">',
        }
        return (data, bundle[1]) if isinstance(bundle, tuple) else data


def _is_something(value: Any) -> bool:
    return value is not None and not (isinstance(value, tuple) and not value)
