"""One answerer for each place that the explorer stands at."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from curvwidget.objective import Objective
from curvwidget.widgets.answer import Answerer
from curvwidget.widgets.places import Place

__all__ = ["Answerers"]


class Answerers:
    """Answerers by place; what they have begun is kept while one is elsewhere."""

    def __init__(self, objective: Objective, *, seed: int, checkpoints: Sequence[Place]) -> None:
        """Say what to answer about.

        Args:
            objective: The loss at the place where it all begins.
            seed: Seed of eigensolver, probes and planes, the same everywhere.
            checkpoints: Points of a training run.
        """
        self._objective = objective
        self._seed = seed
        self._checkpoints = tuple(checkpoints)
        self._lock = threading.Lock()
        self._made: dict[Place | None, Answerer] = {}

    def at(self, place: Place | None) -> Answerer:
        """Return the answerer of a place.

        Args:
            place: The place; None for where it all begins. Its loss is evaluated when it is first asked for, and must be finite.

        Returns:
            The answerer.
        """
        with self._lock:
            if place not in self._made:
                there = self._objective if place is None else self._objective.at(place.read(self._objective))
                self._made[place] = Answerer(there, seed=self._seed, checkpoints=self._checkpoints)
            return self._made[place]
