"""How far down a direction leads, beside lines in random directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
from torch import Tensor

from curvwidget._checks import check_count, check_positive
from curvwidget._results import ArrayResult
from curvwidget._streams import last
from curvwidget.directions import Directions, random_directions
from curvwidget.directions.random import check_seed
from curvwidget.objective import Objective

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["Descent", "find_descent", "stream_descent"]

Array = np.ndarray[Any, Any]

_REACH = 0.5  # of ‖θ‖, or of 1 near θ = 0: as far as a slice's span reaches by itself
_HALVINGS = 12  # distances on either side, each half of the one before
_REFINEMENTS = 12  # evaluations around the best of them
_FINENESS = 1e-5  # of the bracket: finer steps of the loss drown in rounding


@dataclass(frozen=True, eq=False)
class Descent(ArrayResult):
    """The lowest loss found on a line through θ, and on lines in random directions.

    Attributes:
        coordinate: Where it lies on the line, in units of the direction; 0 where nothing lower than L(θ) was found.
        loss: The loss there.
        center: L(θ).
        label: Name of the direction.
        random_coordinates: The same for each random line ``(R,)``; its direction is as long as the first one.
        random_losses: The loss there ``(R,)``.
        random_seeds: Seeds of the random directions, as `random_directions` takes them with ``normalization="unit"`` ``(R,)``.
        reach: How far from θ the lines were searched, ‖Δθ‖.
        evaluations: Loss evaluations spent, as many on each line.
        progress: Share of the lines that were searched, in [0, 1].
    """

    coordinate: float
    loss: float
    center: float
    label: str
    random_coordinates: Array
    random_losses: Array
    random_seeds: Array
    reach: float
    evaluations: int
    progress: float = 1.0

    @property
    def best_random(self) -> float:
        """The lowest loss on any of the random lines; L(θ) where there are none."""
        return float(self.random_losses.min(initial=self.center))

    def to_xarray(self) -> Dataset:
        """Return the lines as a labelled data set.

        Returns:
            A `Dataset` with the lowest ``loss`` and its ``coordinate`` over ``line``, whose labels are the direction's and the
            seeds of the random ones.
        """
        from xarray import Dataset

        return Dataset(
            {
                "loss": (("line",), np.array([self.loss, *self.random_losses])),
                "coordinate": (
                    ("line",),
                    np.array([self.coordinate, *self.random_coordinates]),
                    {"units": "lengths of the direction"},
                ),
            },
            coords={"line": [self.label, *(f"random, seed {seed}" for seed in self.random_seeds)]},
            attrs={"center": self.center, "reach": self.reach, "evaluations": self.evaluations, "progress": self.progress},
        )


def find_descent(
    objective: Objective, direction: Directions, *, lines: int = 20, reach: float | None = None, seed: int = 0
) -> Descent:
    """Look for the lowest loss along a direction, and along random ones for comparison.

    On each line the loss is evaluated at distances reach, reach/2, reach/4, … on both sides, and minimized between the
    neighbours of the best of them (Brent's bounded method): a search that finds a minimum of the line, not surely its lowest one.
    Bad arguments are refused with a `ValueError` that names them.

    Args:
        objective: The loss at θ.
        direction: A single direction, such as the eigenvector of the smallest eigenvalue.
        lines: Number of random lines R.
        reach: How far to go from θ, ‖Δθ‖; None for half of ‖θ‖ (or ½ where ‖θ‖ < 1).
        seed: Seed of the random lines.

    Returns:
        The lowest points.

    Example:
        >>> import torch, curvwidget as cw
        >>> double_well = cw.Objective.from_function(
        ...     lambda t: t[0] ** 4 - t[0] ** 2 + (t[1:] ** 2).sum(), torch.zeros(30).double()
        ... )
        >>> found = cw.find_descent(double_well, cw.hessian_directions(double_well)[-1], reach=2.0)
        >>> round(found.loss, 4), found.best_random > -0.1  # the wells are at ±1/√2, ¼ deep
        (-0.25, True)
    """
    return last(stream_descent(objective, direction, lines=lines, reach=reach, seed=seed))


def stream_descent(
    objective: Objective, direction: Directions, *, lines: int = 20, reach: float | None = None, seed: int = 0
) -> Iterator[Descent]:
    """Search one line after another, first the one along the direction.

    Args:
        objective: As for `find_descent`.
        direction: As for `find_descent`.
        lines: As for `find_descent`.
        reach: As for `find_descent`.
        seed: As for `find_descent`.

    Returns:
        A snapshot a line.

    Raises:
        ValueError: As for `find_descent`, at once and not at the first step.
    """
    if len(direction) != 1:
        raise ValueError(f"direction must be a single one, got {len(direction)}")
    if direction.n_parameters != objective.n_parameters:
        raise ValueError(f"direction must have length N = {objective.n_parameters}, got {direction.n_parameters}")
    lines = check_count("lines", lines, minimum=0)
    seed = check_seed(seed)
    if reach is None:
        reach = _REACH * max(float(objective.theta.double().norm()), 1.0)
    return _walk(objective, direction, lines, check_positive("reach", reach), seed)


def _walk(objective: Objective, direction: Directions, lines: int, reach: float, seed: int) -> Iterator[Descent]:
    length = float(direction.norms[0])
    coordinate, loss, evaluations = _search(objective, direction.vectors[0], reach / length)
    # Neighbouring seeds must not share lines; and 53 bits pass through JSON and a browser without loss.
    seeds = np.random.SeedSequence([seed & 0xFFFFFFFF, seed >> 32, lines]).generate_state(lines, np.uint64) >> np.uint64(11)
    found: list[tuple[float, float]] = []
    for index in range(lines + 1):
        if index:
            line = random_directions(objective, 1, normalization="unit", seed=int(seeds[index - 1])).vectors[0]
            at, lowest, spent = _search(objective, line, reach)
            found.append((at / length, lowest))
            evaluations += spent
        yield Descent(
            coordinate=coordinate,
            loss=loss,
            center=objective.loss(),
            label=direction.labels[0],
            random_coordinates=np.array([at for at, _ in found]),
            random_losses=np.array([lowest for _, lowest in found]),
            random_seeds=seeds[:index],
            reach=reach,
            evaluations=evaluations,
            progress=(index + 1) / (lines + 1),
        )


def _search(objective: Objective, vector: Tensor, reach: float) -> tuple[float, float, int]:
    """Return where the loss on a line is lowest, how low, and what the search cost; what is no number is as good as infinite."""
    line, center = objective.along(vector.unsqueeze(0)), objective.loss()

    def loss(coordinate: float) -> float:
        value = float(line.at([[coordinate]])[0])
        return value if np.isfinite(value) else np.inf

    distances = reach * 0.5 ** np.arange(_HALVINGS)
    grid = np.concatenate([-distances, distances[::-1]])
    values = [loss(coordinate) for coordinate in grid]
    best = int(np.argmin(values))
    low, high = sorted((grid[best] / 2, float(np.clip(2 * grid[best], -reach, reach))))
    stop = {"maxiter": _REFINEMENTS, "xatol": _FINENESS * (high - low)}
    refined = scipy.optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options=stop)
    tried = [(values[best], float(grid[best])), (float(refined.fun), float(refined.x)), (center, 0.0)]
    lowest, coordinate = min(tried, key=lambda pair: pair[0])
    return coordinate, lowest, len(grid) + int(refined.nfev)
