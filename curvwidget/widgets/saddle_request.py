"""What a user asks of the saddle demo, in one frozen object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curvwidget._checks import check_count, check_finite, check_positive
from curvwidget.directions.random import check_seed
from curvwidget.objective import Objective
from curvwidget.zoo import saddle_loss, saddle_spectrum

__all__ = ["SaddleRequest"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SaddleRequest:
    """A saddle, and how many random planes to look at it through.

    Attributes:
        n_parameters: N, at least 3; one of the N directions is flat.
        negative: Share of negative curvatures among the N − 1 others, in [0, 1].
        outlier_size: Curvature of the outliers; 1 is the curvature of all other positive directions, so that there are none.
        outliers: How many positive curvatures are outliers, as far as there are as many.
        planes: Number of random planes.
        seed: Seed of the planes.
        shown: Which of the planes is shown, from 0 on.
    """

    n_parameters: int = 1001
    negative: float = 0.5
    outlier_size: float = 1.0
    outliers: int = 10
    planes: int = 1000
    seed: int = 0
    shown: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be shown.

        Raises:
            ValueError: If a number is out of bounds.
        """
        check_count("n_parameters", self.n_parameters, minimum=3)
        if not 0 <= check_finite("negative", self.negative) <= 1:
            raise ValueError(f"negative must be from 0 to 1, got {self.negative}")
        check_positive("outlier_size", self.outlier_size)
        check_count("outliers", self.outliers, minimum=0)
        check_count("planes", self.planes)
        check_seed(self.seed)
        if check_count("shown", self.shown, minimum=0) >= self.planes:
            raise ValueError(f"shown must be below planes = {self.planes}, got {self.shown}")

    @property
    def n_negative(self) -> int:
        """Number of negative curvatures."""
        return round(self.negative * (self.n_parameters - 1))

    @property
    def n_positive(self) -> int:
        """Number of positive curvatures, outliers and all."""
        return self.n_parameters - 1 - self.n_negative

    @property
    def n_outliers(self) -> int:
        """Number of curvatures that stick out."""
        return 0 if self.outlier_size == 1 else min(self.outliers, self.n_positive)

    @property
    def saddle(self) -> tuple[int, int, int, float]:
        """What decides about the loss, whatever planes it is looked at through."""
        return self.n_positive, self.n_negative, self.n_outliers, self.outlier_size

    def objective(self) -> Objective:
        """Build the loss.

        Returns:
            The saddle at its critical point.
        """
        return saddle_loss(self.n_positive, self.n_negative, outliers=self.n_outliers, outlier_size=self.outlier_size)

    def spectrum(self) -> Array:
        """List the eigenvalues of its Hessian.

        Returns:
            All of them ``(N,)``, descending.
        """
        return saddle_spectrum(self.n_positive, self.n_negative, outliers=self.n_outliers, outlier_size=self.outlier_size)
