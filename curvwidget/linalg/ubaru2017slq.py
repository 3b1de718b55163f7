"""Stochastic Lanczos quadrature: the density of all eigenvalues from a few short Krylov spaces.

Source: S. Ubaru, J. Chen and Y. Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature, SIAM J. Matrix Anal. Appl.
38 (2017) 1075, Algorithm 1; for nodes and weights G. H. Golub and J. H. Welsch, Calculation of Gauss quadrature rules, Math.
Comp. 23 (1969) 221; for the Hessians of networks B. Ghorbani, S. Krishnan and Y. Xiao, ICML 2019 (arXiv:1901.10159).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from curvwidget._checks import check_count, check_positive
from curvwidget._streams import last
from curvwidget.linalg.density import SpectralDensity
from curvwidget.linalg.eigenpair_notes import asymmetry_notes
from curvwidget.linalg.krylov import KrylovSpace
from curvwidget.linalg.operator import HasHessian, SymmetricOperator, as_operator
from curvwidget.linalg.probes import draw_probe
from curvwidget.linalg.row_store import rows_that_fit

__all__ = ["default_broadening", "spectral_density", "stream_spectral_density"]

Array = np.ndarray[Any, Any]
Rule = tuple[Array, Array, bool]  # nodes, weights, and whether the Krylov space was exhausted
_FEWEST_VECTORS = 20  # that a probe holds by default, whatever their size
_NO_WEIGHT = 1e-7  # of a node that rounding alone has made
_SAME = 1e-6  # nodes closer than this share of the spectrum's width are one
_PEAK = 0.02  # σ of a spectrum whose nodes are eigenvalues, as a share of its width: for the eye alone


def spectral_density(
    operator: SymmetricOperator | HasHessian,
    *,
    probes: int = 8,
    steps: int = 80,
    seed: int = 0,
    broadening: float | None = None,
    max_basis: int | None = None,
) -> SpectralDensity:
    """Estimate the density of the eigenvalues of a symmetric matrix by stochastic Lanczos quadrature.

    Each probe is a random unit vector u, uniform on the sphere. M steps of Lanczos from u, with full reorthogonalisation, give a
    symmetric matrix S with the eigenpairs (θⱼ, sⱼ), and Σⱼ (sⱼ)₁²·f(θⱼ) = uᵀf(A)u for every polynomial f of a degree up to
    2M − 1; its mean over u is tr f(A)/N. So the moments are unbiased estimates of the traces, with the standard error that the
    spread of the probes gives. A probe stops early where its Krylov space is exhausted (few distinct eigenvalues, or N < M);
    its quadrature is exact then.

    The cost is ``probes·steps`` products at most. ``steps + 1`` vectors of length N are held, but no more than ``max_basis``:
    where that is less, a probe takes ``max_basis − 1`` steps and a note says so. Fewer nodes resolve less; the moments are as
    good. Bad arguments are refused with a `ValueError` or `TypeError`, a product that holds NaN or inf with a
    `FloatingPointError`.

    Args:
        operator: The matrix A (N, N), or an objective, whose Hessian is taken.
        probes: Number P of random vectors.
        steps: Number M of products a probe, at least 2.
        seed: Seed of the probes.
        broadening: σ of the normal law that stands for a node in `SpectralDensity.density`, in units of the eigenvalues; by
            default `default_broadening` chooses what the nodes resolve.
        max_basis: The most vectors of length N held at once, at least 3. By default what fits into 2 GiB, but at least 20.

    Returns:
        Nodes, weights, density and moments.

    Example:
        >>> import torch
        >>> from curvwidget.linalg import SymmetricOperator, spectral_density
        >>> diagonal = torch.cat([torch.ones(75), -torch.ones(25)]).double()
        >>> found = spectral_density(SymmetricOperator(100, lambda rows: rows * diagonal))
        >>> found.nodes[0].round(9).tolist(), found.hvps  # exhausted after two steps a probe
        ([-1.0, 1.0], 16)
        >>> abs(found.mean_curvature - 0.5) < 4 * found.mean_curvature_stderr
        True
    """
    return last(
        stream_spectral_density(operator, probes=probes, steps=steps, seed=seed, broadening=broadening, max_basis=max_basis)
    )


def stream_spectral_density(
    operator: SymmetricOperator | HasHessian,
    *,
    probes: int = 8,
    steps: int = 80,
    seed: int = 0,
    broadening: float | None = None,
    max_basis: int | None = None,
) -> Iterator[SpectralDensity]:
    """Yield better and better densities, one snapshot a product; see `spectral_density`.

    A snapshot holds the finished probes; while the first one is under way, what it knows so far, from two nodes on.

    Args:
        operator: The matrix A (N, N), or an objective, whose Hessian is taken.
        probes: Number of random vectors.
        steps: Number of products a probe, at least 2.
        seed: Seed of the probes.
        broadening: σ of `SpectralDensity.density`, None for a choice by the nodes.
        max_basis: The most vectors of length N held at once, None for what fits into 2 GiB.

    Returns:
        The stream.
    """
    matrix = as_operator(operator)
    probes = check_count("probes", probes)
    steps = check_count("steps", steps, minimum=2)
    seed = check_count("seed", seed, minimum=0)
    sigma = None if broadening is None else check_positive("broadening", broadening)
    if max_basis is None:
        held = max(_FEWEST_VECTORS, rows_that_fit(matrix.size, matrix.dtype))
    else:
        held = check_count("max_basis", max_basis, minimum=min(matrix.size, 3))
    return _run(matrix, probes, steps, seed, sigma, held)


def _run(
    matrix: SymmetricOperator, probes: int, steps: int, seed: int, broadening: float | None, held: int
) -> Iterator[SpectralDensity]:
    rules: list[Rule] = []
    snapshot: SpectralDensity | None = None
    hvps, norm, asymmetry = 0, 0.0, 0.0
    wanted = min(steps, matrix.size)
    limit = wanted if held >= matrix.size else min(wanted, held - 1)
    capped = (f"Memory for {held} vectors allows {limit} steps a probe; {steps} were asked for.",) if limit < wanted else ()
    for index in range(probes):
        # One row more than steps: the last product has left the space, which costs nothing to note.
        space = KrylovSpace(matrix, min(limit + 1, matrix.size))
        space.add(draw_probe(matrix, seed=seed, index=index))
        open_ended = True
        while open_ended and space.processed < limit:
            open_ended = space.advance()
            hvps += 1
            done = not open_ended or space.processed == limit
            norm, asymmetry = max(norm, space.scale), max(asymmetry, space.asymmetry)
            if hvps == 1 and not done:
                continue  # one node alone says nothing of tr(A²)
            if done:
                rules.append(_rule(space, exhausted=not open_ended))
            ended = done and index + 1 == probes
            progress = 1.0 if ended else (index + (1.0 if done else space.processed / limit)) / probes
            if snapshot is not None and rules and not done:
                snapshot = dataclasses.replace(snapshot, hvps=hvps, progress=progress)
                yield snapshot
                continue
            shown = rules or [_rule(space, exhausted=False)]
            nodes, weights, counts = _table(shown)
            exhausted = np.array([rule[2] for rule in shown])
            snapshot = SpectralDensity(
                nodes=nodes,
                weights=weights,
                counts=counts,
                exhausted=exhausted,
                size=matrix.size,
                broadening=default_broadening(nodes, weights, counts, exhausted) if broadening is None else broadening,
                steps=steps,
                seed=seed,
                hvps=hvps,
                progress=progress,
                notes=capped + (asymmetry_notes(asymmetry, norm) if ended else ()),
            )
            yield snapshot


# Nodes and weights of Gauss quadrature from the projection of A on the Krylov space of the first row (Golub and Welsch).
def _rule(space: KrylovSpace, *, exhausted: bool) -> Rule:
    pairs = space.ritz()
    weights = pairs.coefficients[0] ** 2
    return pairs.values, weights / weights.sum(), exhausted


def _table(rules: list[Rule]) -> tuple[Array, Array, Array]:
    counts = np.array([len(nodes) for nodes, _, _ in rules])
    width = int(counts.max())
    nodes = np.stack([np.pad(theta, (0, width - len(theta)), mode="edge") for theta, _, _ in rules])
    weights = np.stack([np.pad(w, (0, width - len(w))) for _, w, _ in rules])
    return nodes, weights, counts


def default_broadening(nodes: Array, weights: Array, counts: Array, exhausted: Array) -> float:
    """Choose the width by which nodes are broadened: the distance of neighbouring nodes where most of the eigenvalues are.

    Lanczos tells apart no more than that, and a normal law of that width makes one curve of neighbouring nodes. It is the median
    over all nodes, by weight, of the distance to the nearest node of the same probe; a few outliers far off do not count. Where
    all Krylov spaces were exhausted the nodes are the eigenvalues themselves, and it is at most 2 % of the spectrum's width.

    Where rounding leads a space on after it was exhausted, each eigenvalue is found again, as a copy that shares its weight or as
    a node of no weight. Both are left out of the distances, and a probe at least half of whose nodes are such has seen all.

    Args:
        nodes: ``(P, M)``, ascending.
        weights: ``(P, M)``.
        counts: Nodes of each probe ``(P,)``.
        exhausted: Whether each probe's nodes are eigenvalues ``(P,)`` bool.

    Returns:
        σ; where all nodes agree, 2 % of their size, or 0.02 where they are zero.
    """
    low, high = float(nodes.min()), float(nodes.max())
    width = high - low
    gaps, shares = [], []
    resolved = exhausted.copy()
    for index, (theta, w, count) in enumerate(zip(nodes, weights, counts, strict=True)):
        heavy = w > _NO_WEIGHT
        distinct = theta[heavy]
        first = np.concatenate([[True], np.diff(distinct) > _SAME * width])
        distinct, share = distinct[first], np.add.reduceat(w[heavy], np.flatnonzero(first))
        resolved[index] |= 2 * len(distinct) <= count
        if len(distinct) > 1:
            apart = np.concatenate([[np.inf], np.diff(distinct), [np.inf]])
            gaps.append(np.minimum(apart[:-1], apart[1:]))
            shares.append(share)
    size = max(abs(low), abs(high))
    if not gaps or width <= 1e-12 * size:
        return _PEAK * (size or 1.0)
    gap, share = np.concatenate(gaps), np.concatenate(shares)
    order = np.argsort(gap)
    median = float(gap[order][np.searchsorted(np.cumsum(share[order]), 0.5 * share.sum())])
    sigma = min(median, _PEAK * width) if resolved.all() else median
    return max(sigma, _SAME * width)
