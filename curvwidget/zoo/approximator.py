"""The function approximators of the theory's figure: a small network learns a curve."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curvwidget._checks import check_choice, check_count
from curvwidget.zoo.activations import Activation, make_activation
from curvwidget.zoo.training import Training, train_model

__all__ = ["function_approximator"]

_TARGETS: dict[str, Callable[[Tensor], Tensor]] = {"cos": torch.cos, "sin": lambda x: torch.sin(2 * math.pi * x)}


def function_approximator(
    target: Literal["cos", "sin"] = "sin",
    *,
    activation: Activation = "tanh",
    hidden: Sequence[int] = (100, 100, 100),
    epochs: int = 500,
    points: int = 101,
    checkpoints: int = 11,
    seed: int = 0,
) -> Training:
    """Train a network of one input and one output on a curve over [−1, 1], in float64, all points at once.

    Args:
        target: ``"cos"`` for cos(x), ``"sin"`` for sin(2πx).
        activation: ``"tanh"``, ``"silu"`` or ``"relu"``.
        hidden: Widths of the hidden layers; the theory's network 1-100-100-100-1 has 20,501 parameters.
        epochs: Steps of Adam at the learning rate 0.001.
        points: Evenly spaced points to train on; the midpoints between them are the test data.
        checkpoints: How many to keep.
        seed: Seed of the weights.

    Returns:
        The trained network with its checkpoints; ``.objective()`` looks at its mean squared error.

    Example:
        >>> from curvwidget import zoo
        >>> curve = zoo.function_approximator("cos", hidden=(10,), epochs=5)
        >>> curve.objective().n_parameters, curve.objective("test").n_samples
        (31, 100)
    """
    check_choice("target", target, _TARGETS)
    widths = [1, *(check_count("hidden", width) for width in hidden), 1]
    points = check_count("points", points, minimum=2)

    def build() -> nn.Module:
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs, dtype=torch.float64), make_activation(activation)]
        return nn.Sequential(*layers[:-1])

    curve = _TARGETS[target]
    x = torch.linspace(-1, 1, points, dtype=torch.float64).unsqueeze(1)
    between = 0.5 * (x[1:] + x[:-1])
    return train_model(
        build,
        F.mse_loss,
        (x, curve(x)),
        (between, curve(between)),
        epochs=epochs,
        learning_rate=1e-3,
        checkpoints=checkpoints,
        seed=seed,
    )
