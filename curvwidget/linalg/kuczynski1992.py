"""Whether a copy of a multiple eigenvalue was left out.

A Krylov sequence sees one copy of each eigenvalue, so where one pair is asked from an end nothing can be missing. Where more are
asked, a new sequence in the complement of all that is there must bring nothing better before the search may stop.

Source: J. Kuczyński and H. Woźniakowski, Estimating the largest eigenvalue by the power and Lanczos algorithms with a random
start, SIAM J. Matrix Anal. Appl. 13 (1992) 1094: after k steps of Lanczos from a random start, the chance that the largest Ritz
value lies below the largest eigenvalue by more than the share ε of the spectrum's width is at most 1.648·√N·exp(−√ε·(2k − 1)).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from curvwidget.linalg.krylov import RitzPairs

__all__ = ["Verdict", "chance_of_oversight", "judge_end"]

Array = np.ndarray[Any, Any]
Verdict = Literal["done", "open", "wait"]
_ACCEPTED = 1e-6


def chance_of_oversight(size: int, steps: int, share: float) -> float:
    """The most likely it can be that a sequence has not seen an eigenvalue of its complement.

    Args:
        size: N.
        steps: Products that the sequence has made from its random start, k.
        share: How far that eigenvalue would lie outside of the sequence's Ritz values, as a share ε of the spectrum's width.

    Returns:
        A bound of the probability; it may exceed 1.
    """
    return 1.648 * math.sqrt(size) * math.exp(-math.sqrt(share) * (2 * steps - 1))


def judge_end(known: Array, newest: RitzPairs, *, count: int, threshold: float, size: int, steps: int) -> Verdict:
    """Judge the upper end of a spectrum, where all wanted pairs have converged.

    The newest sequence searches the complement of all that the earlier ones made, parked rows included: what its residuals have
    along these does not count here, and what the parked rows hide is for the caller to see.

    Args:
        known: Ritz values of the earlier sequences ``(e,)``, descending.
        newest: Ritz pairs of the newest sequence, of any order.
        count: How many eigenvalues are wanted.
        threshold: Residual at which the last of them counts as converged.
        size: N.
        steps: Products that the newest sequence has made.

    Returns:
        ``"done"``; ``"open"`` where the newest sequence has brought something new, so that another one is due; or ``"wait"``
        until the newest has more to say.
    """
    best = int(np.argmax(newest.values))
    ahead = float(known[count - 1] - newest.values[best]) if len(known) >= count else -math.inf
    if ahead < -threshold:
        return "open"
    if newest.free_residuals[best] <= threshold:
        return "done"
    # What was left out would be an eigenvalue of the complement, of at least the last wanted one's size.
    width = float(known[count - 1] - newest.values.min())
    share = max(ahead, 0.0) / width if width > 0 else 1.0
    return "done" if chance_of_oversight(size, steps, share) <= _ACCEPTED else "wait"
