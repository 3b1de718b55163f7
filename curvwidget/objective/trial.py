"""What a faster way to a loss or its products is tried with before it is believed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["FAILURES", "LOSS_TOLERANCE", "PRODUCT_TOLERANCE", "trial_steps"]

# A loss has passed all layers, each of which makes more of the rounding of those before it.
LOSS_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
PRODUCT_TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-4}
"""Of a product's norm, ‖difference‖."""
FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError, ArithmeticError)
"""What a model may raise where it is called in a way that its author did not think of."""
_STEP = 0.05  # of ‖θ‖, or of 1 near θ = 0
_SHORTER = 0.125
_MOST_STEPS = 3


def trial_steps(theta: Tensor, vectors: Tensor) -> Iterator[list[float]]:
    """Choose where to compare two ways: off the centre, at coordinates that depend on nothing but θ and the directions.

    Args:
        theta: The origin ``(N,)``.
        vectors: The directions ``(k, N)``.

    Yields:
        k coordinates; nearer and nearer ones, for where the loss is not finite.
    """
    length = _STEP * max(float(theta.norm(dtype=torch.float64)), 1.0)
    norms = [float(vector.norm(dtype=torch.float64)) or 1.0 for vector in vectors]
    for attempt in range(_MOST_STEPS):
        yield [length * _SHORTER**attempt * (-0.7) ** row / norm for row, norm in enumerate(norms)]
