"""The loss over two directions as a surface in three dimensions."""

from __future__ import annotations

import importlib
import threading
from types import ModuleType
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.widgets.page_theme import PageTheme
from curvwidget.widgets.style import INK, Key, legend, number, sentence
from curvwidget.widgets.surface_mesh import SurfaceMesh, ball, surface_mesh
from curvwidget.widgets.webgl_gate import WebGLGate

__all__ = ["Surface"]

Array = np.ndarray[Any, Any]

_SCALES = ("linear", "log", "difference")
_WAITING = "The surface appears as soon as the browser says that it can draw in three dimensions (WebGL)."


class Surface(ipywidgets.VBox):
    """A slice of two directions as a surface, with the probe and the centre on it.

    It is drawn by ipyvolume, once the browser says that it has WebGL. Where either is missing, a sentence says so; the map shows
    the same slice without them.

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
        self._scene: _Scene | None = None
        self._size = check_count("width", width), check_count("height", height)
        self._gate, self._page = WebGLGate(), PageTheme()
        self._text = ipywidgets.HTML()
        self._stage = ipywidgets.Box(layout=ipywidgets.Layout(width="100%", overflow="hidden", justify_content="center"))
        super().__init__([self._text, self._stage, self._gate, self._page], layout=layout or ipywidgets.Layout(width="100%"))
        self.add_class("cw-plot")
        self.add_class("cw-surface")
        self.set_trait("slice", slice)
        self.probe, self.scale = probe, scale
        self._draw()
        self.observe(lambda change: self._draw(), ["slice", "scale"])
        self.observe(lambda change: self._draw_probe(), "probe")
        self._gate.observe(lambda change: self._draw(), ["supported", "reason"])
        self._page.observe(lambda change: self._paint(), "dark")

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

    def _draw(self) -> None:
        with self._lock:
            problem = self._find_scene()
            if self._scene is None:
                self._text.value = sentence(problem)
                self._stage.children = ()
                return
            plane = self.slice
            if plane is None:
                self._text.value = sentence("no slice yet")
                self._stage.children = ()
                return
            mesh = surface_mesh(plane, self.scale)
            if mesh is None:
                self._text.value = sentence(f"Nothing to draw: no loss of this slice is finite{_positive(self.scale)}.")
                self._stage.children = ()
                return
            self._mesh = mesh
            self._scene.show(mesh, self.probe)
            self._text.value = legend(_KEYS, note=_describe(plane, mesh, self.scale))
            if self._stage.children != (self._scene.figure,):
                self._stage.children = (self._scene.figure,)

    def _paint(self) -> None:
        with self._lock:
            if self._scene is not None:
                self._scene.figure.style = _style(dark=self._page.dark)

    def _draw_probe(self) -> None:
        with self._lock:
            if self._scene is not None and self.slice is not None and self._stage.children:
                self._scene.move(self._mesh, self.probe)

    def _find_scene(self) -> str:
        """Build the scene if that is possible, and say what is missing if not."""
        if self._scene is not None:
            return ""
        if self._gate.supported is None:
            return _WAITING
        if not self._gate.supported:
            reason = self._gate.reason or "it did not say why"
            return (
                f"This browser cannot draw in three dimensions ({reason}). The map shows the same slice; for the surface, switch on "
                "hardware acceleration in the browser's settings, or use a browser with WebGL."
            )
        try:
            ipyvolume, pythreejs = importlib.import_module("ipyvolume"), importlib.import_module("pythreejs")
        except ImportError as error:
            return (
                f"The surface needs ipyvolume, which cannot be imported here ({error}). The map shows the same slice; for the surface, "
                "run `pip install ipyvolume ipython_genutils` and restart the kernel."
            )
        self._scene = _Scene(ipyvolume, pythreejs, *self._size)
        self._paint()
        return ""


# From the front right above: the axes that ipyvolume labels are then the near ones.
_EYE = (-1.28, 1.8, -2.2)
_PROBE, _CENTER, _RADIUS = np.array([0.9, 0.1, 0.45]), np.array([1.0, 1.0, 1.0]), 0.03
_KEYS = (Key("probe", "#e61a73", None, "circle"), Key("centre θ", INK, None, "ring"))


class _Scene:
    """ipyvolume's figure with one mesh and two points."""

    def __init__(self, ipyvolume: ModuleType, pythreejs: ModuleType, width: int, height: int) -> None:
        nothing = np.zeros(4, dtype=np.float32)
        # The colours come lit from Python, the same in every browser: a matte material under ambient light shows them as they are.
        material = pythreejs.MeshLambertMaterial(side=pythreejs.enums.Side.DoubleSide)
        self.mesh = ipyvolume.Mesh(
            x=nothing,
            y=nothing,
            z=nothing,
            triangles=np.zeros((2, 3), dtype=np.uint32),
            color=np.zeros((4, 4), dtype=np.float32),
            material=material,
        )
        # Not ipyvolume.Scatter, whose sizes and colours of today's traittypes no longer pass as JSON.
        self._ball, triangles = ball(_RADIUS)
        light = np.clip(0.7 + 0.35 * self._ball[:, 1:2] / _RADIUS, 0, 1)
        self.points = [
            ipyvolume.Mesh(
                **dict(zip("xyz", self._ball.T, strict=True)),
                triangles=triangles,
                color=np.hstack([light * color, np.ones_like(light)]).astype(np.float32),
                visible=False,
                material=material,
            )
            for color in (_PROBE, _CENTER)
        ]
        camera = pythreejs.PerspectiveCamera(fov=30, position=_EYE, up=(0, 1, 0), aspect=width / height)
        self.figure = ipyvolume.Figure(
            width=width,
            height=height,
            meshes=[self.mesh, *self.points],
            lights=[pythreejs.AmbientLight(color="#ffffff", intensity=1.0)],
            animation=0,
            camera=camera,
            # ipyvolume's own controls tilt the horizon.
            controls=pythreejs.OrbitControls(controlling=camera, enablePan=False, enableZoom=False),
            camera_center=[0.0, -0.06, 0.0],
            xlabel="axis 1",
            ylabel="loss",
            zlabel="axis 2",
            style=_style(dark=False),
        )
        self.figure.xlim = self.figure.ylim = self.figure.zlim = (-0.5, 0.5)

    def show(self, mesh: SurfaceMesh, probe: tuple[float, float]) -> None:
        """Show a mesh."""
        with self.mesh.hold_sync():
            self.mesh.x, self.mesh.y, self.mesh.z = mesh.x, mesh.y, mesh.z
            self.mesh.color, self.mesh.triangles = mesh.colors, mesh.triangles
        self.figure.ylabel = {"linear": "loss", "log": "log loss", "difference": "Δ loss"}[mesh.scale]
        self.move(mesh, probe)

    def move(self, mesh: SurfaceMesh, probe: tuple[float, float]) -> None:
        """Move the probe and the centre onto a mesh; what is outside it is not seen."""
        for point, position in zip(self.points, (probe, (0.0, 0.0)), strict=True):
            place = mesh.locate(position)
            with point.hold_sync():
                point.visible = place is not None
                if place is not None:
                    point.x, point.y, point.z = (self._ball + np.asarray(place, dtype=np.float32)).T.copy()


def _style(*, dark: bool) -> dict[str, Any]:
    """Return ipyvolume's style: the colours of the page; no tick labels, which ipyvolume rounds to one decimal."""
    ink = "#b0b0b0" if dark else "#666666"
    sides = {side: {"ticklabel": {"visible": False}} for side in "xyz"}
    return {
        "background-color": "#111111" if dark else "#ffffff",
        "axes": {"visible": True, "color": ink, "label": {"color": ink}, "ticklabel": {"color": ink}, **sides},
        "box": {"visible": True},
    }


def _positive(scale: str) -> str:
    return " and positive" if scale == "log" else ""


def _describe(plane: LossSlice, mesh: SurfaceMesh, scale: str) -> str:
    named = zip(plane.directions.labels, plane.span, strict=True)
    axes = [f"axis {index}: {label}, ±{number(span)}" for index, (label, span) in enumerate(named, start=1)]
    name = {"linear": "loss", "log": "loss (log)", "difference": "loss − L(θ)"}[scale]
    low, high = (10**value for value in mesh.limits) if scale == "log" else mesh.limits
    holes = f"; {mesh.missing} points are not finite{_positive(scale)}: holes" if mesh.missing else ""
    return f"{'; '.join(axes)}; {name} from {number(low)} to {number(high)}{holes}"
