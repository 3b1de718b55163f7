"""How the numbers of a picture are to be read, in small print."""

from __future__ import annotations

from curvwidget._number_words import format_number
from curvwidget.slices import LossSlice
from curvwidget.slices.first_look import FirstLook

__all__ = ["look_words", "slice_words"]


def slice_words(plane: LossSlice) -> str:
    """Say whether the values are losses or interpolated between such, and what they cost.

    Args:
        plane: The slice.

    Returns:
        Half a sentence.
    """
    cost = f"{plane.evaluations:,} evaluations"
    if plane.error > 0:
        return f"interpolated, ± {format_number(plane.error, 2)} at most ({cost})"
    return f"exact, {cost}"


def look_words(look: FirstLook) -> str:
    """Say how many samples a first look is of, and its sampling error.

    Args:
        look: The first look.

    Returns:
        Half a sentence.
    """
    error = format_number(look.sampling_error, 2)
    return f"first look, {look.samples:,} of {look.n_samples:,} samples: ± {error}"
