"""The Hessian seen along a few directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from curvwidget._results import ArrayResult

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["ProjectedCurvature", "Verdict"]

Array = np.ndarray[Any, Any]
Verdict = Literal["minimum", "maximum", "saddle", "flat"]


@dataclass(frozen=True, eq=False)
class ProjectedCurvature(ArrayResult):
    """Loss, slope and curvature of a slice at its centre.

    Attributes:
        matrix: ``(k, k)`` float64: v_iᵀ·H·v_j.
        principal: Eigenvalues of the matrix ``(k,)``, ascending: the principal curvatures κ₋ ≤ κ₊ for k = 2.
        gradient: Slope along each direction ``(k,)``: v_iᵀ·∇L.
        error: Of each principal curvature, numerical: a bound with products; with differences what two steps disagree by, and no
            bound where the notes say that the loss is not smooth at that scale.
        gram: ``(k, k)``: v_iᵀ·v_j; a mean curvature m predicts the matrix m·gram.
        loss: L(θ).
        gradient_norm: ‖∇L(θ)‖ in all N dimensions.
        labels: Names of the directions.
        method: How the matrix was obtained: ``"hvp"``, ``"difference"`` or ``"fit"``.
        hvps: Hessian-vector products spent.
        evaluations: Loss evaluations spent.
        notes: What a reader must know to trust the numbers, in words; may be empty.
    """

    matrix: Array
    principal: Array
    gradient: Array
    error: float
    gram: Array
    loss: float
    gradient_norm: float
    labels: tuple[str, ...]
    method: str = "hvp"
    hvps: int = 0
    evaluations: int = 0
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What the slice looks like: signs count beyond the error; "flat" where no curvature is beyond it."""
        positive = bool((self.principal > self.error).any())
        negative = bool((self.principal < -self.error).any())
        if positive and negative:
            return "saddle"
        if positive:
            return "minimum"
        return "maximum" if negative else "flat"

    @property
    def degenerate(self) -> bool:
        """Whether a principal curvature is within its error of zero."""
        return bool((np.abs(self.principal) <= self.error).any())

    def model(self, *coordinates: Array) -> Array:
        """Evaluate the quadratic model L + g·a + ½·aᵀMa of the slice.

        Args:
            coordinates: One array a direction, of shapes that broadcast together, in units of the directions.

        Returns:
            The model's values, float64.
        """
        return quadratic(self.loss, self.gradient, self.matrix, *coordinates)

    def to_xarray(self) -> Dataset:
        """Return the numbers as a labelled data set.

        Returns:
            A `Dataset` with ``matrix``, ``gram``, ``gradient`` and ``principal``.
        """
        from xarray import Dataset

        names = list(self.labels)
        return Dataset(
            {
                "matrix": (("direction", "direction_2"), self.matrix),
                "gram": (("direction", "direction_2"), self.gram),
                "gradient": (("direction",), self.gradient),
                "principal": (("order",), self.principal),
            },
            coords={"direction": names, "direction_2": names},
            attrs={"loss": self.loss, "gradient_norm": self.gradient_norm, "error": self.error, "verdict": self.verdict},
        )


def quadratic(loss: float, gradient: Array, matrix: Array, *coordinates: Array) -> Array:
    """Evaluate loss + g·a + ½·aᵀMa.

    Args:
        loss: The constant.
        gradient: g ``(k,)``.
        matrix: M ``(k, k)``.
        coordinates: k arrays of shapes that broadcast together.

    Returns:
        The values, float64.

    Raises:
        ValueError: If the number of coordinates is not k.
    """
    if len(coordinates) != len(gradient):
        raise ValueError(f"coordinates must be {len(gradient)} arrays, one a direction, got {len(coordinates)}")
    stacked = np.stack(np.broadcast_arrays(*(np.asarray(values, dtype=np.float64) for values in coordinates)))
    linear = np.tensordot(gradient, stacked, axes=1)
    square: Array = np.einsum("i...,ij,j...->...", stacked, matrix, stacked)
    return np.asarray(loss + linear + 0.5 * square)
