"""What an eigensolver found, and how well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from curvwidget._results import ArrayResult

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
