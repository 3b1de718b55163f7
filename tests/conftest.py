"""What holds for every test."""

from __future__ import annotations

import os

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """Let torch use two threads at most: the tests run beside other work, and small problems gain nothing from more."""
    torch.set_num_threads(min(2, os.cpu_count() or 1))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start every test from one state of torch's global generator, so that a failure can be had again."""
    torch.manual_seed(0)
