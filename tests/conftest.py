"""What holds for every test."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """Let torch use two threads at most, and no more than it was given: processes side by side would wait for one another's."""
    torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start every test from one state of torch's global generator, so that a failure can be had again."""
    torch.manual_seed(0)
