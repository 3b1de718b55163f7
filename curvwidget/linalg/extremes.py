"""Eigenpairs from both ends of a spectrum at once, by thick-restart Lanczos.

Source: K. Wu and H. Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix Anal. Appl. 22
(2000) 602. One space serves both ends, each with a tolerance relative to its own eigenvalues: a small negative eigenvalue beside
a large positive one is resolved as well as if it stood alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_count, check_positive
from curvwidget._streams import last
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.krylov import KrylovSpace, RitzPairs
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.precision import as_double, dot, norm
from curvwidget.linalg.probes import draw_probe

__all__ = ["DEFAULT_MAX_HVPS", "ZERO_FLOOR", "default_max_basis", "extreme_eigenpairs", "stream_eigenpairs"]

Array = np.ndarray[Any, Any]

ZERO_FLOOR = 1e-4
"""An eigenvalue smaller than this share of ‖A‖ is held to the tolerance of one of that size."""
DEFAULT_MAX_HVPS = 2000
_ROUNDINGS = 10  # residuals below this many roundings of ‖A‖ cannot be told from zero
_MAX_VECTORS = 400
_MAX_BYTES = 2**31
_OVERSIGHT = 1e-6  # chance that a copy of a multiple eigenvalue is overlooked
_ASYMMETRY = 1e-3
_BLURRED = 0.1  # sine of the angle from which a vector is called mixed with its neighbours


def default_max_basis(operator: SymmetricOperator, wanted: int) -> int:
    """How many vectors the basis may hold: what fits into 2 GiB, but at most 400 and at least 20 + 2·wanted.

    Args:
        operator: The matrix.
        wanted: Number of eigenpairs wanted.

    Returns:
        The number of vectors.
    """
    fitting = _MAX_BYTES // (operator.size * operator.dtype.itemsize)
    return min(operator.size, max(20 + 2 * wanted, min(_MAX_VECTORS, fitting)))


def extreme_eigenpairs(
    operator: SymmetricOperator | HasHessian,
    *,
    largest: int = 1,
    smallest: int = 1,
    tol: float = 1e-3,
    seed: int = 0,
    max_hvps: int | None = None,
    max_basis: int | None = None,
) -> Eigenpairs:
    """Compute the largest and the smallest eigenvalues of a symmetric matrix, with their unit eigenvectors.

    A pair is converged when ‖A·v − λ·v‖ ≤ tol·max(|λ|, 10⁻⁴·‖A‖), or where that is less than rounding allows, when it is at most
    ten roundings of ‖A‖ (2·10⁻¹⁵·‖A‖ in float64, 1.2·10⁻⁶·‖A‖ in float32). ‖A‖ is the largest |λ| seen. The residuals of the
    result are not those that the recurrence promises but are measured with one more product for each pair, and λ is the curvature
    along v, vᵀA·v. Each sign is fixed: a vector's largest component is positive.

    Where more than one pair is asked from an end, a second sequence is begun when the first is done, to see that no copy of a
    multiple eigenvalue was left out (one sequence alone sees only one copy); that costs up to as many products again.

    Args:
        operator: The matrix A (N, N), or an objective, whose Hessian is taken.
        largest: How many pairs from the upper end.
        smallest: How many pairs from the lower end. Together at most N.
        tol: Tolerance of the residuals, relative as said above.
        seed: Seed of the random vectors that begin the sequences.
        max_hvps: The most products with A, at least twice the number of pairs; 2000 by default. What has not converged by then
            comes back all the same, marked as such.
        max_basis: The most vectors of length N held at once. By default what fits into 2 GiB, but at most 400 and at least
            20 + 2·(largest + smallest). When the basis is full it is cut back to the best half and grown again.

    Returns:
        The pairs, the largest first.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If an argument is out of range.
        FloatingPointError: If a product with A holds NaN or inf.

    Source: Wu and Simon (2000).

    Example:
        >>> import torch
        >>> from curvwidget.linalg import SymmetricOperator, extreme_eigenpairs
        >>> diagonal = torch.tensor([3.0, 1.0, 0.5, -2.0], dtype=torch.float64)
        >>> pairs = extreme_eigenpairs(SymmetricOperator(4, lambda rows: rows * diagonal))
        >>> pairs.values.round(6).tolist(), pairs.converged.tolist()
        ([3.0, -2.0], [True, True])
    """
    return last(
        stream_eigenpairs(
            operator, largest=largest, smallest=smallest, tol=tol, seed=seed, max_hvps=max_hvps, max_basis=max_basis
        )
    )


def stream_eigenpairs(
    operator: SymmetricOperator | HasHessian,
    *,
    largest: int = 1,
    smallest: int = 1,
    tol: float = 1e-3,
    seed: int = 0,
    max_hvps: int | None = None,
    max_basis: int | None = None,
) -> Iterator[Eigenpairs]:
    """Yield better and better eigenpairs, one snapshot a product; see `extreme_eigenpairs`.

    The residuals of snapshots before the last are those of the recurrence, and the first snapshots hold fewer pairs than asked.
    Vectors and values of a snapshot are renewed every few products only, ``hvps`` and ``progress`` with each.

    Args:
        operator: The matrix A (N, N), or an objective, whose Hessian is taken.
        largest: How many pairs from the upper end.
        smallest: How many pairs from the lower end.
        tol: Tolerance of the residuals.
        seed: Seed of the random vectors that begin the sequences.
        max_hvps: The most products with A.
        max_basis: The most vectors of length N held at once.

    Returns:
        The stream.

    Raises:
        ValueError: If an argument is out of range.
    """
    matrix = as_operator(operator)
    largest = check_count("largest", largest, minimum=0)
    smallest = check_count("smallest", smallest, minimum=0)
    wanted = largest + smallest
    if wanted == 0:
        raise ValueError("largest + smallest must be at least 1, got 0 + 0")
    if wanted > matrix.size:
        raise ValueError(
            f"largest + smallest must be at most the size of the operator, {matrix.size}, got {largest} + {smallest}"
        )
    tol = check_positive("tol", tol)
    if tol >= 1:
        raise ValueError(f"tol must be below 1, got {tol}")
    seed = check_count("seed", seed, minimum=0)
    limit = DEFAULT_MAX_HVPS if max_hvps is None else check_count("max_hvps", max_hvps, minimum=2 * wanted)
    least = min(matrix.size, 3 * wanted + 6)
    capacity = default_max_basis(matrix, wanted) if max_basis is None else check_count("max_basis", max_basis, minimum=least)
    return _Search(matrix, largest, smallest, tol, seed, max(limit, 2 * wanted), min(capacity, matrix.size)).run()


@dataclass(frozen=True)
class _Selection:
    """The Ritz pairs that are wanted at the moment, the largest first."""

    pairs: RitzPairs
    indices: Array
    largest: int
    thresholds: Array
    gaps: Array

    @property
    def values(self) -> Array:
        return self.pairs.values[self.indices]

    @property
    def residuals(self) -> Array:
        return self.pairs.residuals[self.indices]


class _Search:
    """One run of `stream_eigenpairs`.

    The processed rows of the space are those of earlier sequences, decoupled from the newest and never touched again, followed
    by those of the newest sequence.
    """

    def __init__(
        self, operator: SymmetricOperator, largest: int, smallest: int, tol: float, seed: int, limit: int, capacity: int
    ) -> None:
        self.operator, self.largest, self.smallest = operator, largest, smallest
        self.tol, self.seed, self.limit, self.capacity = tol, seed, limit, capacity
        self.wanted = largest + smallest
        self.space = KrylovSpace(operator, capacity)
        self.drawn = 0
        self.earlier = 0
        self.steps = 0  # of the newest sequence
        self.cuts = 0
        self.measured = 0
        self.progress = 0.0

    @property
    def hvps(self) -> int:
        """Products spent."""
        return self.space.products + self.measured

    def run(self) -> Iterator[Eigenpairs]:
        """Grow the space until all that is wanted has converged; yield after each product."""
        space, size = self.space, self.operator.size
        goal = 1.0  # share of the thresholds that the recurrence must promise before the residuals are measured
        next_look = 0
        self._open()
        while True:
            if space.used == self.capacity < size:
                self._cut()
            space.advance()
            self.steps += 1
            spent = self.hvps + self.wanted >= self.limit
            if space.active and not spent and self.hvps < next_look:
                yield dataclasses.replace(snapshot, hvps=self.hvps)  # noqa: F821  (the first pass always looks)
                continue
            chosen = self._select()
            next_look = self.hvps + max(1, space.processed // 10)
            self.progress = max(self.progress, self._share_done(chosen, goal))
            snapshot = self._snapshot(chosen)
            yield snapshot
            complete = len(chosen.indices) == self.wanted
            enough = complete and bool((chosen.residuals <= goal * chosen.thresholds).all())
            whole = space.processed == size
            check = "done" if whole else self._check_copies(chosen) if enough else "wait"
            if spent or (enough and check == "done") or (whole and complete):
                result = yield from self._measure(chosen, snapshot, unchecked=check != "done")
                at_limit = self.hvps + self.wanted >= self.limit
                at_rounding = bool((chosen.residuals <= space.rounding * space.scale).all())
                if result.converged.all() or whole or at_limit or at_rounding or not space.active:
                    yield result
                    return
                goal /= 10
            elif check == "open" or not space.active:
                self._open()
            elif self._blocked(chosen):
                space.parked = 0
                self.earlier = 0

    def _open(self) -> None:
        """Begin a new sequence, orthogonal to all that is there; where nothing is left for one, go on with what is parked."""
        space = self.space
        space.parked = space.pending
        self.earlier = space.processed
        self.steps = 0
        if space.used == self.capacity < self.operator.size:
            self._cut()
        while space.used < self.operator.size:
            self.drawn += 1
            if space.add(draw_probe(self.operator, seed=self.seed, index=self.drawn - 1)):
                return
        space.parked = 0
        self.earlier = 0

    def _cut(self) -> None:
        """Make room: keep of the earlier sequences what is wanted, and of the newest as much as fills half of the basis."""
        space = self.space
        if self.earlier > self.wanted:
            pairs = space.ritz(0, self.earlier)
            space.cut(pairs, _ends(self.earlier, self.largest, self.smallest))
            self.earlier = self.wanted
        pairs = space.ritz(self.earlier)
        count = len(pairs.values)
        extra = max(0, (self.capacity - space.pending) // 2 - self.earlier - self.wanted)
        upper = self.largest + (extra // 2 if self.smallest else extra) if self.largest else 0
        lower = self.smallest + (extra - extra // 2 if self.largest else extra) if self.smallest else 0
        if upper + lower < count:
            space.cut(pairs, _ends(count, upper, lower))
            self.steps = 0
            self.cuts += 1

    def _select(self) -> _Selection:
        pairs = self.space.ritz()
        values, count = pairs.values, len(pairs.values)
        upper = min(self.largest, max(count - self.smallest, -(-count * self.largest // self.wanted)))
        lower = min(self.smallest, count - upper)
        indices = _ends(count, upper, lower)
        padded = np.concatenate([[-np.inf], values, [np.inf]])
        gaps = np.minimum(np.diff(padded)[:-1], np.diff(padded)[1:])
        return _Selection(pairs, indices, upper, self._thresholds(values[indices], float(np.abs(values).max())), gaps[indices])

    def _thresholds(self, values: Array, norm_of_a: float) -> Array:
        relative = self.tol * np.maximum(np.abs(values), ZERO_FLOOR * norm_of_a)
        return np.maximum(relative, _ROUNDINGS * self.space.rounding * norm_of_a)

    def _check_copies(self, chosen: _Selection) -> str:
        """Whether a copy of a multiple eigenvalue may have been left out, now that all that is chosen has converged.

        A sequence sees one copy of each eigenvalue, so with one pair from an end nothing can be missed. For more, a new sequence in
        the complement must bring nothing better: either its own end has converged, or it is long enough for this (Kuczyński and
        Woźniakowski, SIAM J. Matrix Anal. Appl. 13 (1992) 1094, theorem for Lanczos with a random start): after k steps the
        chance that the largest Ritz value lies lower than the largest eigenvalue by more than the share ε of the spectrum's width is
        at most 1.648·√N·exp(−√ε·(2k−1)).

        Args:
            chosen: The pairs.

        Returns:
            "done", "open" where a new sequence is due, or "wait" for the newest to say more.
        """
        ends = [end for end, count in ((1, self.largest), (-1, self.smallest)) if count > 1]
        if not ends:
            return "done"
        if self.earlier == 0:
            return "open"
        old, new = self.space.ritz(0, self.earlier), self.space.ritz(self.earlier)
        verdict = "done"
        for end in ends:
            count, worst = (self.largest, chosen.largest - 1) if end == 1 else (self.smallest, chosen.largest)
            threshold = chosen.thresholds[worst]
            known = np.sort(end * old.values)[::-1]
            best = int(np.argmax(end * new.values))
            ahead = float(known[count - 1] - end * new.values[best]) if len(known) >= count else -np.inf
            if ahead < -threshold:
                return "open"
            width = float(known[0] + (-end * chosen.pairs.values).max())
            share = max(ahead, 0.0) / width if width > 0 else 1.0
            chance = 1.648 * math.sqrt(self.operator.size) * math.exp(-math.sqrt(share) * (2 * self.steps - 1))
            if new.residuals[best] > threshold and chance > _OVERSIGHT:
                verdict = "wait"
        return verdict

    def _blocked(self, chosen: _Selection) -> bool:
        """Whether only what lies along parked rows keeps a pair from converging."""
        along = chosen.pairs.parked_residuals[chosen.indices]
        return bool(((along > chosen.thresholds) & (chosen.residuals < 2 * along)).any())

    def _share_done(self, chosen: _Selection, goal: float) -> float:
        if len(chosen.indices) < self.wanted:
            return 0.0
        whole = float(np.abs(chosen.pairs.values).max())
        if whole == 0.0:
            return 0.99
        tiny = np.finfo(float).tiny
        gained = np.log(np.maximum(chosen.residuals, tiny) / whole) / np.log(goal * chosen.thresholds / whole)
        return float(np.clip(max(gained.min(), self.hvps / self.limit), 0.0, 0.99))

    def _vectors(self, chosen: _Selection) -> Tensor:
        vectors = self.space.rows.combine(chosen.pairs.coefficients[:, chosen.indices])
        for index, vector in enumerate(vectors):
            vectors[index] = vector * (_sign(vector) / norm(vector))
        return vectors

    def _snapshot(self, chosen: _Selection) -> Eigenpairs:
        return Eigenpairs(
            values=chosen.values.copy(),
            vectors=self._vectors(chosen),
            residuals=chosen.residuals.copy(),
            converged=chosen.residuals <= chosen.thresholds,
            largest=chosen.largest,
            tolerance=self.tol,
            seed=self.seed,
            hvps=self.hvps,
            progress=self.progress,
            gaps=chosen.gaps,
        )

    def _measure(self, chosen: _Selection, snapshot: Eigenpairs, *, unchecked: bool) -> Generator[Eigenpairs, None, Eigenpairs]:
        """Measure curvature and residual of each chosen vector with one product, yield meanwhile, and return the result."""
        values, residuals = np.empty(self.wanted), np.empty(self.wanted)
        vectors = snapshot.vectors
        for index, vector in enumerate(vectors):
            product = as_double((self.operator @ vector).detach())
            self.measured += 1
            values[index] = dot(vector, product)
            residuals[index] = norm(product - values[index] * as_double(vector))
            yield dataclasses.replace(snapshot, hvps=self.hvps)
        order = np.concatenate([np.argsort(-values[: self.largest]), self.largest + np.argsort(-values[self.largest :])])
        whole = max(float(np.abs(chosen.pairs.values).max()), float(np.abs(values).max()))
        result = dataclasses.replace(
            snapshot,
            values=values[order],
            vectors=vectors[torch.from_numpy(order).to(vectors.device)],
            residuals=residuals[order],
            converged=(residuals <= self._thresholds(values, whole))[order],
            gaps=chosen.gaps[order],
            hvps=self.hvps,
            progress=1.0,
        )
        return dataclasses.replace(result, notes=self._notes(result, whole, unchecked))

    def _notes(self, result: Eigenpairs, whole: float, unchecked: bool) -> tuple[str, ...]:
        notes = []
        failed = int((~result.converged).sum())
        if failed and self.hvps + self.wanted >= self.limit:
            notes.append(
                f"{failed} of {self.wanted} pairs did not converge within max_hvps = {self.limit} products with the matrix."
            )
        elif failed:
            notes.append(
                f"{failed} of {self.wanted} pairs stay short of the tolerance: the products, in {self.operator.dtype}, are not exact enough."
            )
        if unchecked:
            notes.append("It was not checked that no copy of a multiple eigenvalue was left out.")
        if self.cuts:
            notes.append(
                f"The basis reached its cap of {self.capacity} vectors and was cut back {self.cuts} times, which costs products."
            )
        for value, residual in zip(result.values, result.residuals, strict=True):
            if residual > 0.1 * abs(value) and residual > _ROUNDINGS * self.space.rounding * whole:
                notes.append(f"The residual of the eigenvalue {value:.3g} is {residual:.1g}: it cannot be told from zero.")
        for value, gap, angle in zip(result.values, result.gaps, result.angles, strict=True):
            if math.sin(angle) > _BLURRED:
                notes.append(
                    f"The eigenvalue {value:.6g} has a neighbour at a distance of {gap:.1g}: its vector may be mixed with the neighbour's "
                    f"(angle up to {math.degrees(angle):.0f}°), though the curvature along it is as stated."
                )
        if self.space.asymmetry > _ASYMMETRY * whole:
            notes.append(
                f"The matrix is not symmetric: aᵢⱼ and aⱼᵢ differ by up to {self.space.asymmetry:.1g}; is something in it random?"
            )
        return tuple(notes)


def _ends(count: int, upper: int, lower: int) -> Array:
    """Indices into ascending values: the last ``upper`` ones, backwards, then the first ``lower`` ones, backwards."""
    return np.concatenate([np.arange(count - 1, count - 1 - upper, -1), np.arange(lower - 1, -1, -1)])


def _sign(vector: Tensor) -> float:
    """The sign of the first component that is about as large as the largest."""
    sizes = vector.abs()
    first = int(torch.argmax((sizes >= 0.999 * sizes.max()).to(torch.uint8)))
    return -1.0 if float(vector[first]) < 0 else 1.0
