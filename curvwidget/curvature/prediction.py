"""What the theory predicts for the principal curvatures of a random plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from curvwidget._checks import check_choice, check_count, check_finite
from curvwidget.curvature.block_law import block_law, read_blocks
from curvwidget.curvature.direction_law import DirectionLaw, propagate
from curvwidget.curvature.from_spectrum import DOMINANT, predict_from_spectrum, underflow_notes
from curvwidget.curvature.isotropic_law import IsotropicLaw
from curvwidget.curvature.predicted import ProjectionPrediction
from curvwidget.linalg import TraceEstimate

__all__ = ["ProjectionPrediction", "predict_projections"]

Array = np.ndarray[Any, Any]
_FEW = 20.0  # tr(H)²/tr(H²) is at most the rank; from here on the closed form has next to no saddles (0.5 %) to be wrong about


def predict_projections(
    *,
    trace: float | None = None,
    trace_of_square: float | None = None,
    eigenvalues: ArrayLike | None = None,
    n_parameters: int | None = None,
    normalization: Literal["unit", "filter", "layer", "model"] | None = None,
    trace_stderr: float = 0.0,
    trace_of_square_stderr: float = 0.0,
    extremes: tuple[float, float] | None = None,
    distribution: Literal["gaussian", "rademacher", "sphere"] = "gaussian",
    orthogonalize: bool = False,
    blocks: Mapping[str, Sequence[float]] | ArrayLike | None = None,
    scaled: TraceEstimate | None = None,
    samples: int = 100_000,
    seed: int = 0,
) -> ProjectionPrediction:
    """Predict the principal curvatures of the plane along two random directions.

    Args:
        trace: tr(H). Alone it gives the expected slice Hessian, and no more.
        trace_of_square: tr(H²). With the trace it gives the closed form, which holds where no eigenvalue dominates.
        eigenvalues: The spectrum of H. With ``trace`` and ``trace_of_square`` it may be a part of it, the few of largest
            magnitude say: what they leave of the two traces is spread over many small eigenvalues. With ``n_parameters`` alone
            the rest is 0.
        n_parameters: N. Needed for unit directions, unless the eigenvalues are all there.
        normalization: Of the directions: None (not normalized), ``"unit"``, or by blocks ``"filter"``, ``"layer"``, ``"model"``.
        trace_stderr: Standard error of ``trace``; NaN where not known. Taken as independent of the other one.
        trace_of_square_stderr: Standard error of ``trace_of_square``.
        extremes: λ_min and λ_max of H, to judge whether one eigenvalue dominates where the spectrum is not given.
        distribution: Of the directions before they are normalized. The expected matrix is the same for all three.
        orthogonalize: Whether the two unit directions are orthogonal, rather than independent.
        blocks: For block-normalized directions, of each block (‖θ_b‖, tr(H_bb), n_b), or with tr(H_bb²) as a fourth. For
            ``"filter"`` a block is a filter; blocks that are set to zero are left out.
        scaled: For block-normalized directions, in place of ``blocks``: what `estimate_normalized_trace` found for the same
            normalization (for another one it is refused). It gives the whole law, with the parts of H between two blocks.
        samples: Planes to draw where a law has to be sampled; at least 20,000.
        seed: Seed of those planes.

    Returns:
        The prediction. Standard errors of inputs are carried through by half the difference of the results at ± one of them.

        From eigenvalues the chance of a saddle is exact, and so are expectation and standard deviation for directions that are
        not normalized. The rest is the closed form; but where one eigenvalue carries more than 1 % of tr(H²), it dominates, and
        the densities and the share of minima among the other planes come from drawn planes.

    Raises:
        ValueError: If numbers are missing, not finite, or contradict each other: tr(H)² > N·tr(H²), say.

    Example:
        >>> import curvwidget as cw
        >>> prediction = cw.predict_projections(trace=0.0, trace_of_square=1000.0)
        >>> prediction.expected_principal.round(2), round(prediction.probabilities["saddle"], 4)
        (array([-39.63,  39.63]), 0.7071)

    Source: arXiv:2208.13219 for the expected matrix; for the laws see the modules ``isotropic_law`` and ``exact_law``.
    """
    check_choice("normalization", normalization, (None, "unit", "filter", "layer", "model"))
    check_choice("distribution", distribution, ("gaussian", "rademacher", "sphere"))
    n_parameters = None if n_parameters is None else check_count("n_parameters", n_parameters, minimum=2)
    samples = check_count("samples", samples, minimum=20_000)
    if orthogonalize and normalization != "unit":
        raise ValueError(f"orthogonalize is for normalization='unit', got normalization={normalization!r}")
    directions = DirectionLaw(normalization, distribution, orthogonalize, n_parameters)
    if normalization in ("filter", "layer", "model"):
        if scaled is not None and scaled.normalization not in (None, normalization):
            raise ValueError(
                f"scaled must be an estimate for normalization={normalization!r}, got one for {scaled.normalization!r}"
            )
        if scaled is not None and blocks is None and eigenvalues is None:
            return _from_scaled(scaled, directions)
        if blocks is None or scaled is not None or eigenvalues is not None:
            expected_input = "blocks, rows (‖θ_b‖, tr(H_bb), n_b), or scaled, and no eigenvalues"
            raise ValueError(f"normalization {normalization!r} needs {expected_input}")
        table = read_blocks(blocks)
        expected, law, notes = block_law(table)
        sums = float(table[:, 1].sum()), float(table[:, 3].sum()) if len(table) == 1 else math.nan
        method = "expectation only" if law is None else "closed form (as if no eigenvalue dominated)"
        return _of_law(law, expected, sums, directions, method, notes)
    if blocks is not None or scaled is not None:
        name = "scaled is" if blocks is None else "blocks are"
        raise ValueError(f"{name} for the normalizations 'filter', 'layer' and 'model', got normalization={normalization!r}")
    errors = _check_stderr("trace_stderr", trace_stderr), _check_stderr("trace_of_square_stderr", trace_of_square_stderr)
    traces = _check_traces(trace, trace_of_square, n_parameters, errors)
    if eigenvalues is None:
        if traces is None:
            raise ValueError("trace or eigenvalues must be given, got neither")
        if directions.on_sphere and n_parameters is None:
            raise ValueError("n_parameters must be given for unit directions and for those on a sphere, got None")
        return _from_traces(traces, errors, _check_extremes(extremes), directions)
    values = _check_eigenvalues(eigenvalues, n_parameters)
    if traces is not None and math.isnan(traces[1]):
        raise ValueError("trace_of_square must come with trace and eigenvalues, got None")
    if traces is None:
        directions = replace(directions, n_parameters=n_parameters or len(values))
    elif directions.on_sphere and n_parameters is None:
        raise ValueError("n_parameters must be given for unit directions and for those on a sphere, got None")
    return predict_from_spectrum(values, traces=traces, errors=errors, directions=directions, samples=samples, seed=seed)


def _from_traces(
    traces: tuple[float, float],
    errors: tuple[float, float],
    extremes: tuple[float, float] | None,
    directions: DirectionLaw,
) -> ProjectionPrediction:
    expected = directions.expected_curvature(traces[0])
    if math.isnan(traces[1]):
        missing = "only the expected matrix is predicted: the spread of the curvatures needs trace_of_square"
        return _of_law(None, expected, traces, directions, "expectation only", (missing, *directions.notes))

    def numbers(trace: float, square: float) -> Array:
        law = directions.closed_form(trace, square)
        return np.array([*law.expected_principal, *law.probabilities.values()])

    notes = directions.notes + _judge(traces, extremes, directions.n_parameters)
    method = "closed form (as if no eigenvalue dominated)" if extremes is None else "closed form"
    found = _of_law(directions.closed_form(*traces), expected, traces, directions, method, notes)
    spread = propagate(numbers, traces, errors)
    by_verdict = dict(zip(found.probabilities, spread[2:].tolist(), strict=True))
    return replace(found, stderr=spread[:2], probabilities_stderr=by_verdict)


def _from_scaled(scaled: TraceEstimate, directions: DirectionLaw) -> ProjectionPrediction:
    # With d = S·u, E uuᵀ = 1: E A = tr(SHS) and Var B = tr((SHS)²) exactly; Var A is twice that if the blocks of u are Gaussian.
    errors = scaled.stderr, scaled.trace_of_square_stderr
    if not all(map(math.isfinite, (scaled.trace, scaled.trace_of_square))):
        raise ValueError("scaled must hold tr(SHS) and tr((SHS)²), got numbers that are not finite")
    directions = replace(directions, n_parameters=scaled.size)
    found = _from_traces((scaled.trace, scaled.trace_of_square), errors, None, directions)
    gaussian = (
        "directions are taken as Gaussian in each block, with the expected length: on the sphere that they are on, curvatures "
        "spread somewhat less where a block's Hessian is nearly a multiple of the identity"
    )
    return replace(found, notes=(*found.notes, *scaled.notes, gaussian))


def _of_law(
    law: IsotropicLaw | None,
    expected: float,
    traces: tuple[float, float],
    directions: DirectionLaw,
    method: str,
    notes: tuple[str, ...],
) -> ProjectionPrediction:
    unknown = np.full(2, np.nan)
    verdicts = ("minimum", "maximum", "saddle")
    probabilities = dict.fromkeys(verdicts, math.nan) if law is None else law.probabilities
    log_saddle = math.nan if law is None else law.log_saddle
    return ProjectionPrediction(
        expected_principal=unknown if law is None else law.expected_principal,
        std=unknown if law is None else law.std,
        curvature_of_expectation=expected,
        probabilities=probabilities,
        log_saddle=log_saddle,
        trace=traces[0],
        trace_of_square=traces[1],
        method=method,
        normalization=directions.normalization,
        n_parameters=directions.n_parameters,
        stderr=unknown if law is None else np.zeros(2),
        probabilities_stderr=dict.fromkeys(verdicts, math.nan if law is None else 0.0),
        law=law,
        notes=notes + underflow_notes(probabilities, log_saddle),
    )


def _judge(traces: tuple[float, float], extremes: tuple[float, float] | None, n_parameters: int | None) -> tuple[str, ...]:
    # where the closed form is not to be trusted, in words
    trace, square = traces
    if square == 0:
        return ("tr(H²) is 0: every plane shows one and the same curvature",)
    if extremes is not None:
        share = max(value**2 for value in extremes) / square
        name = "λ_max" if abs(extremes[1]) >= abs(extremes[0]) else "λ_min"
        notes = []
        if share > DOMINANT:
            notes.append(
                f"{name} alone carries {min(share, 1):.0%} of tr(H²): the closed form may not hold, its chance of a saddle may "
                f"be off by about {min(1.4 * share, 1):.2g}; give the eigenvalues as well as the two traces"
            )
        if extremes[0] >= 0 or extremes[1] <= 0:
            notes.append("all eigenvalues have one sign: no plane shows a saddle, whatever the closed form says")
        return tuple(notes)
    if n_parameters is not None and n_parameters * DOMINANT < 1:
        return (f"the closed form may not hold: {n_parameters} eigenvalues are few",)
    ratio = trace**2 / square
    if ratio < _FEW:
        return (
            "the closed form may not hold: the two traces do not exclude that few eigenvalues carry tr(H²) "
            f"(the rank is at least tr(H)²/tr(H²) = {ratio:.2g}); give extremes=(λ_min, λ_max), or the eigenvalues",
        )
    return ()


def _check_stderr(name: str, value: object) -> float:
    if isinstance(value, float) and math.isnan(value):
        return value
    number = check_finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must be at least 0, got {number}")
    return number


def _check_traces(
    trace: object, trace_of_square: object, n_parameters: int | None, errors: tuple[float, float]
) -> tuple[float, float] | None:
    # tr(H) and tr(H²), the latter NaN where not given; None where neither is
    if trace is None:
        if trace_of_square is not None:
            raise ValueError("trace must come with trace_of_square, got None")
        return None
    first = check_finite("trace", trace)
    if trace_of_square is None:
        return first, math.nan
    second = check_finite("trace_of_square", trace_of_square)
    if second < 0:
        raise ValueError(f"trace_of_square must be at least 0, got {second}")
    if n_parameters is not None:
        # Cauchy-Schwarz; estimates may miss it by chance
        slack = 4 * np.nan_to_num(errors)
        least, most = max(abs(first) - slack[0], 0.0), second + slack[1]
        if least**2 > n_parameters * most * (1 + 1e-9):
            raise ValueError(f"trace_of_square must be at least trace²/n_parameters = {first**2 / n_parameters:g}, got {second}")
    return first, second


def _check_extremes(extremes: tuple[float, float] | None) -> tuple[float, float] | None:
    if extremes is None:
        return None
    if np.shape(extremes) != (2,):
        raise ValueError(f"extremes must be (λ_min, λ_max), got {extremes!r}")
    low, high = check_finite("extremes[0]", extremes[0]), check_finite("extremes[1]", extremes[1])
    if low > high:
        raise ValueError(f"extremes must be (λ_min, λ_max) with λ_min ≤ λ_max, got ({low}, {high})")
    return low, high


def _check_eigenvalues(eigenvalues: ArrayLike, n_parameters: int | None) -> Array:
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"eigenvalues must have shape (N,), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("eigenvalues must be finite, got NaN or inf")
    if n_parameters is not None and len(values) > n_parameters:
        raise ValueError(f"eigenvalues must be at most n_parameters = {n_parameters}, got {len(values)}")
    return values
