"""An estimate of a trace, with its error and its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from curvwidget._results import ArrayResult

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["TraceEstimate"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class TraceEstimate(ArrayResult):
    """The trace of a symmetric matrix of size N, estimated.

    Attributes:
        trace: The estimate of tr(A).
        stderr: Its standard error; 0 where the trace is exact, NaN while one sample says nothing of its error.
        size: N.
        method: How it was estimated.
        samples: One unbiased estimate a probe ``(S,)``.
        history: Running estimate, its standard error and the cost so far ``(T, 3)``; the cost counts HVPs, or loss evaluations
            for the method that needs no HVP.
        trace_of_square: The estimate of tr(A²), NaN where the method gives none.
        trace_of_square_stderr: Its standard error.
        by_block: The trace of each named block of A; empty where the operator has no blocks or the method gives none.
        seed: Seed of the probes, None where nothing was drawn.
        hvps: Matrix-vector products spent.
        evaluations: Loss evaluations spent.
        step: Length ‖Δθ‖ of a difference step; None without differences.
        step_disagreement: Relative disagreement of the curvatures from the step and from half of it; None without differences.
        rounding: The part of the standard error that more samples do not lessen: rounding of the losses, alike in all curvatures.
        progress: Share of the work done, in [0, 1].
        notes: What a reader must know to trust the numbers, in words; may be empty.
        by_block_stderr: Standard error of each block's trace; empty where the method gives none.
        distribution: Of the probes, where the method leaves a choice.
        square_samples: One unbiased estimate of tr(A²) a probe ``(S,)``; empty where the method gives none.
        block_samples: One unbiased estimate a probe of each block's trace ``(S, B)``, in the order of ``by_block``; or empty.
        normalization: Of the directions that A is scaled as, ``"none"`` for H itself; None where it is not known, as in a file of
            an earlier version.
    """

    trace: float
    stderr: float
    size: int
    method: str
    samples: Array
    history: Array
    trace_of_square: float = float("nan")
    trace_of_square_stderr: float = float("nan")
    by_block: dict[str, float] = field(default_factory=dict)
    seed: int | None = None
    hvps: int = 0
    evaluations: int = 0
    step: float | None = None
    step_disagreement: float | None = None
    rounding: float = 0.0
    progress: float = 1.0
    notes: tuple[str, ...] = ()
    by_block_stderr: dict[str, float] = field(default_factory=dict)
    distribution: str | None = None
    square_samples: Array = field(default_factory=lambda: np.empty(0))
    block_samples: Array = field(default_factory=lambda: np.empty((0, 0)))
    normalization: str | None = None

    @property
    def mean_curvature(self) -> float:
        """tr(A)/N, the mean curvature of the original space."""
        return self.trace / self.size

    @property
    def mean_curvature_stderr(self) -> float:
        """Standard error of the mean curvature."""
        return self.stderr / self.size

    def to_xarray(self) -> Dataset:
        """Return the samples and the running estimate as a labelled data set.

        Returns:
            A `Dataset` with ``samples`` (and ``square_samples``, where there are any) over ``sample``, ``running_trace`` and
            ``running_stderr`` over ``cost``, and where the method gives them ``block_trace`` and ``block_stderr`` over ``block``.
        """
        from xarray import Dataset

        data = Dataset(
            {
                "samples": (("sample",), self.samples),
                "running_trace": (("cost",), self.history[:, 0]),
                "running_stderr": (("cost",), self.history[:, 1]),
            },
            coords={"cost": self.history[:, 2]},
            attrs={"trace": self.trace, "stderr": self.stderr, "size": self.size, "method": self.method},
        )
        data.attrs.update(trace_of_square=self.trace_of_square, trace_of_square_stderr=self.trace_of_square_stderr)
        data.attrs.update(normalization=str(self.normalization))
        if len(self.square_samples):
            data["square_samples"] = (("sample",), self.square_samples)
        if self.by_block:
            data = data.assign_coords(block=list(self.by_block))
            data["block_trace"] = (("block",), np.array(list(self.by_block.values())))
            data["block_stderr"] = (("block",), np.array(list(self.by_block_stderr.values())))
        data["cost"].attrs["long_name"] = "HVPs" if self.hvps else "loss evaluations"
        return data
