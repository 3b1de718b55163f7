"""Marks can be told apart on light and dark pages, by the colour-blind and in greys, and ticks say what they stand for."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from bqscales import LinearScale
from hypothesis import given, settings
from hypothesis import strategies as st

from curvwidget.directions import Directions
from curvwidget.slices import LossSlice
from curvwidget.widgets.curvature_plot import CurvaturePlot
from curvwidget.widgets.profiles import _KEYS, Profiles
from curvwidget.widgets.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    axis,
    fitting_ticks,
    set_ticks,
    shorten,
    thin_out,
    ticks,
)
from curvwidget.widgets.trace_marks import STYLES

THEME = Path(__file__).parents[2] / "js" / "src" / "theme.css"
WHITE, DARK = "#ffffff", "#111111"
# G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A physiologically-based model for simulation of color vision deficiency",
# 2009, at full severity, on linear RGB; and the luminance of Rec. 709 for who sees no colours.
VISIONS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def linear(color: str) -> np.ndarray:
    digits = re.search(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b", color).group(1)
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    value = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """The contrast of WCAG 2.2, from 1 to 21."""
    low, high = sorted(float(LUMINANCE @ linear(color)) for color in (first, second))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB under D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], LUMINANCE, [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / to_xyz.sum(axis=1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("color", [BLUE, ORANGE, GREEN, PURPLE, FAINT])
@pytest.mark.parametrize("page", [WHITE, DARK])
def test_every_mark_stands_out_from_a_light_and_a_dark_page(color: str, page: str) -> None:
    assert contrast(color, page) >= 3  # graphical objects: WCAG 1.4.11


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_focus_stand_out_in_both_themes(theme: str) -> None:
    block = re.search(rf'\[data-theme="{theme}"\] {{(.*?)}}', THEME.read_text(encoding="utf-8"), re.DOTALL).group(1)
    named = dict(re.findall(r"--cw-(\w+): (#\w+);", block))
    assert contrast(named["fg"], named["bg"]) >= 7
    assert contrast(named["fg"], named["soft"]) >= 4.5  # text: WCAG 1.4.3
    assert contrast(named["warn"], named["bg"]) >= 4.5
    assert contrast(named["focus"], named["bg"]) >= 3
    assert contrast(INK, WHITE) >= 7


@pytest.mark.parametrize("vision", VISIONS)
def test_the_two_colours_that_stand_for_opposites_differ_for_the_colour_blind(vision: str) -> None:
    seen = [lab(np.array(VISIONS[vision]) @ linear(color)) for color in (BLUE, ORANGE)]
    assert np.linalg.norm(seen[0] - seen[1]) > 40  # 2.3 is what is just noticed


def test_no_two_lines_differ_by_colour_alone() -> None:
    for first, second in itertools.combinations(STYLES.values(), 2):
        assert (first.dash, first.marker) != (second.dash, second.marker)
    for first, second in itertools.combinations(_KEYS, 2):
        assert (first.dash, first.marker) != (second.dash, second.marker)
    marks = CurvaturePlot()._marks
    for pair in (marks.bars, marks.curves):
        assert pair[0].line_style != pair[1].line_style


@pytest.mark.parametrize("reach", [1.0, 0.0195, 0.0243, 0.0499, 3e-7, 0.999, 4321.0])
@pytest.mark.parametrize("most", [3, 5, 9])
def test_an_axis_has_at_least_three_ticks_and_no_more_than_asked(reach: float, most: int) -> None:
    found = ticks(-reach, reach, most)
    assert 3 <= len(found) <= most
    assert np.abs(found).max() <= reach * (1 + 1e-9)
    assert 0.0 in found
    np.testing.assert_allclose(np.diff(found), found[1] - found[0])


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (-0.023, 0.023, ""),
        (-3e-4, 3e-4, "v₂"),
        (0.1312, 0.1642, ""),
        (-2.5, 7.1, ""),
        (1.2e4, 3.1e4, ""),
        (0.0, 2e-9, "v₁"),
    ],
)
def test_what_a_tick_says_times_the_power_that_the_axis_names_is_where_it_stands(low: float, high: float, unit: str) -> None:
    shown = axis(LinearScale(), "")
    set_ticks(shown, ticks(low, high, 5), name="loss", unit=unit)
    named = re.fullmatch(r"loss(?: \((?:×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))? ?(\S*)\))?", shown.label)
    power = int((named.group(1) or "0").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    assert (named.group(2) or "") == unit
    said = [float(text.replace("−", "-")) * 10.0**power for text in shown.tick_labels.values()]
    np.testing.assert_allclose(said, shown.tick_values, atol=1e-9 * max(abs(low), abs(high)))
    assert not any("-" in text for text in shown.tick_labels.values())
    assert max(map(len, shown.tick_labels.values())) <= 7  # as many letters as stand between the axis and its name
    lengths = {len(text.partition(".")[2]) for text in shown.tick_labels.values() if text != "0"}
    assert len(lengths) == 1


def test_a_tick_is_found_by_its_number_as_a_browser_writes_it() -> None:
    # What String(number) gives in JavaScript (ECMA-262, Number::toString).
    written = {0.1 + 0.2: "0.30000000000000004", -0.02: "-0.02", 1e-6: "0.000001", 1.5e-7: "1.5e-7", -0.0: "0", 2e21: "2e+21"}
    for number, text in written.items():
        shown = axis(LinearScale(), "")
        set_ticks(shown, np.array([number]))
        assert list(shown.tick_labels) == [text]


def test_a_long_name_loses_its_middle() -> None:
    assert shorten("random 1 (seed 1)") == "random 1 (seed 1)"
    cut = shorten("random 1 (seed 1519079964144146)")
    assert len(cut) == 28
    assert cut.startswith("random 1 (seed")
    assert cut.endswith("4144146)")


def test_ticks_are_left_out_where_there_is_no_room_for_what_they_say() -> None:
    assert thin_out(np.array([-0.005, -0.0025, 0.0]), 12, 0.005).tolist() == [-0.005, 0.0]
    assert thin_out(np.array([-1.0, 0.0, 1.0]), 12, 2.0).tolist() == [-1.0, 0.0, 1.0]
    assert thin_out(np.arange(7.0) / 10, 12, 0.6).tolist() == [0.0, 0.3, 0.6]
    assert thin_out(np.array([5.0]), 1, 1.0).tolist() == [5.0]


def test_ticks_are_left_out_where_what_they_say_would_touch_though_the_axis_is_longer() -> None:
    assert thin_out(np.array([-0.05, 0.0, 0.05]), 13, 0.1).tolist() == [-0.05, 0.0, 0.05]
    assert thin_out(np.array([-0.05, 0.0, 0.05]), 13, 0.192).tolist() == [-0.05, 0.05]


def test_where_round_numbers_are_too_close_the_outermost_of_one_digit_stand_in() -> None:
    assert fitting_ticks(-1.3, 1.3, 3, 13).tolist() == [-1.0, 0.0, 1.0]
    np.testing.assert_allclose(fitting_ticks(-0.096, 0.096, 3, 13), [-0.09, 0.0, 0.09])
    np.testing.assert_allclose(fitting_ticks(-0.0195, 0.0195, 3, 13), [-0.01, 0.01])
    np.testing.assert_allclose(fitting_ticks(-0.023, 0.023, 9, 40), [-0.02, -0.01, 0.0, 0.01, 0.02])
    assert len(fitting_ticks(-0.023, 0.023, 9, 80)) == 9


def test_two_ticks_apart_by_a_rounder_number_than_themselves_keep_their_decimals() -> None:
    shown = axis(LinearScale(), "")
    set_ticks(shown, np.array([-0.05, 0.05]))
    assert list(shown.tick_labels.values()) == ["−0.05", "0.05"]


@given(st.floats(-3, 4), st.sampled_from([1, 2]))
@settings(deadline=None, max_examples=40)
def test_what_the_ticks_below_a_profile_say_does_not_touch(power: float, count: int) -> None:
    reach = 10.0**power
    names = ("first", "second")[:count]
    axes = (np.linspace(-reach, reach, 5),) * count
    plane = LossSlice(axes, np.ones((5,) * count), Directions(vectors=torch.eye(2)[:count], labels=names), 5**count)
    shown = Profiles(plane)._plots[0].x_axis
    # Pixels of a plot alone in a page 640 wide, and of one of two in the explorer at 1200 × 800; of a letter at 13 pixels.
    length, letter = {1: 640 - 88, 2: 108}[count], 0.62 * 13
    places = np.asarray(shown.tick_values) / (2 * reach) * length
    halves = 0.5 * letter * np.array([len(text) for text in shown.tick_labels.values()])
    assert len(places) >= 2
    assert (np.diff(places) > halves[1:] + halves[:-1] + 0.8 * letter).all()
