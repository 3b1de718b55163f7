"""Planes through an objective's θ, for tests of the loss along them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from curvwidget.objective import Objective


def directions(objective: Objective, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, objective.n_parameters, generator=generator, dtype=objective.dtype)


def coordinates(count: int = 2, points: int = 7) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(points, count)) * 0.3
