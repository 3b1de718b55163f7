"""The loss map, without a browser: what it sends to its views."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets

from curvwidget.curvature.projected import ProjectedCurvature
from curvwidget.directions.directions import Directions
from curvwidget.slices.loss_slice import LossSlice
from curvwidget.widgets.loss_map import LossMap
from curvwidget.widgets.loss_packet import ABOVE, BELOW, FINITE, NAN, NO_LOGARITHM
from curvwidget.widgets.packing import unpack

Array = np.ndarray
FIXTURE = Path(__file__).parents[2] / "js" / "tests" / "fixtures" / "packet.txt"
X = np.array([-1.0, -0.9, -0.5, -0.25, 0.0, 0.25, 0.5, 0.9, 1.0])  # a coarse snapshot: narrower cells at the ends
Y = np.linspace(-0.6, 0.6, 13)


def saddle(a: Array, b: Array) -> Array:
    return 0.25 + a**2 - b**2


def slice_of(function: Callable[[Array, Array], Array], x: Array = X, y: Array = Y, seed: int = 0) -> LossSlice:
    vectors = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed))
    with np.errstate(all="ignore"):
        values = np.asarray(function(x[:, None], y[None, :]), dtype=np.float64)
    return LossSlice(
        axes=(x, y), values=values, directions=Directions(vectors=vectors, labels=("v₁", "v₂")), evaluations=values.size
    )


def curvature_of(
    matrix: list[list[float]], *, gradient: tuple[float, ...] = (0.0, 0.0), loss: float = 0.25
) -> ProjectedCurvature:
    hessian = np.array(matrix)
    return ProjectedCurvature(
        matrix=hessian,
        principal=np.linalg.eigvalsh(hessian),
        gradient=np.array(gradient),
        error=0.0,
        gram=np.eye(len(hessian)),
        loss=loss,
        gradient_norm=0.0,
        labels=tuple(f"v{index}" for index in range(len(hessian))),
    )


SADDLE_CURVATURE = curvature_of([[2.0, 0.0], [0.0, -2.0]])


def shown(packet: dict[str, Array]) -> Array:
    return packet["base"][0] + packet["values"].astype(np.float64)


def arrays_of(view: LossMap) -> dict[str, Array]:
    return unpack(view.packet)[1]


def lines_at(packet: dict[str, Array], level: int, prefix: str = "") -> list[Array]:
    names = ("points", "starts", "level_index")
    points, starts, of_level = (packet[prefix + name] for name in names)
    return [points[start:stop] for start, stop, index in zip(starts[:-1], starts[1:], of_level, strict=True) if index == level]


def test_the_packet_holds_the_slice_on_its_own_uneven_axes() -> None:
    plane = slice_of(saddle)
    meta, packet = unpack(LossMap(plane).packet)
    assert meta == {"version": 1, "scale": "linear", "labels": ["v₁", "v₂"], "has_model": False, "error": 0.0}
    np.testing.assert_array_equal(packet["x"], X)
    np.testing.assert_array_equal(packet["y"], Y)
    np.testing.assert_allclose(shown(packet), plane.values, atol=1e-7)  # 2⁻²⁴ of the largest difference from the centre
    assert packet["values"].dtype == np.float32
    assert packet["center"].tolist() == [0.25]
    np.testing.assert_array_equal(packet["range"], [plane.values.min(), plane.values.max()])
    assert not packet["marks"].any()


def test_a_loss_that_hardly_varies_keeps_its_digits() -> None:
    plane = slice_of(lambda a, b: 1000.0 + 1e-7 * (a + b))
    np.testing.assert_allclose(shown(arrays_of(LossMap(plane))) - 1000.0, plane.values - 1000.0, atol=1e-12)


def test_a_finite_loss_too_large_for_32_bits_stays_finite() -> None:
    plane = slice_of(lambda a, b: 1e60 * (1 + a**2 + b**2))
    packet = arrays_of(LossMap(plane))
    np.testing.assert_allclose(shown(packet), plane.values, rtol=1e-12)


def test_log_scale_sends_decimal_logarithms() -> None:
    plane = slice_of(lambda a, b: 10 ** (3 * a - b))
    packet = arrays_of(LossMap(plane, scale="log"))
    np.testing.assert_allclose(shown(packet), 3 * X[:, None] - Y[None, :], atol=1e-6)


def test_difference_scale_is_zero_at_the_centre_and_has_a_level_there() -> None:
    packet = arrays_of(LossMap(slice_of(saddle), scale="difference"))
    values = shown(packet)
    assert values[4, 6] == 0.0
    np.testing.assert_allclose(values, X[:, None] ** 2 - Y[None, :] ** 2, atol=1e-6)
    assert 0.0 in packet["levels"]


@pytest.mark.parametrize("scale", ["linear", "log", "difference"])
def test_nan_and_infinities_are_marked_as_what_they_are(scale: str) -> None:
    plane = slice_of(lambda a, b: 2.0 + a + b)
    plane.values[0, 0], plane.values[1, 0], plane.values[2, 0] = np.nan, np.inf, -np.inf
    packet = arrays_of(LossMap(plane, scale=scale))  # type: ignore[arg-type]
    assert packet["marks"][:4, 0].tolist() == [NAN, ABOVE, BELOW, FINITE]
    assert np.count_nonzero(packet["marks"]) == 3
    assert np.isfinite(packet["range"]).all()
    assert np.isfinite(packet["points"]).all()
    assert not np.isfinite(packet["values"][:3, 0]).any()


def test_a_loss_without_a_logarithm_is_marked_and_kept() -> None:
    plane = slice_of(lambda a, b: a + 0 * b)
    packet = arrays_of(LossMap(plane, scale="log"))
    assert (packet["marks"][:5] == NO_LOGARITHM).all()  # zero too
    assert (packet["marks"][5:] == FINITE).all()
    np.testing.assert_allclose(packet["values"][:5], plane.values[:5], rtol=1e-7)
    np.testing.assert_allclose(packet["range"], [np.log10(0.25), 0.0])


@pytest.mark.parametrize("scale", ["linear", "log", "difference"])
def test_a_slice_of_nan_alone_is_sent_as_such(scale: str) -> None:
    packet = arrays_of(LossMap(slice_of(lambda a, b: np.nan * (a + b)), scale=scale))  # type: ignore[arg-type]
    assert (packet["marks"] == NAN).all()
    assert packet["range"].size == packet["levels"].size == packet["points"].size == 0


def test_a_constant_loss_has_a_range_and_no_contours() -> None:
    packet = arrays_of(LossMap(slice_of(lambda a, b: 3.0 + 0 * (a + b))))
    assert packet["range"].tolist() == [3.0, 3.0]
    assert packet["levels"].size == 0


def test_contours_and_model_contours_lie_on_the_level_lines_of_the_saddle() -> None:
    axis = np.linspace(-1, 1, 81)
    packet = arrays_of(LossMap(slice_of(saddle, axis, axis), curvature=SADDLE_CURVATURE))
    for prefix in ("", "model_"):
        for index, level in enumerate(packet["levels"]):
            lines = lines_at(packet, index, prefix)
            assert lines
            for line in lines:
                a, b = line.astype(np.float64).T
                np.testing.assert_allclose(saddle(a, b), level, atol=2 * 0.025**2 / 8 + 1e-6)


def test_model_contours_part_from_those_of_a_loss_that_is_no_quadratic() -> None:
    plane = slice_of(lambda a, b: 0.25 + a**2 - b**2 + a**3)
    packet = arrays_of(LossMap(plane, curvature=curvature_of([[2, 0.5], [0.5, -2]], gradient=(0.3, 0.0)), scale="difference"))
    index = int(np.flatnonzero(packet["levels"] == 0)[0])
    for line in lines_at(packet, index, "model_"):
        a, b = line.astype(np.float64).T
        np.testing.assert_allclose(0.3 * a + a**2 + 0.5 * a * b - b**2, 0.0, atol=1e-3)


def test_model_contours_on_log_scale_stand_at_logarithms_of_the_model() -> None:
    axis = np.linspace(-1, 1, 41)
    bowl = slice_of(lambda a, b: 0.1 + a**2 + b**2, axis, axis)
    packet = arrays_of(LossMap(bowl, curvature=curvature_of([[2, 0], [0, 2]], loss=0.1), scale="log"))
    for index, level in enumerate(packet["levels"]):
        for line in lines_at(packet, index, "model_"):
            a, b = line.astype(np.float64).T
            np.testing.assert_allclose(np.log10(0.1 + a**2 + b**2), level, atol=4e-3)


def test_the_number_of_contours_follows_levels() -> None:
    view = LossMap(slice_of(saddle), levels=3)
    assert 1 <= arrays_of(view)["levels"].size <= 3
    view.levels = 30
    assert 15 <= arrays_of(view)["levels"].size <= 30
    view.levels = 0
    assert arrays_of(view)["levels"].size == 0


def test_slice_and_curvature_change_in_one_packet() -> None:
    view = LossMap(slice_of(saddle), curvature=SADDLE_CURVATURE)
    packets: list[bytes] = []
    view.observe(lambda change: packets.append(change["new"]), "packet")
    view.show(slice_of(lambda a, b: a + b, seed=1), curvature_of([[1.0, 0.0], [0.0, 1.0]]))
    assert len(packets) == 1
    assert unpack(packets[0])[0]["has_model"] is True


def test_another_plane_drops_the_curvature_and_a_finer_snapshot_keeps_it() -> None:
    view = LossMap(slice_of(saddle), curvature=SADDLE_CURVATURE)
    view.slice = slice_of(saddle, np.linspace(-1, 1, 5), np.linspace(-1, 1, 5))
    assert view.curvature is SADDLE_CURVATURE
    view.slice = slice_of(saddle, seed=1)
    assert view.curvature is None
    assert unpack(view.packet)[0]["has_model"] is False


def test_the_scale_can_be_changed() -> None:
    view = LossMap(slice_of(saddle))
    view.scale = "difference"
    assert unpack(view.packet)[0]["scale"] == "difference"


def test_maps_with_the_same_limits_have_the_same_colours_and_levels() -> None:
    steep, shallow = slice_of(saddle), slice_of(lambda a, b: 0.1 * saddle(a, b))
    views = [LossMap(plane, scale="difference", limits=(-2.0, 2.0)) for plane in (steep, shallow)]
    packets = [unpack(view.packet)[1] for view in views]
    assert packets[0]["limits"].tolist() == packets[1]["limits"].tolist() == [-2, 2]
    np.testing.assert_array_equal(packets[0]["levels"], packets[1]["levels"])
    assert packets[1]["range"].max() == pytest.approx(0.1 * packets[0]["range"].max())
    views[1].limits = None
    packet = unpack(views[1].packet)[1]
    np.testing.assert_array_equal(packet["limits"], packet["range"])


def test_without_a_slice_the_packet_is_empty() -> None:
    view = LossMap(slice_of(saddle), title="A saddle")
    view.slice = None
    assert view.packet == LossMap().packet == b""


def test_probe_is_the_centre_until_it_is_moved() -> None:
    view = LossMap()
    assert view.probe == (0.0, 0.0)
    view.set_state({"probe": [0.5, -0.25]})  # what a browser sends
    assert view.probe == (0.5, -0.25)


def test_the_slice_stays_in_python() -> None:
    view = LossMap(slice_of(saddle), curvature=SADDLE_CURVATURE)
    state = view.get_state()
    assert "slice" not in state
    assert "curvature" not in state
    assert {"packet", "probe", "picked", "scale", "show_model", "levels", "title", "status", "theme"} <= set(state)


def test_the_front_ends_fixture_is_what_python_sends() -> None:
    x, y = np.linspace(-1, 1, 5), np.array([-1.0, 0.0, 1.0])
    values = saddle(x[:, None], y[None, :])
    values[4, 2] = np.nan
    directions = Directions(vectors=torch.eye(2), labels=("λ = 2", "λ = −2"))
    plane = LossSlice(axes=(x, y), values=values, directions=directions, evaluations=15)
    view = LossMap(plane, curvature=SADDLE_CURVATURE, scale="difference", levels=3)
    meta, packet = unpack(view.packet)
    stored_meta, stored = unpack(base64.b64decode(FIXTURE.read_text(encoding="utf-8")))
    assert meta == stored_meta
    assert list(packet) == list(stored)
    for name, array in stored.items():
        assert packet[name].dtype == array.dtype
        np.testing.assert_allclose(packet[name], array, atol=1e-6)


def test_a_slice_along_one_direction_is_refused() -> None:
    plane = LossSlice(axes=(X,), values=X**2, directions=Directions(vectors=torch.ones(1, 3), labels=("v",)), evaluations=9)
    with pytest.raises(ValueError, match="slice must have 2 directions to be drawn as a map, got 1"):
        LossMap(plane)


def test_a_slice_of_a_single_point_is_refused() -> None:
    with pytest.raises(ValueError, match="slice must have at least 2 points along each axis, got 1 × 13"):
        LossMap(slice_of(saddle, np.zeros(1), Y))


def test_curvature_along_other_than_two_directions_is_refused() -> None:
    with pytest.raises(ValueError, match="curvature must be that of 2 directions, got 3"):
        LossMap(slice_of(saddle), curvature=curvature_of(np.eye(3).tolist(), gradient=(0.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", "cubic", "scale must be one of 'linear', 'log', 'difference', got 'cubic'"),
        ("levels", -1, "levels must be at least 0, got -1"),
        ("levels", 1000, "levels must be at most 100, got 1000"),
        ("limits", (1.0, 1.0), r"limits must be two numbers, the smaller first, got \(1.0, 1.0\)"),
        ("limits", (0.0, float("inf")), r"limits\[1\] must be finite, got inf"),
        ("probe", (0.0, float("nan")), r"probe\[1\] must be finite, got nan"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LossMap(**{name: value})  # type: ignore[arg-type]
    view = LossMap()
    with pytest.raises(ValueError, match=message):
        setattr(view, name, value)


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match=r"LossMap got an unknown argument 'colour'; it has .*probe"):
        LossMap(colour="red")


@pytest.mark.parametrize("value", [np.zeros((3, 3)), "saddle"])
def test_what_is_no_slice_is_refused(value: object) -> None:
    with pytest.raises(traitlets.TraitError, match="slice"):
        LossMap(value)  # type: ignore[arg-type]


def test_views_have_a_height_of_their_own_unless_told_otherwise() -> None:
    assert LossMap().layout.height == "480px"
    assert LossMap(layout={"height": "330px"}).layout.height == "330px"


def test_named_points_are_sent_and_must_be_finite() -> None:
    view = LossMap()
    view.way = [(0.5, -1.0, "1"), (0.0, 0.0, "")]
    view.spots = [(1.0, 2.0, "<b>κ</b>")]
    assert view.get_state(["way", "spots"]) == {"way": [(0.5, -1.0, "1"), (0.0, 0.0, "")], "spots": [(1.0, 2.0, "<b>κ</b>")]}
    with pytest.raises(ValueError, match="spots: y must be finite, got nan"):
        view.spots = [(0.0, float("nan"), "")]
