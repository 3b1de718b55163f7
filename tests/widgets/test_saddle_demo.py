"""The saddle demo shows what the theory says of 500/500 and 800/200, by planes drawn in all dimensions."""

from __future__ import annotations

import dataclasses
import re
import threading

import numpy as np
import pytest
import torch
from scipy.special import betainc, gammaln

import curvwidget as cw
from curvwidget import zoo
from curvwidget.runs import InlineExecutor
from curvwidget.widgets import SaddleDemo, SaddleRequest, saddle_answer
from curvwidget.widgets.packing import unpack
from curvwidget.widgets.spectrum_bars import spectrum_bars


def inline(**options) -> SaddleDemo:
    return SaddleDemo(**{"planes": 40, "n_parameters": 101, "executor": InlineExecutor(), **options})


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup.replace("</tr>", ";")))


@pytest.fixture(scope="module")
def even() -> SaddleDemo:
    """500 directions up, 500 down; a thousand planes."""
    return SaddleDemo(negative=0.5, seed=4, executor=InlineExecutor())


@pytest.fixture(scope="module")
def uneven() -> SaddleDemo:
    """800 directions up, 200 down; a thousand planes."""
    return SaddleDemo(negative=0.2, seed=4, executor=InlineExecutor())


def roy(n1: int, n2: int) -> float:
    """The chance of a maximum for n₁ ones and n₂ minus-ones. reference: theory, eq. 8."""
    a, b = (n1 - 3) / 2, (n2 - 3) / 2
    factor = np.exp(0.5 * np.log(np.pi) + gammaln(a + b + 2.5) - gammaln(a + 1.5) - gammaln(b + 1.5) - (a + b + 2) * np.log(2))
    return float(betainc(2 * a + 2, 2 * b + 2, 0.5) - factor * betainc(a + 1, b + 1, 0.5))


def test_at_500_and_500_the_share_of_saddles_is_071_within_its_error(even) -> None:
    exact = 1 - 2 * roy(500, 500)
    assert exact == pytest.approx(0.707284, abs=1e-6)
    assert even.prediction.probabilities["saddle"] == pytest.approx(exact, rel=1e-9)
    assert len(even.sample) == 1000
    assert abs(even.sample.probabilities["saddle"] - exact) < 4 * np.sqrt(exact * (1 - exact) / 1000)


@pytest.mark.parametrize(("which", "trace"), [("even", 0), ("uneven", 600)])
def test_the_average_of_the_curvatures_is_396_off_the_trace_and_the_curvature_of_the_average_is_not(
    which, trace, request
) -> None:
    demo: SaddleDemo = request.getfixturevalue(which)
    gap = np.sqrt(np.pi * 1000 / 2)
    assert gap == pytest.approx(39.63, abs=0.01)
    expected = trace + gap * np.array([-1, 1])
    np.testing.assert_allclose(demo.prediction.expected_principal, expected, atol=0.05)
    # sd of a curvature: 37.8, or 38.5 and 37.1 at 800/200 (theory, claim 3)
    assert (np.abs(demo.sample.mean_principal - expected) < 4 * 38.5 / np.sqrt(1000)).all()
    np.testing.assert_allclose(demo.sample.mean_principal_stderr, 37.8 / np.sqrt(1000), rtol=0.15)
    # A Rayleigh distance of scale √(1000/S) around a normal centre of the same standard deviation.
    assert (np.abs(demo.sample.curvature_of_mean - trace) < 4 * np.sqrt(2)).all()
    assert np.diff(demo.sample.mean_principal) > 10 * np.diff(demo.sample.curvature_of_mean)


def test_at_800_and_200_no_plane_of_a_thousand_shows_one_of_200_negative_directions_and_the_hessians_does(uneven) -> None:
    assert (uneven.point.spectrum < 0).sum() == 200
    assert (uneven.sample.principal > 0).all()
    assert uneven.sample.probabilities == {"minimum": 1.0, "maximum": 0.0, "saddle": 0.0}
    assert uneven.prediction.probabilities["saddle"] < 1e-39
    np.testing.assert_allclose(uneven.hessian_curvature.matrix, np.diag([1.0, -1.0]), atol=1e-12)
    sentence = uneven.verdict_bar.sentence
    assert sentence == (
        "200 of 1,001 directions curve downwards; none of 1,000 random planes shows a saddle (predicted: less than 0.1 %), "
        "all show a bowl, while the Hessian's plane shows a saddle (κ₋ = −1, κ₊ = 1)."
    )
    assert uneven.verdict_bar.kind == "saddle"


def test_the_planes_are_those_of_the_loss_and_none_is_made_up(uneven) -> None:
    plain = cw.sample_projections(zoo.saddle_loss(800, 200), samples=5, seed=4)
    np.testing.assert_array_equal(uneven.sample.matrices[:5], plain.matrices)
    h = np.array([1.0] * 800 + [-1.0] * 200 + [0.0])
    for index in (0, 7, 999):
        v = uneven.sample.directions(index).vectors.numpy()
        np.testing.assert_allclose(uneven.sample.matrices[index], (v * h) @ v.T, rtol=1e-10, atol=1e-9)
    assert v.shape == (2, 1001)


def test_both_pictures_are_slices_of_the_loss_over_the_same_distance_in_the_same_colours(even) -> None:
    random, hessian = even.loss_map.slice, even.hessian_map.slice
    assert random is even.slice
    assert hessian is even.hessian_slice
    for plane in (random, hessian):
        np.testing.assert_allclose(plane.directions.norms, 1, rtol=1e-12)
        assert plane.span == (1.0, 1.0)
    a, b = np.meshgrid(*hessian.axes, indexing="ij")
    np.testing.assert_allclose(hessian.values, 0.5 * (a**2 - b**2), atol=1e-12)
    u, v = random.directions.vectors.numpy()
    a, b = random.axes[0][3], random.axes[1][-5]
    theta = a * u + b * v
    height = 1 + theta[-1]
    by_hand = 0.5 * height * ((theta[:500] ** 2).sum() - (theta[500:1000] ** 2).sum())
    assert random.values[3, -5] == pytest.approx(by_hand, rel=1e-10)
    gaussian = even.sample.directions(0).vectors
    cosines = (random.directions.vectors * gaussian).sum(1) / gaussian.norm(dim=1)
    torch.testing.assert_close(cosines, torch.ones(2, dtype=torch.float64))
    packets = [unpack(view.packet)[1] for view in (even.loss_map, even.hessian_map)]
    np.testing.assert_array_equal(packets[0]["limits"], packets[1]["limits"])
    np.testing.assert_allclose(packets[0]["limits"], [-0.5, 0.5], atol=1e-12)
    assert even.loss_map.scale == even.hessian_map.scale == "difference"


def test_the_plot_shows_the_planes_their_prediction_and_the_plane_shown(even) -> None:
    plot = even.curvature_plot
    assert plot.sample is even.sample
    assert plot.prediction is even.prediction
    assert (plot.trace.trace, plot.trace.stderr, plot.trace.mean_curvature) == (0, 0, 0)
    np.testing.assert_array_equal(plot.curvature.matrix, even.sample.matrices[0])
    assert even.loss_map.title == f"random plane 1 of 1,000 shows a {NOUNS[plot.curvature.verdict]}"
    # reference: theory, claim 8: the density of κ₊ peaks at 1.06e-2 near 38
    x = np.linspace(-150, 150, 601)
    density = plot.prediction.density(x)[1]
    assert density.max() == pytest.approx(1.058e-2, rel=0.01)
    assert x[density.argmax()] == pytest.approx(37.6, abs=1)


NOUNS = {"saddle": "saddle", "minimum": "bowl", "maximum": "dome"}


def test_the_table_has_what_was_counted_beside_what_is_predicted(even) -> None:
    said = text_of(even.table.value)
    counts = {kind: round(share * 1000) for kind, share in even.sample.probabilities.items()}
    for kind, noun in NOUNS.items():
        chance = {"saddle": 0.707284}.get(kind, 0.146358)
        error = 100 * np.sqrt(chance * (1 - chance) / 1000)
        assert f"{noun} {counts[kind]} ({counts[kind] / 10:.1f} ± {error:.1f} %) {100 * chance:.1f} %" in said
    low, high = even.sample.mean_principal
    assert f"average of curvatures ⟨κ₋⟩ {low:.1f} ± 1.2 −39.6".replace("-", "−") in said
    assert f"⟨κ₊⟩ {high:.1f} ± 1.2 39.6" in said
    averaged = np.linalg.eigvalsh(even.sample.matrices.mean(axis=0))
    assert f"curvature of average κ̃₋ {averaged[0]:.1f} 0 − 1.3".replace("-", "−") in said
    assert f"κ̃₊ {averaged[1]:.1f} 0 + 1.3".replace("-", "−") in said


def test_where_outliers_dominate_the_exact_chance_stands_beside_a_closed_form_that_says_it_fails() -> None:
    demo = inline(n_parameters=501, negative=0.4, outlier_size=20.0, planes=400, seed=2)
    assert demo.point.spectrum[:10].tolist() == [20.0] * 10
    assert np.unique(demo.point.spectrum).tolist() == [-1, 0, 1, 20]
    chance = demo.prediction.probabilities["saddle"]
    closed = demo.point.closed_form.probabilities["saddle"]
    # the closed form by hand: tr = 200 + 290 - 200, tr(H²) = 10·400 + 490
    trace, square = 10 * 20 + 290 - 200, 10 * 400 + 490
    assert closed == pytest.approx(np.exp(-(trace**2) / (4 * square)) / np.sqrt(2), rel=1e-6)
    error = np.sqrt(chance * (1 - chance) / 400)
    assert abs(demo.sample.probabilities["saddle"] - chance) < 4 * error
    assert abs(chance - closed) > 4 * error
    assert "the closed form may not hold" in demo.table.value
    np.testing.assert_allclose(demo.hessian_curvature.principal, [-1, 20], atol=1e-6)


def test_chances_too_small_for_per_cent_are_powers_of_ten(uneven) -> None:
    said = text_of(uneven.table.value)
    closed = np.exp(-(600**2) / 4000) / np.sqrt(2)
    assert 5.5e-40 < closed < 6.5e-40
    assert "saddle 0 (0 %) 8×10⁻⁴³ 6×10⁻⁴⁰" in said
    assert "bowl 1,000 (100 %) 100 % 100 %" in said


@pytest.mark.parametrize(("negative", "verdict", "way"), [(0.0, "minimum", "downwards"), (1.0, "maximum", "upwards")])
def test_a_point_that_curves_one_way_only_is_no_saddle_in_any_plane(negative, verdict, way) -> None:
    demo = inline(negative=negative)
    assert demo.sample.probabilities[verdict] == 1
    assert demo.hessian_curvature.verdict == verdict
    assert demo.verdict_bar.kind == verdict
    assert demo.verdict_bar.sentence.startswith(f"No direction curves {way}: none of 40 random planes shows a saddle")
    assert "10⁻" not in demo.verdict_bar.sentence


def test_an_eigenvalue_of_nothing_but_rounding_noise_is_zero_on_map_and_plot_as_in_the_verdict() -> None:
    demo = SaddleDemo(negative=0.0, planes=2, executor=InlineExecutor())
    assert 0 < abs(demo.point.hessian.eigenvalues[1]) < 1e-20
    assert "(κ₋ = 0, κ₊ = 1)" in demo.verdict_bar.sentence
    assert demo.point.hessian.labels == ("λ_max = 1", "λ_min = 0")
    texts = demo.curvature_plot._marks.texts
    assert "λ_min = 0, ◀ λ_max = 1" in texts["λ 0"].text[0]


def test_in_three_dimensions_every_plane_shows_the_saddle() -> None:
    demo = inline(n_parameters=3)
    assert demo.sample.probabilities["saddle"] == 1
    assert demo.prediction.probabilities["saddle"] == 1
    assert (
        "all of 40 random planes show a saddle (predicted: 100 %), while the Hessian's plane shows a saddle"
        in demo.verdict_bar.sentence
    )


def test_a_control_changes_nothing_but_the_request_and_everything_follows() -> None:
    demo = inline()
    demo.controls.negative.value = 0.2
    assert demo.request == SaddleRequest(n_parameters=101, negative=0.2, planes=40)
    assert (demo.point.spectrum < 0).sum() == 20
    demo.controls.size.value = 31
    assert demo.point.objective.n_parameters == 31
    assert "24 × " in text_of(demo.spectrum.value)
    demo.controls.outlier_size.value = 5.0
    assert demo.point.spectrum[:11].tolist() == [5.0] * 10 + [1.0]
    demo.controls.planes.value = 100
    assert len(demo.sample) == 100
    demo.controls.outlier_size.value = 1.0
    assert demo.point.spectrum.max() == 1


def test_more_planes_go_on_from_those_that_are_known_and_the_point_is_not_computed_again() -> None:
    demo = inline()
    point, matrices = demo.point, demo.sample.matrices
    demo.request = dataclasses.replace(demo.request, planes=60)
    assert demo.point is point
    np.testing.assert_array_equal(demo.sample.matrices[:40], matrices)
    demo.request = dataclasses.replace(demo.request, planes=10)
    np.testing.assert_array_equal(demo.sample.matrices, matrices[:10])


def test_the_next_plane_and_one_picked_in_the_plot_are_shown() -> None:
    demo = inline()
    demo.controls.next_plane.click()
    assert demo.request.shown == 1
    np.testing.assert_array_equal(demo.curvature.matrix, demo.sample.matrices[1])
    demo.curvature_plot.selected = 33
    assert demo.request.shown == 33
    np.testing.assert_array_equal(demo.curvature.matrix, demo.sample.matrices[33])
    assert demo.loss_map.title.startswith("random plane 34 of 40")
    directions = demo.sample.directions(33).vectors
    torch.testing.assert_close(demo.slice.directions.vectors, directions / directions.norm(dim=1, keepdim=True))
    demo.request = dataclasses.replace(demo.request, shown=39)
    demo.controls.next_plane.click()
    assert demo.request.shown == 0


def test_the_plots_field_has_the_number_of_the_plane_that_the_title_names() -> None:
    demo = inline()
    field = demo.curvature_plot._picker.number

    def named() -> int:
        return int(re.match(r"random plane (\d+) of 40", demo.loss_map.title).group(1))

    assert field.value == named() == 1
    field.value = 7
    assert field.value == named() == 7
    demo.controls.next_plane.click()
    assert field.value == named() == 8
    assert "plane 8: κ₋ =" in demo.curvature_plot.children[0].value
    demo.controls.new_planes.click()
    assert field.value == named() == 1
    assert demo.curvature_plot.selected == demo.request.shown == 0


def test_new_planes_are_others_and_leave_the_global_generators_alone() -> None:
    demo = inline()
    before, state = demo.sample.matrices, torch.get_rng_state()
    demo.controls.new_planes.click()
    assert torch.equal(state, torch.get_rng_state())
    assert not np.isin(demo.sample.matrices, before).any()


def test_it_computes_on_a_thread_of_its_own_and_is_cancelled() -> None:
    with SaddleDemo(n_parameters=1001, planes=2000) as demo:
        seen = threading.Event()
        demo.observe(lambda change: seen.set(), "sample")
        assert seen.wait(30)
        demo.cancel()
        assert demo.wait(30)
        assert demo.state == "cancelled"
        assert demo.controls.doing.value == "cancelled"
        kept = len(demo.sample)
        assert 0 < kept < 2000
        demo.request = dataclasses.replace(demo.request, planes=kept + 5)
        assert demo.wait(30)
        assert demo.state == "idle"
        assert len(demo.sample) == kept + 5


def test_an_error_is_one_line_and_the_traceback_is_kept(monkeypatch) -> None:
    demo = inline()

    def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("out of luck\nand more")

    monkeypatch.setattr(saddle_answer, "hessian_directions", broken)
    demo.controls.negative.value = 0.3
    assert demo.state == "failed"
    assert demo.verdict_bar.sentence.startswith("RuntimeError: out of luck (")
    assert "and more" in demo.error.traceback
    monkeypatch.undo()
    demo.request = dataclasses.replace(demo.request, planes=41)  # the same saddle once more, not the one before it
    assert demo.state == "idle"
    assert (demo.point.spectrum < 0).sum() == 30
    assert len(demo.sample) == 41


def test_the_spectrum_is_drawn_with_each_value_and_how_often_it_comes() -> None:
    said = text_of(spectrum_bars(np.array([7.0, 1, 1, 1, 0, -1])))
    assert "true spectrum, 6 eigenvalues" in said
    assert re.search(r"λ = 7 1 × ; λ = 1 3 × ; λ = 0 1 × ; λ = −1 1 ×", said)
    assert "mean curvature tr(H)/N = 1.5" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_parameters": 2}, "n_parameters must be at least 3, got 2"),
        ({"negative": 1.2}, "negative must be from 0 to 1, got 1.2"),
        ({"outlier_size": -3.0}, "outlier_size must be positive, got -3.0"),
        ({"planes": 0}, "planes must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_shown_is_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        SaddleDemo(executor=InlineExecutor(), **options)
    with pytest.raises(ValueError, match="shown must be below planes = 5, got 5"):
        SaddleRequest(planes=5, shown=5)
