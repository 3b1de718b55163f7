"""A notebook that was saved without widget state, converted to HTML: where no view can live, its picture stands in."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import nbformat
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from nbconvert import HTMLExporter

import curvwidget as cw

EVIL = '"><img src=x onerror=alert(1)>'


class Elements(HTMLParser):
    """The elements of a page, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("label", ["a", EVIL])
def test_the_picture_stands_in_with_its_words(label: str) -> None:
    saddle = cw.Objective.from_function(lambda t: 1 + t[0] ** 2 - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
    plane = cw.slice_loss(saddle, cw.Directions(torch.eye(2, dtype=torch.float64), (label, "b")), span=1.0, resolution=11)
    view = cw.LossMap(plane)
    data, metadata = DisplayFormatter().format(view)  # what the kernel sends when a cell ends with the view
    assert "application/vnd.jupyter.widget-view+json" in data
    cell = nbformat.v4.new_code_cell("view", outputs=[nbformat.v4.new_output("execute_result", data, metadata=metadata)])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))

    elements = Elements(page)
    pictures = [attributes for name, attributes in elements.found if name == "img"]
    assert len(pictures) == 1
    assert pictures[0]["alt"] == f"LossMap: the loss over {label}: ±1, b: ±1; L(θ) = 1"
    kind, _, shown = pictures[0]["src"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(shown) == base64.b64decode(data["image/png"])
    assert "onerror" not in pictures[0]
    assert not [a for name, a in elements.found if name == "script" and "widget-view" in str(a.get("type"))]
