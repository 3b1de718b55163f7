"""The curvatures of many random planes through one point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from curvwidget._results import ArrayResult
from curvwidget.directions.directions import Directions

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["ProjectionSample"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ProjectionSample(ArrayResult):
    """Projected Hessians of S random planes.

    Attributes:
        matrices: ``(S, 2, 2)`` float64.
        principal: κ₋ ≤ κ₊ of each plane ``(S, 2)``.
        errors: Bound on the numerical error of each plane's curvatures ``(S,)``.
        seeds: Seed of each plane ``(S,)`` uint64, as `random_directions` takes it.
        distribution: What the directions were drawn from.
        normalization: How they were normalized, None where they were not.
        method: How each matrix was obtained.
        seed: Seed of the whole sample.
        hvps: Hessian-vector products spent.
        evaluations: Loss evaluations spent.
        progress: Share of the work done, in [0, 1].
        notes: What a reader must know to trust the numbers, in words; may be empty.
    """

    matrices: Array
    principal: Array
    errors: Array
    seeds: Array
    distribution: str
    normalization: str | None
    method: str
    seed: int
    hvps: int = 0
    evaluations: int = 0
    progress: float = 1.0
    notes: tuple[str, ...] = ()
    draw: Callable[[int], Directions] | None = field(default=None, repr=False, metadata={"saved": False})

    def __len__(self) -> int:
        """Return the number of planes, S."""
        return len(self.principal)

    def to_xarray(self) -> Dataset:
        """Return the planes as a labelled data set.

        Returns:
            A `Dataset` with ``matrix`` over ``plane``, ``row`` and ``column``, ``principal`` over ``plane`` and ``order``, and
            ``error`` and ``seed`` over ``plane``.
        """
        from xarray import Dataset

        return Dataset(
            {
                "matrix": (("plane", "row", "column"), self.matrices),
                "principal": (("plane", "order"), self.principal, {"long_name": "principal curvature"}),
                "error": (("plane",), self.errors),
                "seed": (("plane",), self.seeds),
            },
            coords={"order": ["minus", "plus"]},
            attrs={
                "distribution": self.distribution,
                "normalization": str(self.normalization),
                "method": self.method,
                "seed": self.seed,
                "hvps": self.hvps,
                "evaluations": self.evaluations,
            },
        )

    @property
    def probabilities(self) -> dict[str, float]:
        """Share of the planes that look like a minimum, a maximum, a saddle; signs count beyond each plane's error."""
        low, high = self.principal[:, 0], self.principal[:, 1]
        positive, negative = high > self.errors, low < -self.errors
        return {
            "minimum": float(np.mean(positive & ~negative)),
            "maximum": float(np.mean(negative & ~positive)),
            "saddle": float(np.mean(positive & negative)),
        }

    @property
    def mean_principal(self) -> Array:
        """Average of the curvatures ⟨κ₋⟩, ⟨κ₊⟩ ``(2,)``."""
        return np.asarray(self.principal.mean(axis=0))

    @property
    def mean_principal_stderr(self) -> Array:
        """Standard errors of the averages ``(2,)``; NaN for a single plane."""
        if len(self) < 2:
            return np.full(2, np.nan)
        return np.asarray(self.principal.std(axis=0, ddof=1) / len(self) ** 0.5)

    @property
    def curvature_of_mean(self) -> Array:
        """Principal curvatures of the averaged Hessian ``(2,)``: both tend to tr(H), unlike the average of the curvatures."""
        return np.asarray(np.linalg.eigvalsh(self.matrices.mean(axis=0)))

    def directions(self, index: int) -> Directions:
        """Return one of the planes.

        Args:
            index: Which, from 0 to S − 1.

        Returns:
            The very directions that the plane was drawn with.

        Raises:
            IndexError: If there is no such plane.
            RuntimeError: If the sample came from a file, which holds the seeds but not the objective.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be from 0 to {len(self) - 1}, got {index}")
        if self.draw is None:
            raise RuntimeError(
                "this sample was loaded from a file and has no objective; draw the plane with "
                f"random_directions(objective, seed={int(self.seeds[index])}, …)"
            )
        return self.draw(int(self.seeds[index]))
