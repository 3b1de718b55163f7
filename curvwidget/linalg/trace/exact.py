"""The trace as the sum of all N diagonal entries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from curvwidget._checks import check_count
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.precision import as_double, dot
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["stream_exact"]

Array = np.ndarray[Any, Any]
_BLOCK_ENTRIES = 2**20  # of a block of unit vectors
_MAX_BLOCK = 16


def stream_exact(operator: SymmetricOperator | HasHessian, *, max_size: int = 5000, seed: int = 0) -> Iterator[TraceEstimate]:
    """Compute tr(A) from N products with unit vectors, a block at a time.

    The unit vectors come in random order, so that each snapshot is an unbiased estimate: N times the mean of the diagonal entries
    seen. Its standard error is that of sampling without replacement, N·s/√n·√(1 - n/N); the last snapshot is exact, with a
    standard error of zero. tr(A²) = Σ‖A eᵢ‖² and the blocks' traces come from the same products.

    Args:
        operator: The matrix A, or an objective, whose Hessian is taken.
        max_size: The largest N that is accepted, since the cost is N products.
        seed: Seed of the order.

    Returns:
        The stream.

    Raises:
        ValueError: If N is larger than ``max_size``.

    Example:
        >>> import torch
        >>> from curvwidget._streams import last
        >>> from curvwidget.linalg import SymmetricOperator, stream_exact
        >>> diagonal = torch.tensor([3.0, 1.0, -2.0], dtype=torch.float64)
        >>> exact = last(stream_exact(SymmetricOperator(3, lambda rows: rows * diagonal)))
        >>> exact.trace, exact.stderr, exact.trace_of_square
        (2.0, 0.0, 14.0)
    """
    matrix = as_operator(operator)
    seed = check_count("seed", seed, minimum=0)
    if matrix.size > check_count("max_size", max_size):
        raise ValueError(
            f"the exact trace takes one product for each of the {matrix.size} parameters; "
            f"max_size must be at least {matrix.size} to allow that, got {max_size}"
        )
    return _run(matrix, seed)


def _run(matrix: SymmetricOperator, seed: int) -> Iterator[TraceEstimate]:
    size = matrix.size
    order = np.random.default_rng(seed).permutation(size)
    height = max(1, min(_MAX_BLOCK, _BLOCK_ENTRIES // size))
    diagonal, squares, known = np.zeros(size), np.zeros(size), np.zeros(size, dtype=bool)
    history: list[tuple[float, float, float]] = []
    for start in range(0, size, height):
        indices = order[start : start + height]
        units = torch.zeros(len(indices), size, dtype=matrix.dtype, device=matrix.device)
        units[torch.arange(len(indices)), torch.from_numpy(indices)] = 1
        products = as_double((matrix @ units).detach())
        for index, product in zip(indices, products, strict=True):
            diagonal[index] = float(product[index])
            squares[index] = dot(product, product)
        known[indices] = True
        seen = order[: start + len(indices)]
        trace, stderr = _scaled_sum(diagonal[seen], size)
        history.append((trace, stderr, float(len(seen))))
        square, square_stderr = _scaled_sum(squares[seen], size)
        by_block = {name: _block(diagonal[where], known[where]) for name, where in matrix.blocks.items()}
        yield TraceEstimate(
            trace=trace,
            stderr=stderr,
            size=size,
            method="exact",
            samples=size * diagonal[seen],
            history=np.array(history),
            trace_of_square=square,
            trace_of_square_stderr=square_stderr,
            by_block={name: total for name, (total, _) in by_block.items()},
            seed=seed,
            hvps=len(seen),
            progress=len(seen) / size,
            by_block_stderr={name: error for name, (_, error) in by_block.items()},
            square_samples=size * squares[seen],
            normalization=matrix.normalization,
        )


# A sum over ``size`` terms from some of them, drawn without replacement, and its standard error.
def _scaled_sum(terms: Array, size: int) -> tuple[float, float]:
    count = len(terms)
    if count == 0:
        return math.nan, math.nan
    total = math.fsum(terms) * (size / count) if np.isfinite(terms).all() else float(terms.sum())
    if count == size:
        return total, 0.0
    if count == 1:
        return total, math.nan
    return total, size * float(terms.std(ddof=1)) / math.sqrt(count) * math.sqrt(1 - count / size)


def _block(entries: Array, known: Array) -> tuple[float, float]:
    return _scaled_sum(entries[known], len(entries))
