"""A slice to the exact grid and a picture to one per cent, in units of bare forward passes, beside loss-landscapes' plane."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import curvwidget as cw
from benchmarks.agreement import REFUSALS, why_not
from benchmarks.nets import Net, build_net
from benchmarks.peers import OURS
from benchmarks.planes import PASSES, SPAN, bare_passes, check_our_slice, loss_landscapes_plane, our_slices, random_axes
from benchmarks.timing import Contender, Rounds, interleave

__all__ = ["FULL", "QUICK", "Plan", "adaptive_slices_there", "chebyshev_error", "measure", "measure_pictures", "measure_slices"]

TOLERANCE = 0.01

_BURST = 120  # bare passes in a turn


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        resolution: Points on each axis.
        rounds: How often the exact slice is timed.
        picture_rounds: How often the picture is.
        peer_steps: Points on each axis for other packages, which take as long a point, however many.
        tol: Relative residual of the eigenvectors that span a plane.
    """

    resolution: int
    rounds: Rounds
    picture_rounds: Rounds
    peer_steps: int
    tol: float


FULL = Plan(31, Rounds(seconds=15, least=3, most=15), Rounds(seconds=3, least=3, most=15), peer_steps=9, tol=1e-2)
QUICK = Plan(5, Rounds(seconds=0, least=1, most=1), Rounds(seconds=0, least=1, most=1), peer_steps=3, tol=0.3)


def measure(names: list[str], device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """Measure on networks of the list.

    Args:
        names: Which.
        device: Where.
        quick: Whether to see only that it runs.

    Returns:
        Tables for the results' file.
    """
    plan = QUICK if quick else FULL
    tables: dict[str, list[dict[str, Any]]] = {"exact_grid": [], "picture_to_one_per_cent": [], "not_timed": []}
    for name in names:
        net = build_net(name, device, quick=quick)
        for measured in (measure_slices(net, plan), measure_pictures(net, plan)):
            for table, rows in measured.items():
                tables[table] += rows
        print(f"slices: {name} done", flush=True)
    return {
        "title": "Slices",
        "description": (
            f"The loss on {plan.resolution} × {plan.resolution} points of a plane, along other directions each time. The unit is "
            "what the bare forward passes of as many points cost: model and loss in inference mode, at the same weights again "
            "and again. Values are compared with those of a plain loop in torch before anything is timed."
        ),
        **{table: rows for table, rows in tables.items() if rows},
    }


def adaptive_slices_there() -> bool:
    """Say whether this version of curvwidget evaluates slices to a tolerance.

    Returns:
        Whether `slice_loss` takes one.
    """
    return "tolerance" in inspect.signature(cw.slice_loss).parameters


def measure_slices(net: Net, plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Measure exact slices of one network.

    Args:
        net: The network.
        plan: How much is done.

    Returns:
        Rows of two tables.
    """
    check_our_slice(net, plan.resolution)
    points = plan.resolution**2
    costs = {PASSES: _BURST, OURS: points}
    contenders: dict[str, Contender] = {PASSES: bare_passes(net, _BURST), OURS: our_slices(net, plan.resolution)}
    refused = []
    try:
        contenders["loss-landscapes"] = loss_landscapes_plane(net, plan.peer_steps)
        costs["loss-landscapes"] = plan.peer_steps**2
    except REFUSALS as error:
        refused.append({"net": net.name, "package": "loss-landscapes", "why": why_not(error)})
    times = interleave(contenders, plan.rounds, net.x.device)
    rows = [
        {
            **net.describe(),
            "package": name,
            "points": number,
            "time_a_point_ms": times.of(name, unit=1e-3 * number),
            "forward_passes_a_point": times.ratio(name, PASSES, factor=number / _BURST),
        }
        for name, number in costs.items()
    ]
    return {"exact_grid": rows, "not_timed": refused}


def measure_pictures(net: Net, plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Measure pictures to one per cent of their range, along random and Hessian axes.

    Args:
        net: The network.
        plan: How much is done.

    Returns:
        Rows of two tables.
    """
    if not adaptive_slices_there():
        return {"not_timed": [{"net": net.name, "package": OURS, "why": "slice_loss takes no tolerance yet"}]}
    rows = []
    objective = net.objective()
    axes = {"random": random_axes(objective, 1), "Hessian": cw.hessian_directions(objective, tol=plan.tol)}
    for name, directions in axes.items():
        exact = _exact(net, directions, plan.resolution, auto=name == "Hessian")
        pictures = _pictures(net, exact)
        picture = pictures(0)()
        contenders = {PASSES: bare_passes(net, _BURST), OURS: pictures}
        times = interleave(contenders, plan.picture_rounds, net.x.device)
        finite = np.isfinite(exact.values)
        extent = float(np.ptp(exact.values[finite]))
        apart = float(np.abs(picture.values - exact.values)[finite].max()) / extent
        rows.append(
            {
                **net.describe(),
                "axes": name,
                "evaluations": picture.evaluations,
                "share_of_forward_passes": times.ratio(OURS, PASSES, factor=exact.values.size / _BURST),
                "error_of_range": float(f"{apart:.2g}"),
                "error_said": float(f"{picture.error / extent:.2g}"),
                "fell_back_to_the_grid": bool(getattr(picture, "exact", False)),
                "error_of_81_chebyshev_points": float(f"{chebyshev_error(exact.values) / extent:.2g}"),
            }
        )
    return {"picture_to_one_per_cent": rows}


def chebyshev_error(values: np.ndarray, count: int = 9) -> float:
    """See whether a surface lets itself be drawn from few points: by a polynomial through 9 × 9 points of its grid.

    Args:
        values: The surface ``(r, r)``.
        count: Points on each axis, the nearest to Chebyshev's.

    Returns:
        The largest error on the grid; inf where the surface is not finite.
    """
    if not np.isfinite(values).all():
        return float("inf")
    axis = np.linspace(-1, 1, len(values))
    nearest = np.abs(axis[:, None] + np.cos(np.pi * np.arange(count) / (count - 1))).argmin(axis=0)
    places = np.unique(nearest)
    basis = np.polynomial.chebyshev.chebvander(axis, len(places) - 1)
    through = basis @ np.linalg.inv(basis[places])
    return float(np.abs(through @ values[np.ix_(places, places)] @ through.T - values).max())


def _exact(net: Net, directions: cw.Directions, resolution: int, *, auto: bool) -> cw.LossSlice:
    if auto:
        return cw.slice_loss(net.objective(), directions, resolution=resolution)
    return cw.slice_loss(net.objective(), directions, span=SPAN, resolution=resolution)


def _pictures(net: Net, exact: cw.LossSlice) -> Callable[[int], Callable[[], cw.LossSlice]]:
    options: dict[str, Any] = {"span": exact.span, "resolution": exact.values.shape, "tolerance": TOLERANCE}

    objective = net.objective()

    def make(_: int) -> Callable[[], cw.LossSlice]:
        return lambda: cw.slice_loss(objective, exact.directions, **options)

    return make
