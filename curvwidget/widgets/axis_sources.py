"""Where an axis of the explorer's plane may come from."""

from __future__ import annotations

from dataclasses import dataclass

from curvwidget._checks import check_count
from curvwidget.directions import Directions
from curvwidget.directions.random import check_seed

__all__ = ["AxisSource", "CheckpointAxis", "EigenAxis", "GradientAxis", "OwnAxis", "RandomAxis", "TrajectoryAxis"]


@dataclass(frozen=True)
class RandomAxis:
    """A random direction.

    Attributes:
        seed: As `random_directions` takes it.
        row: Which of the directions of that seed; two axes of one seed take rows 0 and 1 and are that seed's plane.
    """

    seed: int
    row: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no seed or row."""
        check_seed(self.seed)
        check_count("row", self.row, minimum=0)


@dataclass(frozen=True)
class EigenAxis:
    """An eigenvector of the Hessian.

    Attributes:
        rank: 0 for the largest eigenvalue, 1 for the next, …; −1 for the smallest, −2 for the next from below, ….
    """

    rank: int


@dataclass(frozen=True)
class GradientAxis:
    """The direction of the gradient."""


@dataclass(frozen=True)
class CheckpointAxis:
    """The way to a checkpoint: coordinate 1 is the checkpoint itself.

    Attributes:
        index: Which of the explorer's checkpoints.
    """

    index: int

    def __post_init__(self) -> None:
        """Refuse what is no index."""
        check_count("index", self.index, minimum=0)


@dataclass(frozen=True)
class TrajectoryAxis:
    """A principal component of the explorer's checkpoints, seen from the point in the middle.

    Attributes:
        row: 0 for the first one.
    """

    row: int

    def __post_init__(self) -> None:
        """Refuse what is no index."""
        check_count("row", self.row, minimum=0)


@dataclass(frozen=True, eq=False)
class OwnAxis:
    """A direction that the user gave.

    Attributes:
        direction: A single one.
    """

    direction: Directions

    def __post_init__(self) -> None:
        """Refuse anything but one direction.

        Raises:
            ValueError: If there are several.
        """
        if len(self.direction) != 1:
            raise ValueError(f"direction must be a single one, got {len(self.direction)}")


AxisSource = RandomAxis | EigenAxis | GradientAxis | CheckpointAxis | TrajectoryAxis | OwnAxis
