"""Keeping the user's random number generators as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["preserved_rng"]


@contextmanager
def preserved_rng(device: torch.device) -> Iterator[None]:
    """Leave the global generators of Python, NumPy and torch as they were before the block.

    Args:
        device: Where torch computes; the generator of a CUDA device is kept as well as the CPU's.

    Yields:
        Nothing.
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
