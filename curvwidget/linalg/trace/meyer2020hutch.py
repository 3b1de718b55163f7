"""Hutch++: the range of a sketch taken exactly, the rest by random probes.

Source: R. A. Meyer, C. Musco, C. Musco and D. P. Woodruff, Hutch++: Optimal stochastic trace estimation, SOSA 2021
(arXiv:2010.09649), Algorithm 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from curvwidget.linalg.blocks import stream_products
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.precision import dot, norm
from curvwidget.linalg.probes import draw_probe
from curvwidget.linalg.row_store import RowStore
from curvwidget.linalg.trace.running import RunningTrace
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["stream_hutchpp"]


def stream_hutchpp(
    operator: SymmetricOperator | HasHessian, *, samples: int = 100, target_stderr: float | None = None, seed: int = 0
) -> Iterator[TraceEstimate]:
    """Estimate tr(A), exactly on the range of a sketch and by probes on its complement.

    With S (N, k) Gaussian, Q an orthonormal basis of the range of A·S and P = I − Q·Qᵀ,

        tr(A) = tr(QᵀA Q) + tr(P A P),    tr(P A P) = E[(P g)ᵀA (P g)],    tr(A²) = ‖A Q‖² + E‖A P g‖².

    A third of the products each goes to A·S, to A·Q and to the probes g. Given Q, the samples of the probes are independent and
    unbiased, so the standard error is theirs: their standard deviation over the root of their number. The snapshots before the
    second of these probes are Hutchinson's from the columns of S, which are probes too. A third as many vectors as products are
    held.

    Args:
        operator: The matrix A, or an objective, whose Hessian is taken.
        samples: Products with A at most, at least 4.
        target_stderr: Stop when the standard error is at most this, but not before 20 probes of the last third.
        seed: Seed of the probes.

    Returns:
        The stream, a snapshot a product. The ``samples`` of an estimate are tr(QᵀA Q) + (P g)ᵀA (P g), one for each probe.
    """
    matrix = as_operator(operator)
    return _run(RunningTrace(matrix, "hutch++", samples=samples, target_stderr=target_stderr, seed=seed, fewest=4))


def _run(running: RunningTrace) -> Iterator[TraceEstimate]:
    matrix, seed = running.matrix, running.seed
    sketched = min(running.limit // 3, matrix.size)
    basis, rank = RowStore(sketched, matrix.size, matrix.dtype, matrix.device), 0
    traces: list[float] = []
    squares: list[float] = []
    probes = stream_products(matrix, lambda index: draw_probe(matrix, seed=seed, index=index), stop=sketched)
    for hvps, (probe, product) in enumerate(probes, start=1):
        traces.append(dot(probe, product))
        squares.append(dot(product, product))
        snapshot = running.snapshot(np.array(traces), square_samples=np.array(squares), hvps=hvps, last=False)
        # Here a target is not looked at: the sketch is not what the caller asked for.
        yield dataclasses.replace(snapshot, progress=hvps / running.limit)
        rest, _, left = basis.split(product, rank)
        if left > matrix.rounding * norm(product):
            basis[rank] = rest / left
            rank += 1

    captured, captured_square = 0.0, 0.0
    for row, product in stream_products(matrix, basis.__getitem__, stop=rank):
        captured += dot(row, product)
        captured_square += dot(product, product)
        hvps += 1
        snapshot = dataclasses.replace(snapshot, hvps=hvps, progress=hvps / running.limit)
        yield snapshot

    traces, squares = [], []

    def draw_outside(index: int) -> Tensor:
        return basis.split(draw_probe(matrix, seed=seed, index=sketched + index), rank)[0]

    for probe, product in stream_products(matrix, draw_outside, stop=running.limit - hvps):
        traces.append(captured + dot(probe, product))
        squares.append(captured_square + dot(product, product))
        hvps += 1
        if len(traces) == 1:
            snapshot = dataclasses.replace(snapshot, hvps=hvps, progress=hvps / running.limit)
        else:
            last = hvps == running.limit
            snapshot = running.snapshot(np.array(traces), square_samples=np.array(squares), hvps=hvps, last=last)
        yield snapshot
        if len(traces) > 1 and running.reached(snapshot.stderr, len(traces)):
            return
