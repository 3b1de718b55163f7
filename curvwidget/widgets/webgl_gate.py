"""Whether the browser can draw in three dimensions."""

from __future__ import annotations

import ipywidgets
import traitlets

from curvwidget.widgets.base import BaseWidget, bundle

__all__ = ["WebGLGate"]


class WebGLGate(BaseWidget):
    """A widget without size that tells whether the browser has WebGL, and keeps ipyvolume's figure quick to redraw.

    Example:
        >>> from curvwidget.widgets.webgl_gate import WebGLGate
        >>> WebGLGate().supported is None
        True
    """

    _esm = bundle("webgl_gate.js")

    supported = traitlets.Bool(None, allow_none=True).tag(sync=True)
    """Whether WebGL can be had.

    - Type: bool, or None as long as no browser has answered
    - Default: None
    """

    reason = traitlets.Unicode("").tag(sync=True)
    """What the browser said: the WebGL version, or why there is none.

    - Type: str
    - Default: empty
    """

    figure = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    """A figure of ipyvolume whose meshes keep their shaders when their points change: compiling takes tenths of a second.

    - Type: `ipyvolume.Figure` or None
    - Default: None
    """
