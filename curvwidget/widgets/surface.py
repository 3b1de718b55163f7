"""The loss over two directions as a surface in three dimensions."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import ipywidgets
import traitlets

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget._number_words import format_number
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.widgets.export.picture import Picture
from curvwidget.widgets.page_theme import PageTheme
from curvwidget.widgets.style import INK, Key, legend, sentence, shorten
from curvwidget.widgets.surface_keys import SurfaceKeys
from curvwidget.widgets.surface_mesh import SurfaceMesh, surface_mesh
from curvwidget.widgets.surface_scene import PROBE, SurfaceScene, load_libraries
from curvwidget.widgets.webgl_gate import WebGLGate

__all__ = ["Surface"]

_SCALES = ("linear", "log", "difference")


class Surface(Picture, ipywidgets.VBox):
    """A slice of two directions as a surface, with the probe and the centre on it.

    It is drawn by ipyvolume, once the browser says that it has WebGL, and turned by the mouse or, where it has the focus, by the
    arrow keys. Where ipyvolume or WebGL is missing, a sentence says so; the map shows the same slice without them.

    Example:
        >>> from curvwidget.widgets.surface import Surface
        >>> view = Surface(scale="log")
        >>> view.probe = (0.5, -0.25)
    """

    slice = traitlets.Instance(LossSlice, allow_none=True)
    """The slice shown, of two directions.

    - Type: `LossSlice` or None
    - Default: None, no surface
    """

    probe = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0))
    """Where the probe stands, in units of the directions.

    - Type: two finite numbers
    - Default: ``(0.0, 0.0)``, the centre
    """

    scale = traitlets.Unicode("linear")
    """What is drawn.

    - Type: ``"linear"`` (the loss), ``"log"`` (its decimal logarithm) or ``"difference"`` (loss − L(θ), colours centred at 0)
    - Default: ``"linear"``
    """

    def __init__(
        self,
        slice: LossSlice | None = None,  # noqa: A002 - the word for it, here as in `slice_loss`
        *,
        probe: tuple[float, float] = (0.0, 0.0),
        scale: str = "linear",
        width: int = 480,
        height: int = 215,
        layout: ipywidgets.Layout | None = None,
    ) -> None:
        """Draw a slice.

        Args:
            slice: The slice, of two directions; None for no surface.
            probe: Where the probe stands, in units of the directions.
            scale: ``"linear"``, ``"log"`` or ``"difference"``.
            width: Width of the surface in pixels.
            height: Its height in pixels.
            layout: Layout of the whole.
        """
        self._lock = threading.RLock()
        self._libraries: tuple[ModuleType, ModuleType] | str | None = None
        self._scene: SurfaceScene | None = None
        self._mesh: SurfaceMesh | None = None
        self._size = check_count("width", width), check_count("height", height)
        self._gate, self._page, self._keys = WebGLGate(), PageTheme(), SurfaceKeys()
        self._text = ipywidgets.HTML()
        self._stage = ipywidgets.Box(layout=ipywidgets.Layout(width="100%", overflow="hidden", justify_content="center"))
        self._stage.add_class("cw-stage")
        self._keys.add_class("cw-over")
        super().__init__([self._text, self._stage, self._gate, self._page], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        self.add_class("cw-surface")
        self.set_trait("slice", slice)
        self.probe, self.scale = probe, scale
        self._draw()
        self.observe(lambda change: self._draw(), ["slice", "scale"])
        self.observe(lambda change: self._draw_probe(), "probe")
        self._gate.observe(lambda change: self._on_gate(), ["supported", "reason"])
        self._page.observe(lambda change: self._paint(), "dark")
        self._keys.observe(lambda change: self._turn(change["new"]), "turned")

    @traitlets.validate("slice")
    def _check_slice(self, proposal: dict[str, Any]) -> LossSlice | None:
        value: LossSlice | None = proposal["value"]
        if value is not None and len(value.axes) != 2:
            raise ValueError(f"slice must have two directions to span a surface, got {len(value.axes)}")
        return value

    @traitlets.validate("probe")
    def _check_probe(self, proposal: dict[str, Any]) -> tuple[float, float]:
        first, second = proposal["value"]
        return check_finite("probe[0]", first), check_finite("probe[1]", second)

    @traitlets.validate("scale")
    def _check_scale(self, proposal: dict[str, Any]) -> str:
        check_choice("scale", proposal["value"], _SCALES)
        return str(proposal["value"])

    def _on_gate(self) -> None:
        if self._gate.supported and self._libraries is None:
            self._libraries = load_libraries()  # outside the lock: the first import takes seconds, and other views must not wait
        self._draw()

    def _draw(self) -> None:
        with self._lock:
            missing = self._missing()
            plane = self.slice
            if self._scene is None or plane is None:
                self._say(missing or "no slice yet")
                return
            self._mesh = surface_mesh(plane, self.scale)
            if self._mesh is None:
                self._say(f"There is no surface to draw: no loss of this slice is finite{_positive(self.scale)}.")
                return
            self._scene.show(self._mesh, self.probe)
            self._keys.label = _describe(plane, self._mesh, self.scale)
            self._text.value = legend(_KEYS, note=self._keys.label)
            self._stage.layout.display = None

    def _say(self, text: str) -> None:
        """Write a sentence in place of the surface; a figure once made is kept, for a browser has few WebGL contexts."""
        self._mesh = None
        self._text.value = sentence(text)
        self._stage.layout.display = "none"

    def _draw_probe(self) -> None:
        with self._lock:
            if self._scene is not None and self._mesh is not None:
                self._scene.move(self._mesh, self.probe)

    def _turn(self, steps: tuple[float, float, int]) -> None:
        with self._lock:
            if self._scene is None:
                return
            if steps[0] or steps[1]:
                self._scene.turn(*steps[:2])
            else:
                self._scene.turn_back()

    def _paint(self) -> None:
        with self._lock:
            if self._scene is not None:
                self._scene.paint(dark=self._page.dark)

    def _missing(self) -> str:
        """Make the scene as soon as there is all that it takes.

        Returns:
            What is missing, in a sentence; empty where nothing is.
        """
        if self._scene is not None:
            return ""
        if self._gate.supported is None:
            return "The surface appears as soon as the browser says that it can draw in three dimensions (WebGL)."
        if not self._gate.supported:
            reason = self._gate.reason or "it did not say why"
            return (
                f"This browser cannot draw in three dimensions ({reason}). The map shows the same slice; for the surface, switch "
                "on hardware acceleration in the browser's settings, or use a browser with WebGL."
            )
        if self._libraries is None:
            return "Loading ipyvolume …"
        if isinstance(self._libraries, str):
            return self._libraries
        self._scene = SurfaceScene(*self._libraries, *self._size)
        self._gate.figure = self._scene.figure
        self._paint()
        self._stage.children = (self._scene.figure, self._keys)
        return ""


_KEYS = (Key("probe", PROBE, None, "circle"), Key("centre θ", INK, None, "ring"))


def _positive(scale: str) -> str:
    return " and positive" if scale == "log" else ""


def _describe(plane: LossSlice, mesh: SurfaceMesh, scale: str) -> str:
    named = zip(plane.directions.labels, plane.span, strict=True)
    axes = [f"axis {index}: {shorten(label)}, ±{format_number(span)}" for index, (label, span) in enumerate(named, start=1)]
    name = {"linear": "loss", "log": "loss (log)", "difference": "loss − L(θ)"}[scale]
    low, high = (10**value for value in mesh.limits) if scale == "log" else mesh.limits
    holes = f"; {mesh.missing} points are not finite{_positive(scale)}: holes" if mesh.missing else ""
    return f"{'; '.join(axes)}; {name} from {format_number(low)} to {format_number(high)}{holes}"
