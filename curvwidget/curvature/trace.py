"""The trace of the Hessian, and with it the mean curvature tr(H)/N."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from curvwidget._checks import check_choice, check_count, check_positive
from curvwidget._streams import last
from curvwidget.curvature.slice_trace import stream_slice_trace
from curvwidget.directions.random import check_seed
from curvwidget.linalg import TraceEstimate, stream_exact, stream_hutchinson, stream_hutchpp, stream_xtrace
from curvwidget.objective import Objective

__all__ = ["TRACE_METHODS", "TraceMethod", "estimate_trace", "stream_trace"]

TraceMethod = Literal["hutchinson", "hutch++", "xtrace", "slices", "exact"]
TRACE_METHODS: tuple[TraceMethod, ...] = ("hutchinson", "hutch++", "xtrace", "slices", "exact")
_RESUMABLE: tuple[TraceMethod, ...] = ("hutchinson", "slices")  # what the others have learnt is more than a snapshot holds


def estimate_trace(
    objective: Objective,
    *,
    method: TraceMethod = "hutchinson",
    distribution: Literal["gaussian", "rademacher"] = "gaussian",
    samples: int = 100,
    target_stderr: float | None = None,
    seed: int = 0,
) -> TraceEstimate:
    """Estimate tr(H), and tr(H²) from the same products.

    An option that cannot be is refused with a `ValueError` that names it.

    Args:
        objective: The loss at θ.
        method: ``"hutchinson"``: the mean of zᵀHz over random z, by one HVP each; ``"hutch++"``: the same outside of a subspace
            on which the trace is exact; ``"xtrace"``: that subspace and the probes from the same products, which has the
            smallest error of the three where few eigenvalues carry most of tr(H²), and holds 1.5 vectors of length N a product;
            ``"slices"``: the mean curvature of random one-dimensional slices, by loss evaluations alone; ``"exact"``: all N
            diagonal entries, by one HVP each, for N up to 5000.
        distribution: Of the probes of ``"hutchinson"``.
        samples: Products (or slices) at most; ``"hutch++"`` and ``"xtrace"`` need four, ``"exact"`` takes N whatever is said.
        target_stderr: Stop when the standard error is at most this.
        seed: Seed of the probes.

    Returns:
        The estimate with its standard error, history and cost.

    Example:
        >>> import torch, curvwidget as cw
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(50, dtype=torch.float64))
        >>> estimate = cw.estimate_trace(bowl, method="slices")
        >>> abs(estimate.trace - 100) < 4 * estimate.stderr
        True
    """
    return last(
        stream_trace(objective, method=method, distribution=distribution, samples=samples, target_stderr=target_stderr, seed=seed)
    )


def stream_trace(
    objective: Objective,
    *,
    method: TraceMethod = "hutchinson",
    distribution: Literal["gaussian", "rademacher"] = "gaussian",
    samples: int = 100,
    target_stderr: float | None = None,
    seed: int = 0,
    resume: TraceEstimate | None = None,
) -> Iterator[TraceEstimate]:
    """Estimate tr(H) from more and more samples.

    Args:
        objective: As for `estimate_trace`.
        method: As for `estimate_trace`.
        distribution: As for `estimate_trace`.
        samples: As for `estimate_trace`.
        target_stderr: As for `estimate_trace`.
        seed: As for `estimate_trace`.
        resume: An earlier snapshot of the same stream: its samples are kept.

    Returns:
        Better and better estimates.

    Raises:
        ValueError: As for `estimate_trace`, or if ``resume`` is of another stream, or of a method whose snapshots do not hold
            what is needed to go on (all but ``"hutchinson"`` and ``"slices"``).
    """
    check_choice("method", method, TRACE_METHODS)
    check_choice("distribution", distribution, ("gaussian", "rademacher"))
    if distribution != "gaussian" and method != "hutchinson":
        raise ValueError(f"distribution must be 'gaussian' for method {method!r}, got {distribution!r}")
    samples = check_count("samples", samples)
    if target_stderr is not None:
        target_stderr = check_positive("target_stderr", target_stderr)
    seed = check_seed(seed)
    if resume is not None and method not in _RESUMABLE:
        raise ValueError(f"resume must be None for method {method!r}, whose snapshots do not hold all that it has computed")
    if resume is not None and (resume.seed != seed or resume.method != method):
        raise ValueError(f"resume must be an estimate by the same method ({method!r}) and seed ({seed}), got another")
    if method == "slices":
        return stream_slice_trace(objective, samples=samples, target_stderr=target_stderr, seed=seed, resume=resume)
    if method == "hutch++":
        return stream_hutchpp(objective, samples=samples, target_stderr=target_stderr, seed=seed)
    if method == "xtrace":
        return stream_xtrace(objective, samples=samples, target_stderr=target_stderr, seed=seed)
    if method == "exact":
        return stream_exact(objective, seed=seed)
    return stream_hutchinson(
        objective, samples=samples, distribution=distribution, target_stderr=target_stderr, seed=seed, resume=resume
    )
