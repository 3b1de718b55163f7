"""The prediction from eigenvalues, all of them or the ones that matter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from curvwidget.curvature.direction_law import DirectionLaw, propagate
from curvwidget.curvature.exact_law import exact_moments, exact_probabilities, log_saddle_probability
from curvwidget.curvature.isotropic_law import IsotropicLaw
from curvwidget.curvature.predicted import ProjectionPrediction
from curvwidget.curvature.sampled_law import SampledLaw, draw_planes
from curvwidget.curvature.spectrum import Spectrum

__all__ = ["DOMINANT", "predict_from_spectrum", "underflow_notes"]

Array = np.ndarray[Any, Any]

# An eigenvalue dominates where it alone carries more than this share of tr(H²). Over 4,000 spectra with outliers the chance of a
# saddle in the closed form was off by at most 1.4 times the largest share: by .013 at this one, .2 at .2, .45 at 1.
DOMINANT = 0.01
_DISTINCT = 3000  # distinct eigenvalues up to which no two are merged for the exact integrals
_GROUPS = 100  # the same for drawing planes, whose cost goes with them


def predict_from_spectrum(
    eigenvalues: Array,
    *,
    traces: tuple[float, float] | None,
    errors: tuple[float, float],
    directions: DirectionLaw,
    samples: int,
    seed: int,
) -> ProjectionPrediction:
    """Predict from eigenvalues.

    Args:
        eigenvalues: ``(n,)``, n ≤ N.
        traces: tr(H) and tr(H²) where the eigenvalues are a part of the spectrum; None where the others are zero.
        errors: Standard errors of the two.
        directions: How the plane is drawn.
        samples: Planes to draw where one eigenvalue dominates.
        seed: Seed of those planes.

    Returns:
        The prediction.
    """
    listed = Spectrum.of(eigenvalues)
    n_rest = None if directions.n_parameters is None else directions.n_parameters - len(eigenvalues)
    notes = directions.notes + _check_rest(listed, n_rest, traces, errors)
    given = (listed.trace, listed.trace_of_square) if traces is None else traces

    def whole(trace: float, square: float) -> Spectrum:
        return listed.with_rest(trace - listed.trace, max(square - listed.trace_of_square, 0.0), n_rest)

    def closed_mean(trace: float, square: float) -> Array:
        return directions.closed_form(trace, square).expected_principal

    def exact_mean(trace: float, square: float) -> Array:
        return exact_moments(whole(trace, square).compressed(_DISTINCT))[0]

    spectrum = whole(*given)
    trace, square = spectrum.trace, spectrum.trace_of_square
    law: IsotropicLaw | SampledLaw = directions.closed_form(trace, square)
    planes = None
    if spectrum.dominance > DOMINANT:
        planes = draw_planes(
            spectrum.compressed(_GROUPS), samples, seed=seed, unit=directions.on_sphere, orthogonalize=directions.orthogonalize
        )
        planes *= directions.squared_length if directions.on_sphere else 1.0
        law = SampledLaw.of(planes)
    if not directions.on_sphere:
        mean, std = exact_moments(spectrum.compressed(_DISTINCT))
        stderr = propagate(exact_mean, given, errors)
    elif planes is not None:
        mean, std = planes.mean(axis=0), planes.std(axis=0, ddof=1)
        stderr = np.hypot(std / math.sqrt(samples), propagate(closed_mean, given, errors))
    else:
        assert isinstance(law, IsotropicLaw)
        mean, std, stderr = law.expected_principal, law.std, propagate(closed_mean, given, errors)

    # the signs of the curvatures belong to the plane: neither the lengths of the directions nor their angle matter to them
    exact = exact_probabilities(spectrum)
    log_saddle = log_saddle_probability(spectrum.compressed(_DISTINCT))
    if exact is not None:
        probabilities, probabilities_stderr = exact, dict.fromkeys(exact, 0.0)
        log_saddle = log_saddle if exact["saddle"] > 0 or _both_signs(spectrum) else -math.inf
    else:

        def saddle(trace: float, square: float) -> Array:
            return np.array([math.exp(log_saddle_probability(whole(trace, square).compressed(_DISTINCT)))])

        share, share_stderr = _share_of_minima(spectrum, planes, law)
        error = float(propagate(saddle, given, errors)[0])
        probabilities, probabilities_stderr = _split(log_saddle, error, share, share_stderr)
    return ProjectionPrediction(
        expected_principal=mean,
        std=std,
        curvature_of_expectation=directions.expected_curvature(trace),
        probabilities=probabilities,
        log_saddle=log_saddle,
        trace=trace,
        trace_of_square=square,
        method=_method(exact is not None, planes is not None),
        normalization=directions.normalization,
        n_parameters=directions.n_parameters,
        stderr=stderr,
        probabilities_stderr=probabilities_stderr,
        law=law,
        notes=notes + underflow_notes(probabilities, log_saddle),
    )


def underflow_notes(probabilities: dict[str, float], log_saddle: float) -> tuple[str, ...]:
    """Say in words where a chance is too small for a number.

    Args:
        probabilities: The chances.
        log_saddle: Logarithm of the chance of a saddle.

    Returns:
        A note, or none.
    """
    if probabilities["saddle"] > 0 or math.isinf(log_saddle) or math.isnan(log_saddle):
        return ()
    return (f"the chance of a saddle is about 10^{log_saddle / math.log(10):.0f}, too small for a floating-point number",)


def _check_rest(
    listed: Spectrum, n_rest: int | None, traces: tuple[float, float] | None, errors: tuple[float, float]
) -> tuple[str, ...]:
    # traces that the eigenvalues contradict are refused; where the traces are estimates a note says so
    if traces is None:
        return ()
    if n_rest == 0:
        raise ValueError("trace and trace_of_square must not come along with all N eigenvalues, which have traces of their own")
    trace, square = traces[0] - listed.trace, traces[1] - listed.trace_of_square
    slack = 1e-9 * traces[1]
    if square >= -slack and (n_rest is None or trace**2 <= n_rest * (square + slack)):
        return ()
    if errors == (0.0, 0.0):
        raise ValueError(
            "trace and trace_of_square must be at least possible for the eigenvalues that are not given "
            f"({'some' if n_rest is None else n_rest}), got {trace:g} and {square:g} for them"
        )
    return ("the eigenvalues carry more of tr(H²) than its estimate holds; the others are taken to spread as little as they can",)


def _both_signs(spectrum: Spectrum) -> bool:
    return bool(spectrum.values[0] < 0 < spectrum.values[-1])


def _method(exact: bool, dominated: bool) -> str:
    if exact:
        return "exact, densities from drawn planes" if dominated else "exact, densities in closed form"
    if dominated:
        return "Monte Carlo (an eigenvalue dominates), with the exact chance of a saddle"
    return "closed form (no eigenvalue dominates)"


def _share_of_minima(spectrum: Spectrum, planes: Array | None, law: IsotropicLaw | SampledLaw) -> tuple[float, float]:
    """Return the share of minima among the planes that are no saddles, and its standard error."""
    if spectrum.exact:
        # two directions of one sign are needed for a plane that shows that sign only
        if int(spectrum.counts[spectrum.values < 0].sum()) == 1:
            return 1.0, 0.0
        if int(spectrum.counts[spectrum.values > 0].sum()) == 1:
            return 0.0, 0.0
    if isinstance(law, IsotropicLaw):
        chances = law.probabilities
        return chances["minimum"] / (chances["minimum"] + chances["maximum"]), 0.0
    assert planes is not None
    minima, maxima = int((planes[:, 0] > 0).sum()), int((planes[:, 1] < 0).sum())
    total = minima + maxima
    if total == 0:
        return 0.5, 0.5
    share = minima / total
    # with none of one kind among n, a chance of 1/n is still within one standard error
    return share, max(math.sqrt(share * (1 - share) / total), 1 / total)


def _split(log_saddle: float, error: float, share: float, share_error: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return the three chances and their standard errors."""
    rest = -math.expm1(log_saddle)
    chances = {"minimum": rest * share, "maximum": rest * (1 - share), "saddle": math.exp(log_saddle)}
    errors = {
        "minimum": math.hypot(rest * share_error, share * error),
        "maximum": math.hypot(rest * share_error, (1 - share) * error),
        "saddle": error,
    }
    return chances, errors
