"""The activations that the zoo's models can be built with."""

from __future__ import annotations

from typing import Literal

from torch import nn

from curvwidget._checks import check_choice

__all__ = ["Activation", "make_activation"]

Activation = Literal["tanh", "silu", "relu"]
_KINDS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "silu": nn.SiLU, "relu": nn.ReLU}


def make_activation(name: Activation) -> nn.Module:
    """Build an activation.

    Args:
        name: ``"tanh"``, ``"silu"`` (both smooth) or ``"relu"`` (whose kinks no Hessian sees).

    Returns:
        The module. It does not work in place.
    """
    check_choice("activation", name, _KINDS)
    return _KINDS[name]()
