"""The predicted law of the curvatures of a random plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from curvwidget._results import ArrayResult
from curvwidget.curvature.isotropic_law import IsotropicLaw
from curvwidget.curvature.sampled_law import SampledLaw

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["ProjectionPrediction"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ProjectionPrediction(ArrayResult):
    """The predicted law of the principal curvatures κ₋ ≤ κ₊ of a random plane.

    Attributes:
        expected_principal: E κ₋, E κ₊ ``(2,)``: the average of the curvatures. NaN where it cannot be predicted.
        std: Standard deviations of κ₋ and κ₊ ``(2,)``.
        curvature_of_expectation: Both principal curvatures of the *expected* slice Hessian: tr(H) for Gaussian directions,
            tr(H)/N for unit ones. The average of the curvatures lies below and above it by a gap that more planes do not close.
        probabilities: Chances that a plane looks like a ``"minimum"``, a ``"maximum"`` or a ``"saddle"``. They add up to 1,
            except that all are 0 for a Hessian that is zero.
        log_saddle: Natural logarithm of the chance of a saddle: finite also where the chance is too small for a number.
        trace: tr(H), of all N parameters; for block-normalized directions the sum over the blocks, or tr(SHS) where the
            prediction is from ``scaled``.
        trace_of_square: tr(H²); NaN where not known.
        method: The law used: begins with ``"closed form"``, ``"exact"``, ``"Monte Carlo"`` or ``"expectation only"``.
        normalization: Of the directions.
        n_parameters: N, None where not known.
        stderr: Standard errors of ``expected_principal`` ``(2,)``, from uncertain inputs or from sampling; 0 if neither.
        probabilities_stderr: Standard errors of ``probabilities``.
        law: Holds the densities; None where they cannot be predicted.
        notes: What a reader must know to trust the numbers, in words; may be empty.
    """

    expected_principal: Array
    std: Array
    curvature_of_expectation: float
    probabilities: dict[str, float]
    log_saddle: float
    trace: float
    trace_of_square: float
    method: str
    normalization: str | None
    n_parameters: int | None
    stderr: Array
    probabilities_stderr: dict[str, float]
    law: IsotropicLaw | SampledLaw | None = field(repr=False)
    notes: tuple[str, ...] = ()

    def density(self, x: ArrayLike) -> Array:
        """Evaluate the predicted densities of κ₋ and κ₊.

        Args:
            x: Curvatures ``(n,)``, in the units of the loss.

        Returns:
            ``(2, n)``: rows κ₋, κ₊; NaN where the law cannot be predicted.
        """
        points = np.asarray(x, dtype=np.float64)
        return np.full((2, *points.shape), np.nan) if self.law is None else self.law.density(points)

    @property
    def range(self) -> tuple[float, float]:
        """Curvatures between which nearly all of both densities lies; NaN where the law cannot be predicted."""
        return (math.nan, math.nan) if self.law is None else self.law.range

    def to_xarray(self) -> Dataset:
        """Return the numbers as a labelled data set.

        Returns:
            A `Dataset` with ``expected_principal``, ``std``, ``stderr``, ``probability`` and, at 401 curvatures, ``density``.
        """
        from xarray import Dataset

        curvature = np.linspace(*self.range, 401)
        verdicts = list(self.probabilities)
        return Dataset(
            {
                "expected_principal": (("order",), self.expected_principal),
                "std": (("order",), self.std),
                "stderr": (("order",), self.stderr),
                "probability": (("verdict",), [self.probabilities[name] for name in verdicts]),
                "probability_stderr": (("verdict",), [self.probabilities_stderr[name] for name in verdicts]),
                "density": (("order", "curvature"), self.density(curvature)),
            },
            coords={"order": ["minus", "plus"], "verdict": verdicts, "curvature": curvature},
            attrs={
                "curvature_of_expectation": self.curvature_of_expectation,
                "trace": self.trace,
                "trace_of_square": self.trace_of_square,
                "method": self.method,
                "notes": "; ".join(self.notes),
            },
        )
