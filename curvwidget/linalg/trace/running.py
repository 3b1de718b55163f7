"""What all trace estimators share: the error of a mean, its history, and when to stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from curvwidget._checks import check_count, check_positive

__all__ = ["FEWEST", "History", "check_sampling", "mean_and_stderr"]

Array = np.ndarray[Any, Any]

FEWEST = 20
"""No stream stops at a target before it has this many samples: the standard error itself is known to 16 % then."""


def mean_and_stderr(samples: Array) -> tuple[float, float]:
    """Mean of independent samples and its standard error.

    Args:
        samples: ``(S,)`` with S ≥ 1.

    Returns:
        The mean, and the sample standard deviation over √S, NaN for one sample.
    """
    count = len(samples)
    return float(samples.mean()), float(samples.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan


def check_sampling(samples: object, target_stderr: object, seed: object, *, fewest: int = 1) -> tuple[int, float | None, int]:
    """Check what all sampling estimators are asked.

    Args:
        samples: Products with A at most.
        target_stderr: Standard error to stop at, or None.
        seed: Seed of the probes.
        fewest: The fewest products that the method can do with.

    Returns:
        The three, checked.
    """
    target = None if target_stderr is None else check_positive("target_stderr", target_stderr)
    return check_count("samples", samples, minimum=fewest), target, check_count("seed", seed, minimum=0)


class History:
    """The rows (estimate, standard error, products so far) of a running estimate, and whether it is good enough."""

    def __init__(self, target_stderr: float | None, rows: Array | None = None) -> None:
        """Begin a history, or go on with an earlier one.

        Args:
            target_stderr: Standard error to stop at, or None.
            rows: The earlier history ``(T, 3)``.
        """
        self._target = target_stderr
        self._rows: list[tuple[float, float, float]] = [] if rows is None else [(row[0], row[1], row[2]) for row in rows.tolist()]

    def append(self, estimate: float, stderr: float, hvps: int) -> None:
        """Add a row.

        Args:
            estimate: Running estimate of tr(A).
            stderr: Its standard error.
            hvps: Products spent so far.
        """
        self._rows.append((estimate, stderr, float(hvps)))

    def array(self) -> Array:
        """The rows so far.

        Returns:
            ``(T, 3)``, a new array.
        """
        return np.array(self._rows, dtype=float).reshape(-1, 3)

    def reached(self, samples: int) -> bool:
        """Whether the target is reached, by enough samples not to be luck.

        Args:
            samples: How many samples the last row rests on.

        Returns:
            Whether to stop.
        """
        return self._target is not None and samples >= FEWEST and bool(self._rows) and self._rows[-1][1] <= self._target

    def missed(self) -> tuple[str, ...]:
        """A note for an estimate that has used up its samples.

        Returns:
            A sentence if there was a target and it was not reached, else nothing.
        """
        if self._target is None or not self._rows or self._rows[-1][1] <= self._target:
            return ()
        return (f"The samples were used up at a standard error of {self._rows[-1][1]:.3g}; {self._target:.3g} was asked for.",)
