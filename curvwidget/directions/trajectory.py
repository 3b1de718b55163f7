"""The plane that training moved in: principal components of a series of checkpoints, and where each lies in a plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

from curvwidget._checks import check_count
from curvwidget._results import ArrayResult
from curvwidget.directions.checkpoints import Checkpoint, stream_checkpoints
from curvwidget.directions.directions import Directions
from curvwidget.objective import Objective

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["Trajectory", "place_checkpoints", "trajectory_directions"]

Array = np.ndarray[Any, Any]
_STRETCH = 2**20  # entries of the checkpoints that are in float64 at a time
_LEAST_SHARE = 1e-10  # of the squared distances: below it a component is rounding


@dataclass(frozen=True, eq=False)
class Trajectory(ArrayResult):
    """Where C points lie beside the slice that k directions span through θ.

    Attributes:
        directions: The slice's axes.
        coordinates: Coordinates in the slice of the point nearest to each ``(C, k)``, in units of the directions.
        distances: How far each is from that point ``(C,)``; a point with distance 0 is in the slice.
        losses: L at the points themselves ``(C,)`` float64.
        projected_losses: L at the nearest points of the slice ``(C,)``: what the picture shows where a marker is drawn.
        explained: Share of the squared distances from θ that each axis adds to those before it ``(k,)``.
        evaluations: Loss evaluations spent.
    """

    directions: Directions
    coordinates: Array
    distances: Array
    losses: Array
    projected_losses: Array
    explained: Array
    evaluations: int

    def __len__(self) -> int:
        """Return the number of points, C."""
        return len(self.coordinates)

    def to_xarray(self) -> Dataset:
        """Return the numbers as a labelled data set.

        Returns:
            A `Dataset` over ``checkpoint`` and ``direction``.
        """
        from xarray import Dataset

        return Dataset(
            {
                "coordinates": (("checkpoint", "direction"), self.coordinates, {"units": "lengths of the direction"}),
                "distances": (("checkpoint",), self.distances, {"long_name": "distance from the slice"}),
                "losses": (("checkpoint",), self.losses, {"long_name": "loss"}),
                "projected_losses": (("checkpoint",), self.projected_losses, {"long_name": "loss of the nearest point drawn"}),
                "explained": (("direction",), self.explained, {"long_name": "share of the squared distances from θ"}),
            },
            coords={"checkpoint": np.arange(len(self)), "direction": list(self.directions.labels)},
            attrs={"evaluations": self.evaluations},
        )


def trajectory_directions(objective: Objective, checkpoints: Iterable[Checkpoint], count: int = 2) -> Directions:
    """Find the directions in which a series of points spreads most, seen from θ.

    They are the leading right singular vectors of the matrix with rows θ_c − θ: of all slices through θ the one that they span is
    nearest to the points. (Li et al., arXiv:1712.09913, section 7, with the final weights as θ. The rows are not centred, for a
    slice goes through θ and not through the mean.) They follow from the C × C Gram matrix of the rows: memory is C vectors of
    length N, and files are read one at a time.

    Args:
        objective: The loss at θ.
        checkpoints: C points, each in a form that `read_checkpoint` takes: vectors, models, state dicts, paths. Those that are θ
            itself count for nothing.
        count: Number of directions k.

    Returns:
        k orthonormal directions; labels say the share of the squared distances that each explains. Each points to the side on
        which the point farthest out on it is.

    Raises:
        ValueError: If the points spread in fewer than ``count`` dimensions; also for what is no checkpoint (or a `TypeError`).

    Example:
        >>> import torch, curvwidget as cw
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(50))
        >>> way = [torch.linspace(1, 2, 50) * 0.8**step for step in range(5)]
        >>> cw.trajectory_directions(bowl, way, count=1).labels
        ('PCA 1 (100 %)',)
    """
    count = check_count("count", count)
    theta = objective.theta
    ways = [point.sub_(theta) for point in stream_checkpoints(objective, checkpoints)]
    if len(ways) < count:
        raise ValueError(f"checkpoints must be at least count = {count}, got {len(ways)}")
    gram = _gram(ways)
    shares, mixing = np.linalg.eigh(gram)
    shares, mixing = shares[::-1] / max(float(np.trace(gram)), np.finfo(float).tiny), mixing[:, ::-1]
    spread = int((shares > _LEAST_SHARE).sum())
    if spread < count:
        raise ValueError(f"checkpoints must spread around theta in at least count = {count} dimensions, got {spread}")
    rows = torch.zeros(count, objective.n_parameters, dtype=torch.float64, device=objective.device)
    for way, weights in zip(ways, mixing[:, :count], strict=True):
        for row, weight in zip(rows, weights, strict=True):
            row.add_(way, alpha=float(weight))
    # Orthonormal up to the root of a rounding, as the Gram matrix squares what it is made of; QR does the rest.
    basis, triangle = torch.linalg.qr(rows.T)
    vectors = (basis * triangle.diagonal().sign()).T
    farthest = np.abs(gram @ mixing[:, :count]).argmax(axis=0)
    for vector, index in zip(vectors, farthest, strict=True):
        if float(vector @ ways[index].double()) < 0:
            vector.neg_()
    return Directions(
        vectors=vectors.to(objective.dtype),
        labels=tuple(f"PCA {index + 1} ({share:.0%})".replace("%", " %") for index, share in enumerate(shares[:count])),
    )


def place_checkpoints(objective: Objective, directions: Directions, checkpoints: Iterable[Checkpoint]) -> Trajectory:
    """Find where points lie in a slice, how far from it, and what the loss is here and there.

    Args:
        objective: The loss at θ, the origin of the slice.
        directions: The k axes of the slice, from `trajectory_directions`, `directions_between` or elsewhere; they need not be
            orthogonal.
        checkpoints: The points, in a form that `read_checkpoint` takes; they are read one at a time, and none is kept.

    Returns:
        Coordinates, distances and losses.

    Raises:
        ValueError: If the directions have the wrong length or are linearly dependent, or there is no checkpoint; also for what is
            no checkpoint (or a `TypeError`).

    Example:
        >>> import torch, curvwidget as cw
        >>> bowl = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(3))
        >>> plane = cw.own_directions(bowl, torch.eye(3)[:2])
        >>> placed = cw.place_checkpoints(bowl, plane, [torch.tensor([3.0, 4.0, 2.0])])
        >>> placed.coordinates.tolist(), placed.distances.tolist(), placed.losses.tolist(), placed.projected_losses.tolist()
        ([[3.0, 4.0]], [2.0], [29.0], [25.0])
    """
    if directions.n_parameters != objective.n_parameters:
        raise ValueError(f"directions must have length N = {objective.n_parameters}, got {directions.n_parameters}")
    theta = objective.theta
    directions = directions.beside(theta)
    lengths = directions.norms
    units = directions.vectors.double() / torch.from_numpy(lengths).to(objective.device).unsqueeze(1)
    basis, triangle = torch.linalg.qr(units.T)
    corner = triangle.cpu().numpy()
    if float(np.abs(corner.diagonal()).min()) < 1e-6:
        raise ValueError("directions must be linearly independent, got some that are not")
    inside, coordinates, distances, losses = [], [], [], []
    for point in stream_checkpoints(objective, checkpoints):
        way = point.sub(theta).double()
        along = basis.T @ way
        inside.append(along.cpu().numpy())
        coordinates.append(solve_triangular(corner, inside[-1]) / lengths)
        distances.append(float((way - basis @ along).norm()))
        nearest = theta.clone()
        for coordinate, vector in zip(coordinates[-1], directions.vectors, strict=True):
            nearest.add_(vector, alpha=float(coordinate))
        losses.append(objective.losses(torch.stack([point, nearest])).numpy())
    if not losses:
        raise ValueError("checkpoints must hold at least one, got none")
    squares = (np.stack(inside) ** 2).sum(axis=0)
    total = float(squares.sum() + np.square(distances).sum())
    return Trajectory(
        directions=directions,
        coordinates=np.stack(coordinates),
        distances=np.array(distances),
        losses=np.stack(losses)[:, 0],
        projected_losses=np.stack(losses)[:, 1],
        explained=squares / total if total > 0 else np.full(len(directions), np.nan),
        evaluations=2 * len(losses),
    )


# Inner products of all pairs of rows, added up in float64 a stretch of coordinates at a time.
def _gram(rows: list[Tensor]) -> Array:
    gram = np.zeros((len(rows), len(rows)))
    for start in range(0, len(rows[0]), _STRETCH):
        stretch = torch.stack([row[start : start + _STRETCH] for row in rows]).double()
        gram += (stretch @ stretch.T).cpu().numpy()
    return gram
