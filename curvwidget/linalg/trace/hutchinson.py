"""The mean of zᵀA z over random probes z.

Source: M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines,
Communications in Statistics - Simulation and Computation 19 (1990) 433; A. Girard (1989) for Gaussian probes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from curvwidget._checks import check_choice
from curvwidget.linalg.blocks import stream_products
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.precision import as_double, dot
from curvwidget.linalg.probes import DISTRIBUTIONS, Distribution, draw_probe
from curvwidget.linalg.trace.running import RunningTrace
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["stream_hutchinson"]


def stream_hutchinson(
    operator: SymmetricOperator | HasHessian,
    *,
    samples: int = 100,
    distribution: Distribution = "gaussian",
    target_stderr: float | None = None,
    seed: int = 0,
    resume: TraceEstimate | None = None,
) -> Iterator[TraceEstimate]:
    """Estimate tr(A) from one product with A a probe, and yield after each.

    E[zᵀA z] = tr(A). The variance of a sample is 2·tr(A²) for Gaussian probes and 2·(tr(A²) - Σ aᵢᵢ²) for signs. From the same
    products come tr(A²) = E‖A z‖² and the trace of each block, E[z_b·(A z)_b]. The standard error is the standard deviation of
    the samples over √S. A bad argument, or a ``resume`` from elsewhere, is a `ValueError`.

    Args:
        operator: The matrix A, or an objective, whose Hessian is taken.
        samples: Number of probes at most, those of ``resume`` included.
        distribution: ``"gaussian"``, or ``"rademacher"`` for random signs.
        target_stderr: Stop when the standard error is at most this, but not before 20 probes: a few may agree by luck.
        seed: Seed of the probes.
        resume: An earlier snapshot for the same matrix, normalization, distribution and seed: its probes are kept and the next
            one is drawn as if there had been no break, so that all numbers are the same to the last bit.

    Returns:
        The stream. ``history`` has a row a probe.

    Example:
        >>> import torch
        >>> from curvwidget._streams import last
        >>> from curvwidget.linalg import SymmetricOperator, stream_hutchinson
        >>> diagonal = torch.tensor([3.0, 1.0, -2.0], dtype=torch.float64)
        >>> matrix = SymmetricOperator(3, lambda rows: rows * diagonal)
        >>> last(stream_hutchinson(matrix, samples=10, distribution="rademacher")).trace
        2.0
    """
    matrix = as_operator(operator)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    history = None if resume is None else resume.history
    running = RunningTrace(matrix, "hutchinson", samples=samples, target_stderr=target_stderr, seed=seed, history=history)
    if resume is not None:
        _check_resume(resume, running, distribution)
    return _run(running, distribution, resume)


def _check_resume(resume: TraceEstimate, running: RunningTrace, distribution: Distribution) -> None:
    matrix = running.matrix
    for name, ours, theirs in (
        ("method", running.method, resume.method),
        ("normalization", matrix.normalization, resume.normalization or matrix.normalization),  # unknown in an older file
        ("distribution", distribution, resume.distribution),
        ("seed", running.seed, resume.seed),
        ("size", matrix.size, resume.size),
        ("blocks", tuple(matrix.blocks), tuple(resume.by_block)),
    ):
        if ours != theirs:
            raise ValueError(f"resume must be an earlier estimate with the {name} {ours!r}, got one with {theirs!r}")


def _run(running: RunningTrace, distribution: Distribution, resume: TraceEstimate | None) -> Iterator[TraceEstimate]:
    matrix = running.matrix
    traces: list[float] = []
    squares: list[float] = []
    blocks: list[list[float]] = []
    if resume is not None:
        traces, squares, blocks = resume.samples.tolist(), resume.square_samples.tolist(), resume.block_samples.tolist()
        if len(traces) >= running.limit or running.reached(resume.stderr, len(traces)):
            yield dataclasses.replace(resume, progress=1.0, normalization=matrix.normalization)
            return

    def draw(index: int) -> Tensor:
        return draw_probe(matrix, seed=running.seed, index=index, distribution=distribution)

    for probe, product in stream_products(matrix, draw, start=len(traces)):
        probe, product = as_double(probe), as_double(product)
        traces.append(dot(probe, product))
        squares.append(dot(product, product))
        blocks.append([dot(probe[where], product[where]) for where in matrix.blocks.values()])
        snapshot = running.snapshot(
            np.array(traces),
            square_samples=np.array(squares),
            block_samples=np.array(blocks),
            hvps=len(traces),
            last=len(traces) == running.limit,
            distribution=distribution,
        )
        yield snapshot
        if len(traces) == running.limit or running.reached(snapshot.stderr, len(traces)):
            return
