"""Points in parameter space that the explorer stands at, and the way from one to the next."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from torch import Tensor

from curvwidget.directions import Checkpoint, read_checkpoint
from curvwidget.objective import Objective
from curvwidget.runs import Kept, bytes_of
from curvwidget.widgets.update import Known

__all__ = ["Itinerary", "Place", "checkpoint_places"]


@dataclass(frozen=True, eq=False)
class Place:
    """A point to stand at.

    Attributes:
        point: θ ``(N,)``, or a file that `read_checkpoint` takes.
        label: What it is called, in a word or two.
        origin: How it was found, in a sentence.
        checkpoint: Which of the explorer's checkpoints it is, None where it is none.
    """

    point: Tensor | Path
    label: str
    origin: str = ""
    checkpoint: int | None = None

    def read(self, objective: Objective) -> Tensor:
        """Return the point.

        Args:
            objective: Says which parameters make up θ.

        Returns:
            θ ``(N,)``.
        """
        return read_checkpoint(objective, self.point)


def checkpoint_places(objective: Objective, checkpoints: Iterable[Checkpoint]) -> tuple[Place, ...]:
    """Make places of the checkpoints of a training run.

    Args:
        objective: Says which parameters make up θ.
        checkpoints: Each in a form that `read_checkpoint` takes. What may still change (a model, its state) is copied; of a file
            the path is kept, and it is read when the place is visited.

    Returns:
        One place a checkpoint, in their order.
    """
    places: list[Place] = []
    for index, checkpoint in enumerate(checkpoints):
        name = f"checkpoint {index + 1}"
        if isinstance(checkpoint, (str, PathLike)):
            path = Path(checkpoint)
            places.append(Place(path, name, f"Centre: {name}, {path.name}.", index))
        else:
            places.append(Place(read_checkpoint(objective, checkpoint), name, f"Centre: {name}.", index))
    return tuple(places)


class Itinerary:
    """The places visited, the way back, and what is known of each; None is where it all began.

    Attributes:
        here: Where one stands.
        places: All places, in the order in which they were first named.
    """

    def __init__(self, places: tuple[Place, ...] = (), kept: Kept | None = None) -> None:
        """Begin at the beginning.

        Args:
            places: Places that are known before they are visited.
            kept: Where to keep what is known of a place that was left; None keeps it without a bound.
        """
        self.here: Place | None = None
        self.places: list[Place] = list(places)
        self._way: list[Place | None] = []
        self._kept = Kept(sys.maxsize) if kept is None else kept

    @property
    def can_go_back(self) -> bool:
        """Whether there is a way back."""
        return bool(self._way)

    @property
    def next_number(self) -> int:
        """Number of the next place that is found on the way."""
        return 1 + sum(place.checkpoint is None for place in self.places)

    def arrive(self, place: Place | None, known: Known) -> Known:
        """Go to a place.

        Args:
            place: Where to go.
            known: What is known of the place that is left.

        Returns:
            What is known of the new place from earlier visits.
        """
        self._kept.put((self.here, "known"), known, bytes_of(known))
        if self._way and self._way[-1] is place:
            self._way.pop()  # the way back
        else:
            self._way.append(self.here)
        if place is not None and place not in self.places:
            self.places.append(place)
        self.here = place
        earlier: Known | None = self._kept.get((place, "known"))
        return Known() if earlier is None else earlier

    def previous(self) -> Place | None:
        """Return the place before this one.

        Returns:
            The place.

        Raises:
            ValueError: If this is the first one.
        """
        if not self._way:
            raise ValueError("there is no place to go back to: this is the first one")
        return self._way[-1]
