"""The WebGL gate, without a browser."""

from __future__ import annotations

import pytest
import traitlets

from curvwidget.widgets.webgl_gate import WebGLGate


def test_nothing_is_known_before_a_browser_answers() -> None:
    gate = WebGLGate()
    assert gate.supported is None
    assert gate.reason == ""


def test_the_browsers_answer_is_heard() -> None:
    gate = WebGLGate()
    heard: list[bool] = []
    gate.observe(lambda change: heard.append(change["new"]), "supported")
    gate.set_state({"supported": False, "reason": "the browser gives no WebGL context"})
    assert heard == [False]
    assert "no WebGL" in gate.reason


def test_an_answer_is_yes_or_no() -> None:
    with pytest.raises(traitlets.TraitError, match="supported"):
        WebGLGate(supported="maybe")


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="WebGLGate got an unknown argument 'gl'"):
        WebGLGate(gl=True)
