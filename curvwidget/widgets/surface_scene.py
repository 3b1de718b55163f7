"""ipyvolume's figure with a surface and two points on it, and what to say where it cannot be had."""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Any

import numpy as np

from curvwidget.widgets.surface_mesh import SurfaceMesh, ball

__all__ = ["PROBE", "SurfaceScene", "load_libraries"]

PROBE = "#e61a73"  # on neither of the two colour maps
_PROBE_RGB, _CENTER_RGB = (0.9, 0.1, 0.45), (1.0, 1.0, 1.0)
_INK = {True: "#e8e8e8", False: "#222222"}  # on a dark page, on a light one
_RADIUS = 0.03  # of a point, in a box of side 1
# From the front right above: the near edges are then those that the names stand beside.
_EYE = (-1.28, 1.8, -2.2)
_LOWEST, _HIGHEST = 2.0, 88.0  # degrees above the horizon
_HEIGHT_NAMES = {"linear": "loss", "log": "log₁₀ loss", "difference": "loss − L(θ)"}
# Outside of the box, in the middle of an edge: axis 1, axis 2, the height; and which part of the text stands there, 0 to 1.
_NAMES = (("axis 1", (0.04, -0.6, -0.6), 0.5), ("axis 2", (-0.55, -0.6, 0.0), 0.2), ("loss", (0.55, 0.0, -0.5), 1.0))
_LETTER = 28  # pixels of a letter's picture, twice what is seen
_LETTER_HEIGHT = 0.11  # in the box
_ASPECT = 0.5  # of a letter, about


def load_libraries() -> tuple[ModuleType, ModuleType] | str:
    """Import ipyvolume and pythreejs, which take their time.

    Returns:
        Both, or a sentence that says why that cannot be and what to do.
    """
    try:
        return importlib.import_module("ipyvolume"), importlib.import_module("pythreejs")
    except (
        ImportError,
        AttributeError,
    ) as error:  # AttributeError: how a new NumPy breaks old code
        return (
            f"The surface needs ipyvolume, which cannot be imported here ({error}). The map shows the same slice; for the "
            "surface, run `pip install ipyvolume ipython_genutils` and restart the kernel."
        )


class SurfaceScene:
    """A surface, the probe and the centre in one figure, all updated in place.

    Attributes:
        figure: The figure, to be shown once the browser is known to have WebGL.
        mesh: The surface.
        points: The probe and the centre.
        names: Of axis 1, axis 2 and the height.
    """

    def __init__(self, ipyvolume: ModuleType, pythreejs: ModuleType, width: int, height: int) -> None:
        """Make the figure.

        Args:
            ipyvolume: The library.
            pythreejs: The library beneath it.
            width: Width of the figure in pixels.
            height: Its height in pixels.
        """
        # The colours come lit from Python: a matte material under nothing but ambient light shows them as they are.
        material = pythreejs.MeshLambertMaterial(side=pythreejs.enums.Side.DoubleSide)
        nothing = {name: np.zeros(3, dtype=np.float32) for name in "xyz"}
        self.mesh = ipyvolume.Mesh(
            **nothing,
            triangles=np.zeros((1, 3), dtype=np.uint32),
            color=np.zeros((3, 4), dtype=np.float32),
            material=material,
        )
        # Not ipyvolume.Scatter, whose sizes today's traittypes make arrays of no dimension, which do not pass as JSON.
        self._ball, triangles = ball(_RADIUS)
        light = np.clip(0.7 + 0.35 * self._ball[:, 1:2] / _RADIUS, 0, 1)
        self.points = tuple(
            ipyvolume.Mesh(
                **dict(zip("xyz", self._ball.T.copy(), strict=True)),
                triangles=triangles,
                color=np.hstack([light * np.array(color), np.ones_like(light)]).astype(np.float32),
                material=material,
                visible=False,
            )
            for color in (_PROBE_RGB, _CENTER_RGB)
        )
        self.names = tuple(_name(pythreejs, *name) for name in _NAMES)
        camera = pythreejs.PerspectiveCamera(fov=30, position=_EYE, up=(0, 1, 0), aspect=width / height)
        self.figure = ipyvolume.Figure(
            width=width,
            height=height,
            meshes=[self.mesh, *self.points],
            lights=[pythreejs.AmbientLight(color="#ffffff", intensity=1.0)],
            animation=0,
            camera=camera,
            # ipyvolume's own controls tilt the horizon. Zooming would swallow the scrolling of the page.
            controls=pythreejs.OrbitControls(controlling=camera, enablePan=False, enableZoom=False),
            camera_center=[0.0, -0.06, 0.0],
            scene=pythreejs.Scene(children=list(self.names)),
            style=_style(dark=False),
        )
        self.paint(dark=False)
        self.figure.xlim = self.figure.ylim = self.figure.zlim = (-0.5, 0.5)

    def show(self, mesh: SurfaceMesh, probe: tuple[float, float]) -> None:
        """Show a surface.

        Args:
            mesh: The surface.
            probe: Where the probe stands, in units of the directions.
        """
        with self.mesh.hold_sync():
            self.mesh.x, self.mesh.y, self.mesh.z = mesh.x, mesh.y, mesh.z
            self.mesh.color, self.mesh.triangles = mesh.colors, mesh.triangles
        _write(self.names[2], _HEIGHT_NAMES[mesh.scale])
        self.move(mesh, probe)

    def move(self, mesh: SurfaceMesh, probe: tuple[float, float]) -> None:
        """Move the probe and the centre onto a surface; what has no finite loss there is hidden.

        Args:
            mesh: The surface.
            probe: Where the probe stands, in units of the directions.
        """
        for point, position in zip(self.points, (probe, (0.0, 0.0)), strict=True):
            place = mesh.locate(position)
            if place is not None:
                with point.hold_sync():
                    point.x, point.y, point.z = (self._ball + np.asarray(place, dtype=np.float32)).T.copy()
            # In a message of its own: ipyvolume animates whatever changes together with a position, and fails at `visible`.
            point.visible = place is not None

    def turn(self, right: float, up: float) -> None:
        """Turn the surface to the right and its upper side towards the viewer.

        Args:
            right: Degrees about the vertical axis.
            up: Degrees; the surface is never seen from below, nor from straight above.
        """
        x, y, z = self.figure.camera.position
        radius = math.hypot(x, y, z)
        azimuth = math.atan2(x, z) - math.radians(right)
        height = min(max(math.asin(y / radius) + math.radians(up), math.radians(_LOWEST)), math.radians(_HIGHEST))
        ground = radius * math.cos(height)
        self._look_from((ground * math.sin(azimuth), radius * math.sin(height), ground * math.cos(azimuth)))

    def turn_back(self) -> None:
        """Look at the surface as at first."""
        self._look_from(_EYE)

    def _look_from(self, eye: tuple[float, float, float]) -> None:
        self.figure.camera.position = eye
        # ipyvolume draws nothing anew when its camera moves by itself, but does when a name changes; none of these is seen.
        self.figure.xlabel = "" if self.figure.xlabel else "x"

    def paint(self, *, dark: bool) -> None:
        """Take the colours of the page.

        Args:
            dark: Whether the page is dark.
        """
        for name in self.names:
            name.material.map.color = _INK[dark]
        self.figure.style = _style(dark=dark)


# A text that always faces the viewer. ipyvolume's own names of axes are of one size, larger than everything around them.
def _name(pythreejs: ModuleType, text: str, place: tuple[float, float, float], part: float) -> Any:
    texture = pythreejs.TextTexture(string=text, size=_LETTER, minFilter="LinearFilter", generateMipmaps=False)
    material = pythreejs.SpriteMaterial(map=texture, transparent=True, depthTest=False)
    sprite = pythreejs.Sprite(material, position=place, center=(part, 0.5))
    _write(sprite, text)
    return sprite


def _write(name: Any, text: str) -> None:
    # The picture of a text is a square as wide as the text.
    side = _LETTER_HEIGHT * max(1.0, _ASPECT * len(text))
    name.material.map.string, name.scale = text, (side, side, 1.0)


def _style(*, dark: bool) -> dict[str, Any]:
    # No tick labels: ipyvolume rounds them to one decimal, which is wrong for most losses and coordinates.
    ink = "#b0b0b0" if dark else "#666666"
    sides = {side: {"ticklabel": {"visible": False}, "label": {"visible": False}} for side in "xyz"}
    return {
        "background-color": "#111111" if dark else "#ffffff",
        "axes": {"visible": True, "color": ink, "label": {"color": ink}, "ticklabel": {"color": ink}, **sides},
        "box": {"visible": True},
    }
