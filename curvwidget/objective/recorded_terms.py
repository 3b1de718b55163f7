"""The terms of a loss along directions, each from its record, in memory that stays where it is."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._interrupt import checkpoint, shielded
from curvwidget.objective.kernels import full_precision
from curvwidget.objective.model_risk import ModelRisk
from curvwidget.objective.recorded_loss import RecordedLoss
from curvwidget.objective.recording import NotRecordableError
from curvwidget.objective.replay import Replay

__all__ = ["RecordedTerms", "ReplayedTerms"]

Array = np.ndarray[Any, Any]
Coefficients = Sequence[float] | Tensor

_GAP = 4096  # numbers of θ that are sooner written for nothing than two stretches on their own


class RecordedTerms:
    """L_b(θ + Σ a_i·v_i) from records: for one thread at a time, while others use the model.

    Attributes:
        theta: The origin ``(N,)``.
    """

    def __init__(
        self,
        risk: ModelRisk,
        theta: Tensor,
        vectors: Tensor,
        moved: Sequence[int],
        records: Sequence[RecordedLoss],
        *,
        own: bool = False,
    ) -> None:
        """Compute what is known along the directions; a `NotRecordableError` says where that is not finite.

        Args:
            risk: The loss.
            theta: The origin ``(N,)``.
            vectors: The directions ``(k, N)``.
            moved: Which blocks they move.
            records: One a batch.
            own: Whether the directions are copied, so that others may be taken in their place.
        """
        if own:
            vectors = vectors.clone()
        self._made_from = risk, theta, vectors, moved, records
        self.theta = theta
        self._take_memory([_known_along(record, risk, theta, vectors, moved, own=own) for record in records])

    def _take_memory(self, sums: Sequence[list[_Sum]]) -> None:
        # For points: the parameters that are read at them, and what is known along the directions, one list a record.
        risk, theta, vectors, _, records = self._made_from
        memory = torch.empty_like(theta)
        reads = {place for record in records for place in record.reads}
        stretches = _stretches(risk, reads)
        self._point = [_Sum(theta[part], [vector[part] for vector in vectors], memory[part]) for part in stretches]
        parameters = _pieces(risk, memory)
        self._converted: list[tuple[Tensor, Tensor]] = []  # parameters of other dtypes than θ's, and where they are written first
        for place in reads:
            if (dtype := risk.parameters.tensors[place].dtype) != theta.dtype:
                written = parameters[place]
                parameters[place] = torch.empty_like(written, dtype=dtype)
                self._converted.append((parameters[place], written))
        self._terms: list[tuple[RecordedLoss, list[_Sum], tuple[Any, ...]]] = [
            (record, known, record.arguments(parameters, [one.value for one in known]))
            for record, known in zip(records, sums, strict=True)
        ]

    @property
    def bytes_beside(self) -> int:
        """What the same takes for another thread, without what an evaluation takes for a while."""
        return self.theta.nbytes + sum(one.value.nbytes for _, known, _ in self._terms for one in known)

    def beside(self) -> RecordedTerms:
        """Make the same for another thread, with memory of its own for points.

        Returns:
            What shares everything else.
        """
        other = copy.copy(self)
        other._take_memory([[_Sum(one.origin, one.slopes) for one in known] for _, known, _ in self._terms])
        return other

    def copied(self) -> RecordedTerms:
        """Make the same in memory of its own, directions included.

        Returns:
            What may `take` other directions.
        """
        return RecordedTerms(*self._made_from, own=True)

    def take(self, other: RecordedTerms) -> None:
        """Copy the directions of another.

        Args:
            other: Of the same records.
        """
        for mine, its in zip(self._sums, other._sums, strict=True):
            for slope, from_there in zip(mine.slopes, its.slopes, strict=True):
                slope.copy_(from_there)

    @property
    def _sums(self) -> list[_Sum]:
        return [*self._point, *(one for _, known, _ in self._terms for one in known)]

    @property
    def kept(self) -> list[Tensor]:
        """What no evaluation may write to."""
        return [tensor for one in self._sums for tensor in (one.origin, *one.slopes)]

    def at(self, coefficients: Coefficients) -> Iterator[Tensor]:
        """Evaluate; `curvwidget._interrupt.checkpoint` is called before each batch.

        Args:
            coefficients: a_i.

        Yields:
            L_b, a scalar tensor, one a batch.
        """
        for one in self._point:
            one.move(coefficients)
        for converted, written in self._converted:
            converted.copy_(written)
        for record, known, arguments in self._terms:
            checkpoint()
            for one in known:
                one.move(coefficients)
            yield record.function(*arguments)


class ReplayedTerms:
    """The terms along any directions by one CUDA graph, which reads the directions that were copied to it last.

    For any number of threads: one waits for another.

    Attributes:
        possible: Whether there is nothing yet that speaks against it.
    """

    def __init__(self) -> None:
        """Write down nothing yet."""
        self.possible = True
        self._lock = threading.Lock()
        self._own: RecordedTerms | None = None
        self._replay: Replay | None = None
        self._holds: weakref.ref[RecordedTerms] | None = None  # the directions of those

    def at(self, terms: RecordedTerms, rows: Array) -> Array:
        """Evaluate at points, one after another; `curvwidget._interrupt.checkpoint` is called before each.

        A `RuntimeError` says where a device cannot be asked for all in one call.

        Args:
            terms: The directions; of the same records each time.
            rows: Coordinates ``(B, k)``.

        Returns:
            L_b ``(B, batches)`` float64.
        """
        points = torch.as_tensor(rows).to(terms.theta)
        with self._lock:
            if self._replay is None:
                self._write_down(terms, points[0])
            assert self._replay is not None
            assert self._own is not None
            if self._holds is None or self._holds() is not terms:
                self._holds = None  # if this is interrupted
                self._own.take(terms)
                self._holds = weakref.ref(terms)
            found = []
            for point in points:
                checkpoint()
                found.append(self._replay(point))
            return np.asarray(torch.stack(found).cpu().numpy())  # the device is waited for once, before others may copy

    def _write_down(self, terms: RecordedTerms, point: Tensor) -> None:
        try:
            with shielded():
                self._own = own = terms.copied()
                self._replay = Replay(lambda point: torch.stack([term.double() for term in own.at(point)]), (point,))
        except RuntimeError:
            self.possible = False
            raise
        self._holds = weakref.ref(terms)


class _Sum:
    # f + Σ a_i·g_i, always in the same memory.

    def __init__(self, origin: Tensor, slopes: Sequence[Tensor], value: Tensor | None = None) -> None:
        self.origin, self.slopes = origin, slopes
        self.value = torch.empty_like(origin) if value is None else value
        self._first, *self._others = slopes

    def move(self, coefficients: Coefficients) -> None:
        first, *others = coefficients
        if isinstance(coefficients, Tensor):
            torch.addcmul(self.origin, self._first, first, out=self.value)  # type: ignore[arg-type]
            for slope, coefficient in zip(self._others, others, strict=True):
                self.value.addcmul_(slope, coefficient)
        else:
            torch.add(self.origin, self._first, alpha=first, out=self.value)
            for slope, coefficient in zip(self._others, others, strict=True):
                self.value.add_(slope, alpha=coefficient)


def _stretches(risk: ModelRisk, reads: set[int]) -> list[slice]:
    stretches: list[slice] = []
    for place in sorted(reads):
        block = risk.blocks[place].slice
        if stretches and block.start - stretches[-1].stop <= _GAP:
            stretches[-1] = slice(stretches[-1].start, block.stop)
        else:
            stretches.append(block)
    return stretches


# A vector in pieces of the parameters' shapes, which share its memory.
def _pieces(risk: ModelRisk, vector: Tensor) -> list[Tensor]:
    return [_piece(risk, vector, place) for place in range(len(risk.blocks))]


def _piece(risk: ModelRisk, vector: Tensor, place: int) -> Tensor:
    block = risk.blocks[place]
    return vector[block.slice].view(block.shape)


def _known_along(
    record: RecordedLoss, risk: ModelRisk, theta: Tensor, vectors: Tensor, moved: Sequence[int], *, own: bool
) -> list[_Sum]:
    if not record.affine.outputs:
        return []
    with torch.no_grad(), full_precision(theta.device):
        here, *directions = ([_piece(risk, row, place) for place in moved] for row in (theta, *vectors))
        origin = record.affine.values(here)
        slopes = [record.affine.slopes(direction) for direction in directions]
        if own:
            slopes = [[slope.clone(memory_format=torch.contiguous_format) for slope in along] for along in slopes]
    if not all(_is_finite(slope) for along in slopes for slope in along):
        raise NotRecordableError("what is known along the directions is not finite")  # and times 0 would be NaN
    return [_Sum(one, others) for one, *others in zip(origin, *slopes, strict=True)]


def _is_finite(numbers: Tensor) -> bool:
    return bool(numbers.sum().isfinite()) or bool(numbers.isfinite().all())  # the sum is there sooner, and seldom too large
