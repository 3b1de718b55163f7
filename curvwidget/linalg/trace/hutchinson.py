"""The mean of zᵀA z over random probes z.

Source: M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines,
Communications in Statistics - Simulation and Computation 19 (1990) 433; A. Girard (1989) for Gaussian probes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from curvwidget._checks import check_choice
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.precision import as_double, dot
from curvwidget.linalg.probes import DISTRIBUTIONS, Distribution, draw_probe
from curvwidget.linalg.trace.running import History, check_sampling, mean_and_stderr
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["stream_hutchinson"]

Array = np.ndarray[Any, Any]
_METHOD = "hutchinson"


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
    products come tr(A²) = E‖A z‖² and the trace of each block, E[z_b·(A z)_b]. The standard error is the sample standard deviation
    over √S.

    Args:
        operator: The matrix A, or an objective, whose Hessian is taken.
        samples: Number of probes at most, those of ``resume`` included.
        distribution: ``"gaussian"``, or ``"rademacher"`` for random signs.
        target_stderr: Stop when the standard error is at most this, but not before 20 probes: a few may agree by luck.
        seed: Seed of the probes.
        resume: An earlier snapshot for the same matrix, distribution and seed: its probes are kept and the next one is drawn as if
            there had been no break, so that all numbers are the same to the last bit.

    Returns:
        The stream. ``history`` has a row a probe.

    Raises:
        ValueError: If an argument is out of range, or ``resume`` comes from elsewhere.

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
    samples, target_stderr, seed = check_sampling(samples, target_stderr, seed)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    if resume is not None:
        _check_resume(resume, matrix, distribution, seed)
    return _run(matrix, samples, distribution, target_stderr, seed, resume)


def _check_resume(resume: TraceEstimate, matrix: SymmetricOperator, distribution: Distribution, seed: int) -> None:
    came = (resume.method, resume.distribution, resume.seed, resume.size, tuple(resume.by_block))
    expected = (_METHOD, distribution, seed, matrix.size, tuple(matrix.blocks))
    for name, ours, theirs in zip(("method", "distribution", "seed", "size", "blocks"), expected, came, strict=True):
        if ours != theirs:
            raise ValueError(f"resume must be an earlier estimate with the {name} {ours!r}, got one with {theirs!r}")


def _run(
    matrix: SymmetricOperator,
    samples: int,
    distribution: Distribution,
    target_stderr: float | None,
    seed: int,
    resume: TraceEstimate | None,
) -> Iterator[TraceEstimate]:
    traces: list[float] = []
    squares: list[float] = []
    blocks: list[list[float]] = []
    history = History(target_stderr, None if resume is None else resume.history)
    if resume is not None:
        traces, squares, blocks = resume.samples.tolist(), resume.square_samples.tolist(), resume.block_samples.tolist()
        if len(traces) >= samples or history.reached(len(traces)):
            yield resume
            return
    while len(traces) < samples:
        probe = draw_probe(matrix, seed=seed, index=len(traces), distribution=distribution)
        product = as_double((matrix @ probe).detach())
        probe = as_double(probe)
        traces.append(dot(probe, product))
        squares.append(dot(product, product))
        blocks.append([dot(probe[where], product[where]) for where in matrix.blocks.values()])
        history.append(*mean_and_stderr(np.array(traces)), len(traces))
        stop = history.reached(len(traces))
        done = stop or len(traces) == samples
        yield _estimate(
            matrix,
            np.array(traces),
            np.array(squares),
            np.array(blocks),
            history=history.array(),
            distribution=distribution,
            seed=seed,
            progress=1.0 if done else len(traces) / samples,
            notes=history.missed() if done else (),
        )
        if stop:
            return


def _estimate(
    matrix: SymmetricOperator,
    traces: Array,
    squares: Array,
    blocks: Array,
    *,
    history: Array,
    distribution: Distribution,
    seed: int,
    progress: float,
    notes: tuple[str, ...],
) -> TraceEstimate:
    trace, stderr = mean_and_stderr(traces)
    square, square_stderr = mean_and_stderr(squares)
    by_block = {name: mean_and_stderr(column) for name, column in zip(matrix.blocks, blocks.T, strict=True)}
    return TraceEstimate(
        trace=trace,
        stderr=stderr,
        size=matrix.size,
        method=_METHOD,
        samples=traces,
        history=history,
        trace_of_square=square,
        trace_of_square_stderr=square_stderr,
        by_block={name: mean for name, (mean, _) in by_block.items()},
        seed=seed,
        hvps=len(traces),
        progress=progress,
        notes=notes,
        by_block_stderr={name: error for name, (_, error) in by_block.items()},
        distribution=distribution,
        square_samples=squares,
        block_samples=blocks,
    )
