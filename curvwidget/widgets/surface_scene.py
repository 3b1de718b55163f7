"""ipyvolume's figure with a surface and two points on it, and what to say where it cannot be had."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from curvwidget.widgets.surface_mesh import SurfaceMesh, ball

__all__ = ["PROBE", "SurfaceScene", "load_libraries"]

PROBE = "#e61a73"  # on neither of the two colour maps
_PROBE_RGB, _CENTER_RGB = (0.9, 0.1, 0.45), (1.0, 1.0, 1.0)
_RADIUS = 0.03  # of a point, in a box of side 1
# From the front right above: the axes that ipyvolume labels are then the near ones.
_EYE = (-1.28, 1.8, -2.2)
_HEIGHT_NAMES = {"linear": "loss", "log": "log loss", "difference": "Δ loss"}


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
            xlabel="axis 1",
            ylabel=_HEIGHT_NAMES["linear"],
            zlabel="axis 2",
            style=_style(dark=False),
        )
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
        self.figure.ylabel = _HEIGHT_NAMES[mesh.scale]
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

    def paint(self, *, dark: bool) -> None:
        """Take the colours of the page.

        Args:
            dark: Whether the page is dark.
        """
        self.figure.style = _style(dark=dark)


def _style(*, dark: bool) -> dict[str, Any]:
    # No tick labels: ipyvolume rounds them to one decimal, which is wrong for most losses and coordinates.
    ink = "#b0b0b0" if dark else "#666666"
    sides = {side: {"ticklabel": {"visible": False}} for side in "xyz"}
    return {
        "background-color": "#111111" if dark else "#ffffff",
        "axes": {"visible": True, "color": ink, "label": {"color": ink}, "ticklabel": {"color": ink}, **sides},
        "box": {"visible": True},
    }
