"""The loss at many points of the line, plane or space that a few directions span."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.known_outputs import KnownOutputs
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.reuse import ReusedLayers, reuse_layers
from curvwidget.objective.risk import Placer, Risk
from curvwidget.objective.together import AT_ONCE, PointsTogether, put_together

__all__ = ["LossesAlong"]

Array = np.ndarray[Any, Any]

_FIRST_POINTS = 8  # evaluated as they are: who asks for so few does not wait for what pays with many
_HOLD_SECONDS = 0.02  # that the model is kept from other threads at a time, or one point's where that takes longer


class LossesAlong:
    """L(θ + Σ a_i·v_i) as a function of the coordinates a.

    Made by `Objective.along`. The points are written one after another into the model itself, so that no block of them is held.
    From the ninth point on, what does not change from point to point is computed once, or points of a small network go through it
    together. Either way is tried off the centre first, and left alone where the loss is not the same at rounding error.
    Asked for the same points in the same calls, it gives the same losses to the last bit (on a CPU).

    Attributes:
        reuses_layers: Whether layers whose output is known beforehand give it without computing it. ``False``, set on the class
            or on an object before its first point, has every evaluation go through the whole model.
        joins_points: Whether several points of a small network may go through it in one call; likewise. None has them where
            that was measured to be faster, on a device that is no CPU; ``True`` on a CPU as well, for very small networks.
        n_directions: k.
    """

    reuses_layers: bool = True
    joins_points: bool | None = None

    def __init__(self, risk: Risk, theta: Tensor, vectors: Tensor) -> None:
        """Hold the directions.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions v_i ``(k, N)``, in θ's dtype and on its device.

        Raises:
            ValueError: If there is no direction.
        """
        if not len(vectors):
            raise ValueError("vectors must be one or more, got none")
        self._risk = risk
        self._theta = theta
        self._vectors = vectors
        self._place = risk.placer(theta, vectors)
        self._plain = Way(ReusedLayers((None,) * len(risk.weights)), self._place)
        self._way: Way | None = None
        self._asked = 0
        self._choosing = threading.Lock()  # not the model's, for which others would have to wait all the time
        self.n_directions = len(vectors)

    @property
    def reused_layers(self) -> tuple[str, ...]:
        """Layers, by name, whose outputs are known at each point: constant, or affine in the coordinates."""
        return self._chosen().reused.names

    @property
    def points_at_once(self) -> int:
        """How many points one call takes, 1 for one after another: `at` does best with so many. Known from the ninth point on."""
        return AT_ONCE if self._way is not None and self._way.together is not None else 1

    @property
    def declined(self) -> tuple[str, ...]:
        """Why layers are not reused, or not for all of the data, and why points are not joined, where that is so."""
        return self._chosen().declined

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
            begins = self._asked < _FIRST_POINTS
            way = self._plain if begins else self._chosen()
            stop = min(len(rows), done + _FIRST_POINTS - self._asked) if begins else len(rows)
            count = self._evaluate(way, rows[done:stop], losses[done:stop])
            done += count
            self._asked += count
        return losses

    def _chosen(self) -> Way:
        with self._choosing:
            if self._way is None:
                self._way = choose_way(self._risk, self._theta, self._vectors, reuse=self.reuses_layers, join=self.joins_points)
            return self._way

    def _evaluate(self, way: Way, rows: Array, losses: Array) -> int:
        # For as long as the model may be held. How far did it come?
        done = 0
        with self._risk.held(self._theta.device, order=0):
            began = time.perf_counter()
            if way.reused.stretches is not None:
                self._risk.place(self._theta)
            while done < len(rows) and (time.perf_counter() - began < _HOLD_SECONDS):
                if way.together is not None and len(rows) - done >= AT_ONCE:
                    losses[done : done + AT_ONCE] = way.together.losses(rows[done : done + AT_ONCE])
                    done += AT_ONCE
                else:
                    losses[done] = self._loss(way, rows[done].tolist())
                    done += 1
        return done

    def _loss(self, way: Way, coefficients: list[float]) -> float:
        leaves = way.place(coefficients)
        total = 0.0
        for index, (weight, known) in enumerate(zip(self._risk.weights, way.reused.chunks, strict=True)):
            checkpoint()
            total += weight * self._term(index, leaves, known, coefficients)
        return total

    def _term(self, index: int, leaves: tuple[Tensor, ...], known: KnownOutputs | None, coefficients: list[float]) -> float:
        if known is not None:
            with known.standing_in(coefficients):
                value = float(self._risk.term(index, leaves))
            if not known.spoiled:
                return value
            leaves = self._place(coefficients)
        with self._risk.quiet(self._theta.device):
            return float(self._risk.term(index, leaves).detach())


@dataclass(frozen=True, eq=False)
class Way:
    """How losses along directions are evaluated.

    Attributes:
        reused: What is known of layers.
        place: Puts a point where the loss takes it from, as far as the loss reads it.
        together: Evaluates several points at once, or None.
        declined: Why not otherwise.
    """

    reused: ReusedLayers
    place: Placer
    together: PointsTogether | None = None
    declined: tuple[str, ...] = ()


def choose_way(risk: Risk, theta: Tensor, vectors: Tensor, *, reuse: bool, join: bool | None) -> Way:
    """Try what is faster than one whole evaluation after another.

    Args:
        risk: The loss.
        theta: The origin ``(N,)``.
        vectors: The directions ``(k, N)``.
        reuse: Whether outputs of layers may be reused.
        join: Whether points may be evaluated in one call, where no outputs are reused; None for not on a CPU.

    Returns:
        The way to go.
    """
    reused, together, place = ReusedLayers((None,) * len(risk.weights)), None, risk.placer(theta, vectors)
    if not isinstance(risk, ModelRisk):
        return Way(reused, place, declined=("an analytic loss is called at each point",))
    if risk.ways.plain:
        return Way(reused, place, declined=("CURVWIDGET_PLAIN is set",))
    declined: list[str | None] = []
    if reuse:
        reused = reuse_layers(risk, theta, vectors)
        place = risk.placer(theta, vectors, reused.stretches)
        declined.append(reused.declined)
    if join is None:
        join = theta.device.type != "cpu"
    if join and not reused.names:
        together, reason = put_together(risk, theta, vectors)
        declined.append(reason)
    return Way(reused, place, together, tuple(reason for reason in declined if reason is not None))
