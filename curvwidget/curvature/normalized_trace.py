"""The trace of the Hessian as directions see it that are normalized by filter, layer or model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from torch import Tensor

from curvwidget._checks import check_choice
from curvwidget._streams import last
from curvwidget.directions import NORMALIZATIONS, Normalization
from curvwidget.directions.normalize import entry_scales
from curvwidget.linalg import TraceEstimate, stream_hutchinson
from curvwidget.objective import Objective

__all__ = ["estimate_normalized_trace", "stream_normalized_trace"]


def estimate_normalized_trace(
    objective: Objective,
    *,
    normalization: Normalization = "filter",
    samples: int = 100,
    target_stderr: float | None = None,
    seed: int = 0,
) -> TraceEstimate:
    """Estimate E dᵀHd for a normalized random direction d, without drawing one.

    Each block of d (a filter, a layer, all of it) is uniform on the sphere of radius ‖θ_b‖, so that E ddᵀ = S² with
    S_ii = ‖θ_b‖/√n_b in block b, and E dᵀHd = tr(SHS) = Σ_b ‖θ_b‖²·tr(H_bb)/n_b (theory, eq. 12). The trace of H alone does not
    tell it, nor do the traces by parameter that come with it: a tensor's filters differ in length. So this takes products of its
    own, one a probe, with SHS. Bad options are refused with a `ValueError` that names them.

    Args:
        objective: The loss at θ.
        normalization: As for `random_directions`: ``"filter"``, ``"layer"``, ``"model"``, ``"unit"``, or None for H itself.
        samples: Products at most.
        target_stderr: Stop when the standard error is at most this.
        seed: Seed of the probes.

    Returns:
        tr(SHS) with its error, tr((SHS)²), the share of each parameter in ``by_block``, and the normalization: what
        `predict_projections` takes as ``scaled``.

    Example:
        >>> import torch, curvwidget as cw
        >>> bowl = cw.Objective.from_function(lambda t: 0.5 * (t**2).sum(), torch.full((9,), 2.0, dtype=torch.float64))
        >>> estimate = cw.estimate_normalized_trace(bowl, normalization="model", samples=200)
        >>> abs(estimate.trace - 36) < 4 * estimate.stderr  # ‖θ‖²·tr(H)/N
        True
    """
    return last(
        stream_normalized_trace(objective, normalization=normalization, samples=samples, target_stderr=target_stderr, seed=seed)
    )


def stream_normalized_trace(
    objective: Objective,
    *,
    normalization: Normalization = "filter",
    samples: int = 100,
    target_stderr: float | None = None,
    seed: int = 0,
    resume: TraceEstimate | None = None,
) -> Iterator[TraceEstimate]:
    """Estimate E dᵀHd, and yield after each product.

    Args:
        objective: As for `estimate_normalized_trace`.
        normalization: As for `estimate_normalized_trace`.
        samples: As for `estimate_normalized_trace`.
        target_stderr: As for `estimate_normalized_trace`.
        seed: As for `estimate_normalized_trace`.
        resume: An earlier snapshot of the same stream; one for another normalization is refused.

    Returns:
        Better and better estimates. Bad options are refused at once.
    """
    check_choice("normalization", normalization, NORMALIZATIONS)
    scales = entry_scales(objective, normalization)
    hessian = objective.hessian()

    def product(vectors: Tensor) -> Tensor:
        return (hessian @ (vectors * scales)) * scales

    scaled = dataclasses.replace(hessian, matmat=product, normalization=normalization or "none")
    return stream_hutchinson(scaled, samples=samples, target_stderr=target_stderr, seed=seed, resume=resume)
