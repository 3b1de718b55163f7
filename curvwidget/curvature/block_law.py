"""The prediction for directions that are normalized block by block: filter, layer and model normalization."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from curvwidget.curvature.isotropic_law import IsotropicLaw

__all__ = ["block_law", "read_blocks"]

Array = np.ndarray[Any, Any]


def read_blocks(blocks: Mapping[str, Sequence[float]] | ArrayLike) -> Array:
    """Check the blocks' numbers.

    Args:
        blocks: For each block (‖θ_b‖, tr(H_bb), n_b) or (‖θ_b‖, tr(H_bb), n_b, tr(H_bb²)): a mapping of names, or rows.

    Returns:
        ``(b, 4)``, with NaN where tr(H_bb²) is not known.

    Raises:
        ValueError: If a row is not of this form.
    """
    rows = list(blocks.values()) if isinstance(blocks, Mapping) else blocks
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] == 0 or table.shape[1] not in (3, 4):
        raise ValueError(f"blocks must be rows (norm, trace, size[, trace_of_square]), got shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("blocks must hold finite numbers, got NaN or inf")
    if table.shape[1] == 3:
        table = np.column_stack([table, np.full(len(table), np.nan)])
    norms, traces, sizes, squares = table.T
    if (norms < 0).any() or (sizes < 1).any() or (sizes != np.round(sizes)).any():
        raise ValueError("blocks must have norms of at least 0 and whole sizes of at least 1")
    if (squares < 0).any() or (traces**2 > sizes * squares * (1 + 1e-9)).any():
        raise ValueError("blocks must have tr(H_bb)² of at most n_b·tr(H_bb²), and tr(H_bb²) of at least 0")
    return table


def block_law(table: Array) -> tuple[float, IsotropicLaw | None, tuple[str, ...]]:
    """Predict the curvature along directions whose blocks lie each on the sphere of radius ‖θ_b‖.

    E dᵀHd = Σ ‖θ_b‖²·tr(H_bb)/n_b needs the blocks' traces only (theory, eq. 12). The variances are
    Var A = Σ_b 2‖θ_b‖⁴·(tr(H_bb²) − tr(H_bb)²/n_b)/(n_b(n_b + 2)) and Var B = Σ_b ‖θ_b‖⁴·tr(H_bb²)/n_b², and to both a positive
    sum over the parts of H between two blocks, which is taken as zero here.

    Args:
        table: From `read_blocks`.

    Returns:
        The expected curvature in both directions, the law or None where tr(H_bb²) is missing, and what a reader must know.
    """
    norms, traces, sizes, squares = table.T
    expected = float((norms**2 * traces / sizes).sum())
    if np.isnan(squares).any():
        missing = "only the expected matrix is predicted: the spread of the curvatures needs tr(H_bb²) of every block"
        return expected, None, (missing,)
    around = np.maximum(squares - traces**2 / sizes, 0.0)
    variance = float((norms**4 * around / (sizes * (sizes + 2))).sum())
    cross = float((norms**4 * squares / sizes**2).sum())
    law = IsotropicLaw(expected, math.sqrt(variance), np.sqrt([variance, cross]))
    if len(table) == 1:
        return expected, law, ()
    assumed = (
        "the spread is a lower bound: the parts of the Hessian between two blocks are taken as zero, "
        "so saddles may be more frequent than predicted"
    )
    return expected, law, (assumed,)
