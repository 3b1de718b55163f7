"""A symmetric matrix known only by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from curvwidget._checks import check_count

__all__ = ["HasHessian", "SymmetricOperator", "as_operator"]


def _one() -> int:
    return 1


@dataclass(frozen=True, eq=False)
class SymmetricOperator:
    """A symmetric matrix A of shape (N, N) known only by v ↦ A·v.

    Attributes:
        size: N.
        matmat: Maps ``(k, N)`` to ``(k, N)``: each row v to A·v.
        dtype: Of the vectors that it takes and gives.
        device: Where the vectors lie.
        blocks: Named, disjoint stretches of the N coordinates (the parameters of a network), for results by block; may be empty.
        rows_at_once: Says how many vectors are best multiplied at once, where more than one is faster than one by one. Asked once
            a computation, it has to give the same as long as the operator lives.
        normalization: Of the directions that A is scaled as: A is SHS with their root mean squares on the diagonal of S. What is
            estimated of A carries it; ``"none"`` for H itself.
    """

    size: int
    matmat: Callable[[Tensor], Tensor]
    dtype: torch.dtype = torch.float64
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    blocks: dict[str, slice] = field(default_factory=dict)
    rows_at_once: Callable[[], int] = _one
    normalization: str = "none"

    def __post_init__(self) -> None:
        """Refuse what is no matrix of numbers: a size below 1 (`ValueError`) or that is no whole number.

        Raises:
            TypeError: If the dtype is neither float32 nor float64.
        """
        check_count("size", self.size)
        if self.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"dtype must be torch.float32 or torch.float64, got {self.dtype}")

    @property
    def rounding(self) -> float:
        """Ten times the relative spacing of the dtype: what is smaller beside ‖A‖ cannot be told from zero."""
        return 10 * float(torch.finfo(self.dtype).eps)

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Multiply vectors by the matrix.

        Args:
            vectors: ``(N,)``, or a block of rows ``(k, N)``.

        Returns:
            The products, of the same shape.
        """
        if vectors.ndim == 1:
            return self.matmat(vectors.unsqueeze(0)).squeeze(0)
        return self.matmat(vectors)


class HasHessian(Protocol):
    """Anything that gives its Hessian as an operator: an objective, say."""

    def hessian(self) -> SymmetricOperator:
        """Return the Hessian as an operator."""


def as_operator(thing: SymmetricOperator | HasHessian) -> SymmetricOperator:
    """Return the operator, or the Hessian of whatever has one.

    Args:
        thing: An operator, or an object with a method ``hessian()`` that returns one.

    Returns:
        The operator.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(thing, SymmetricOperator):
        return thing
    hessian = getattr(thing, "hessian", None)
    if not callable(hessian):
        raise TypeError(f"objective must be an Objective or a SymmetricOperator, got {type(thing).__name__}")
    operator = hessian()
    if not isinstance(operator, SymmetricOperator):
        raise TypeError(f"{type(thing).__name__}.hessian() must return a SymmetricOperator, got {type(operator).__name__}")
    return operator
