"""What a reader must know to trust eigenpairs, in words."""

from __future__ import annotations

import numpy as np

from curvwidget.linalg.eigenpairs import Eigenpairs

__all__ = ["caveats"]

_DOUBTFUL = 0.1  # a residual of this share of |λ|, or an angle of this sine, is worth a word


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
        both = zip(pairs.values[weak], pairs.residuals[weak], strict=True)
        listed = ", ".join(f"{value:.3g} ± {error:.1g}" for value, error in both)
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


def _listed(pairs: Eigenpairs, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    return "Eigenvalue" + ("s " if which.sum() > 1 else " ") + ", ".join(f"{value:.4g}" for value in pairs.values[which])
