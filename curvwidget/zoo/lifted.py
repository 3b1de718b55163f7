"""A function of two variables, hidden in a plane of R^N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget.objective import Objective
from curvwidget.zoo.classical import CLASSICAL, ClassicalFunction

__all__ = ["LiftedFunction", "lift_function"]


@dataclass(frozen=True, eq=False)
class LiftedFunction:
    """L(θ) = f(u·θ, v·θ) + ½·s·‖θ − (u·θ)u − (v·θ)v‖² with orthonormal u and v.

    Attributes:
        base: The function f of two variables.
        plane: u and v ``(2, N)`` float64: along them the picture is that of f.
        stiffness: s, the curvature in the N − 2 directions across the plane.
    """

    base: ClassicalFunction
    plane: Tensor
    stiffness: float

    def __call__(self, theta: Tensor) -> Tensor:
        """Evaluate L.

        Args:
            theta: A point ``(N,)``.

        Returns:
            L(θ), a scalar.
        """
        plane = self.plane.to(theta)
        x, y = inside = plane @ theta
        across = theta - inside @ plane
        return self.base.function(x, y) + 0.5 * self.stiffness * (across**2).sum()

    def theta(self, at: Sequence[float]) -> Tensor:
        """Find a point of the plane in R^N.

        Args:
            at: The two variables of f.

        Returns:
            x·u + y·v ``(N,)`` float64.

        Raises:
            ValueError: If there are not two of them; a `TypeError` if they are no numbers.
        """
        if len(at) != 2:
            raise ValueError(f"at must be two numbers, got {len(at)}")
        x, y = (check_finite("at", value) for value in at)
        return x * self.plane[0] + y * self.plane[1]

    def objective(self, at: Sequence[float] | None = None) -> Objective:
        """Look at a point of the plane.

        Args:
            at: The two variables of f; None for the usual start of optimizers.

        Returns:
            The objective there, float64.
        """
        return Objective.from_function(self, self.theta(self.base.start if at is None else at))


def lift_function(name: str, *, n_parameters: int = 100, stiffness: float = 1.0, seed: int = 0) -> LiftedFunction:
    """Hide a classical function in a random plane of R^N.

    Args:
        name: One of `CLASSICAL`: ``"rosenbrock"``, ``"himmelblau"``, ``"beale"``, ``"booth"``, ``"three-hump camel"``,
            ``"rastrigin"``, ``"ackley"``.
        n_parameters: N, at least 2.
        stiffness: Curvature across the plane; 0 for a loss that does not change there.
        seed: Seed of the plane.

    Returns:
        The lifted function; ``.objective()`` looks at it.

    Example:
        >>> import curvwidget as cw
        >>> from curvwidget import zoo
        >>> hidden = zoo.lift_function("himmelblau", n_parameters=50)
        >>> minimum = hidden.objective(at=(3.0, 2.0))
        >>> cw.hessian_directions(minimum).eigenvalues.round(2).tolist()  # 82.28 and 25.72 in the plane, 1 across it
        [82.28, 1.0]
    """
    check_choice("name", name, CLASSICAL)
    n_parameters = check_count("n_parameters", n_parameters, minimum=2)
    stiffness = check_finite("stiffness", stiffness)
    generator = torch.Generator().manual_seed(seed)
    columns, _ = torch.linalg.qr(torch.randn(n_parameters, 2, generator=generator, dtype=torch.float64))
    return LiftedFunction(CLASSICAL[name], columns.T.contiguous(), stiffness)
