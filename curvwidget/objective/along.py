"""The loss at many points of the line, plane or space that a few directions span."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.risk import Risk

__all__ = ["LossesAlong"]

Array = np.ndarray[Any, Any]

_HOLD_SECONDS = 0.02  # that the model is kept from other threads at a time, or one point's where that takes longer


class LossesAlong:
    """L(θ + Σ a_i·v_i) as a function of the coordinates a.

    Made by `Objective.along`. The points are written one after another into the model itself, so that no block of them is held.
    What a point's loss is does not depend on which points are asked for before it, or together with it.

    Attributes:
        n_directions: k.
    """

    def __init__(self, risk: Risk, theta: Tensor, vectors: Tensor) -> None:
        """Hold the directions.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions v_i ``(k, N)``, in θ's dtype and on its device.
        """
        self._risk = risk
        self._theta = theta
        self._vectors = vectors
        self.n_directions = len(vectors)

    def at(self, coordinates: Any) -> Array:
        """Evaluate L at several points.

        `curvwidget._interrupt.checkpoint` is called before each of them, and between the batches of each.

        Args:
            coordinates: a ``(B, k)``, anything that NumPy takes, in units of the directions.

        Returns:
            The losses ``(B,)`` float64. NaN and inf are returned as they come.

        Raises:
            ValueError: If the coordinates are not of that shape.

        Example:
            >>> import torch, curvwidget as cw
            >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2))
            >>> saddle.along(torch.eye(2)).at([[1.0, 0.0], [0.0, 2.0]]).tolist()
            [1.0, -4.0]
        """
        rows = np.asarray(coordinates, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.n_directions:
            raise ValueError(f"coordinates must have shape (B, {self.n_directions}), got {rows.shape}")
        losses = np.empty(len(rows))
        done = 0
        while done < len(rows):
            checkpoint()  # not while the model is held: whoever waits for it need not wait for that
            with self._risk.held(self._theta.device, order=0):
                began = time.perf_counter()
                while done < len(rows) and (time.perf_counter() - began < _HOLD_SECONDS):
                    losses[done] = self._evaluate(rows[done].tolist())
                    done += 1
        return losses

    def _evaluate(self, coefficients: list[float]) -> float:
        # Within `held`.
        total = 0.0
        for index, weight in enumerate(self._risk.weights):
            checkpoint()
            with self._risk.quiet(self._theta.device):
                leaves = self._risk.place_along(self._theta, self._vectors, coefficients)
                total += weight * float(self._risk.term(index, leaves).detach())
        return total
