"""Projected curvature of many random planes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import numpy as np

from curvwidget._checks import check_choice, check_count
from curvwidget._streams import last
from curvwidget.curvature.differences import DifferenceStep, choose_step, difference_matrix
from curvwidget.curvature.project import project_products
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.directions import DISTRIBUTIONS, NORMALIZATIONS, Directions, Distribution, Normalization, random_directions
from curvwidget.directions.random import check_seed
from curvwidget.objective import Objective

__all__ = ["SAMPLE_METHODS", "SampleMethod", "sample_projections", "stream_projections"]

SampleMethod = Literal["hvp", "difference"]
SAMPLE_METHODS: tuple[SampleMethod, ...] = ("hvp", "difference")


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
            chosen on the first plane and is one length ‖Δθ‖ for all.
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
    matrices, errors, seeds = list(start.matrices), list(start.errors), [int(seed) for seed in start.seeds]
    hvps, evaluations = start.hvps, start.evaluations
    step: DifferenceStep | None = None  # chosen on the first plane, good for all: they are of one kind
    if len(seeds) >= samples:
        yield start
    for index in range(len(seeds), samples):
        seeds.append(_plane_seed(start.seed, index))
        plane = draw(seeds[-1])
        if start.method == "hvp":
            matrix, error = project_products(plane.vectors, objective.hvp(plane.vectors))
            hvps += 2
        else:
            if step is None:
                step = choose_step(objective, plane.vectors)
                evaluations += step.evaluations
            matrix, error, spent = difference_matrix(objective, plane, step)
            evaluations += spent
        matrices.append(matrix)
        errors.append(error)
        stacked = np.stack(matrices)
        yield ProjectionSample(
            matrices=stacked,
            principal=np.linalg.eigvalsh(stacked),
            errors=np.array(errors),
            seeds=np.array(seeds, dtype=np.uint64),
            distribution=start.distribution,
            normalization=start.normalization,
            method=start.method,
            seed=start.seed,
            hvps=hvps,
            evaluations=evaluations,
            progress=(index + 1) / samples,
            draw=draw,
        )


def _plane_seed(seed: int, index: int) -> int:
    # The planes of neighbouring samples must not overlap; and 53 bits pass through JSON and a browser without loss.
    return int(np.random.SeedSequence([seed & 0xFFFFFFFF, seed >> 32, index]).generate_state(1, np.uint64)[0] >> 11)
