"""Eigenpairs from both ends of a spectrum at once.

One Krylov space serves both ends, each with a tolerance relative to its own eigenvalues: a small negative eigenvalue beside a
large positive one is resolved as well as if it stood alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from curvwidget._checks import check_count, check_positive
from curvwidget._streams import last
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.row_store import rows_that_fit
from curvwidget.linalg.wu2000thick import ThickRestartLanczos

__all__ = ["default_max_basis", "extreme_eigenpairs", "stream_eigenpairs"]

_MAX_HVPS = 2000
_MAX_VECTORS = 400


def default_max_basis(operator: SymmetricOperator, wanted: int) -> int:
    """How many vectors the basis may hold: what fits into 2 GiB, but at most 400 and at least 20 + 2·wanted.

    Args:
        operator: The matrix.
        wanted: Number of eigenpairs wanted.

    Returns:
        The number of vectors.
    """
    fitting = rows_that_fit(operator.size, operator.dtype)
    return min(operator.size, max(20 + 2 * wanted, min(_MAX_VECTORS, fitting)))


def extreme_eigenpairs(
    operator: SymmetricOperator | HasHessian,
    *,
    largest: int = 1,
    smallest: int = 1,
    tol: float = 1e-3,
    seed: int = 0,
    max_hvps: int | None = None,
    max_basis: int | None = None,
) -> Eigenpairs:
    """Compute the largest and the smallest eigenvalues of a symmetric matrix, with their unit eigenvectors.

    Bad arguments are refused with a `ValueError` or `TypeError`, a product that holds NaN or inf with a `FloatingPointError`.

    A pair is converged when ‖A·v − λ·v‖ ≤ tol·max(|λ|, 10⁻⁴·‖A‖), or where that is less than rounding allows, when it is at most
    ten roundings of ‖A‖ (2·10⁻¹⁵·‖A‖ in float64, 1.2·10⁻⁶·‖A‖ in float32). ‖A‖ is the largest |λ| seen. The residuals of the
    result are not those that the recurrence promises but are measured with one more product for each pair, and λ is the curvature
    along v, vᵀA·v. Each sign is fixed: a vector's largest component is positive.

    Where more than one pair is asked from an end, a second sequence is begun when the first is done, to see that no copy of a
    multiple eigenvalue was left out (one sequence alone sees only one copy); that costs up to as many products again.

    Args:
        operator: The matrix A (N, N), or an objective, whose Hessian is taken.
        largest: How many pairs from the upper end.
        smallest: How many pairs from the lower end. Together at most N.
        tol: Tolerance of the residuals, relative as said above.
        seed: Seed of the random vectors that begin the sequences.
        max_hvps: The most products with A, at least twice the number of pairs; 2000 by default. What has not converged by then
            comes back all the same, marked as such.
        max_basis: The most vectors of length N held at once. By default what fits into 2 GiB, but at most 400 and at least
            20 + 2·(largest + smallest). When the basis is full it is cut back to the best half and grown again.

    Returns:
        The pairs, the largest first.

    Source: Wu and Simon (2000), see `curvwidget.linalg.wu2000thick`.

    Example:
        >>> import torch
        >>> from curvwidget.linalg import SymmetricOperator, extreme_eigenpairs
        >>> diagonal = torch.tensor([3.0, 1.0, 0.5, -2.0], dtype=torch.float64)
        >>> pairs = extreme_eigenpairs(SymmetricOperator(4, lambda rows: rows * diagonal))
        >>> pairs.values.round(6).tolist(), pairs.converged.tolist()
        ([3.0, -2.0], [True, True])
    """
    return last(
        stream_eigenpairs(
            operator, largest=largest, smallest=smallest, tol=tol, seed=seed, max_hvps=max_hvps, max_basis=max_basis
        )
    )


def stream_eigenpairs(
    operator: SymmetricOperator | HasHessian,
    *,
    largest: int = 1,
    smallest: int = 1,
    tol: float = 1e-3,
    seed: int = 0,
    max_hvps: int | None = None,
    max_basis: int | None = None,
) -> Iterator[Eigenpairs]:
    """Yield better and better eigenpairs, one snapshot a product; see `extreme_eigenpairs`.

    The residuals of snapshots before the last are those of the recurrence, and the first snapshots hold fewer pairs than asked.
    Vectors and values of a snapshot are renewed every few products only, ``hvps`` and ``progress`` with each.

    Args:
        operator: The matrix A (N, N), or an objective, whose Hessian is taken.
        largest: How many pairs from the upper end.
        smallest: How many pairs from the lower end.
        tol: Tolerance of the residuals.
        seed: Seed of the random vectors that begin the sequences.
        max_hvps: The most products with A.
        max_basis: The most vectors of length N held at once.

    Returns:
        The stream.

    Raises:
        ValueError: If an argument is out of range.
    """
    matrix = as_operator(operator)
    largest = check_count("largest", largest, minimum=0)
    smallest = check_count("smallest", smallest, minimum=0)
    wanted = largest + smallest
    if wanted == 0:
        raise ValueError("largest + smallest must be at least 1, got 0 + 0")
    if wanted > matrix.size:
        raise ValueError(
            f"largest + smallest must be at most the size of the operator, {matrix.size}, got {largest} + {smallest}"
        )
    tol = check_positive("tol", tol)
    if tol >= 1:
        raise ValueError(f"tol must be below 1, got {tol}")
    seed = check_count("seed", seed, minimum=0)
    limit = _MAX_HVPS if max_hvps is None else check_count("max_hvps", max_hvps, minimum=2 * wanted)
    least = min(matrix.size, 3 * wanted + 6)
    capacity = default_max_basis(matrix, wanted) if max_basis is None else check_count("max_basis", max_basis, minimum=least)
    return ThickRestartLanczos(
        matrix,
        largest=largest,
        smallest=smallest,
        tol=tol,
        seed=seed,
        limit=max(limit, 2 * wanted),
        capacity=min(capacity, matrix.size),
    ).run()
