"""What an eigensolver found, and how well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from curvwidget._results import ArrayResult

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["Eigenpairs"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Eigenpairs(ArrayResult):
    """Eigenpairs from the two ends of a spectrum.

    Attributes:
        values: Eigenvalues ``(k,)`` in descending order: first the ``largest`` ones, then the smallest ones.
        vectors: Unit eigenvectors ``(k, N)`` in the same order.
        residuals: ‖A·v − λ·v‖ ``(k,)``.
        converged: Whether each pair met its tolerance ``(k,)`` bool.
        largest: How many of them are from the upper end; the others are from the lower end.
        tolerance: The relative tolerance asked for.
        seed: Seed of the start vector.
        hvps: Matrix-vector products spent.
        progress: Share of the work done, in [0, 1].
        notes: What a reader must know to trust the numbers, in words; may be empty.
        gaps: Distance of each eigenvalue to the nearest other one that was seen ``(k,)``; empty where it is not known.
    """

    values: Array
    vectors: Tensor
    residuals: Array
    converged: Array
    largest: int
    tolerance: float
    seed: int
    hvps: int
    progress: float = 1.0
    notes: tuple[str, ...] = field(default=())
    gaps: Array = field(default_factory=lambda: np.empty(0))

    @property
    def angles(self) -> Array:
        """Estimated angle in radians between each vector and the true eigenvector ``(k,)``; NaN where no gap is known.

        It is arcsin(residual / gap), after Davis and Kahan; an estimate and not a bound, since a neighbour may be unseen.
        """
        if len(self.gaps) != len(self.values):
            return np.full(len(self.values), np.nan)
        sines = np.divide(self.residuals, self.gaps, out=np.ones(len(self.values)), where=self.gaps > self.residuals)
        return np.arcsin(sines)

    def to_xarray(self) -> Dataset:
        """Return the eigenpairs as a labelled data set.

        Returns:
            A `Dataset` with ``value``, ``residual``, ``converged`` and ``angle`` over ``pair``, and ``vector`` over ``pair`` and
            ``parameter``.
        """
        from xarray import Dataset

        return Dataset(
            {
                "value": (("pair",), self.values),
                "residual": (("pair",), self.residuals),
                "converged": (("pair",), self.converged),
                "angle": (("pair",), self.angles, {"units": "rad"}),
                "vector": (("pair", "parameter"), self.vectors.detach().cpu().numpy()),
            },
            attrs={"largest": self.largest, "tolerance": self.tolerance, "seed": self.seed, "hvps": self.hvps},
        )
