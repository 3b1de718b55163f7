"""Projected curvature of many random planes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from curvwidget._checks import check_choice, check_count
from curvwidget._streams import last
from curvwidget.curvature.differences import DifferenceStep, choose_step, difference_matrix, second_differences
from curvwidget.curvature.project import project_products
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.directions import DISTRIBUTIONS, NORMALIZATIONS, Directions, Distribution, Normalization, random_directions
from curvwidget.directions.random import check_seed
from curvwidget.linalg.blocks import stream_products
from curvwidget.objective import Objective

__all__ = ["SAMPLE_METHODS", "SampleMethod", "sample_projections", "stream_projections"]

SampleMethod = Literal["hvp", "difference"]
SAMPLE_METHODS: tuple[SampleMethod, ...] = ("hvp", "difference")
_PILOTS = 2  # planes on which the step of differences is chosen


def sample_projections(
    objective: Objective,
    *,
    samples: int = 100,
    distribution: Distribution = "gaussian",
    normalization: Normalization = None,
    method: SampleMethod = "hvp",
    seed: int = 0,
) -> ProjectionSample:
    """Project the Hessian on many random planes.

    An option that cannot be is refused with a `ValueError` that names it.

    Args:
        objective: The loss at θ.
        samples: Number of planes S.
        distribution: As for `random_directions`.
        normalization: As for `random_directions`.
        method: ``"hvp"``: by two Hessian-vector products a plane; ``"difference"``: by losses alone, six a plane. Its step is
            chosen on the first two planes and is one length ‖Δθ‖ for all.
        seed: Seed of the whole sample; each plane's own seed follows from it.

    Returns:
        The projected Hessians; ``.directions(i)`` gives back the i-th plane.

    Example:
        >>> import torch, curvwidget as cw
        >>> h = torch.tensor([1.0] * 80 + [-1.0] * 20, dtype=torch.float64)
        >>> saddle = cw.Objective.from_function(lambda t: 0.5 * (h * t**2).sum(), torch.zeros(100, dtype=torch.float64))
        >>> sample = cw.sample_projections(saddle, samples=50)
        >>> sample.principal.shape, sample.probabilities["minimum"] > 0.9  # the twenty negative directions do not show
        ((50, 2), True)
    """
    return last(
        stream_projections(
            objective, samples=samples, distribution=distribution, normalization=normalization, method=method, seed=seed
        )
    )


def stream_projections(
    objective: Objective,
    *,
    samples: int = 100,
    distribution: Distribution = "gaussian",
    normalization: Normalization = None,
    method: SampleMethod = "hvp",
    seed: int = 0,
    resume: ProjectionSample | None = None,
) -> Iterator[ProjectionSample]:
    """Project the Hessian on one random plane after another.

    Args:
        objective: As for `sample_projections`.
        samples: As for `sample_projections`.
        distribution: As for `sample_projections`.
        normalization: As for `sample_projections`.
        method: As for `sample_projections`.
        seed: As for `sample_projections`.
        resume: An earlier snapshot of the same stream: its planes are kept, and the next ones follow.

    Returns:
        Samples that grow by one plane each.

    Raises:
        ValueError: As for `sample_projections`, or if ``resume`` is of another stream.
    """
    samples = check_count("samples", samples)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    check_choice("normalization", normalization, NORMALIZATIONS)
    check_choice("method", method, SAMPLE_METHODS)
    seed = check_seed(seed)
    asked = (distribution, normalization, method, seed)
    if resume is not None and (resume.distribution, resume.normalization, resume.method, resume.seed) != asked:
        raise ValueError("resume must be a sample of the same distribution, normalization, method and seed, got another")
    draw = partial(_draw_plane, objective, distribution, normalization)
    empty = ProjectionSample(
        matrices=np.empty((0, 2, 2)),
        principal=np.empty((0, 2)),
        errors=np.empty(0),
        seeds=np.empty(0, dtype=np.uint64),
        distribution=distribution,
        normalization=normalization,
        method=method,
        seed=seed,
        progress=0.0,
        draw=draw,
    )
    return _walk(objective, samples, draw, empty if resume is None else resume)


def _draw_plane(objective: Objective, distribution: Distribution, normalization: Normalization, seed: int) -> Directions:
    # Orthogonal planes would change the law: the theory's two directions are independent.
    return random_directions(objective, 2, distribution=distribution, normalization=normalization, seed=seed)


def _walk(objective: Objective, samples: int, draw: partial[Directions], start: ProjectionSample) -> Iterator[ProjectionSample]:
    done = len(start)
    if done >= samples:
        yield start
        return
    # Snapshots are views of what is filled so far and never changes again.
    matrices, principal = np.empty((samples, 2, 2)), np.empty((samples, 2))
    errors, seeds = np.empty(samples), np.empty(samples, dtype=np.uint64)
    matrices[:done], principal[:done], errors[:done], seeds[:done] = start.matrices, start.principal, start.errors, start.seeds
    hvps, evaluations, notes = start.hvps, start.evaluations, start.notes
    step: DifferenceStep | None = None
    typical = 0.0  # curvature along a unit direction
    if start.method == "difference":
        # One for all planes, as they are of one kind; chosen on the first, so that a stream that is taken up again has the same.
        pilots = torch.cat([draw(_plane_seed(start.seed, index)).vectors for index in range(_PILOTS)])
        step = choose_step(objective, pilots)
        curvatures = second_differences(objective, pilots, step.length) / pilots.double().pow(2).sum(dim=1).cpu().numpy()
        typical = float(np.sqrt(np.mean(curvatures**2)))
        evaluations, notes = evaluations + step.evaluations + 2 * len(pilots), step.notes
    multiplied = (
        stream_products(objective.hessian(), _VectorsOfPlanes(start.seed, draw), start=2 * done) if step is None else None
    )
    for index in range(done, samples):
        seeds[index] = seed = _plane_seed(start.seed, index)
        if step is None:
            assert multiplied is not None
            vectors, products = (torch.stack(pair) for pair in zip(next(multiplied), next(multiplied), strict=True))
            matrices[index], errors[index] = project_products(vectors, products)
            hvps += 2
        else:
            plane = draw(seed)
            matrices[index], error, spent = difference_matrix(objective, plane, step)
            evaluations += spent
            # A plane that happens to be flat is no better known than the others.
            errors[index] = max(error, 2 * max(step.disagreement, step.noise) * typical * float(np.max(plane.norms)) ** 2)
        principal[index] = np.linalg.eigvalsh(matrices[index])
        grown = slice(index + 1)
        yield ProjectionSample(
            matrices=matrices[grown],
            principal=principal[grown],
            errors=errors[grown],
            seeds=seeds[grown],
            distribution=start.distribution,
            normalization=start.normalization,
            method=start.method,
            seed=start.seed,
            hvps=hvps,
            evaluations=evaluations,
            progress=(index + 1) / samples,
            notes=notes,
            draw=draw,
        )


class _VectorsOfPlanes:
    # The vectors of all planes in one row: two a plane, which is drawn once for both.
    def __init__(self, seed: int, draw: partial[Directions]) -> None:
        self._seed, self._draw = seed, draw
        self._plane: tuple[int, Tensor] | None = None

    def __call__(self, index: int) -> Tensor:
        number = index // 2
        if self._plane is None or self._plane[0] != number:
            self._plane = number, self._draw(_plane_seed(self._seed, number)).vectors
        return self._plane[1][index % 2]


def _plane_seed(seed: int, index: int) -> int:
    # The planes of neighbouring samples must not overlap; and 53 bits pass through JSON and a browser without loss.
    return int(np.random.SeedSequence([seed & 0xFFFFFFFF, seed >> 32, index]).generate_state(1, np.uint64)[0] >> 11)
