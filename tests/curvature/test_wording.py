"""The verdict in words: short, plain, and never more than what is known."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curvwidget._number_words import format_number, format_share, format_uncertain
from curvwidget.curvature.prediction import predict_projections
from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.curvature.sample import ProjectionSample
from curvwidget.curvature.wording import describe
from curvwidget.linalg.eigenpairs import Eigenpairs
from curvwidget.linalg.trace_estimate import TraceEstimate

N = 20_501


def seen(*principal, error=1e-3, slope=0.0, loss=0.01, squared_length=1.0, notes=()):
    k = len(principal)
    values = np.array(principal, dtype=float)
    squares = np.broadcast_to(squared_length, k)
    names = tuple(f"v{index}" for index in range(k))
    return ProjectedCurvature(np.diag(values), values, np.zeros(k), error, np.diag(squares), loss, slope, names, notes=notes)


def pairs(*values, largest=1, residual=1e-4, converged=True, notes=()):
    k = len(values)
    states = np.broadcast_to(converged, k).copy()
    return Eigenpairs(np.array(values), torch.eye(k, 4), np.full(k, residual), states, largest, 1e-3, 0, 10, notes=notes)


def trace(value=292.0, stderr=17.0, square=math.nan):
    return TraceEstimate(value, stderr, N, "hutchinson", np.zeros(3), np.zeros((3, 3)), trace_of_square=square)


def planes(minima=0, saddles=0, maxima=0, nothing=0, progress=1.0):
    rows = [[1.0, 2.0]] * minima + [[-1.0, 2.0]] * saddles + [[-2.0, -1.0]] * maxima + [[math.nan, math.nan]] * nothing
    count = len(rows)
    return ProjectionSample(
        np.zeros((count, 2, 2)),
        np.array(rows),
        np.full(count, 1e-6),
        np.arange(count, dtype=np.uint64),
        "gaussian",
        None,
        "hvp",
        0,
        progress=progress,
    )


# ----------------------------------------------------------------------------------------------------- the whole story


def test_the_lecture_in_one_sentence():
    found = describe(
        seen(212, 371, squared_length=N), trace=trace(), eigenpairs=pairs(137.0, -0.12), sample=planes(minima=97, saddles=3)
    )
    assert found.sentence == (
        "This plane looks like a bowl (κ₋ = 212, κ₊ = 371), but the point is a saddle: λ_min = −0.12, λ_max = 137. "
        "97 of 100 random planes show no saddle. The mean curvature predicts 292 ± 17 along both directions."
    )
    assert (found.kind, found.point, found.critical) == ("minimum", "saddle", True)


def test_along_the_hessian_directions_the_saddle_shows():
    found = describe(seen(-0.12, 137), eigenpairs=pairs(137.0, -0.12))
    assert found.sentence == (
        "This plane shows a saddle (κ₋ = −0.1200 ± 0.0010, κ₊ = 137), and the point is a saddle: λ_min = −0.12, λ_max = 137."
    )


def test_an_error_is_said_where_it_reaches_the_digits_that_are_written():
    sharp = describe(seen(2, 3, error=0.0049), eigenpairs=pairs(5.0, -1.0, residual=0.0049)).sentence
    assert "(κ₋ = 2, κ₊ = 3)" in sharp
    assert "λ_min = −1, λ_max = 5" in sharp
    blurred = describe(seen(2, 3, error=0.011), eigenpairs=pairs(5.0, -1.0, residual=0.006)).sentence
    assert "(κ₋ = 2.000 ± 0.011, κ₊ = 3.000 ± 0.011)" in blurred
    assert "λ_min = −1.000 ± 0.006, λ_max = 5.000 ± 0.006." in blurred
    assert "κ = 4.00 ± 0.10" in describe(seen(4, error=0.1)).sentence


@pytest.mark.parametrize(
    ("principal", "kind", "words"),
    [
        ((2, 3), "minimum", "This plane looks like a bowl (κ₋ = 2, κ₊ = 3)."),
        ((-3, -2), "maximum", "This plane looks like a dome (κ₋ = −3, κ₊ = −2)."),
        ((-3, 2), "saddle", "This plane shows a saddle (κ₋ = −3, κ₊ = 2)."),
        (
            (-1e-4, 1e-4),
            "flat",
            "This plane looks like a plain: κ₋ = −0.0001 ± 0.0010, κ₊ = 0.0001 ± 0.0010, which cannot be told from zero.",
        ),
        ((4,), "minimum", "This line looks like a bowl (κ = 4)."),
        ((-1, 2, 3), "saddle", "This slice shows a saddle (κ from −1 to 3)."),
        ((math.nan, math.nan), "flat", "The curvature of this plane is not a number."),
    ],
)
def test_a_slice_alone_is_named_by_its_shape(principal, kind, words):
    found = describe(seen(*principal))
    assert found.sentence == words
    assert found.kind == kind


@pytest.mark.parametrize(
    ("ends", "kind", "words"),
    [
        ((137.0, -0.12), "saddle", "The point is a saddle: λ_min = −0.12, λ_max = 137."),
        ((137.0, 0.12), "minimum", "The point is a minimum: λ_min = 0.12, λ_max = 137."),
        ((-0.5, -7.0), "maximum", "The point is a maximum: λ_min = −7, λ_max = −0.5."),
    ],
)
def test_without_a_slice_the_eigenvalues_speak(ends, kind, words):
    found = describe(None, eigenpairs=pairs(*ends))
    assert found.sentence == words
    assert found.kind == found.point == kind


def test_nothing_known_is_said_to_be_nothing():
    assert describe(None).sentence == "Nothing is known about this point yet."
    assert describe(None).kind is None


# ------------------------------------------------------------------------------------------------- what is not sure


def test_an_eigenvalue_that_did_not_converge_makes_no_saddle():
    found = describe(seen(212, 371), eigenpairs=pairs(137.0, -0.12, converged=[True, False]))
    assert "the point is a" not in found.sentence
    assert "λ_min has not converged" in found.sentence
    assert found.point is None
    assert any("−0.12 with a residual of 1×10⁻⁴" in remark for remark in found.details)


def test_an_eigenvalue_within_its_residual_of_zero_makes_no_saddle():
    found = describe(seen(212, 371), eigenpairs=pairs(137.0, -0.005, residual=0.01))
    assert "The Hessian shows no negative curvature beyond its error: λ_max = 137." in found.sentence
    assert found.point is None
    assert any("λ_min cannot be told from zero" in remark for remark in found.details)
    assert describe(seen(212, 371), eigenpairs=pairs(137.0, -0.0101, residual=0.01)).point == "saddle"


def test_a_dome_with_an_upper_end_near_zero_and_a_hessian_near_zero_are_named_so():
    assert "no positive curvature" in describe(seen(-3, -2), eigenpairs=pairs(0.001, -9.0, residual=0.01)).sentence
    assert "within their error of zero" in describe(None, eigenpairs=pairs(0.001, -0.002, residual=0.01)).sentence


def test_one_end_of_the_spectrum_settles_only_what_it_can():
    assert describe(seen(1, 2), eigenpairs=pairs(9.0)).point is None
    assert "lower end of the spectrum is not known" in describe(seen(1, 2), eigenpairs=pairs(9.0)).sentence
    assert describe(seen(1, 2), eigenpairs=pairs(0.3, largest=0)).point == "minimum"
    assert describe(None, eigenpairs=pairs(-0.3, largest=0)).point is None


def test_a_plane_that_shows_a_saddle_proves_both_signs():
    found = describe(seen(-2, 3))
    assert found.point == "saddle"
    assert any("the Hessian has both" in remark for remark in found.details)
    with_one_end = describe(seen(1, 2), eigenpairs=pairs(-0.3, largest=0))
    assert with_one_end.point == "saddle"


def test_a_plane_and_eigenvalues_that_exclude_each_other_are_called_out():
    found = describe(seen(-2, 371), eigenpairs=pairs(137.0, 1.0))
    assert "One of the two is wrong." in found.sentence
    assert found.point is None


def test_a_curvature_within_its_error_of_zero_is_told():
    found = describe(seen(1e-4, 5))
    assert found.kind == "minimum"
    assert any("within its error (0.001) of zero" in remark for remark in found.details)


# --------------------------------------------------------------------------------------------- many planes, mean curvature


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (planes(minima=97, saddles=3), "Of 100 random planes 97 show a bowl and 3 a saddle."),
        (planes(minima=9, saddles=1), "Of 10 random planes 9 show a bowl and 1 a saddle."),
        (planes(minima=2, saddles=3, maxima=5), "Of 10 random planes 5 show a dome, 3 a saddle and 2 a bowl."),
        (planes(maxima=1), "The random plane shows a dome."),
        (planes(maxima=4), "All 4 random planes show a dome."),
        (planes(minima=5, nothing=2), "All 5 random planes show a bowl."),
        (planes(minima=5, saddles=5, progress=0.5), "So far of 10 random planes 5 show a bowl and 5 a saddle."),
    ],
)
def test_random_planes_are_counted_by_shape(sample, words):
    assert words in describe(seen(1, 2), sample=sample).sentence


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (planes(minima=90, saddles=3, maxima=7), "97 of 100 random planes show no saddle."),
        (planes(minima=1, saddles=9), "1 of 10 random planes shows no saddle."),
        (planes(saddles=10), "All 10 random planes show a saddle."),
        (planes(minima=8, saddles=2, nothing=3), "8 of 10 random planes show no saddle."),
    ],
)
def test_where_the_point_is_a_saddle_the_planes_that_hide_it_are_counted(sample, words):
    assert words in describe(seen(1, 2), eigenpairs=pairs(9.0, -1.0), sample=sample).sentence


def test_the_mean_curvature_predicts_by_the_square_of_each_length():
    both = describe(seen(212, 371, squared_length=N), trace=trace())
    assert "predicts 292 ± 17 along both directions." in both.sentence
    apart = describe(seen(212, 371, squared_length=[1.0, 2.0 * N]), trace=trace())
    assert "predicts 0.0142 and 584 along the directions." in apart.sentence
    line = describe(seen(212, squared_length=N), trace=trace(stderr=math.nan))
    assert "predicts 292 along it." in line.sentence


def test_the_prediction_stands_in_for_a_trace_that_is_not_there():
    prediction = predict_projections(trace=600.0, trace_of_square=1000.0, n_parameters=N)
    found = describe(seen(560, 640, squared_length=N), prediction=prediction)
    assert "predicts 600 along both directions." in found.sentence
    assert any("κ₋ = 560 and κ₊ = 640 on average" in remark and "38 and 38" in remark for remark in found.details)


def test_notes_of_the_results_are_handed_on_as_sentences():
    found = describe(seen(1, 2, notes=("the step is small",)), eigenpairs=pairs(3.0, 1.0, notes=("λ_max may be double",)))
    assert "The step is small." in found.details
    assert "λ_max may be double." in found.details


# --------------------------------------------------------------------------------------------------- critical or not


def test_a_gradient_that_could_lower_the_loss_by_more_than_one_percent_is_told():
    # λ = 100, L = 2: the drop g²/200 is 1 % of L at g = 2
    assert describe(seen(1, 2, slope=1.99, loss=2.0), eigenpairs=pairs(100.0, -1.0)).critical is True
    found = describe(seen(1, 2, slope=2.01, loss=2.0), eigenpairs=pairs(100.0, -1.0))
    assert found.critical is False
    assert "It is not a critical point: following the gradient can lower the loss by about 1.0 %." in found.sentence
    assert "the Hessian has curvatures of both signs" in found.sentence
    assert "the point is a saddle" not in found.sentence


def test_the_largest_magnitude_counts_whichever_its_sign():
    assert describe(seen(-9, 2, slope=1.5, loss=2.0), eigenpairs=pairs(1.0, -100.0)).critical is True
    assert describe(seen(-9, 2, slope=1.5, loss=2.0), eigenpairs=pairs(1.0, -10.0)).critical is False


def test_a_slope_too_steep_for_a_quadratic_model_is_told_by_its_size():
    found = describe(seen(1, 2, slope=3.0, loss=0.01), eigenpairs=pairs(100.0, -1.0))
    assert "It is not a critical point: ‖∇L‖ = 3." in found.sentence


def test_a_point_next_to_the_bottom_is_critical_even_where_the_loss_is_zero():
    assert describe(seen(1, 2, slope=1e-5, loss=0.0), eigenpairs=pairs(100.0, -1.0)).critical is True
    assert describe(seen(1, 2, slope=1e-3, loss=0.0), eigenpairs=pairs(100.0, -1.0)).critical is False
    assert describe(seen(1, 2, slope=0.0, loss=0.0)).critical is True


def test_the_trace_of_the_square_can_refute_a_critical_point_but_not_confirm_it():
    # √tr(H²) = 100 is an upper bound of λ, so that the drop is at least g²/200
    assert describe(seen(1, 2, slope=2.01, loss=2.0), trace=trace(square=1e4)).critical is False
    assert describe(seen(1, 2, slope=1.0, loss=2.0), trace=trace(square=1e4)).critical is None
    assert describe(seen(1, 2, slope=1.0, loss=2.0), trace=trace()).critical is None
    assert describe(seen(1, 2, slope=math.nan, loss=2.0), eigenpairs=pairs(100.0, -1.0)).critical is None


def test_eigenvalues_that_did_not_converge_do_not_judge_the_gradient():
    assert describe(seen(1, 2, slope=1.0, loss=2.0), eigenpairs=pairs(100.0, -1.0, converged=False)).critical is None


def test_what_does_not_fit_goes_to_the_details():
    found = describe(
        seen(-21234.5, -1.23e-4, error=0, squared_length=[1.0, 3.0], slope=19.0, loss=0.1),
        trace=trace(-3.21e-7, 1.2e-8),
        eigenpairs=pairs(-1.23e-5, -98765.0, residual=1e-9),
        sample=planes(minima=333, saddles=333, maxima=334),
    )
    assert 150 < len(found.sentence) <= 250
    assert "It is not a critical point" in found.sentence
    left_over = [remark for remark in found.details if "random planes" in remark or "The mean curvature predicts" in remark]
    assert left_over
    assert not any(remark in found.sentence for remark in left_over)


# ------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (137.4, "137"),
        (-0.1204, "−0.12"),
        (0.99996, "1"),
        (12345.6, "12300"),
        (123456.0, "1.23×10⁵"),
        (99999.0, "1×10⁵"),
        (-1.456e-7, "−1.46×10⁻⁷"),
        (0.00123, "0.00123"),
        (100.0, "100"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_have_three_digits_and_a_true_minus_sign(value, text):
    assert format_number(value) == text
    assert "-" not in format_number(value)


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (24.13, 0.768, "24.13 ± 0.77"),
        (0.00241, 7.7e-5, "0.002410 ± 0.000077"),
        (-2.41e-5, 7.7e-7, "(−2.410 ± 0.077)×10⁻⁵"),
        (1.2e6, 3.4e4, "(1.200 ± 0.034)×10⁶"),
        (9.996, 0.0996, "10.00 ± 0.10"),
        (-1e-4, 0.3, "0.00 ± 0.30"),
        (12345.0, 678.0, "12340 ± 680"),
        (42.3, 0.065, "42.30 ± 0.07"),
        (42.3, 0.0065, "42.3"),
        (2.79, 9.6e-7, "2.79"),
        (0.0, 9.6e-7, "(0.0 ± 9.6)×10⁻⁷"),
    ],
)
def test_a_number_and_its_error_are_in_one_notation(value, stderr, text):
    assert format_uncertain(value, stderr) == text


def test_an_error_too_small_for_a_label_is_said_in_a_note():
    assert format_uncertain(2.79, 9.6e-7, always=True) == "2.79 (± 9.6×10⁻⁷)"
    assert format_uncertain(292.3, 17.2, always=True) == "292 ± 17"
    assert format_uncertain(292.3, 0.0, always=True) == "292"


@given(mantissa=st.floats(-9.99, 9.99), power=st.integers(-12, 12), below=st.floats(-8, 3), digits=st.integers(2, 6))
def test_what_is_written_is_as_exact_as_the_error_and_no_longer(mantissa, power, below, digits):
    value, error = mantissa * 10.0**power, 10.0 ** (power + below)
    number, said = read_back(format_uncertain(value, error, digits=digits))
    alone, second = (Decimal(text).as_tuple().exponent for text in (f"{value:.{digits - 1}e}", f"{error:.1e}"))
    if said is None:
        assert abs(number - Decimal(value)) <= Decimal("0.50001").scaleb(alone)
        assert Decimal(error) <= Decimal("0.5").scaleb(alone)
        return
    # Zeros before the point are no digits that count: the last of these is at most the error's second.
    rounding = Decimal("0.50001").scaleb(max(number.as_tuple().exponent, second))
    assert abs(number - Decimal(value)) <= rounding
    assert number.as_tuple().exponent == said.as_tuple().exponent
    assert abs(said - Decimal(error)) <= rounding
    assert 1 <= len(said.normalize().as_tuple().digits) <= 2
    assert said > 0
    assert number.as_tuple().exponent == 0 or len(number.as_tuple().digits) <= max(digits + 1, 2)


def read_back(text):
    """Return the number and the error that a text writes, with their digits; None for an error that is not said."""
    text, _, power = text.replace("−", "-").partition("×10")
    shift = int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")) or 0)
    parts = [Decimal(part).scaleb(shift) for part in text.strip("()").split(" ± ")]
    return parts[0], parts[1] if len(parts) > 1 else None


def test_errors_and_shares_are_written_as_people_say_them():
    assert format_uncertain(292.3, 17.2) == "292 ± 17"
    assert format_uncertain(292.3, 0.0) == format_uncertain(292.3, math.nan) == "292"
    assert [format_share(share) for share in (0.0, 1e-9, 0.013, 0.7071, 0.97, 0.9999, 1.0)] == [
        "0 %",
        "less than 0.1 %",
        "1.3 %",
        "71 %",
        "97.0 %",
        "more than 99.9 %",
        "100 %",
    ]
