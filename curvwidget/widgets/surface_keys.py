"""The keys that turn a surface, and what a screen reader hears of it."""

from __future__ import annotations

import traitlets

from curvwidget.widgets.base import BaseWidget, bundle

__all__ = ["SurfaceKeys"]


class SurfaceKeys(BaseWidget):
    """A widget that lies over a surface, lets the mouse through, and can be focused.

    Example:
        >>> from curvwidget.widgets.surface_keys import SurfaceKeys
        >>> SurfaceKeys(label="loss from 0 to 1").turned
        (0.0, 0.0, 0)
    """

    _esm = bundle("surface_keys.js")
    _css = bundle("surface_keys.css")

    label = traitlets.Unicode("").tag(sync=True)
    """What is seen, in words.

    - Type: str
    - Default: empty
    """

    turned = traitlets.Tuple(traitlets.Float(), traitlets.Float(), traitlets.Int(), default_value=(0.0, 0.0, 0)).tag(sync=True)
    """The last turn asked for: degrees to the right and upwards, both 0 for back to the beginning, and how many there were.

    - Type: two numbers and a count
    - Default: ``(0.0, 0.0, 0)``
    """
