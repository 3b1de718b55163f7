"""The minima that a plane shows, each with its curvature within the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from curvwidget._checks import check_count
from curvwidget._results import ArrayResult
from curvwidget.curvature.plane_descent import PlaneDescent, low_points
from curvwidget.curvature.projected import ProjectedCurvature, Verdict
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.slices import LossSlice

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["PlaneMinima", "describe_minima", "find_plane_minima"]

Array = np.ndarray[Any, Any]


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
        verdicts: What the plane looks like there by these curvatures, as `ProjectedCurvature.verdict` says it: "minimum", or
            another one where a kink or a higher derivative holds the loss up.
        distances: How far from θ they lie, ‖Δθ‖ ``(M,)``.
        span: How far they were looked for, from −span to span on each axis.
        progress: Share of the search that is done, in [0, 1].
    """

    coordinates: Array
    losses: Array
    principal: Array
    gradient_norms: Array
    errors: Array
    evaluations: int
    hvps: int
    verdicts: tuple[Verdict, ...]
    distances: Array
    span: tuple[float, ...]
    progress: float = 1.0

    def __len__(self) -> int:
        """Return their number, M."""
        return len(self.losses)

    def within(self, span: Sequence[float]) -> Array:
        """Say which of them lie within a picture.

        Args:
            span: Half-width of each of its axes.

        Returns:
            ``(M,)`` bool.
        """
        return np.asarray(np.all(np.abs(self.coordinates) <= np.asarray(span), axis=1))

    def join(self, other: PlaneMinima, *, near: Sequence[float]) -> PlaneMinima:
        """Add minima of the same plane that were found in another way.

        Args:
            other: The other minima.
            near: How close on each axis two minima are one.

        Returns:
            All of them, the lowest first.
        """
        apart = np.abs(other.coordinates[:, None] - self.coordinates[None]) > np.asarray(near)
        new = np.flatnonzero(apart.any(axis=2).all(axis=1))
        order = np.argsort(np.concatenate([self.losses, other.losses[new]]), kind="stable")
        arrays = {
            name: np.concatenate([getattr(self, name), getattr(other, name)[new]])[order]
            for name in ("coordinates", "losses", "principal", "gradient_norms", "errors", "distances")
        }
        verdicts = (*self.verdicts, *(other.verdicts[index] for index in new))
        return replace(
            self,
            **arrays,
            verdicts=tuple(verdicts[index] for index in order),
            evaluations=self.evaluations + other.evaluations,
            hvps=self.hvps + other.hvps,
            span=tuple(float(far) for far in np.maximum(self.span, other.span)),
            progress=min(self.progress, other.progress),
        )

    def to_xarray(self) -> Dataset:
        """Return the minima as a labelled data set.

        Returns:
            A `Dataset` over ``minimum``, with ``coordinates``, ``loss``, ``principal``, ``error``, ``gradient_norm``,
            ``distance`` and ``verdict``.
        """
        from xarray import Dataset

        over = ("minimum",)
        return Dataset(
            {
                "coordinates": (("minimum", "direction"), self.coordinates, {"units": "lengths of the direction"}),
                "loss": (over, self.losses),
                "principal": (("minimum", "order"), self.principal),
                "error": (over, self.errors),
                "gradient_norm": (over, self.gradient_norms),
                "distance": (over, self.distances),
                "verdict": (over, list(self.verdicts)),
            },
            attrs={"span": self.span, "evaluations": self.evaluations, "hvps": self.hvps, "progress": self.progress},
        )


def find_plane_minima(objective: Objective, plane: LossSlice, *, most: int = 5) -> PlaneMinima:
    """Find the minima of a slice over two directions, besides its centre where that is one.

    Points of the grid that are no higher than their eight neighbours are starting points, the lowest first; from each the loss is
    minimized within the plane (L-BFGS-B on slope and loss). What leads out of the slice or to one that was found already is left
    out, and so is what lies within half a step of the grid of the centre and is not visibly lower; of two minima the loss is
    higher somewhere between them. A grid too coarse for a minimum does not find it; `find_minima_around` looks farther.

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
        >>> wells = cw.Objective.from_function(lambda t: (t[0] ** 2 - 1) ** 2 + t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> plane = cw.slice_loss(wells, cw.own_directions(wells, torch.eye(2)), span=1.5, resolution=11)
        >>> found = cw.find_plane_minima(wells, plane)
        >>> found.coordinates.round(3).tolist(), found.principal.round(2).tolist()
        ([[-1.0, 0.0], [1.0, 0.0]], [[2.0, 8.0], [2.0, 8.0]])
    """
    if len(plane.axes) != 2:
        raise ValueError(f"plane must be a slice over two directions, got {len(plane.axes)}")
    if plane.directions.n_parameters != objective.n_parameters:
        raise ValueError(f"plane must be of length N = {objective.n_parameters}, got {plane.directions.n_parameters}")
    most = check_count("most", most, minimum=0)
    descent, bounds = PlaneDescent(objective, plane.directions), np.array(plane.span)
    found: list[tuple[Array, ProjectedCurvature]] = []
    for start in low_points(plane)[:most]:
        place = descent.from_grid(plane, start, bounds)
        if place is not None and descent.is_new(place, [other for other, _ in found], plane):
            found.append((place, descent.curvature(place)))
    return describe_minima(descent, found, plane.directions, plane.span)


def describe_minima(
    descent: PlaneDescent,
    found: Sequence[tuple[Array, ProjectedCurvature]],
    directions: Directions,
    span: tuple[float, ...],
    *,
    progress: float = 1.0,
) -> PlaneMinima:
    """Put what is known of minima together.

    Args:
        descent: Knows what was spent.
        found: Coordinates and curvature of each minimum.
        directions: The directions of the plane.
        span: How far they were looked for.
        progress: Share of the search that is done.

    Returns:
        The minima, the lowest first.
    """
    ordered = sorted(found, key=lambda pair: pair[1].loss)
    coordinates = np.array([place for place, _ in ordered]).reshape(-1, 2)
    seen = [curvature for _, curvature in ordered]
    return PlaneMinima(
        coordinates=coordinates,
        losses=np.array([each.loss for each in seen]),
        principal=np.array([each.principal for each in seen]).reshape(-1, 2),
        gradient_norms=np.array([each.gradient_norm for each in seen]),
        errors=np.array([each.error for each in seen]),
        evaluations=descent.evaluations,
        hvps=descent.hvps,
        verdicts=tuple(each.verdict for each in seen),
        distances=np.sqrt(np.einsum("mi,ij,mj->m", coordinates, directions.gram, coordinates)),
        span=span,
        progress=progress,
    )
