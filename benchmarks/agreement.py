"""Nothing is timed before it was seen to compute the same numbers."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["REFUSALS", "Disagreement", "check_agreement", "relative_difference", "why_not"]

#: What another package may raise where it cannot do something, and what `check_agreement` raises.
REFUSALS = (ImportError, RuntimeError, TypeError, ValueError, ArithmeticError)

_ROUNDINGS = 1000  # of the dtype: two orders of summation differ by some, another number by more


class Disagreement(RuntimeError):  # noqa: N818 - it is what it says
    """Two packages compute different numbers."""


def check_agreement(what: str, found: Tensor, expected: Tensor) -> float:
    """Compare numbers that must be the same but for rounding.

    Args:
        what: Whose numbers of what, for the message.
        found: Theirs.
        expected: The reference.

    Returns:
        The relative difference, in the 2-norm.

    Raises:
        Disagreement: If it is more than 1000 roundings of the dtype, or NaN.
    """
    if found.shape != expected.shape:
        raise Disagreement(f"{what} has shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
    difference = relative_difference(found, expected)
    allowed = _ROUNDINGS * torch.finfo(found.dtype).eps
    if not difference <= allowed:
        raise Disagreement(f"{what} differs from the reference by {difference:.1e} (relative), rounding allows {allowed:.1e}")
    return difference


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Measure how far numbers are apart.

    Args:
        found: Some numbers.
        expected: What they should be.

    Returns:
        ‖found − expected‖ / ‖expected‖.
    """
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def why_not(error: Exception) -> str:
    """Say in a line why a package is not among those timed.

    Args:
        error: What it raised.

    Returns:
        The reason.
    """
    if isinstance(error, ImportError):
        return "not installed"
    if isinstance(error, Disagreement):
        return f"not timed: {error}"
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"[:200]
