"""The axis of the loss stays while it suits the curve, so that a curve is seen to rise; and follows as soon as it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curvwidget.directions import Directions
from curvwidget.slices import LossSlice
from curvwidget.widgets.profiles import Profiles

X = np.linspace(-1.0, 1.0, 41)


def plane(values: np.ndarray) -> LossSlice:
    directions = Directions(torch.eye(2, dtype=torch.float64), ("a", "b"))
    return LossSlice((X, X), values, directions, float(values[20, 20]), 0.0, values.size)


def bowl(first: float = 1.0, second: float = 1.0) -> LossSlice:
    return plane(1.0 + first * X[:, None] ** 2 + second * X[None, :] ** 2)


def limits(view: Profiles, index: int = 0) -> tuple[float, float]:
    scale = view._plots[index].y
    return scale.min, scale.max


def test_a_curve_rises_within_limits_that_stay() -> None:
    view = Profiles(bowl())
    before, low = limits(view), float(view._plots[0].loss.y.min())
    view.probe = (0.3, 0.2)  # the cross-section along a is 0.2² higher, and reaches 2.04 of 2.08
    assert limits(view) == before
    assert view._plots[0].loss.y.min() == pytest.approx(low + 0.04)


@pytest.mark.parametrize("to", [0.9, -1.0])
def test_limits_follow_a_curve_that_leaves_them(to: float) -> None:
    view = Profiles(bowl())
    view.probe = (0.0, to)
    assert limits(view) == pytest.approx((1.0 + to**2 - 0.08, 2.0 + to**2 + 0.08))


def test_limits_follow_a_curve_that_becomes_small_in_them() -> None:
    # Along a the loss is 1 + (1 - b²)·a²: less and less of a bowl to the sides.
    view = Profiles(plane(1.0 + (1.0 - X[None, :] ** 2) * X[:, None] ** 2))
    view.probe = (0.0, 0.6)  # 0.64 high, in limits that are 1.16 apart: more than half of them
    assert limits(view) == pytest.approx((0.92, 2.08))
    view.probe = (0.0, 0.75)  # 0.44: less than half
    height = 1 - 0.75**2
    assert limits(view) == pytest.approx((1 - 0.08 * height, 1 + 1.08 * height))


def test_another_slice_and_another_scale_have_limits_of_their_own() -> None:
    view = Profiles(bowl())
    view.slice = bowl(0.9)  # would fit
    assert limits(view) == pytest.approx((1 - 0.072, 1.9 + 0.072))
    view.scale = "log"
    room = 0.08 * np.log10(1.9)
    assert limits(view) == pytest.approx((-room, np.log10(1.9) + room))


def test_a_slice_shown_again_after_none_has_limits_of_its_own() -> None:
    shown = bowl()
    view = Profiles(shown)
    view.show(None, None)
    view.show(shown, None)
    assert limits(view) == pytest.approx((0.92, 2.08))


def test_limits_stay_where_nothing_is_finite_under_the_probe() -> None:
    values = bowl().values.copy()
    values[:, 30] = np.nan
    view = Profiles(plane(values))
    before = limits(view)
    view.probe = (0.0, 0.5)
    assert limits(view) == before
    assert not view._plots[0].loss.visible


def test_a_logarithmic_axis_says_logarithms_where_no_loss_is_positive_at_first() -> None:
    # Along b at a = 0 no loss is positive; at a = 1 they are those of three decades.
    a, b = X[:, None], X[None, :]
    view = Profiles(plane((1 - a) * (-1.6 + 1.4 * b) + a * 10 ** (-1.5 + 1.5 * b)), scale="log")
    assert not view._plots[1].loss.visible
    assert view._plots[1].y_axis.label == "loss (log scale)"
    view.probe = (1.0, 0.0)
    assert view._plots[1].loss.y == pytest.approx(-1.5 + 1.5 * X)
    assert limits(view, 1) == pytest.approx((-3 - 0.24, 0.24))
    assert view._plots[1].y_axis.label == "loss (log scale)"
    assert list(view._plots[1].y_axis.tick_labels.values()) == ["0.001", "0.01", "0.1", "1"]


def test_each_plot_keeps_limits_of_its_own() -> None:
    view = Profiles(bowl(second=100.0))
    first, second = limits(view, 0), limits(view, 1)
    view.probe = (0.5, 0.0)  # along b no more than 0.25 of 100 higher
    assert (limits(view, 0), limits(view, 1)) == (first, second)
    view.probe = (0.5, 0.5)  # along a 25 higher
    assert limits(view, 0) == pytest.approx((26.0 - 0.08, 27.0 + 0.08))
    assert limits(view, 1) == second
