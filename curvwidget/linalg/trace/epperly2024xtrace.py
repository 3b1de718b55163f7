"""XTrace: every probe serves both to find the range of A and, left out of it, to estimate what lies outside.

Source: E. N. Epperly, J. A. Tropp and R. J. Webber, XTrace: Making the most of every sample in stochastic trace estimation,
SIAM J. Matrix Anal. Appl. 45 (2024) 1 (arXiv:2301.07825), sections 2.1 to 2.4. For symmetric A everything follows from
three small matrices, which grow by one row and column a probe, so that the estimate is a running one here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.linalg
from torch import Tensor

from curvwidget.linalg.blocks import stream_products
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.precision import as_double, dot, norm
from curvwidget.linalg.probes import draw_probe
from curvwidget.linalg.row_store import RowStore
from curvwidget.linalg.trace.running import RunningTrace
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["Leaving", "leave_one_out", "stream_xtrace"]

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Leaving:
    """Estimates that share their probes.

    Attributes:
        estimates: One for each probe, left out of the basis ``(n,)``.
        covariance: Of two of them, estimated; it may come out negative.
    """

    estimates: Array
    covariance: float


def stream_xtrace(
    operator: SymmetricOperator | HasHessian, *, samples: int = 100, target_stderr: float | None = None, seed: int = 0
) -> Iterator[TraceEstimate]:
    """Estimate tr(A) by XTrace, from two products with A a probe.

    With Gaussian probes ωᵢ, Q₍ᵢ₎ an orthonormal basis of all A·ωⱼ but the i-th, and xᵢ the part of ωᵢ outside of its range,
    scaled to ‖xᵢ‖² = N − rank Q₍ᵢ₎, each

        tᵢ = tr(Q₍ᵢ₎ᵀA Q₍ᵢ₎) + xᵢᵀA xᵢ

    is unbiased, and so is their mean. The tᵢ are not independent, and std(tᵢ)/√n, which the paper takes for the error, is too
    small by up to a third. With c their covariance, the variance of the mean is E[var(tᵢ)]/n + c. Given all other probes, each
    tᵢ has the mean tr(A) whatever ωⱼ is, so that only what ωᵢ and ωⱼ do together is shared: c = E[(tᵢ − tᵢⱼ)·(tⱼ − tⱼᵢ)], where
    tᵢⱼ is tᵢ with ωⱼ left out of the basis too. All of these follow from the same products. tr(A²) comes in the same way, from
    ‖A Q₍ᵢ₎‖² + ‖A xᵢ‖². Three vectors a probe are held, that is 1.5 a product.

    Args:
        operator: The matrix A, or an objective, whose Hessian is taken.
        samples: Products with A at most, at least 4; an odd one is not used.
        target_stderr: Stop when the standard error is at most this, but not before 20 probes (40 products).
        seed: Seed of the probes.

    Returns:
        The stream, a snapshot a product; after ten probes its numbers are renewed every tenth of their number only, since that
        takes operations in proportion to their cube. The ``samples`` of an estimate are the tᵢ. Where A turns out to have a rank
        lower than the number of probes, the trace is exact and the stream ends.
    """
    matrix = as_operator(operator)
    return _run(RunningTrace(matrix, "xtrace", samples=samples, target_stderr=target_stderr, seed=seed, fewest=4))


def _run(running: RunningTrace) -> Iterator[TraceEstimate]:
    matrix = running.matrix
    count = min(running.limit // 2, matrix.size)
    probes, basis, images = (RowStore(count, matrix.size, matrix.dtype, matrix.device) for _ in range(3))
    # In the basis Q: the products A·ωᵢ, the probes ωᵢ, QᵀA Q and QᵀA A Q.
    r, w, h, g = (np.zeros((count, count)) for _ in range(4))
    lengths = np.zeros(count)

    def look(rank: int, drawn: int, *, last: bool) -> TraceEstimate:
        known, seen = slice(rank), slice(drawn)
        traces, squares = leave_one_out(
            r[known, seen], w[known, seen], h[known, known], g[known, known], lengths=lengths[seen], size=matrix.size
        )
        exact = (f"The matrix has rank {rank} within rounding, so the trace is exact.",) if drawn > rank else ()
        return running.snapshot(
            traces.estimates,
            square_samples=squares.estimates,
            covariances=(traces.covariance, squares.covariance),
            hvps=rank + drawn,
            last=last,
            notes=exact,
        )

    rows = max(1, matrix.rows_at_once())
    next_look = 0
    snapshot: TraceEstimate | None = None
    for first in range(0, count, rows):
        stop, complete = min(first + rows, count), False
        drawn = stream_products(matrix, lambda index: draw_probe(matrix, seed=running.seed, index=index), start=first, stop=stop)
        for index, (probe, product) in enumerate(drawn, first):
            probes[index] = probe
            lengths[index] = dot(probe, probe)
            rest, r[:index, index], left = basis.split(product, index)
            w[:index, index] = _coordinates(basis, probe, index)
            if left <= matrix.rounding * norm(product):
                stop, complete = index, True
                break
            r[index, index] = left
            basis[index] = rest / left
        for index, (direction, image) in enumerate(stream_products(matrix, basis.__getitem__, start=first, stop=stop), first):
            if snapshot is not None:
                yield dataclasses.replace(snapshot, hvps=2 * index + 1)
            rank = index + 1
            images[index] = image
            h[:rank, index] = h[index, :rank] = _coordinates(basis, image, rank)
            g[:rank, index] = g[index, :rank] = _coordinates(images, image, rank)
            w[index, :rank] = _coordinates(probes, direction, rank)
            if snapshot is None or rank >= next_look or rank == count:
                next_look = rank + max(1, rank // 10)
                snapshot = look(rank, rank, last=rank == count)
            else:
                snapshot = dataclasses.replace(snapshot, hvps=2 * rank, progress=2 * rank / running.limit)
            yield snapshot
            if rank == count or running.reached(snapshot.stderr, rank):
                return
        if complete:
            yield look(stop, stop + 1, last=True)
            return


def _coordinates(rows: RowStore, vector: Tensor, count: int) -> Array:
    return as_double(rows.dots(vector, count)).cpu().numpy() if count else np.zeros(0)


def leave_one_out(r: Array, w: Array, h: Array, g: Array, *, lengths: Array, size: int) -> tuple[Leaving, Leaving]:
    """The estimates of XTrace, each with one probe left out of the basis, from what is known within the basis.

    Args:
        r: QᵀA Ω ``(m, n)``, upper triangular; m is n, or less where A has the rank m.
        w: QᵀΩ ``(m, n)``.
        h: QᵀA Q ``(m, m)``.
        g: QᵀA A Q ``(m, m)``.
        lengths: ‖ωᵢ‖² ``(n,)``.
        size: N.

    Returns:
        Estimates of tr(A) and of tr(A²).
    """
    rank, count = r.shape
    full = rank == count
    if full:
        # Q₍ᵢ₎ is Q without the direction sᵢ that is orthogonal to all columns of R but the i-th: column i of R⁻ᵀ.
        s = scipy.linalg.solve_triangular(r, np.eye(count)).T
        s /= np.linalg.norm(s, axis=0)
    else:
        s = np.zeros_like(r)  # the other columns span the range as well
    kept = rank - 1 if full else rank
    u = w - s * (s * w).sum(axis=0)  # the part of ωᵢ within Q₍ᵢ₎
    inside = (u * u).sum(axis=0)

    def scale(inside: Array, kept: int) -> Array:
        outside = lengths - inside
        return np.asarray(np.divide(size - kept, outside, out=np.zeros_like(outside), where=outside > 1e-12 * lengths))

    # For tr(A): xᵀA x with x = ω − Q u, where A ω = Q r; for tr(A²): ‖A x‖².
    results = []
    for form, constant, linear in ((h, (w * r).sum(axis=0), r), (g, (r * r).sum(axis=0), h @ r)):
        turned = form @ s
        own = (s * turned).sum(axis=0)
        bend = constant - 2 * (u * linear).sum(axis=0) + (u * (form @ u)).sum(axis=0)
        estimates = np.trace(form) - own + scale(inside, kept) * bend
        covariance = 0.0
        if full and count > 1:
            # The same with ωⱼ left out as well, row j and column i: e is the part of sⱼ orthogonal to sᵢ, of unit length.
            overlap = s.T @ s
            length = np.sqrt(np.maximum(1 - overlap**2, 1e-12))

            def along(vectors: Array, overlap: Array = overlap, length: Array = length) -> Array:  # eᵀvᵢ
                products: Array = s.T @ vectors
                return np.asarray((products - overlap * products.diagonal()) / length)

            crossed = s.T @ turned
            c, curvature = along(w), (own[:, None] - 2 * overlap * crossed + overlap**2 * own) / length**2
            bends = bend + 2 * c * along(linear) - 2 * c * along(form @ u) + c**2 * curvature
            without = np.trace(form) - own - curvature + scale(inside - c**2, kept - 1) * bends
            change = estimates - without
            np.fill_diagonal(change, 0.0)
            covariance = float((change * change.T).sum()) / (count * (count - 1))
        results.append(Leaving(estimates, covariance))
    return results[0], results[1]
