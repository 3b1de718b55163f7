"""What may be stated of a point: which eigenvalues count, and whether the gradient is small enough to call it critical."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curvwidget.curvature.projected import ProjectedCurvature, Verdict
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.trace_estimate import TraceEstimate

__all__ = ["Eigenvalue", "PointFacts", "Stationarity", "check_stationarity", "read_point"]

_LOWERED = 0.01  # of |L|: a gradient that could win more than this belongs to a point that is still on its way
_NEAR = 1e-6  # distance in θ below which a point and the bottom of the parabola along its gradient are the same


@dataclass(frozen=True)
class Eigenvalue:
    """One end of the spectrum.

    Attributes:
        name: ``"λ_min"`` or ``"λ_max"``.
        value: What the solver gave.
        residual: ‖Hv − λv‖: an eigenvalue lies within this distance of the value.
        state: ``"known"``, ``"zero"`` (converged, but no further from zero than its residual) or ``"open"`` (not converged).
    """

    name: str
    value: float
    residual: float
    state: Literal["known", "zero", "open"]


@dataclass(frozen=True)
class PointFacts:
    """What the Hessian says of the point.

    Attributes:
        low: λ_min, None where nothing was computed at the lower end.
        high: λ_max, None where nothing was computed at the upper end.
        kind: The signs of all curvatures: ``"saddle"``, ``"minimum"``, ``"maximum"``; None where they are not settled.
        proven_by_plane: Whether the signs are settled by the slice, which shows both, and not by eigenvalues.
        contradiction: Whether the slice shows a sign that the eigenvalues exclude, so that one of the two is wrong.
    """

    low: Eigenvalue | None = None
    high: Eigenvalue | None = None
    kind: Verdict | None = None
    proven_by_plane: bool = False
    contradiction: bool = False


@dataclass(frozen=True)
class Stationarity:
    """How far the point is from a critical one.

    Attributes:
        gradient_norm: ‖∇L‖.
        drop: ‖∇L‖²/(2λ), what the quadratic model loses along the gradient.
        share: The drop relative to |L|.
        holds: Whether the point counts as critical; None where λ is only known not to exceed a bound, which settles nothing.
    """

    gradient_norm: float
    drop: float
    share: float
    holds: bool | None


def read_point(eigenpairs: Eigenpairs | None, curvature: ProjectedCurvature | None) -> PointFacts:
    """Judge what the Hessian says of the point.

    Args:
        eigenpairs: Extreme ones, or None.
        curvature: The slice's, or None. Both signs along a slice are both signs in all of space.

    Returns:
        The facts.
    """
    low = high = None
    if eigenpairs is not None and len(eigenpairs.values):
        if eigenpairs.largest > 0:
            high = _judge("λ_max", eigenpairs, 0)
        if eigenpairs.largest < len(eigenpairs.values):
            low = _judge("λ_min", eigenpairs, -1)
    down = low is not None and low.state == "known" and low.value < 0
    up = high is not None and high.state == "known" and high.value > 0
    never_down = low is not None and low.state == "known" and low.value > 0
    never_up = high is not None and high.state == "known" and high.value < 0
    kind: Verdict | None = None
    if down and up:
        kind = "saddle"
    elif never_down or never_up:
        kind = "minimum" if never_down else "maximum"
    shows_down = curvature is not None and bool((curvature.principal < -curvature.error).any())
    shows_up = curvature is not None and bool((curvature.principal > curvature.error).any())
    if (never_down and shows_down) or (never_up and shows_up):
        return PointFacts(low, high, None, contradiction=True)
    if kind is None and (shows_down or down) and (shows_up or up):
        return PointFacts(low, high, "saddle", proven_by_plane=True)
    return PointFacts(low, high, kind)


def check_stationarity(
    curvature: ProjectedCurvature | None, eigenpairs: Eigenpairs | None, trace: TraceEstimate | None
) -> Stationarity | None:
    """Judge whether the point counts as critical.

    It does if following the gradient would lower the quadratic model of the loss, by ‖∇L‖²/(2λ), by at most 1 % of |L|, or if the
    bottom of that parabola, ‖∇L‖/λ away, is within 1e-6 of the point. λ is the largest |eigenvalue| that converged; without one
    √tr(H²), which no eigenvalue exceeds, so that the drop is at least as large as said.

    Args:
        curvature: Gives ‖∇L‖ and L.
        eigenpairs: Gives λ.
        trace: Gives tr(H²).

    Returns:
        The judgement, None where a number that it needs is missing.
    """
    if curvature is None or not math.isfinite(curvature.gradient_norm) or not math.isfinite(curvature.loss):
        return None
    slope, loss = curvature.gradient_norm, abs(curvature.loss)
    if slope == 0:
        return Stationarity(0.0, 0.0, 0.0, True)
    scale, bound = _curvature_scale(eigenpairs, trace)
    if math.isnan(scale):
        return None
    drop = slope**2 / (2 * scale) if scale > 0 else math.inf
    share = drop / loss if loss > 0 else math.inf
    near = scale > 0 and slope / scale <= _NEAR
    critical = share <= _LOWERED or near
    return Stationarity(slope, drop, share, None if critical and bound else critical)


def _judge(name: str, eigenpairs: Eigenpairs, index: int) -> Eigenvalue:
    value, residual = float(eigenpairs.values[index]), float(eigenpairs.residuals[index])
    if not bool(eigenpairs.converged[index]) or not math.isfinite(value) or not math.isfinite(residual):
        return Eigenvalue(name, value, residual, "open")
    return Eigenvalue(name, value, residual, "known" if abs(value) > residual else "zero")


def _curvature_scale(eigenpairs: Eigenpairs | None, trace: TraceEstimate | None) -> tuple[float, bool]:
    """Return λ, and whether it is only a bound; NaN where neither is known."""
    if eigenpairs is not None:
        sure = np.asarray(eigenpairs.converged, dtype=bool) & np.isfinite(eigenpairs.values)
        if sure.any():
            return float(np.abs(eigenpairs.values[sure]).max()), False
    if trace is not None and trace.trace_of_square >= 0:
        return math.sqrt(trace.trace_of_square), True
    return math.nan, True
