"""The loss over two directions as a map with contours and a probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import ipywidgets
import torch
import traitlets

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.widgets.base import BaseWidget, bundle
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.loss_packet import Scale, loss_packet

__all__ = ["LossMap"]

_SCALES = ("linear", "log", "difference")


def _named_point() -> traitlets.Tuple:  # a trait each
    return traitlets.Tuple(traitlets.Float(), traitlets.Float(), traitlets.Unicode())


class LossMap(Picture, BaseWidget):
    """A map of the loss over two directions.

    Colours and contours always belong to the same slice. The probe is dragged by the pointer or moved by the arrow keys, and the
    read-out follows, without the kernel: the map stays alive while the kernel computes.

    The colours of the difference from the centre grow with its square root, so that a shallow valley beside a steep wall is seen;
    contours stand at equal steps of the loss all the same.

    Example:
        >>> from curvwidget.widgets.loss_map import LossMap
        >>> view = LossMap(scale="difference", title="Around the trained model")
        >>> view.probe
        (0.0, 0.0)
    """

    _esm = bundle("loss_map.js")
    _css = bundle("loss_map.css")

    slice = traitlets.Instance(LossSlice, allow_none=True)
    """The slice shown, of two directions.

    - Type: `LossSlice` or None
    - Default: None, an empty map

    A slice along other directions drops the `curvature`, which belonged to the old ones.
    """

    curvature = traitlets.Instance(ProjectedCurvature, allow_none=True)
    """Gradient and Hessian along the slice's directions, from which the model's contours are drawn.

    - Type: `ProjectedCurvature` or None
    - Default: None
    """

    probe = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0)).tag(sync=True)
    """Where the probe stands, in units of the two directions.

    - Type: two finite numbers
    - Default: ``(0.0, 0.0)``, the centre
    """

    picked = traitlets.Tuple(traitlets.Float(), traitlets.Float(), traitlets.Int(), default_value=(0.0, 0.0, 0)).tag(sync=True)
    """The point that was double-clicked, or where Enter was pressed: its two coordinates, and how many were picked so far.

    - Type: two numbers and a count
    - Default: ``(0.0, 0.0, 0)``
    """

    way = traitlets.List(_named_point()).tag(sync=True)
    """Points that are joined in their order, such as the checkpoints of a training run; the last one is a square.

    - Type: list of ``(x, y, name)``: finite coordinates in units of the directions, and a text that may be empty
    - Default: empty
    """

    spots = traitlets.List(_named_point()).tag(sync=True)
    """Single points, such as other minima, drawn as triangles.

    - Type: list of ``(x, y, name)`` as for `way`
    - Default: empty
    """

    scale = traitlets.Unicode("linear").tag(sync=True)
    """What is drawn.

    - Type: ``"linear"`` (the loss), ``"log"`` (its decimal logarithm) or ``"difference"`` (loss − L(θ), colours centred at 0)
    - Default: ``"linear"``
    """

    show_model = traitlets.Bool(False).tag(sync=True)
    """Whether contours of the local quadratic model are drawn over those of the loss, at the same levels.

    - Type: bool
    - Default: False
    """

    levels = traitlets.Int(15).tag(sync=True)
    """How many contours there may be at most; fewer, where round steps ask for it.

    - Type: int, 0 to 100
    - Default: 15
    """

    limits = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=None, allow_none=True)
    """Where the colours end, and between which contours stand, in what is drawn: maps with the same limits have the same colours.

    - Type: two finite numbers, ascending, or None for the smallest and the largest value drawn
    - Default: None
    """

    title = traitlets.Unicode("").tag(sync=True)
    """Text above the map.

    - Type: str
    - Default: empty
    """

    caption = traitlets.Unicode("").tag(sync=True)
    """Small print beside the title, such as ``"exact, 1,681 evaluations"``; a screen reader hears it as well.

    - Type: str
    - Default: empty
    """

    status = traitlets.Unicode("").tag(sync=True)
    """Short text in the corner, such as ``"computing 21 × 21"``.

    - Type: str
    - Default: empty
    """

    packet = traitlets.Bytes(b"", read_only=True).tag(sync=True)
    """What the views draw: grid, axes, contours and levels of one slice in one block (`loss_packet`)."""

    def __init__(
        self,
        slice: LossSlice | None = None,  # noqa: A002 - the word for it, here as in `slice_loss`
        *,
        curvature: ProjectedCurvature | None = None,
        probe: tuple[float, float] = (0.0, 0.0),
        scale: Scale = "linear",
        show_model: bool = False,
        levels: int = 15,
        limits: tuple[float, float] | None = None,
        title: str = "",
        **traits: Any,
    ) -> None:
        """Draw a slice.

        Args:
            slice: The slice, of two directions; None for an empty map.
            curvature: Gradient and Hessian along the same directions, for the contours of the quadratic model.
            probe: Where the probe stands, in units of the directions.
            scale: ``"linear"``, ``"log"`` or ``"difference"``.
            show_model: Whether the model's contours are drawn.
            levels: How many contours there may be at most.
            limits: Where the colours end; None for the smallest and the largest value drawn.
            title: Text above the map.
            traits: Further traits: ``status``, ``theme``, ``layout``.
        """
        self._held = True
        traits.setdefault("layout", ipywidgets.Layout(width="auto", max_width="640px", height="480px"))
        super().__init__(probe=probe, scale=scale, show_model=show_model, levels=levels, limits=limits, title=title, **traits)
        self._held = False
        self.show(slice, curvature)

    def show(self, slice: LossSlice | None, curvature: ProjectedCurvature | None = None) -> None:  # noqa: A002 - as above
        """Replace slice and curvature in one step.

        Args:
            slice: The slice, of two directions; None empties the map.
            curvature: Gradient and Hessian along the same directions, or None.
        """
        with self._one_packet():
            self.slice = slice
            self.curvature = curvature

    @contextmanager
    def _one_packet(self) -> Iterator[None]:
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self._publish()

    def _publish(self) -> None:
        if not self._held:
            shown: LossSlice | None = self.slice
            scale = cast(Scale, self.scale)
            packet = b"" if shown is None else loss_packet(shown, self.curvature, scale, self.levels, self.limits)
            self.set_trait("packet", packet)

    @traitlets.validate("slice")
    def _check_slice(self, proposal: dict[str, Any]) -> LossSlice | None:
        value: LossSlice | None = proposal["value"]
        if value is None:
            return None
        if len(value.axes) != 2:
            raise ValueError(f"slice must have 2 directions to be drawn as a map, got {len(value.axes)}")
        if any(len(axis) < 2 for axis in value.axes):
            raise ValueError(f"slice must have at least 2 points along each axis, got {' × '.join(map(str, value.values.shape))}")
        return value

    @traitlets.validate("curvature")
    def _check_curvature(self, proposal: dict[str, Any]) -> ProjectedCurvature | None:
        value: ProjectedCurvature | None = proposal["value"]
        if value is not None and value.matrix.shape != (2, 2):
            raise ValueError(f"curvature must be that of 2 directions, got {len(value.matrix)}")
        return value

    @traitlets.validate("probe")
    def _check_probe(self, proposal: dict[str, Any]) -> tuple[float, float]:
        x, y = proposal["value"]
        return check_finite("probe[0]", x), check_finite("probe[1]", y)

    @traitlets.validate("way", "spots")
    def _check_named(self, proposal: dict[str, Any]) -> list[tuple[float, float, str]]:
        value: list[tuple[float, float, str]] = proposal["value"]
        for x, y, _ in value:
            check_finite(f"{proposal['trait'].name}: x", x)
            check_finite(f"{proposal['trait'].name}: y", y)
        return value

    @traitlets.validate("scale")
    def _check_scale(self, proposal: dict[str, Any]) -> str:
        check_choice("scale", proposal["value"], _SCALES)
        return str(proposal["value"])

    @traitlets.validate("levels")
    def _check_levels(self, proposal: dict[str, Any]) -> int:
        levels = check_count("levels", proposal["value"], minimum=0)
        if levels > 100:
            raise ValueError(f"levels must be at most 100, got {levels}")
        return levels

    @traitlets.validate("limits")
    def _check_limits(self, proposal: dict[str, Any]) -> tuple[float, float] | None:
        if proposal["value"] is None:
            return None
        low, high = (check_finite(f"limits[{index}]", value) for index, value in enumerate(proposal["value"]))
        if not low < high:
            raise ValueError(f"limits must be two numbers, the smaller first, got ({low}, {high})")
        return low, high

    @traitlets.observe("slice")
    def _on_slice(self, change: dict[str, Any]) -> None:
        held, self._held = self._held, True
        if not _same_plane(change["old"], change["new"]):
            self.curvature = None
        self._held = held
        self._publish()

    @traitlets.observe("curvature", "scale", "levels", "limits")
    def _on_change(self, change: dict[str, Any]) -> None:
        self._publish()


def _same_plane(old: LossSlice | None, new: LossSlice | None) -> bool:
    if old is None or new is None or old.directions is new.directions:
        return True
    first, second = old.directions.vectors, new.directions.vectors
    return first.shape == second.shape and first.device == second.device and bool(torch.equal(first, second))
