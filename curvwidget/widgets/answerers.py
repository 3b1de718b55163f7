"""One answerer for each place that the explorer stands at."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from curvwidget.objective import Objective
from curvwidget.runs import Kept
from curvwidget.widgets.answer import Answerer
from curvwidget.widgets.places import Place

__all__ = ["Answerers"]


class Answerers:
    """Answerers by place; what they have begun is kept while one is elsewhere, as long as there is room.

    All but a slice that was left half done, which is drawn anew: what makes its evaluations cheap takes too much for that.

    Attributes:
        kept: What all of them keep together.
    """

    def __init__(self, objective: Objective, *, seed: int, checkpoints: Sequence[Place], kept: Kept) -> None:
        """Say what to answer about.

        Args:
            objective: The loss at the place where it all begins.
            seed: Seed of eigensolver, probes and planes, the same everywhere.
            checkpoints: Points of a training run.
            kept: Where to keep what they find, and themselves.
        """
        self.kept = kept
        self._objective = objective
        self._seed = seed
        self._checkpoints = tuple(checkpoints)
        self._lock = threading.Lock()
        self._first = self._make(objective)
        self._last: tuple[Place | None, Answerer] = None, self._first

    def at(self, place: Place | None) -> Answerer:
        """Return the answerer of a place.

        Args:
            place: The place; None for where it all begins. Its loss is evaluated when it is first asked for, and must be finite.

        Returns:
            The answerer.
        """
        with self._lock:
            left, answerer = self._last
            if left is place:
                return answerer
            found: Answerer | None = self._first if place is None else self.kept.get((place, "answerer"))
            if found is None:
                assert place is not None
                found = self._make(self._objective.at(place.read(self._objective)))
            answerer.release()
            if left is not None:  # now its size is known: before, it was still growing
                self.kept.put((left, "answerer"), answerer, answerer.nbytes)
            self._last = place, found
            return found

    def _make(self, objective: Objective) -> Answerer:
        return Answerer(objective, seed=self._seed, checkpoints=self._checkpoints, kept=self.kept)
