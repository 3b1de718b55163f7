"""The explorer in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from curvwidget.curvature.trace import TraceMethod
from curvwidget.directions import Checkpoint, Normalization
from curvwidget.objective import Objective
from curvwidget.runs import Executor
from curvwidget.widgets.axis_sources import RandomAxis
from curvwidget.widgets.explorer import CACHE_BYTES, Explorer
from curvwidget.widgets.request import TOLERANCE, Request

__all__ = ["explore"]


def explore(
    objective: Objective,
    *,
    seed: int = 0,
    normalization: Normalization = None,
    span: Literal["auto"] | Sequence[float] = "auto",
    resolution: int = 41,
    tolerance: float | None = TOLERANCE,
    planes: int = 200,
    probes: int = 100,
    trace_methods: Sequence[TraceMethod] = ("hutchinson", "slices"),
    spectrum_probes: int = 4,
    checkpoints: Iterable[Checkpoint] = (),
    cache_bytes: int = CACHE_BYTES,
    executor: Executor | None = None,
) -> Explorer:
    """Look at the loss around θ: a map, a surface, cross-sections, and whether they can be believed.

    What is no `Objective` is refused with a `TypeError`, an option that cannot be with a `ValueError` that names it.

    Args:
        objective: The loss at θ.
        seed: Seed of the first random plane, and of eigensolver, probes and planes.
        normalization: Of random directions.
        span: ``"auto"`` for a half-width from the curvature, or one an axis in units of its direction.
        resolution: Points on each axis, odd.
        tolerance: How large the error of a value of the slice may be, as a share of the range of the losses, as for `slice_loss`;
            None evaluates the loss at each point.
        planes: Number of random planes to compare with.
        probes: Number of probes for the trace, of each method.
        trace_methods: How the trace is estimated, as for `estimate_trace`; ``"hutch++"`` and ``"xtrace"`` hold vectors in memory,
            a third as many as probes and one and a half times as many.
        spectrum_probes: Number of probes for the density of all eigenvalues, each up to 80 products; 0 leaves it out.
        checkpoints: Points of a training run, each in a form that `read_checkpoint` takes; files are read when they are visited.
        cache_bytes: Memory for what was found before: asked again, it is there at once; beyond the bound, what was not asked for
            longest is forgotten.
        executor: Where to compute; None for a thread of the explorer's own, `InlineExecutor` to compute in place.

    Returns:
        The widget; computation has begun.
    """
    request = Request(
        axes=(RandomAxis(seed, 0), RandomAxis(seed, 1)),
        normalization=normalization,
        span=span,
        resolution=resolution,
        tolerance=tolerance,
        planes=planes,
        probes=probes,
        trace_methods=tuple(trace_methods),
        spectrum_probes=spectrum_probes,
    )
    return Explorer(objective, request=request, seed=seed, checkpoints=checkpoints, cache_bytes=cache_bytes, executor=executor)
