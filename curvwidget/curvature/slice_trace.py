"""The trace of the Hessian from loss slices alone, without any Hessian-vector product."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch

from curvwidget.curvature.differences import choose_step, second_differences
from curvwidget.directions import random_directions
from curvwidget.linalg import TraceEstimate
from curvwidget.linalg.trace.running import shortfall, without_shortfall
from curvwidget.objective import Objective

__all__ = ["stream_slice_trace"]

_PILOTS = 4  # directions on which the step is chosen
_FEWEST = 10  # samples before a small standard error is believed


def stream_slice_trace(
    objective: Objective,
    *,
    samples: int,
    target_stderr: float | None,
    seed: int,
    resume: TraceEstimate | None = None,
) -> Iterator[TraceEstimate]:
    """Average the curvature of one-dimensional slices along random directions.

    For z from N(0, I) the curvature zᵀHz of the slice α ↦ L(θ + αz) has mean tr(H) and variance 2·tr(H²), so its sample
    variance gives tr(H²) as well (Böttcher and Wheeler, arXiv:2208.13219). The curvature is taken by second differences, see
    `choose_step`; what rounding adds to all of them alike is part of the standard error, and more samples do not lessen it.

    Args:
        objective: The loss at θ.
        samples: Number of directions at most.
        target_stderr: Stop when the standard error is at most this, after no fewer than ten directions.
        seed: Seed of the directions.
        resume: An earlier snapshot of the same stream.

    Yields:
        Estimates from more and more directions; history counts loss evaluations.
    """
    seeds = np.random.SeedSequence([seed & 0xFFFFFFFF, seed >> 32, _PILOTS])

    def draw(index: int) -> torch.Tensor:
        child = np.random.SeedSequence(seeds.entropy, spawn_key=(index,))
        return random_directions(objective, 1, seed=int(child.generate_state(1, np.uint64)[0])).vectors

    if resume is None or resume.step is None or resume.step_disagreement is None:
        chosen = choose_step(objective, torch.cat([draw(index) for index in range(_PILOTS)]))
        step, disagreement, rounding, notes = chosen.length, chosen.disagreement, chosen.rounding, chosen.notes
        evaluations = chosen.evaluations
        curvatures: list[float] = []
        history: list[tuple[float, float, float]] = []
    else:
        step, disagreement, rounding = resume.step, resume.step_disagreement, resume.rounding
        notes = without_shortfall(resume.notes)
        evaluations, curvatures = resume.evaluations, resume.samples.tolist()
        history = [tuple(row) for row in resume.history.tolist()]
        if len(curvatures) >= samples or _is_enough(history, target_stderr):
            yield dataclasses.replace(resume, progress=1.0, notes=notes + _missed(history, target_stderr))
            return
        yield resume
    while len(curvatures) < samples:
        curvatures.append(float(second_differences(objective, draw(len(curvatures)), step)[0]))
        evaluations += 2
        values = np.array(curvatures)
        count = len(values)
        variance = float(values.var(ddof=1)) if count > 1 else float("nan")
        stderr = float(np.hypot(np.sqrt(variance / count), rounding))
        history.append((float(values.mean()), stderr, float(evaluations)))
        enough = _is_enough(history, target_stderr)
        yield TraceEstimate(
            trace=float(values.mean()),
            stderr=stderr,
            size=objective.n_parameters,
            method="slices",
            samples=values,
            history=np.array(history),
            trace_of_square=variance / 2,
            trace_of_square_stderr=_variance_stderr(values) / 2,
            seed=seed,
            evaluations=evaluations,
            step=step,
            step_disagreement=disagreement,
            rounding=rounding,
            progress=1.0 if enough else count / samples,
            notes=notes + _missed(history, target_stderr) if count == samples else notes,
            normalization="none",
        )
        if enough:
            return


def _is_enough(history: list[tuple[float, float, float]], target_stderr: float | None) -> bool:
    return target_stderr is not None and len(history) >= _FEWEST and history[-1][1] <= target_stderr


# A note where the samples have come to their end, but not the error to what was asked for.
def _missed(history: list[tuple[float, float, float]], target_stderr: float | None) -> tuple[str, ...]:
    if target_stderr is None or _is_enough(history, target_stderr):
        return ()
    return (shortfall(history[-1][1], target_stderr),)


def _variance_stderr(values: np.ndarray) -> float:
    # Of a sample variance, from the fourth central moment.
    count = len(values)
    if count < 4:
        return float("nan")
    centered = values - values.mean()
    variance = float((centered**2).sum() / (count - 1))
    fourth = float((centered**4).mean())
    return float(np.sqrt(max(fourth - variance**2 * (count - 3) / (count - 1), 0.0) / count))
