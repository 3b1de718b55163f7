"""Random probe vectors: probe i of a seed is the same vector however many are drawn, in whatever blocks, on any device."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_choice
from curvwidget.linalg.operator import SymmetricOperator

__all__ = ["DISTRIBUTIONS", "Distribution", "draw_probe", "draw_probes"]

Distribution = Literal["gaussian", "rademacher"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("gaussian", "rademacher")


def draw_probe(operator: SymmetricOperator, *, seed: int, index: int, distribution: Distribution = "gaussian") -> Tensor:
    """Draw one probe vector z with E[z zᵀ] = I.

    The numbers are drawn on the CPU in float64 by a generator of their own, whose seed depends on ``seed`` and ``index`` alone;
    the global generator is not touched.

    Args:
        operator: Says how long the vector is, in which dtype and on which device it is wanted.
        seed: Seed of the whole family of probes.
        index: Which probe of the family.
        distribution: ``"gaussian"`` for N(0, I), ``"rademacher"`` for independent signs.

    Returns:
        ``(N,)``.
    """
    check_choice("distribution", distribution, DISTRIBUTIONS)
    state = np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))  # 63 bits: torch takes signed seeds
    if distribution == "gaussian":
        vector = torch.randn(operator.size, generator=generator, dtype=torch.float64)
    else:
        vector = torch.randint(0, 2, (operator.size,), generator=generator).double().mul_(2).sub_(1)
    return vector.to(operator.dtype).to(operator.device)


def draw_probes(
    operator: SymmetricOperator, count: int, *, seed: int, first: int = 0, distribution: Distribution = "gaussian"
) -> Tensor:
    """Draw a block of probe vectors.

    Args:
        operator: Says how long the vectors are, in which dtype and on which device they are wanted.
        count: How many.
        seed: Seed of the whole family of probes.
        first: Index of the first one.
        distribution: ``"gaussian"`` or ``"rademacher"``.

    Returns:
        ``(count, N)``, row j is probe ``first + j`` of the seed.
    """
    rows = [draw_probe(operator, seed=seed, index=first + j, distribution=distribution) for j in range(count)]
    return torch.stack(rows)
