"""Losses along directions from records of the loss.

A record is made once for each origin and set of parameters that move; new directions only ask for what is known along them. A
batch costs an evaluation to record it, one for each direction, and two to see that the loss is the same as the model's.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint
from curvwidget.objective.kernels import full_precision
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.recorded_loss import RecordedLoss, record_loss
from curvwidget.objective.recording import NotRecordableError
from curvwidget.objective.replay import Replay
from curvwidget.objective.risk import Risk
from curvwidget.objective.trial import FAILURES, LOSS_TOLERANCE, trial_steps

__all__ = ["RecordedPlane", "Records", "record_plane"]

Array = np.ndarray[Any, Any]
Coefficients = Sequence[float] | Tensor
_GAP = 4096  # numbers of θ that are sooner written for nothing than two stretches on their own

Records = dict[tuple[tuple[int, ...], int, bool], tuple[RecordedLoss, ...]]
"""By the blocks that move, the number of directions, and whether fast paths are taken: one record a batch."""


class RecordedPlane:
    """L(θ + Σ a_i·v_i) from records, in memory of its own: for one thread at a time, while others use the model.

    Attributes:
        spreads_nan: Whether a loss may be NaN where the model's is not.
        replays: Whether a CUDA device may be asked for all operations of a point in one call. ``False``, set on the class, has
            them asked for one by one.
    """

    replays: bool = True

    def __init__(
        self, risk: ModelRisk, theta: Tensor, vectors: Tensor, moved: Sequence[int], records: Sequence[RecordedLoss]
    ) -> None:
        """Compute what is known along the directions.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions ``(k, N)``.
            moved: Which blocks they move.
            records: One a batch.
        """
        self._weights = risk.weights
        self._device = theta.device
        self._records = records
        self.spreads_nan = any(record.spreads_nan for record in records)
        self._dtype = theta.dtype
        self._replay: Replay | None = None
        self._untried: Replay | None = None  # as long as there was no finite loss to compare at
        self._replayable = theta.device.type == "cuda" and all(record.replayable for record in records)
        self._point = _Point(risk, theta, vectors, {place for record in records for place in record.reads})
        self._known = [_known_along(record, risk, theta, vectors, moved) for record in records]
        read = {place for record in records for place in record.reads}
        behind = {place for record in records for place in record.sums}
        self.spared_parameters = tuple(risk.blocks[place].name for place in moved if place in behind - read)

    @property
    def current(self) -> bool:
        """Whether all that was recorded still stands."""
        return all(record.current for record in self._records)

    def evaluate(self, rows: Array, losses: Array) -> int:
        """Evaluate the loss at points, one after another.

        Args:
            rows: Coordinates ``(B, k)``.
            losses: Where the losses are written ``(B,)``.

        Returns:
            B.
        """
        with torch.inference_mode(), full_precision(self._device):
            if self._replayable and self.replays and self._replay is None:
                self._prepare_replay(rows[0].tolist())
            if self._replay is not None:
                losses[:] = self._replayed(self._replay, rows)
            else:
                for index, row in enumerate(rows.tolist()):
                    losses[index] = self.loss(row)
        return len(rows)

    def _replayed(self, replay: Replay, rows: Array) -> Array:
        # The device is waited for once.
        points = torch.as_tensor(rows).to(self._device, self._dtype)
        terms = []
        for point in points:
            checkpoint()
            terms.append(replay(point))
        return np.asarray(torch.stack(terms).cpu().numpy() @ np.asarray(self._weights))

    def _prepare_replay(self, coefficients: list[float]) -> None:
        def terms(point: Tensor) -> Tensor:
            parameters = self._point.at(point)
            pairs = zip(self._records, self._known, strict=True)
            return torch.stack([record(parameters, [one.at(point) for one in known]).double() for record, known in pairs])

        try:
            if self._untried is None:
                self._untried = Replay(terms, (torch.tensor(coefficients).to(self._device, self._dtype),))
            found, truth = float(self._replayed(self._untried, np.array([coefficients]))[0]), self.loss(coefficients)
        except RuntimeError:
            self._replayable, self._untried = False, None
            return
        if math.isfinite(truth):  # or another point tells
            self._replayable = abs(found - truth) <= LOSS_TOLERANCE[self._dtype] * abs(truth)
            self._replay, self._untried = self._untried if self._replayable else None, None

    def loss(self, coefficients: Sequence[float]) -> float:
        """Evaluate the loss at one point.

        Args:
            coefficients: a_i.

        Returns:
            L.
        """
        return sum(weight * term for weight, term in zip(self._weights, self.terms(coefficients), strict=True))

    def terms(self, coefficients: Sequence[float]) -> list[float]:
        """Evaluate the terms of the loss at one point; `curvwidget._interrupt.checkpoint` is called before each.

        Args:
            coefficients: a_i.

        Returns:
            L_b, one a batch.
        """
        parameters = self._point.at(coefficients)
        terms = []
        for record, known in zip(self._records, self._known, strict=True):
            checkpoint()
            terms.append(float(record(parameters, [one.at(coefficients) for one in known])))
        return terms


class _Affine:
    # f + Σ a_i·g_i, in memory that the next one takes again.

    def __init__(self, origin: Tensor, slopes: Sequence[Tensor], out: Tensor | None = None) -> None:
        self._origin, self._slopes = origin, slopes
        self._sum = torch.empty_like(origin) if out is None else out

    def at(self, coefficients: Coefficients) -> Tensor:
        if isinstance(coefficients, Tensor):
            torch.addcmul(self._origin, self._slopes[0], coefficients[0], out=self._sum)
            for slope, coefficient in zip(self._slopes[1:], coefficients[1:], strict=True):
                self._sum.addcmul_(slope, coefficient)
            return self._sum
        torch.add(self._origin, self._slopes[0], alpha=coefficients[0], out=self._sum)
        for slope, coefficient in zip(self._slopes[1:], coefficients[1:], strict=True):
            self._sum.add_(slope, alpha=coefficient)
        return self._sum


class _Point:
    # θ + Σ a_i·v_i, as far as it is read.

    def __init__(self, risk: ModelRisk, theta: Tensor, vectors: Tensor, reads: set[int]) -> None:
        stretches: list[slice] = []
        for place in sorted(reads):
            block = risk.blocks[place].slice
            if stretches and block.start - stretches[-1].stop <= _GAP:
                stretches[-1] = slice(stretches[-1].start, block.stop)
            else:
                stretches.append(block)
        memory = torch.empty_like(theta)
        self._sums = [_Affine(theta[part], [vector[part] for vector in vectors], memory[part]) for part in stretches]
        self._pieces = _pieces(risk, memory)
        self._dtypes = [tensor.dtype for tensor in risk.parameters.tensors]
        self._alike = all(dtype == theta.dtype for dtype in self._dtypes)

    def at(self, coefficients: Coefficients) -> list[Tensor]:
        for one in self._sums:
            one.at(coefficients)
        if self._alike:
            return self._pieces
        return [piece.to(dtype) for piece, dtype in zip(self._pieces, self._dtypes, strict=True)]


# A vector in pieces of the parameters' shapes, which share its memory.
def _pieces(risk: ModelRisk, vector: Tensor) -> list[Tensor]:
    return [vector[block.slice].view(block.shape) for block in risk.blocks]


def _known_along(record: RecordedLoss, risk: ModelRisk, theta: Tensor, vectors: Tensor, moved: Sequence[int]) -> list[_Affine]:
    if not record.affine.outputs:
        return []
    with torch.no_grad(), full_precision(theta.device):
        here, *directions = ([_pieces(risk, row)[place] for place in moved] for row in (theta, *vectors))
        origin = record.affine.values(here)
        slopes = [record.affine.slopes(direction) for direction in directions]
    if not all(_is_finite(slope) for along in slopes for slope in along):
        raise NotRecordableError("what is known along the directions is not finite")  # and times 0 would be NaN
    return [_Affine(one, others) for one, *others in zip(origin, *slopes, strict=True)]


def _is_finite(numbers: Tensor) -> bool:
    return bool(numbers.sum().isfinite()) or bool(numbers.isfinite().all())  # the sum is there sooner, and seldom too large


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
    moves = torch.stack([(vectors[:, block.slice] != 0).any() for block in risk.blocks]).tolist()
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
    try:
        if key not in records or not all(record.current for record in records[key]):
            records[key] = _recorded(risk, theta, moved, len(vectors), fast=fast)
        return _verified(RecordedPlane(risk, theta, vectors, moved, records[key]), risk, theta, vectors)
    except NotRecordableError:
        raise
    except FAILURES as error:
        raise NotRecordableError(f"an evaluation from the record failed: {error}") from error


def _recorded(
    risk: ModelRisk, theta: Tensor, moved: tuple[int, ...], n_directions: int, *, fast: bool
) -> tuple[RecordedLoss, ...]:
    records: list[RecordedLoss] = []
    left = risk.ways.budget
    for index in range(len(risk.weights)):
        checkpoint()
        with risk.held(theta.device, order=0, fast=fast):
            records.append(record_loss(risk, index, theta, moved, n_directions, left))
        left -= records[-1].bytes + records[-1].affine.size * (n_directions + 2) * theta.element_size()
        if left < 0:
            raise NotRecordableError("what is computed once takes more memory than the budget")
    return tuple(records)


def _verified(plane: RecordedPlane, risk: ModelRisk, theta: Tensor, vectors: Tensor) -> RecordedPlane:
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
                raise NotRecordableError("the loss from the record is not the loss without it")
            return plane
    raise NotRecordableError("no finite loss to compare at")
