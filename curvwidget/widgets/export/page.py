"""The explorer as one HTML file that works without a kernel, a network or anything beside it."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from curvwidget.curvature import ProjectedCurvature
from curvwidget.slices import LossSlice
from curvwidget.widgets.base import bundle
from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.export.display_list import display_list
from curvwidget.widgets.export.legend_text import Entry, Shape, plain_color, read_text
from curvwidget.widgets.export.saved import SavedView
from curvwidget.widgets.loss_packet import Scale, loss_packet
from curvwidget.widgets.remarks import remark
from curvwidget.widgets.request import Request
from curvwidget.widgets.shared_limits import shared_limits
from curvwidget.widgets.slice_words import slice_words
from curvwidget.widgets.style import INK
from curvwidget.widgets.update import Known

if TYPE_CHECKING:
    from curvwidget.widgets.explorer import Explorer

__all__ = ["explorer_page"]

_REMARK = "The surface in three dimensions is left out of this page; all else is here, computed beforehand."
_CURVATURE = "curvature κ (per unit of the direction, squared)"


def explorer_page(explorer: Explorer | SavedView, blends: int, *, shared_colors: bool = True) -> str:
    """Write the page.

    Args:
        explorer: The explorer, at rest.
        blends: How many frames there are from its plane to the Hessian's.
        shared_colors: Whether a colour is the same loss in all of them.

    Returns:
        The file's text.

    Raises:
        ValueError: If the explorer shows no slice yet.
    """
    if explorer.slice is None:
        raise ValueError("the explorer must show a slice to be written as a page; call explorer.wait() first")
    shares = sorted({*np.linspace(0.0, 1.0, blends).tolist(), explorer.request.blend})
    if explorer.eigenpairs is None or isinstance(explorer, SavedView):
        shares = [explorer.request.blend]
    frames, limits = list(_frames(explorer, shares)), explorer.loss_map.limits
    if limits is None and shared_colors:
        limits = shared_limits([plane for _, plane, _ in frames], cast(Scale, explorer.loss_map.scale))
    content = {
        "title": "",
        "probe": list(explorer.probe),
        "show_model": explorer.loss_map.show_model,
        "frames": [_frame(explorer, *found, limits) for found in frames],
        "shown": shares.index(explorer.request.blend),
        "keys": _keys(read_text(explorer.profiles.children[0].value)),
        "remark": _REMARK,
    }
    return _PAGE.format(
        title=html.escape(explorer.verdict_bar.sentence),
        style=bundle("exported.css").read_text(encoding="utf-8"),
        content=json.dumps(content, allow_nan=False).replace(json.dumps(INK), json.dumps(_ink(INK))).replace("<", "\\u003c"),
        script=bundle("exported.js").read_text(encoding="utf-8").replace("</script", "<\\/script"),
    )


# The page's own ink, dark or light.
def _ink(color: str) -> str:
    return "var(--cw-fg)" if color in (INK, plain_color(INK)) else color


# A text each, and the shapes of its swatch.
def _keys(legend: Iterable[Entry]) -> list[tuple[str, list[Shape]]]:
    return [
        (entry.text, [(tag, {name: _ink(value) for name, value in traits.items()}) for tag, traits in entry.shapes])
        for entry in legend
    ]


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="curvwidget"></div>
<script type="application/json" id="curvwidget-content">{content}</script>
<script type="module">{script}</script>
</body>
</html>
"""


# The frame that is shown is there already; the others are computed as the explorer would.
def _frames(explorer: Explorer | SavedView, shares: list[float]) -> Iterator[tuple[float, LossSlice, ProjectedCurvature | None]]:
    for share in shares:
        request = dataclasses.replace(explorer.request, blend=share)
        if share == explorer.request.blend and explorer.slice is not None:
            yield share, explorer.slice, explorer.curvature
        elif not isinstance(explorer, SavedView):
            yield share, *_compute(explorer, request)


def _compute(explorer: Explorer, request: Request) -> tuple[LossSlice, ProjectedCurvature | None]:
    curvature = None
    for update in explorer._answerers.at(request.place).answer(request, Known(eigenpairs=explorer.eigenpairs)):
        curvature = update.curvature or curvature
        if update.slice is not None and update.slice.progress >= 1:
            return update.slice, curvature
    raise RuntimeError("the explorer answered without a slice")


def _frame(
    explorer: Explorer | SavedView,
    share: float,
    plane: LossSlice,
    curvature: ProjectedCurvature | None,
    limits: tuple[float, float] | None,
) -> dict[str, Any]:
    live = explorer.loss_map
    planes = CurvaturePlot(
        explorer.sample,
        prediction=explorer.prediction,
        curvature=curvature,
        eigenvalues=explorer.eigenpairs,
        trace=explorer.trace,
    )
    bar = explorer.verdict_bar
    verdict: dict[str, Any] = {name: getattr(bar, name) for name in ("sentence", "kind", "facts", "notes")}
    if curvature is not None and not isinstance(explorer, SavedView) and share != explorer.request.blend:
        said = remark(explorer.center, curvature, explorer.known, explorer.prediction)
        verdict = {
            "sentence": said.statement.sentence,
            "kind": said.statement.kind or "",
            "facts": [list(fact) for fact in said.facts],
            "notes": list(said.notes),
        }
    legend = read_text(planes.children[0].value)
    return {
        "blend": share,
        "packet": base64.b64encode(loss_packet(plane, curvature, cast(Scale, live.scale), live.levels, limits)).decode(),
        # What is marked on the map lies in the plane shown; of the others it is not known.
        "way": live.way if plane is explorer.slice else [],
        "spots": live.spots if plane is explorer.slice else [],
        "caption": slice_words(plane),
        "model": None if curvature is None else _model(explorer, curvature),
        "curvatures": display_list(planes.children[1], x_name=_CURVATURE),
        "note": "; ".join(entry.text for entry in legend if not entry.color),
        "planeKeys": _keys(entry for entry in legend if entry.color),
        "verdict": verdict,
    }


def _model(explorer: Explorer | SavedView, curvature: ProjectedCurvature) -> dict[str, Any] | None:
    numbers = (curvature.loss, *curvature.gradient.tolist(), *curvature.matrix.ravel().tolist())
    if not np.isfinite(numbers).all():
        return None
    trace = explorer.trace
    mean = None
    if trace is not None and np.isfinite(trace.mean_curvature):
        error = trace.mean_curvature_stderr
        mean = [trace.mean_curvature, error if error is not None and np.isfinite(error) else 0.0]
    return {
        "loss": float(curvature.loss),
        "gradient": curvature.gradient.tolist(),
        "matrix": curvature.matrix.tolist(),
        "gram": curvature.gram.tolist(),
        "mean": mean,
    }
