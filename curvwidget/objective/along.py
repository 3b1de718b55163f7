"""The loss at many points of the line, plane or space that a few directions span."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.reuse import KnownOutputs, ReusedLayers, reuse_layers
from curvwidget.objective.risk import Risk

__all__ = ["LossesAlong"]

Array = np.ndarray[Any, Any]

_HOLD_SECONDS = 0.02  # that the model is kept from other threads at a time, or one point's where that takes longer


class LossesAlong:
    """L(θ + Σ a_i·v_i) as a function of the coordinates a.

    Made by `Objective.along`. The points are written one after another into the model itself, so that no block of them is held.
    What does not change from point to point is computed once, when the first point is asked for: see `reused_layers`.
    What a point's loss is does not depend on which points are asked for before it, or together with it.

    Attributes:
        reuses_layers: Whether layers whose output is known beforehand give it without computing it. Set it on the class to
            ``False`` to have every evaluation go through the whole model; on an object, before its first point.
        n_directions: k.
    """

    reuses_layers: bool = True

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
        self._reused: ReusedLayers | None = None
        self._finding = threading.Lock()  # not the model's, for which others would have to wait all the time
        self.n_directions = len(vectors)

    @property
    def reused_layers(self) -> tuple[str, ...]:
        """Layers, by name, whose outputs are known at each point: constant, or affine in the coordinates."""
        return self._reuse().names

    @property
    def declined(self) -> str | None:
        """Why nothing is reused, or not for all of the data; None where it is."""
        return self._reuse().declined

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
        reused = self._reuse()
        losses = np.empty(len(rows))
        done = 0
        while done < len(rows):
            checkpoint()  # not while the model is held: whoever waits for it need not wait for that
            with self._risk.held(self._theta.device, order=0):
                began = time.perf_counter()
                if reused.stretches is not None:
                    self._risk.place(self._theta)
                while done < len(rows) and (time.perf_counter() - began < _HOLD_SECONDS):
                    losses[done] = self._evaluate(rows[done].tolist(), reused)
                    done += 1
        return losses

    def _reuse(self) -> ReusedLayers:
        with self._finding:
            if self._reused is None:
                if self.reuses_layers and isinstance(self._risk, ModelRisk):
                    self._reused = reuse_layers(self._risk, self._theta, self._vectors)
                else:
                    reason = "it is switched off" if not self.reuses_layers else "an analytic loss has no layers"
                    self._reused = ReusedLayers((None,) * len(self._risk.weights), declined=reason)
            return self._reused

    def _evaluate(self, coefficients: list[float], reused: ReusedLayers) -> float:
        # Within `held`.
        leaves = self._risk.place_along(self._theta, self._vectors, coefficients, reused.stretches)
        total = 0.0
        for index, (weight, known) in enumerate(zip(self._risk.weights, reused.chunks, strict=True)):
            checkpoint()
            total += weight * self._term(index, leaves, known, coefficients)
        return total

    def _term(self, index: int, leaves: tuple[Tensor, ...], known: KnownOutputs | None, coefficients: list[float]) -> float:
        if known is not None:
            with known.standing_in(coefficients):
                value = float(self._risk.term(index, leaves))
            if not known.spoiled:
                return value
            leaves = self._risk.place_along(self._theta, self._vectors, coefficients)
        with self._risk.quiet(self._theta.device):
            return float(self._risk.term(index, leaves).detach())
