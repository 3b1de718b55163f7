"""The minima that a plane shows, each with its curvature within the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.optimize

from curvwidget._checks import check_count
from curvwidget._results import ArrayResult
from curvwidget.curvature.project import project_curvature
from curvwidget.objective import Objective
from curvwidget.slices import LossSlice

__all__ = ["PlaneMinima", "find_plane_minima"]

Array = np.ndarray[Any, Any]

_ITERATIONS = 20  # of the descent from a point of the grid
_NEAR = 0.5  # steps of the grid within which two minima are one, or one is the centre itself


@dataclass(frozen=True, eq=False)
class PlaneMinima(ArrayResult):
    """Minima of the loss within a plane. In all N dimensions they need be neither minima nor critical points.

    Attributes:
        coordinates: Where they lie ``(M, 2)``, in units of the directions, the lowest first.
        losses: The loss there ``(M,)``.
        principal: The principal curvatures κ₋ ≤ κ₊ of the plane there ``(M, 2)``.
        gradient_norms: ‖∇L‖ there, in all N dimensions ``(M,)``: how far from a critical point.
        errors: Bounds on the numerical errors of the curvatures ``(M,)``.
        evaluations: Loss evaluations spent, gradients among them.
        hvps: Hessian-vector products spent.
    """

    coordinates: Array
    losses: Array
    principal: Array
    gradient_norms: Array
    errors: Array
    evaluations: int
    hvps: int

    def __len__(self) -> int:
        """Return their number, M."""
        return len(self.losses)


def find_plane_minima(objective: Objective, plane: LossSlice, *, most: int = 5) -> PlaneMinima:
    """Find the minima of a slice over two directions, besides its centre.

    Points of the grid that are lower than their eight neighbours are starting points, the lowest first; from each the loss is
    minimized within the plane (L-BFGS-B on slope and loss). What leads out of the slice, to the centre or to one that was found
    already is left out. A grid too coarse for a minimum does not find it.

    Args:
        objective: The loss at the centre of the slice.
        plane: The slice.
        most: How many starting points to try.

    Returns:
        The minima with their curvatures, by two HVPs each.

    Raises:
        ValueError: If the slice is not over two directions, or of another objective's length.

    Example:
        >>> import torch, curvwidget as cw
        >>> from curvwidget.curvature.plane_minima import find_plane_minima
        >>> wells = cw.Objective.from_function(lambda t: (t[0] ** 2 - 1) ** 2 + t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> plane = cw.slice_loss(wells, cw.own_directions(wells, torch.eye(2)), span=1.5, resolution=11)
        >>> found = find_plane_minima(wells, plane)
        >>> found.coordinates.round(3).tolist(), found.principal.round(2).tolist()
        ([[-1.0, 0.0], [1.0, 0.0]], [[2.0, 8.0], [2.0, 8.0]])
    """
    if len(plane.axes) != 2:
        raise ValueError(f"plane must be a slice over two directions, got {len(plane.axes)}")
    if plane.directions.n_parameters != objective.n_parameters:
        raise ValueError(f"plane must be of length N = {objective.n_parameters}, got {plane.directions.n_parameters}")
    most = check_count("most", most, minimum=0)
    theta, vectors = objective.theta, plane.directions.vectors
    spans = np.array(plane.span)
    evaluations = 0

    def slope_and_loss(shares: Array) -> tuple[float, Array]:
        nonlocal evaluations
        evaluations += 2
        point = theta.clone()
        for coordinate, vector in zip(shares * spans, vectors, strict=True):
            point.add_(vector, alpha=float(coordinate))
        slope = vectors.double() @ objective.gradient(point).double()
        loss = objective.loss(point)
        return (loss, slope.cpu().numpy() * spans) if np.isfinite(loss) else (np.inf, np.zeros(2))

    # In shares of the span: both axes are then of one size.
    step = 2 / (np.array(plane.values.shape) - 1)
    found: list[Array] = []
    for start in _starts(plane)[:most]:
        bounds = [(-1.0, 1.0), (-1.0, 1.0)]
        options = {"maxiter": _ITERATIONS}
        lowest = scipy.optimize.minimize(slope_and_loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        inside = bool((np.abs(lowest) < 1 - 1e-6).all())
        if inside and all((np.abs(lowest - other) > _NEAR * step).any() for other in [np.zeros(2), *found]):
            found.append(lowest)
    coordinates = np.array(found).reshape(-1, 2) * spans
    seen = []
    for place in coordinates:
        point = theta.clone()
        for coordinate, vector in zip(place, vectors, strict=True):
            point.add_(vector, alpha=float(coordinate))
        seen.append(project_curvature(objective.at(point), plane.directions))
    losses = np.array([each.loss for each in seen])
    order = np.argsort(losses, kind="stable")
    return PlaneMinima(
        coordinates=coordinates[order],
        losses=losses[order],
        principal=np.array([each.principal for each in seen]).reshape(-1, 2)[order],
        gradient_norms=np.array([each.gradient_norm for each in seen])[order],
        errors=np.array([each.error for each in seen])[order],
        evaluations=evaluations,
        hvps=sum(each.hvps for each in seen),
    )


# Points within the grid that are as low as their neighbourhood, in shares of the span, the lowest first.
def _starts(plane: LossSlice) -> list[Array]:
    values = np.where(np.isfinite(plane.values), plane.values, np.inf)
    low = (values == scipy.ndimage.minimum_filter(values, size=3, mode="nearest")) & np.isfinite(values)
    low[[0, -1], :] = low[:, [0, -1]] = False
    rows, columns = np.nonzero(low)
    order = np.argsort(values[rows, columns], kind="stable")
    first, second = (axis / axis[-1] for axis in plane.axes)
    return [np.array([first[rows[index]], second[columns[index]]]) for index in order]
