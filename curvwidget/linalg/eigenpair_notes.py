"""What a reader must know to trust eigenpairs, in words."""

from __future__ import annotations

import numpy as np

from curvwidget._number_words import format_uncertain
from curvwidget.linalg.eigenpairs import Eigenpairs

__all__ = ["asymmetry_notes", "caveats"]

_DOUBTFUL = 0.1  # a residual of this share of |λ|, or an angle of this sine, is worth a word
_ASYMMETRY = 1e-3  # of ‖A‖: rounding is far below, randomness in a model far above


def caveats(pairs: Eigenpairs, *, rounding: float) -> tuple[str, ...]:
    """Say which eigenvalues cannot be told from zero, and which vectors may be mixed with their neighbours.

    Args:
        pairs: The eigenpairs, measured.
        rounding: Residuals that rounding alone makes.

    Returns:
        Sentences; none where there is nothing to say.
    """
    notes = []
    weak = (pairs.residuals > _DOUBTFUL * np.abs(pairs.values)) & (pairs.residuals > rounding)
    if weak.any():
        both = zip(pairs.values[weak].tolist(), pairs.residuals[weak].tolist(), strict=True)
        listed = ", ".join(format_uncertain(value, error) for value, error in both)
        notes.append(f"Small beside their residuals: {listed}.")
    equal = pairs.gaps <= np.maximum(pairs.residuals, rounding)
    if equal.any():
        notes.append(
            f"{_listed(pairs, equal)}: equal to a neighbour as far as was resolved. "
            "Any rotation of their vectors among each other is as good."
        )
    mixed = ~equal & (np.sin(pairs.angles) > _DOUBTFUL)
    if mixed.any():
        worst = np.degrees(pairs.angles[mixed].max())
        notes.append(
            f"{_listed(pairs, mixed)}: close to a neighbour, with whose vector it may be mixed (by up to {worst:.0f}°). "
            "The curvature along the vector is as stated."
        )
    return tuple(notes)


def asymmetry_notes(difference: float, norm: float) -> tuple[str, ...]:
    """Say where a matrix turned out not to be symmetric.

    Args:
        difference: The largest |uᵀAv − vᵀAu| seen for unit vectors.
        norm: ‖A‖.

    Returns:
        A sentence, or none.
    """
    if difference <= _ASYMMETRY * norm:
        return ()
    return (f"The matrix is not symmetric: uᵀAv and vᵀAu differ by {difference:.1g}. Is something in the model random?",)


def _listed(pairs: Eigenpairs, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    return "Eigenvalue" + ("s " if which.sum() > 1 else " ") + ", ".join(f"{value:.4g}" for value in pairs.values[which])
