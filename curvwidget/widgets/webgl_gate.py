"""Whether the browser can draw in three dimensions."""

from __future__ import annotations

import traitlets

from curvwidget.widgets.base import BaseWidget, bundle

__all__ = ["WebGLGate"]


class WebGLGate(BaseWidget):
    """A widget without size that tells whether the browser has WebGL, once it is shown in one.

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
