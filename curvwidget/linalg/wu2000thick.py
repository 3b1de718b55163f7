"""Thick-restart Lanczos for both ends of a spectrum.

Source: K. Wu and H. Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix Anal. Appl. 22
(2000) 602. Beyond it: both ends share the space, a breakdown or a doubt about multiple eigenvalues begins a new sequence in the
complement, and the residuals that come out are measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curvwidget.linalg.blocks import stream_products
from curvwidget.linalg.eigenpair_notes import asymmetry_notes, caveats
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.krylov import KrylovSpace
from curvwidget.linalg.kuczynski1992 import Verdict, judge_end
from curvwidget.linalg.operator import SymmetricOperator
from curvwidget.linalg.precision import as_double, dot, norm
from curvwidget.linalg.probes import draw_probe
from curvwidget.linalg.selection import Selection, ends, select, thresholds

__all__ = ["ThickRestartLanczos"]

Array = np.ndarray[Any, Any]
_FEWEST = 8  # products of a sequence before it is believed
_ROUNDS = 5  # steps of all pending rows before it is believed that they hide nothing


class ThickRestartLanczos:
    """One search for extreme eigenpairs.

    The processed rows of its space are those of earlier sequences, which nothing couples to the newest any more, followed by
    those of the newest sequence.
    """

    def __init__(
        self, operator: SymmetricOperator, *, largest: int, smallest: int, tol: float, seed: int, limit: int, capacity: int
    ) -> None:
        """Prepare a search.

        Args:
            operator: The matrix A.
            largest: Pairs wanted from the upper end.
            smallest: Pairs wanted from the lower end.
            tol: Relative tolerance.
            seed: Seed of the random vectors.
            limit: The most products, at least twice the number of pairs.
            capacity: The most vectors held, at least N or three for each pair and six more.
        """
        self.operator, self.largest, self.smallest = operator, largest, smallest
        self.tol, self.seed, self.limit, self.capacity = tol, seed, limit, capacity
        self.wanted = largest + smallest
        self.space = KrylovSpace(operator, capacity)
        self._earlier = 0
        self._steps = 0  # products of the newest sequence since its random start, or since the basis was last cut
        self._drawn = 0
        self._cuts = 0
        self._doubt: tuple[int, Array] | None = None  # products to wait for, and the values that must stand then
        self._measured = 0
        self._progress = 0.0

    @property
    def hvps(self) -> int:
        """Products spent."""
        return self.space.products + self._measured

    def run(self) -> Iterator[Eigenpairs]:
        """Grow the space until all that is wanted has converged.

        Yields:
            A snapshot a product; its vectors and values are renewed every few of them.
        """
        space = self.space
        share = 1.0  # of the goals, that the recurrence must promise before the residuals are measured
        next_look = 0
        snapshot: Eigenpairs | None = None
        self._open()
        while True:
            if space.used == self.capacity < self.operator.size:
                self._cut()
            space.advance()
            self._steps += 1
            spent = self.hvps + self.wanted >= self.limit
            if snapshot is not None and space.active and not spent and self.hvps < next_look:
                snapshot = dataclasses.replace(snapshot, hvps=self.hvps)
                yield snapshot
                continue
            chosen = self._select()
            next_look = self.hvps + max(1, space.processed // 10)
            snapshot = self._snapshot(chosen, share)
            yield snapshot
            whole = space.processed == self.operator.size
            enough = len(chosen.indices) == self.wanted and bool((chosen.residuals <= share * chosen.goals).all())
            copies: Verdict = "done" if whole else self._check_copies(chosen) if enough else "wait"
            if spent or whole or (enough and copies == "done"):
                result = yield from self._measure(chosen, snapshot, unchecked=copies != "done")
                spent = self.hvps + self.wanted >= self.limit
                hopeless = not space.active or bool((chosen.residuals <= 0.1 * self.operator.rounding * chosen.norm).all())
                if result.converged.all() or spent or whole or hopeless:
                    yield result
                    return
                share /= 10
            elif copies == "open" or not space.active:
                self._open()
            elif self._blocked(chosen):
                self._merge()

    # A new sequence, orthogonal to all that is there. What was pending is parked: the earlier rows are coupled to nothing else.
    def _open(self) -> None:
        space = self.space
        space.parked = space.pending
        self._earlier = space.processed
        if space.used == self.capacity < self.operator.size:
            self._cut()
        self._steps = 0
        while space.used < self.operator.size:
            self._drawn += 1
            if space.add(draw_probe(self.operator, seed=self.seed, index=self._drawn - 1)):
                return
        self._merge()

    # One sequence again, led on by all pending rows in turn.
    def _merge(self) -> None:
        self.space.parked = 0
        self._earlier = 0

    # Make room: keep of the earlier sequences what is wanted, and of the newest as much as fills half of the basis.
    def _cut(self) -> None:
        space = self.space
        if self._earlier > self.wanted:
            space.cut(space.ritz(0, self._earlier), ends(self._earlier, self.largest, self.smallest))
            self._earlier = self.wanted
        newest = space.processed - self._earlier
        kept = max(self.wanted, (self.capacity - space.pending) // 2 - self._earlier)
        if newest > kept:
            lower = self.smallest + (kept - self.wanted) // 2 if self.largest and self.smallest else kept if self.smallest else 0
            space.cut(space.ritz(self._earlier), ends(newest, kept - lower, lower))
            self._steps = 0
        self._cuts += 1

    def _select(self) -> Selection:
        return select(
            self.space.ritz(), largest=self.largest, smallest=self.smallest, tol=self.tol, rounding=self.operator.rounding
        )

    def _check_copies(self, chosen: Selection) -> Verdict:
        if max(self.largest, self.smallest) == 1:
            # A sequence may have begun with next to nothing of the vector that is looked for, and at first converge to another
            # one: it goes on for some products; and where it is exhausted, one more, of about as many, begins elsewhere.
            if self._earlier == 0:
                return "open" if not self.space.active else "done" if self._steps >= _FEWEST or self._cuts else "wait"
            return "wait" if self.space.active and self._steps <= self._earlier + 2 else "done"
        if self._doubt is not None:
            until, before = self._doubt
            if self.space.products < until:
                return "wait"
            self._doubt = None
            return "done" if bool((np.abs(chosen.values - before) <= chosen.thresholds).all()) else "open"
        if self._earlier == 0:
            return "open"
        earlier, newest = self.space.ritz(0, self._earlier), self.space.ritz(self._earlier)
        verdicts: set[Verdict] = set()
        for sign, count, last in ((1, self.largest, chosen.largest - 1), (-1, self.smallest, chosen.largest)):
            if count > 1:
                verdicts.add(
                    judge_end(
                        np.sort(sign * earlier.values)[::-1],
                        dataclasses.replace(newest, values=sign * newest.values),
                        count=count,
                        threshold=chosen.thresholds[last],
                        size=self.operator.size,
                        steps=self._steps,
                    )
                )
        if verdicts == {"done"} and self.space.parked:
            # The newest sequence is orthogonal to the parked rows; where rounding led these, they are full of the very copy that
            # is looked for. So all pending rows are led on for some steps before the search may end.
            self._doubt = (self.space.products + _ROUNDS * self.space.pending, chosen.values)
            self._merge()
            return "wait"
        return "open" if "open" in verdicts else "wait" if "wait" in verdicts else "done"

    # Whether only what lies along parked rows keeps a pair from converging.
    def _blocked(self, chosen: Selection) -> bool:
        along = chosen.pairs.parked_residuals[chosen.indices]
        return bool(((along > chosen.goals) & (chosen.residuals < 2 * along)).any())

    def _share_done(self, chosen: Selection, share: float) -> float:
        if len(chosen.indices) < self.wanted or chosen.norm == 0:
            return 0.0
        tiny = np.finfo(float).tiny
        gained = np.log(np.maximum(chosen.residuals, tiny) / chosen.norm) / np.log(share * chosen.goals / chosen.norm)
        return float(np.clip(max(gained.min(), self.hvps / self.limit), 0.0, 0.99))

    def _snapshot(self, chosen: Selection, share: float) -> Eigenpairs:
        self._progress = max(self._progress, self._share_done(chosen, share))
        return Eigenpairs(
            values=chosen.values,
            vectors=_unit_vectors(self.space.rows.combine(chosen.coefficients)),
            residuals=chosen.residuals,
            converged=chosen.residuals <= chosen.thresholds,
            largest=chosen.largest,
            tolerance=self.tol,
            seed=self.seed,
            hvps=self.hvps,
            progress=self._progress,
            gaps=chosen.gaps,
        )

    # Curvature and residual of each chosen vector, from a product of its own.
    def _measure(self, chosen: Selection, snapshot: Eigenpairs, *, unchecked: bool) -> Generator[Eigenpairs, None, Eigenpairs]:
        values, residuals = np.empty(self.wanted), np.empty(self.wanted)
        measured = stream_products(self.operator, snapshot.vectors.__getitem__, stop=self.wanted)
        for index, (vector, product) in enumerate(measured):
            self._measured += 1
            values[index] = dot(vector, product)
            residuals[index] = norm(as_double(product) - values[index] * as_double(vector))
            yield dataclasses.replace(snapshot, hvps=self.hvps)
        order = np.concatenate([np.argsort(-values[: self.largest]), self.largest + np.argsort(-values[self.largest :])])
        whole = max(chosen.norm, float(np.abs(values).max()))
        result = dataclasses.replace(
            snapshot,
            values=values[order],
            vectors=snapshot.vectors[torch.from_numpy(order).to(snapshot.vectors.device)],
            residuals=residuals[order],
            converged=(residuals <= thresholds(values, whole, tol=self.tol, rounding=self.operator.rounding))[order],
            gaps=chosen.gaps[order],
            hvps=self.hvps,
            progress=1.0,
        )
        notes = self._account(result, whole, unchecked) + caveats(result, rounding=self.operator.rounding * whole)
        return dataclasses.replace(result, notes=notes)

    # How the search went, in words.
    def _account(self, result: Eigenpairs, whole: float, unchecked: bool) -> tuple[str, ...]:
        notes = []
        failed = int((~result.converged).sum())
        if failed and self.hvps + self.wanted >= self.limit:
            notes.append(f"{failed} of {self.wanted} pairs did not converge within max_hvps = {self.limit} products.")
        elif failed:
            notes.append(
                f"{failed} of {self.wanted} pairs stay short of the tolerance: "
                f"products in {self.operator.dtype} are not exact enough."
            )
        if unchecked:
            notes.append("The products were used up before it was clear that no larger or smaller eigenvalue was left out.")
        if self._cuts:
            notes.append(
                f"The basis was cut back {self._cuts} times at its cap of {self.capacity} vectors, which costs products."
            )
        return (*notes, *asymmetry_notes(self.space.asymmetry, whole))


# Unit length, and the first of the largest components positive: the same vectors on every run.
def _unit_vectors(vectors: Tensor) -> Tensor:
    for index, vector in enumerate(vectors):
        sizes = vector.abs()
        first = int(torch.argmax((sizes >= 0.999 * sizes.max()).to(torch.uint8)))
        vectors[index] = vector * ((-1.0 if float(vector[first]) < 0 else 1.0) / norm(vector))
    return vectors
