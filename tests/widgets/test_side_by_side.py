"""Two losses of the same parameters on one plane, in one scale of colours."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import curvwidget as cw
from curvwidget.runs import InlineExecutor

THETA = torch.tensor([0.5, -0.25, 1.0], dtype=torch.float64)


def train_loss(theta: torch.Tensor) -> torch.Tensor:
    return theta[0] ** 2 - theta[1] ** 2 + 0.5 * theta[2] ** 2


def test_loss(theta: torch.Tensor) -> torch.Tensor:
    return 2 * theta[0] ** 2 + theta[1] ** 2 + 0.5 * theta[2] ** 2 + 3


test_loss.__test__ = False  # a loss on test data, and no test
TEST = cw.Objective.from_function(test_loss, THETA)


@pytest.fixture
def explorer():
    objective = cw.Objective.from_function(train_loss, THETA)
    with cw.explore(objective, resolution=11, planes=0, probes=4, spectrum_probes=0, executor=InlineExecutor()) as made:
        yield made


@pytest.fixture
def both(explorer):
    with cw.SideBySide(explorer, TEST, executor=InlineExecutor()) as made:
        yield made


def check_it_is_the_other_loss_there(both) -> None:
    plane = both.slice
    assert plane.values.shape == both.explorer.slice.values.shape
    u, v = both.explorer.slice.directions.vectors
    center = both.explorer.center.theta
    for (i, a), (j, b) in [((0, plane.axes[0][0]), (3, plane.axes[1][3])), ((10, plane.axes[0][10]), (5, plane.axes[1][5]))]:
        assert plane.values[i, j] == pytest.approx(float(test_loss(center + a * u + b * v)), rel=1e-12)
    for own, theirs in zip(plane.axes, both.explorer.slice.axes, strict=True):
        np.testing.assert_array_equal(own, theirs)


def test_it_shows_the_other_loss_at_the_same_points(both) -> None:
    check_it_is_the_other_loss_there(both)


def test_it_follows_the_explorer_to_another_plane_span_grid_and_centre(both) -> None:
    both.explorer.new_random_plane()
    check_it_is_the_other_loss_there(both)
    for change in ({"zoom": 2.0}, {"resolution": 21}):
        both.explorer.request = both.explorer.request.__class__(**{**vars(both.explorer.request), **change})
        check_it_is_the_other_loss_there(both)
    both.explorer.probe = (0.1, 0.05)
    both.explorer.go_to_probe()
    assert not torch.equal(both.explorer.center.theta, THETA)
    check_it_is_the_other_loss_there(both)


def test_both_maps_have_the_colours_of_both_slices_together(both) -> None:
    values = np.concatenate([both.slice.values.ravel(), both.explorer.slice.values.ravel()])
    first, second = both.maps
    assert first.limits == second.limits == (values.min(), values.max())
    both.explorer.loss_map.scale = "difference"
    both.explorer.new_random_plane()
    changes = np.concatenate([(plane.values - plane.center).ravel() for plane in (both.slice, both.explorer.slice)])
    assert (first.scale, second.scale) == ("difference", "difference")
    assert first.limits == second.limits == (changes.min(), changes.max())


def test_a_probe_on_any_map_is_a_probe_on_all(both) -> None:
    both.maps[1].probe = (0.02, -0.01)
    assert both.explorer.probe == both.maps[0].probe == both.explorer.profiles.probe == (0.02, -0.01)
    both.explorer.probe = (0.0, 0.01)
    assert both.maps[0].probe == both.maps[1].probe == (0.0, 0.01)


def test_the_sentence_has_loss_and_curvature_of_both(both) -> None:
    both.explorer.directions = cw.own_directions(both.explorer.objective, torch.eye(3, dtype=torch.float64)[:2])
    said = both.verdict_bar.sentence
    assert "On training data: L = 0.688, a saddle (κ₋ = −2" in said
    assert "On test data: L = 4.06, a bowl (κ₋ = 2" in said
    assert both.verdict_bar.kind == "minimum"


def test_a_loss_that_fails_there_says_so(explorer) -> None:
    def fails(theta):
        if torch.is_grad_enabled():
            raise ArithmeticError("not here")
        return (theta**2).sum()

    with pytest.raises(ArithmeticError):
        cw.Objective.from_function(fails, THETA)
    broken = cw.Objective.from_function(lambda t: torch.where(t[0] == 0.5, 1.0, float("nan")) * (t**2).sum(), THETA)
    with cw.SideBySide(explorer, broken, executor=InlineExecutor()) as both:
        explorer.probe = (0.1, 0.0)
        explorer.go_to_probe()
        assert both.verdict_bar.kind == "error"
        assert "finite" in both.verdict_bar.sentence
        assert both.error is not None


def test_a_closed_one_follows_no_more(explorer) -> None:
    both = cw.SideBySide(explorer, TEST, executor=InlineExecutor())
    before = both.slice
    both.close()
    explorer.new_random_plane()
    assert both.slice is before
    both.close()  # as Python does again when it forgets the widget


def test_what_cannot_stand_beside_is_refused(explorer) -> None:
    smaller = cw.Objective.from_function(lambda t: (t**2).sum(), torch.zeros(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="other must have the explorer's N = 3"):
        cw.SideBySide(explorer, smaller)
    with pytest.raises(TypeError, match="explorer must be an Explorer, got Objective"):
        cw.SideBySide(TEST, TEST)
    with pytest.raises(TypeError, match="other must be an Objective, got str"):
        cw.SideBySide(explorer, "test")
    with pytest.raises(ValueError, match="names must be two, got 1"):
        cw.SideBySide(explorer, TEST, names=("one",))


def test_it_becomes_a_picture_of_both_maps_with_its_sentence_in_words(both, tmp_path) -> None:
    png = both.to_png(tmp_path / "both.png")
    assert png == (tmp_path / "both.png").read_bytes()
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    assert image.shape[1] == 2400
    left, right = image[:, :1200], image[:, 1200:]
    colourful = [(np.ptp(half, axis=2) > 60).mean() for half in (left, right)]
    assert min(colourful) > 0.2  # a map on either side
    assert (np.abs(left - right).max(axis=2) > 30).mean() > 0.05  # and not the same one
    bundle = both._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"].startswith('<img alt="On training data: L = ')
    assert data["text/plain"] == both.verdict_bar.sentence
    assert both.to_svg().startswith("<?xml")


def test_maps_on_a_logarithmic_scale_share_the_colours_of_the_logarithms(both) -> None:
    both.explorer.loss_map.scale = "log"
    both.explorer.new_random_plane()
    values = np.concatenate([both.slice.values.ravel(), both.explorer.slice.values.ravel()])
    first, second = both.maps
    assert first.limits == second.limits == pytest.approx((np.log10(values.min()), np.log10(values.max())))
