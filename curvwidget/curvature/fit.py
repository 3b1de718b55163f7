"""Curvature read off a slice: the least-squares quadratic of its loss values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from curvwidget.curvature.differences import choose_step
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.directions import Directions
from curvwidget.objective import Objective
from curvwidget.slices import LossSlice, slice_loss

__all__ = ["fit_projection", "fit_slice"]

Array = np.ndarray[Any, Any]
_RESOLUTIONS = {1: 21, 2: 9, 3: 5}  # points an axis: about a hundred losses in each number of dimensions
_SAFETY = 2.0  # of the bias that two spans tell, for what the derivatives beyond the fourth may hide of it
_ROUNDINGS = 4  # of a loss, each a relative spacing of its dtype
_WIDE = 2e-2  # relative change of the curvature between the two spans from which on a reader is told


def fit_slice(plane: LossSlice) -> ProjectedCurvature:
    """Fit c + g·a + ½·aᵀMa to the values of a slice by least squares, and take M for its curvature.

    All points weigh the same, so this is the curvature of the slice as a whole: on a wide span it is **not** that at the centre.
    Slope and third derivative cancel on a symmetric grid, but along an axis of half-width s a fourth derivative L⁗ adds s²·L⁗/14
    to the curvature (on many points; on few of them more), and a third derivative L‴ adds s²·L‴/10 to the slope.

    How far the fit is off is found by fitting the inner half of the slice as well: the bias grows with the square of the span,
    so that of the whole is 4/3 of the difference of the two, on many points, as long as the fourth derivatives make most of it.
    (The very factor follows from the grid.) The error is twice that, as the sixth derivatives may have the other sign, and the
    rounding of the losses on top. Where half the span changes the curvature by more than 2 %, a note says so.
    What a slice with a tolerance may be off by (`LossSlice.error`) is added with the signs that would change the curvature most.

    Args:
        plane: A slice over one to three directions, with at least five points on each axis, and at least three of them in the
            inner half. Coarse snapshots will do.

    Returns:
        The curvature with ``method="fit"``: its matrix, its principal curvatures and their error, and the fitted slope. ``loss``
        is L(θ) itself; ``gradient_norm`` is NaN, for a slice does not show the gradient in all dimensions.

    Raises:
        ValueError: If the slice holds values that are not finite, or has too few points.

    Example:
        >>> import torch, curvwidget as cw
        >>> wave = cw.Objective.from_function(lambda t: t[0].cos() - t[1] ** 2, torch.zeros(2, dtype=torch.float64))
        >>> axes = cw.own_directions(wave, torch.eye(2, dtype=torch.float64))
        >>> wide, narrow = (cw.fit_slice(cw.slice_loss(wave, axes, span=span)) for span in (1.0, 0.01))
        >>> wide.matrix[0].round(2).tolist(), narrow.matrix[0].round(5).tolist()  # the curvature at the centre is −1
        ([-0.93, 0.0], [-0.99999, 0.0])
        >>> bool(abs(wide.matrix[0, 0] + 1) < wide.error < 0.2)
        True

    Source: the estimator of κ by a least-squares quadratic is one of the two of arXiv:2208.13219; the bias follows from the
    projection of a⁴ on the quadratic polynomials over [−s, s].
    """
    bad = int(np.sum(~np.isfinite(plane.values)))
    if bad:
        raise ValueError(f"plane must hold finite losses to fit a quadratic, got {bad} that are NaN or inf; take a smaller span")
    inner = [np.abs(axis) <= axis[-1] / 2 * (1 + 1e-9) for axis in plane.axes]
    fewest = [(len(axis), int(inside.sum())) for axis, inside in zip(plane.axes, inner, strict=True)]
    if any(whole < 5 or half < 3 for whole, half in fewest):
        raise ValueError(f"plane must have at least 5 points on each axis, 3 of them in its inner half, got {fewest}")
    inner_axes = [axis[inside] for axis, inside in zip(plane.axes, inner, strict=True)]
    center = plane.center
    slope, matrix, amplification, worst = _least_squares(plane.axes, plane.values - center)
    _, inner_matrix, _, _ = _least_squares(inner_axes, plane.values[np.ix_(*inner)] - center)
    change = float(np.linalg.norm(matrix - inner_matrix, 2))
    spacing = float(torch.finfo(plane.directions.vectors.dtype).eps) * float(np.abs(plane.values).max())
    numerical = amplification * _ROUNDINGS * spacing + worst * plane.error
    # By Weyl an eigenvalue moves by at most the norm of what is added to the matrix.
    error = _SAFETY * _bias_factor(plane.axes, inner_axes) * change + numerical
    size = max(float(np.linalg.norm(found, 2)) for found in (matrix, inner_matrix))
    notes = (
        ()
        if change <= max(_WIDE * size, 2 * numerical)
        else (
            f"the quadratic fitted to the whole slice and that to its inner half disagree by {change / size:.0%}: the span is "
            "too wide for the curvature at its centre, or the loss has kinks",
        )
    )
    return ProjectedCurvature(
        matrix=matrix,
        principal=np.linalg.eigvalsh(matrix),
        gradient=slope,
        error=error,
        gram=plane.directions.gram,
        loss=center,
        gradient_norm=math.nan,
        labels=plane.directions.labels,
        method="fit",
        evaluations=plane.evaluations,
        notes=notes,
    )


def fit_projection(objective: Objective, directions: Directions) -> ProjectedCurvature:
    """Slice the loss as far as its curvature holds, and fit a quadratic to it.

    The half-width is the step ‖Δθ‖ that second differences would take, at which halving changes the curvature least; it is the
    same length along each direction, whatever the directions' own.

    Args:
        objective: The loss at θ.
        directions: One to three directions.

    Returns:
        What `fit_slice` says of that slice; the cost counts the search for the span.

    Raises:
        ValueError: If there are more than three directions: a grid over them would have too many points.
    """
    count = len(directions)
    if count not in _RESOLUTIONS:
        raise ValueError(f"directions must be one, two or three for method 'fit', got {count}; use 'hvp' or 'difference'")
    step = choose_step(objective, directions.vectors)
    spans = (step.length / directions.norms).tolist()
    plane = slice_loss(objective, directions, span=spans, resolution=_RESOLUTIONS[count])
    seen = fit_slice(plane)
    return replace(seen, evaluations=step.evaluations + plane.evaluations, notes=(*step.notes, *seen.notes))


# Slope, curvature matrix, and by how much errors of the values can be amplified in the matrix (in its Frobenius norm): such as
# are independent of each other, as roundings are, and the worst.
def _least_squares(axes: Sequence[Array], values: Array) -> tuple[Array, Array, float, float]:
    count = len(axes)
    scales = [float(axis[-1]) for axis in axes]
    grids = np.meshgrid(*(axis / scale for axis, scale in zip(axes, scales, strict=True)), indexing="ij")
    flat = [grid.ravel() for grid in grids]
    pairs = list(itertools.combinations_with_replacement(range(count), 2))
    # ½·aᵀMa = Σ_i ½·M_ii·a_i² + Σ_{i<j} M_ij·a_i·a_j
    squares = [flat[i] * flat[j] * (0.5 if i == j else 1.0) for i, j in pairs]
    design = np.stack([np.ones(values.size), *flat, *squares], axis=1)
    inverse = np.linalg.pinv(design)
    found = inverse @ values.ravel()
    slope = found[1 : 1 + count] / scales
    matrix = np.empty((count, count))
    noise = worst = 0.0
    for (i, j), entry, row in zip(pairs, found[1 + count :], inverse[1 + count :], strict=True):
        unit = scales[i] * scales[j]
        matrix[i, j] = matrix[j, i] = entry / unit
        noise += (1 if i == j else 2) * float(row @ row) / unit**2
        worst += (1 if i == j else 2) * (float(np.abs(row).sum()) / unit) ** 2
    return slope, matrix, math.sqrt(noise), math.sqrt(worst)


# What the difference of whole and inner fit is to be multiplied with to give the bias of the whole: 1/(1 − q), for an inner fit
# with q times the bias. On a product grid a⁴, a²b² and ab³ each have their own q; the largest that there is is taken.
def _bias_factor(whole: Sequence[Array], inner: Sequence[Array]) -> float:
    shares = []
    for outer, half in zip(whole, inner, strict=True):
        alone, *mixed = (ours / theirs for ours, theirs in zip(_moments(half), _moments(outer), strict=True))
        shares += [alone] if len(whole) == 1 else [alone, *mixed]
    return 1 / (1 - max(shares))


def _moments(axis: Array) -> tuple[float, float, float]:
    second, fourth = float(np.mean(axis**2)), float(np.mean(axis**4))
    # the coefficient of a² in the least-squares fit of 1 and a² to a⁴; ⟨a²⟩ for a²b²; ⟨a⁴⟩/⟨a²⟩ for ab³
    square = axis**2 - second
    return float(square @ axis**4) / float(square @ square), second, fourth / second
