"""Weights from a seed: torch draws them from its global generator, which is nobody's to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch's global generator of the CPU begin at a seed for a block, and be as before after it.

    Args:
        seed: Where it begins.

    Yields:
        Nothing.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would move the generators of GPUs as well
        yield
