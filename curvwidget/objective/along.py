"""The loss at many points of the line, plane or space that a few directions span."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.recorded_plane import RecordedPlane, Records, record_plane
from curvwidget.objective.recording import NotRecordableError
from curvwidget.objective.risk import Risk
from curvwidget.objective.together import AT_ONCE, FEWEST_TOGETHER, PointsTogether, put_together

__all__ = ["LossesAlong"]

Array = np.ndarray[Any, Any]

_FIRST_POINTS = 8  # evaluated as they are: who asks for so few does not wait for what pays with many
_HOLD_SECONDS = 0.02  # that the model is kept from other threads at a time, or one point's where that takes longer


class LossesAlong:
    """L(θ + Σ a_i·v_i) as a function of the coordinates a.

    Made by `Objective.along`. The points are written one after another, so that no block of them is held. From the ninth point on
    (or the first, after `expect_many`) the loss is computed from a record of its operations: without the model, without what does
    not change from point to point, and with what is affine in the coordinates summed up instead of computed; or points of a small
    network go through it together.
    Either way is tried off the centre first, and left alone where the loss is not the same at rounding error.
    Asked for the same points in the same calls, it gives the same losses to the last bit (on a CPU).

    Attributes:
        records_losses: Whether losses may come from a record. ``False``, set on the class or on an object before its first point,
            has every evaluation go through the model.
        joins_points: Whether several points (eight or more) of a small network may go through it in one call; likewise. None has
            them where that was measured to be faster, on a device that is no CPU; ``True`` on a CPU as well, for very small
            networks.
        n_directions: k.
    """

    records_losses: bool = True
    joins_points: bool | None = None

    def __init__(self, risk: Risk, theta: Tensor, vectors: Tensor, records: Records) -> None:
        """Hold the directions.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions v_i ``(k, N)``, in θ's dtype and on its device.
            records: What is recorded at this origin, shared by all directions there.

        Raises:
            ValueError: If there is no direction.
        """
        if not len(vectors):
            raise ValueError("vectors must be one or more, got none")
        self._risk = risk
        self._theta = theta
        self._vectors = vectors
        self._records = records
        with torch.inference_mode(False):  # or what it writes to could be written to nowhere else
            self._place = risk.placer(theta, vectors)
        self._asked = 0
        self._chosen = False
        self._plane: RecordedPlane | None = None
        self._together: PointsTogether | None = None
        self._declined: list[str] = []
        self._one_at_a_time = threading.Lock()  # not the model's, for which others would have to wait all the time
        self.n_directions = len(vectors)

    @property
    def spared_parameters(self) -> tuple[str, ...]:
        """Parameters, by name, that move but are not written at a point: what they give is affine there, and known."""
        self._choose()
        return () if self._plane is None else self._plane.spared_parameters

    @property
    def points_at_once(self) -> int:
        """How many points are evaluated at a time: `at` does best with so many. Known from the ninth point on."""
        if self._together is not None:
            return AT_ONCE
        return 1 if self._plane is None else max(1, self._plane.threads)

    @property
    def declined(self) -> tuple[str, ...]:
        """Why losses do not come from a record, and why points are not joined, where that is so."""
        self._choose()
        return tuple(self._declined)

    def expect_many(self) -> None:
        """Choose with the next point, and not after the first few, how losses are computed: there will be many."""
        self._asked = max(self._asked, _FIRST_POINTS)

    def at(self, coordinates: Any) -> Array:
        """Evaluate L at several points.

        `curvwidget._interrupt.checkpoint` is called before each of them, and between the batches of each.

        Args:
            coordinates: a ``(B, k)``, anything that NumPy takes, in units of the directions.

        Returns:
            The losses ``(B,)`` float64. NaN and inf are returned as they come.

        Raises:
            ValueError: If the coordinates are not of that shape, or beyond the range of θ's dtype.

        Example:
            >>> import torch, curvwidget as cw
            >>> saddle = cw.Objective.from_function(lambda t: t[0] ** 2 - t[1] ** 2, torch.zeros(2))
            >>> saddle.along(torch.eye(2)).at([[1.0, 0.0], [0.0, 2.0]]).tolist()
            [1.0, -4.0]
        """
        rows = np.asarray(coordinates, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.n_directions:
            raise ValueError(f"coordinates must have shape (B, {self.n_directions}), got {rows.shape}")
        largest = torch.finfo(self._theta.dtype).max
        if (np.abs(rows) > largest).any():
            raise ValueError(
                f"coordinates must be numbers of {self._theta.dtype}, at most {largest:.3g}, got {np.abs(rows).max():.3g}"
            )
        losses = np.empty(len(rows))
        done = 0
        while done < len(rows):
            checkpoint()  # not while the model is held: whoever waits for it need not wait for that
            if self._asked < _FIRST_POINTS:
                stop = min(len(rows), done + _FIRST_POINTS - self._asked)
                count = self._evaluate(rows[done:stop], losses[done:stop])
            else:
                self._choose()
                together = self._together if len(rows) - done >= FEWEST_TOGETHER else None
                if together is None and self._plane is not None and self._plane.current:
                    with self._one_at_a_time:
                        count = self._plane.evaluate(rows[done:], losses[done:])
                    if self._plane.spreads_nan:
                        self._mend(rows[done:], losses[done:])
                else:
                    count = self._evaluate(rows[done:], losses[done:], together)
            done += count
            self._asked += count
        return losses

    def _choose(self) -> None:
        with self._one_at_a_time:
            if self._chosen:
                return
            risk, theta, vectors = self._risk, self._theta, self._vectors
            if risk.ways.plain:
                self._declined = ["CURVWIDGET_PLAIN is set"]
            else:
                self._declined = []  # of a choice that was interrupted
                if self.records_losses:
                    try:
                        self._plane = record_plane(risk, theta, vectors, self._records)
                    except NotRecordableError as error:
                        self._declined.append(str(error))
                on_cpu = theta.device.type == "cpu"
                join = not on_cpu if self.joins_points is None else self.joins_points
                if join and not (on_cpu and self._plane and self._plane.spared_parameters):
                    alone = None if self._plane is None else self._plane.evaluate
                    self._together, reason = put_together(risk, theta, vectors, alone)
                    self._declined += [] if reason is None else [reason]
            self._chosen = True

    def _evaluate(self, rows: Array, losses: Array, together: PointsTogether | None = None) -> int:
        # By the model, for as long as that may be held. How far did it come?
        done = 0
        with self._risk.held(self._theta.device, order=0):
            began = time.perf_counter()
            while done < len(rows) and (time.perf_counter() - began < _HOLD_SECONDS):
                if together is not None and len(rows) - done >= FEWEST_TOGETHER:
                    part = slice(done, min(done + AT_ONCE, len(rows)))
                    losses[part] = together.losses(rows[part])
                    done = part.stop
                else:
                    losses[done] = self._loss(rows[done].tolist())
                    done += 1
        return done

    def _mend(self, rows: Array, losses: Array) -> None:
        # What is no number by the record may be one by the model.
        places = np.flatnonzero(np.isnan(losses))
        found, done = np.empty(len(places)), 0
        while done < len(places):
            checkpoint()
            done += self._evaluate(rows[places[done:]], found[done:])
        losses[places] = found

    def _loss(self, coefficients: list[float]) -> float:
        leaves = self._place(coefficients)
        total = 0.0
        for index, weight in enumerate(self._risk.weights):
            checkpoint()
            with self._risk.quiet(self._theta.device):
                total += weight * float(self._risk.term(index, leaves).detach())
        return total
