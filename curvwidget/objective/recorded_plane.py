"""Losses along directions from records of the loss.

A record is made once for each origin and set of parameters that move; new directions only ask for what is known along them. A
batch costs an evaluation to record it, one for each direction, and two to see that the loss is the same as the model's.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.kernels import full_precision
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.recorded_loss import RecordedLoss, record_loss
from curvwidget.objective.recorded_terms import RecordedTerms, ReplayedTerms
from curvwidget.objective.recording import NotRecordableError
from curvwidget.objective.risk import Risk
from curvwidget.objective.side_by_side import PIECES, Work, choose_threads, do_side_by_side, most_threads
from curvwidget.objective.trial import FAILURES, LOSS_TOLERANCE, trial_steps

__all__ = ["RecordedPlane", "Recording", "Records", "record_plane"]

Array = np.ndarray[Any, Any]


class _OtherLossError(NotRecordableError):
    """The loss from a record is not the model's."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What is recorded of a loss.

    Attributes:
        records: One a batch.
        left: Bytes of the memory budget that they leave.
        replayed: Their operations in one call, on a CUDA device.
    """

    records: tuple[RecordedLoss, ...]
    left: int
    replayed: ReplayedTerms = field(default_factory=ReplayedTerms)

    @property
    def current(self) -> bool:
        """Whether all that was recorded still stands."""
        return all(record.current for record in self.records)

    @property
    def replayable(self) -> bool:
        """Whether a CUDA device could be asked for all of them in one call, as far as is known."""
        return self.replayed.possible and all(record.replayable for record in self.records)


Records = dict[tuple[tuple[int, ...], int, bool], Recording]
"""By the blocks that move, the number of directions, and whether fast paths are taken."""


class RecordedPlane:
    """L(θ + Σ a_i·v_i) from records, in memory of its own: for one thread at a time, while others use the model.

    Attributes:
        spreads_nan: Whether a loss may be NaN where the model's is not.
        replays: Whether a CUDA device may be asked for all operations of a point in one call. ``False``, set on the class, has
            them asked for one by one.
        takes_threads: Whether several points may be evaluated at the same time, on a CPU; likewise.
        threads: How many are; 0 evaluates one after another in the calling thread.
        most_threads: How many could be, by the caller's number of threads and the memory budget.
    """

    replays: bool = True
    takes_threads: bool = True

    def __init__(self, risk: ModelRisk, theta: Tensor, vectors: Tensor, moved: Sequence[int], recording: Recording) -> None:
        """Compute what is known along the directions.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions ``(k, N)``.
            moved: Which blocks they move.
            recording: The loss, recorded at the origin.
        """
        self._weights = risk.weights
        self._device, self._dtype = theta.device, theta.dtype
        self._recording = recording
        self._terms = RecordedTerms(risk, theta, vectors, moved, recording.records)
        self._beside = [self._terms]  # one a thread
        self.threads = 0
        self.most_threads = 1
        if theta.device.type == "cpu" and self.takes_threads:
            each = self._terms.bytes_beside + max(record.scratch for record in recording.records)
            self.most_threads = min(most_threads(), 1 + recording.left // max(1, each))
        self._replayable = theta.device.type == "cuda" and recording.replayable
        self._replay: ReplayedTerms | None = None  # once it was seen to give the same losses
        self.spreads_nan = any(record.spreads_nan for record in recording.records)
        read = {place for record in recording.records for place in record.reads}
        behind = {place for record in recording.records for place in record.sums}
        self.spared_parameters = tuple(risk.blocks[place].name for place in moved if place in behind - read)

    @property
    def current(self) -> bool:
        """Whether all that was recorded still stands."""
        return self._recording.current

    def evaluate(self, rows: Array, losses: Array) -> int:
        """Evaluate the loss at points, one after another.

        Args:
            rows: Coordinates ``(B, k)``.
            losses: Where the losses are written ``(B,)``.

        Returns:
            B.
        """
        threads = min(self.threads, most_threads()) if self.takes_threads else 0
        if threads > 1:
            do_side_by_side(self._evaluator(rows, losses, threads), len(rows), threads)
            return len(rows)
        with torch.inference_mode(), full_precision(self._device):
            if self._replayable and self.replays and self._replay is None:
                self._try_replay(rows[:1])
            if self._replay is not None:
                losses[:] = self._replayed(self._replay, rows)
            else:
                for index, row in enumerate(rows.tolist()):
                    losses[index] = self.loss(row)
        return len(rows)

    def choose_threads(self, row: Sequence[float]) -> int:
        """Measure on how many threads a point takes least, on the average.

        Args:
            row: Coordinates a_i of one.

        Returns:
            Their number, or 0, as `threads` takes it.
        """
        rows = np.tile(row, (PIECES, 1))
        return choose_threads(self._evaluator(rows, np.empty(PIECES), self.most_threads), self.most_threads)

    def _evaluator(self, rows: Array, losses: Array, threads: int) -> Work:
        while len(self._beside) < threads:
            self._beside.append(self._terms.beside())
        points = rows.tolist()

        def evaluate(thread: int, pieces: Iterator[int]) -> None:
            with torch.inference_mode(), full_precision(self._device):
                for index in pieces:
                    losses[index] = self._loss(self._beside[thread], points[index])

        return evaluate

    def _replayed(self, replay: ReplayedTerms, rows: Array) -> Array:
        return np.asarray(replay.at(self._terms, rows) @ np.asarray(self._weights))

    def _try_replay(self, rows: Array) -> None:
        replay = self._recording.replayed
        try:
            found, truth = float(self._replayed(replay, rows)[0]), self.loss(rows[0].tolist())
        except RuntimeError:
            self._replayable = False
            return
        if math.isfinite(truth):  # or another point tells
            self._replayable = abs(found - truth) <= LOSS_TOLERANCE[self._dtype] * abs(truth)
            self._replay = replay if self._replayable else None

    def loss(self, coefficients: Sequence[float]) -> float:
        """Evaluate the loss at one point.

        Args:
            coefficients: a_i.

        Returns:
            L.
        """
        return self._loss(self._terms, coefficients)

    def _loss(self, terms: RecordedTerms, coefficients: Sequence[float]) -> float:
        loss = 0.0
        for weight, term in zip(self._weights, terms.at(coefficients), strict=True):
            loss += weight * float(term)
        return loss

    def terms(self, coefficients: Sequence[float]) -> list[float]:
        """Evaluate the terms of the loss at one point; `curvwidget._interrupt.checkpoint` is called before each.

        Args:
            coefficients: a_i.

        Returns:
            L_b, one a batch.
        """
        return [float(term) for term in self._terms.at(coefficients)]


def record_plane(risk: Risk, theta: Tensor, vectors: Tensor, records: Records) -> RecordedPlane:
    """Record a loss, or take the record that there is, and see that it gives the losses along directions.

    Args:
        risk: The loss.
        theta: The origin ``(N,)``.
        vectors: The directions ``(k, N)``.
        records: What is recorded at this origin; what is recorded now comes on top.

    Returns:
        The losses along them.

    Raises:
        NotRecordableError: If they do not come from a record, for the reason in its message.
    """
    if not isinstance(risk, ModelRisk):
        raise NotRecordableError("an analytic loss is called at each point")
    if risk.draws_random:
        raise NotRecordableError("the loss draws random numbers")
    moves = torch.stack([vectors[:, block.slice].any() for block in risk.blocks]).tolist()
    moved = tuple(place for place, moves_it in enumerate(moves) if moves_it)
    if not moved:
        raise NotRecordableError("the directions move nothing")
    if risk.has_fast_paths:
        with contextlib.suppress(NotRecordableError):  # where they give something else, padding zeros say, they are not taken
            return _plane(risk, theta, vectors, moved, records, fast=True)
    return _plane(risk, theta, vectors, moved, records, fast=False)


def _plane(
    risk: ModelRisk, theta: Tensor, vectors: Tensor, moved: tuple[int, ...], records: Records, *, fast: bool
) -> RecordedPlane:
    key = moved, len(vectors), fast
    kept = key in records and records[key].current
    try:
        if not kept:
            records[key] = Recording(*_recorded(risk, theta, moved, len(vectors), fast=fast))
        plane = RecordedPlane(risk, theta, vectors, moved, records[key])
        steps = _verified(plane, risk, theta, vectors)
        if plane.most_threads > 1:
            chosen = risk.ways.point_threads
            if key not in chosen:
                chosen[key] = plane.choose_threads(steps)
            plane.threads = min(chosen[key], plane.most_threads)
        return plane
    except _OtherLossError:
        if not kept:
            raise
        records.pop(key, None)  # data may have been written to in a way that PyTorch does not count
        return _plane(risk, theta, vectors, moved, records, fast=fast)
    except NotRecordableError:
        raise
    except FAILURES as error:
        raise NotRecordableError(f"an evaluation from the record failed: {error}") from error


def _recorded(
    risk: ModelRisk, theta: Tensor, moved: tuple[int, ...], n_directions: int, *, fast: bool
) -> tuple[tuple[RecordedLoss, ...], int]:
    records: list[RecordedLoss] = []
    left = risk.ways.budget
    for index in range(len(risk.weights)):
        checkpoint()
        with risk.held(theta.device, order=0, fast=fast):
            records.append(record_loss(risk, index, theta, moved, n_directions, left))
        copies = 2 if theta.device.type == "cuda" and records[-1].replayable else 1
        left -= records[-1].bytes + copies * records[-1].affine.size * (n_directions + 2) * theta.element_size()
        if left < 0:
            raise NotRecordableError("what is computed once takes more memory than the budget")
    return tuple(records), left


# See that the losses are the model's; at which coordinates?
def _verified(plane: RecordedPlane, risk: ModelRisk, theta: Tensor, vectors: Tensor) -> list[float]:
    place = risk.placer(theta, vectors)
    for steps in trial_steps(theta, vectors):
        checkpoint()
        with risk.held(theta.device, order=0):
            leaves = place(steps)
            expected = [float(risk.term(index, leaves).detach()) for index in range(len(risk.weights))]
        if all(math.isfinite(value) for value in expected):
            with torch.inference_mode(), full_precision(theta.device):
                found = plane.terms(steps)
            pairs = zip(found, expected, strict=True)
            if not all(abs(one - two) <= LOSS_TOLERANCE[theta.dtype] * abs(two) for one, two in pairs):  # NaN is not the same
                raise _OtherLossError("the loss from the record is not the loss without it")
            return steps
    raise NotRecordableError("no finite loss to compare at")
