"""The classical functions of two variables on which optimizers are tried, and what is known about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["CLASSICAL", "ClassicalFunction"]


@dataclass(frozen=True)
class ClassicalFunction:
    """A function of two variables.

    Attributes:
        name: What it is called.
        function: ``function(x, y)`` of tensors that broadcast together.
        minima: Its global minima, each (x, y).
        minimum: Its value there.
        start: Where optimizers usually start, (x, y).
        domain: Half-width of the square around the origin on which it is usually drawn.
    """

    name: str
    function: Callable[[Tensor, Tensor], Tensor]
    minima: tuple[tuple[float, float], ...]
    minimum: float
    start: tuple[float, float]
    domain: float


def _rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _himmelblau(x: Tensor, y: Tensor) -> Tensor:
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _beale(x: Tensor, y: Tensor) -> Tensor:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _booth(x: Tensor, y: Tensor) -> Tensor:
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


def _three_hump_camel(x: Tensor, y: Tensor) -> Tensor:
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


def _rastrigin(x: Tensor, y: Tensor) -> Tensor:
    return 20 + x**2 - 10 * torch.cos(2 * math.pi * x) + y**2 - 10 * torch.cos(2 * math.pi * y)


def _ackley(x: Tensor, y: Tensor) -> Tensor:
    cone = -20 * torch.exp(-0.2 * torch.sqrt(0.5 * (x**2 + y**2)))
    waves = -torch.exp(0.5 * (torch.cos(2 * math.pi * x) + torch.cos(2 * math.pi * y)))
    return cone + waves + math.e + 20


_HIMMELBLAU_MINIMA = (
    (3.0, 2.0),
    (-2.805118086952745, 3.131312518250573),
    (-3.779310253377747, -3.283185991286170),
    (3.584428340330492, -1.848126526964404),
)

#: By name. Ackley's minimum is the tip of a cone: there is no Hessian there.
CLASSICAL: dict[str, ClassicalFunction] = {
    found.name: found
    for found in (
        ClassicalFunction("rosenbrock", _rosenbrock, ((1.0, 1.0),), 0.0, (-1.2, 1.0), 2.0),
        ClassicalFunction("himmelblau", _himmelblau, _HIMMELBLAU_MINIMA, 0.0, (0.0, 0.0), 5.0),
        ClassicalFunction("beale", _beale, ((3.0, 0.5),), 0.0, (1.0, 1.0), 4.5),
        ClassicalFunction("booth", _booth, ((1.0, 3.0),), 0.0, (0.0, 0.0), 10.0),
        ClassicalFunction("three-hump camel", _three_hump_camel, ((0.0, 0.0),), 0.0, (-1.5, 1.0), 2.0),
        ClassicalFunction("rastrigin", _rastrigin, ((0.0, 0.0),), 0.0, (0.5, 0.5), 5.12),
        ClassicalFunction("ackley", _ackley, ((0.0, 0.0),), 0.0, (0.5, 0.5), 5.0),
    )
}
