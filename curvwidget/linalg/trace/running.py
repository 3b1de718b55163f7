"""What all trace estimators share: the error of a mean, the history of an estimate, and when to stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from curvwidget._checks import check_count, check_positive
from curvwidget.linalg.operator import SymmetricOperator
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["FEWEST", "RunningTrace", "mean_and_stderr", "shortfall", "without_shortfall"]

Array = np.ndarray[Any, Any]

FEWEST = 20
"""No stream of products stops at a target before it has this many samples: the standard error itself is known to 16 % then."""

_SHORTFALL = "The samples were used up"


def mean_and_stderr(samples: Array, covariance: float = 0.0) -> tuple[float, float]:
    """Mean of samples and its standard error.

    Args:
        samples: ``(S,)`` with S ≥ 1.
        covariance: Of two samples, where they are not independent; a negative estimate of it counts as none.

    Returns:
        The mean, and the root of the sample variance over S plus the covariance, NaN for one sample.
    """
    count = len(samples)
    if count < 2:
        return float(samples.mean()), math.nan
    return float(samples.mean()), math.sqrt(float(samples.var(ddof=1)) / count + max(covariance, 0.0))


def shortfall(stderr: float, target: float) -> str:
    """Say that the samples have come to their end before the target was reached.

    Args:
        stderr: Standard error of the estimate.
        target: What was asked for.

    Returns:
        A sentence.
    """
    return f"{_SHORTFALL} at a standard error of {stderr:.3g}; {target:.3g} was asked for."


def without_shortfall(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out what `shortfall` said of an estimate that is taken up again.

    Args:
        notes: Of the estimate.

    Returns:
        All others.
    """
    return tuple(note for note in notes if not note.startswith(_SHORTFALL))


class RunningTrace:
    """A running estimate by samples: its history, its limit and its target."""

    def __init__(
        self,
        matrix: SymmetricOperator,
        method: str,
        *,
        samples: int,
        target_stderr: float | None,
        seed: int,
        fewest: int = 1,
        history: Array | None = None,
    ) -> None:
        """Check what was asked, and begin a history or go on with an earlier one.

        Args:
            matrix: The matrix A.
            method: Name of the method.
            samples: Products at most.
            target_stderr: Standard error to stop at, or None.
            seed: Seed of the probes.
            fewest: The fewest products that the method can do with.
            history: An earlier history ``(T, 3)``.
        """
        self.matrix, self.method = matrix, method
        self.limit = check_count("samples", samples, minimum=fewest)
        self.target = None if target_stderr is None else check_positive("target_stderr", target_stderr)
        self.seed = check_count("seed", seed, minimum=0)
        self._history: list[list[float]] = [] if history is None else history.tolist()

    def reached(self, stderr: float, count: int) -> bool:
        """Whether the target is reached, by enough samples not to be luck.

        Args:
            stderr: Standard error of the estimate.
            count: How many samples it rests on.

        Returns:
            Whether to stop.
        """
        return self.target is not None and count >= FEWEST and stderr <= self.target

    def snapshot(
        self,
        samples: Array,
        *,
        square_samples: Array,
        hvps: int,
        last: bool,
        block_samples: Array | None = None,
        distribution: str = "gaussian",
        covariances: tuple[float, float] = (0.0, 0.0),
        notes: tuple[str, ...] = (),
    ) -> TraceEstimate:
        """Make a snapshot of means of samples, and add it to the history.

        Args:
            samples: One estimate of tr(A) a probe ``(S,)``.
            square_samples: One estimate of tr(A²) a probe ``(S,)``.
            hvps: Products spent so far.
            last: Whether the samples are used up.
            block_samples: One estimate of each block's trace a probe ``(S, B)``, where the method gives them.
            distribution: Of the probes.
            covariances: Of two samples of tr(A), and of two of tr(A²), where they are not independent.
            notes: What is to be said.

        Returns:
            The estimate; its progress is 1 where it is the last one or reaches the target.
        """
        trace, stderr = mean_and_stderr(samples, covariances[0])
        square, square_stderr = mean_and_stderr(square_samples, covariances[1])
        blocks = {}
        if block_samples is not None:
            count = len(block_samples)
            means = block_samples.mean(axis=0).tolist()
            errors = np.sqrt(block_samples.var(axis=0, ddof=1) / count).tolist() if count > 1 else [math.nan] * len(means)
            blocks = dict(zip(self.matrix.blocks, zip(means, errors, strict=True), strict=True))
        self._history.append([trace, stderr, float(hvps)])
        reached = self.reached(stderr, len(samples))
        if last and not reached and self.target is not None:
            notes += (shortfall(stderr, self.target),)
        return TraceEstimate(
            trace=trace,
            stderr=stderr,
            size=self.matrix.size,
            method=self.method,
            samples=samples,
            history=np.array(self._history),
            trace_of_square=square,
            trace_of_square_stderr=square_stderr,
            by_block={name: mean for name, (mean, _) in blocks.items()},
            seed=self.seed,
            hvps=hvps,
            progress=1.0 if last or reached else min(hvps / self.limit, 1.0),
            notes=notes,
            by_block_stderr={name: error for name, (_, error) in blocks.items()},
            distribution=distribution,
            square_samples=square_samples,
            block_samples=np.empty((0, 0)) if block_samples is None else block_samples,
            normalization=self.matrix.normalization,
        )
