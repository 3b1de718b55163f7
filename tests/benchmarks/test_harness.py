"""The harness of the benchmarks on a tiny network: who is refused, what is written down, what follows. No time is asserted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import curvwidget as cw
from benchmarks import hvp, planes, slices, spectrum, trace
from benchmarks.agreement import Disagreement, check_agreement
from benchmarks.growth import fit_exponent
from benchmarks.nets import NETS, Net, build_net
from benchmarks.peers import OURS, PRODUCTS, plain_products
from benchmarks.recording import write_results
from benchmarks.timing import Rounds, interleave, repeated, spread_of

pytestmark = pytest.mark.filterwarnings("ignore")  # other packages' are not ours to mend

ONCE = Rounds(seconds=0, least=2, most=2)
OTHERS = sorted(set(PRODUCTS) - {OURS})
SPREAD = {"median", "lower_quartile", "upper_quartile"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On networks as small as these a second thread is only waited for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).eval()
    return Net("tiny", model, torch.randn(11, 1, 2, 2), torch.randint(3, (11,)))


def dense_hessian(net: Net) -> Tensor:
    (weight, bias), (out, offset) = ([p.detach().double() for p in layer.parameters()] for layer in net.model[1::2])
    theta = torch.cat([weight.flatten(), bias, out.flatten(), offset])
    x = net.x.flatten(1).double()

    def loss(theta: Tensor) -> Tensor:
        hidden = torch.tanh(x @ theta[:20].reshape(5, 4).T + theta[20:25])
        logits = hidden @ theta[25:40].reshape(3, 5).T + theta[40:43]
        return -(logits - logits.logsumexp(dim=1, keepdim=True))[torch.arange(11), net.y].mean()

    H = torch.autograd.functional.hessian(loss, theta)
    assert isinstance(H, Tensor)
    return H


class Liar:
    """Multiplies with another matrix."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def call(self, vectors: Tensor) -> Callable[[], Any]:
        return lambda: 1.01 * plain_products(self.net, vectors)

    def rows(self, result: Any) -> Tensor:
        return result


def test_the_reference_is_the_dense_hessian(net: Net) -> None:
    rows = plain_products(net, torch.eye(net.n_parameters))
    torch.testing.assert_close(rows.double(), dense_hessian(net), rtol=1e-4, atol=1e-6)


def test_each_package_is_timed_or_its_reason_is_written_down(net: Net) -> None:
    tables = hvp.measure_products(net, ONCE)
    timed = {row["package"] for row in tables["one_product"]}
    why = {row["package"]: row["why"] for row in tables["not_timed"]}
    assert timed | set(why) == {*PRODUCTS, "gradient"}
    assert timed >= {OURS, "gradient"}
    assert set(why.values()) <= {"not installed"}  # on this net nobody has another reason
    for row in tables["one_product"]:
        assert (row["net"], row["parameters"], row["batch"]) == ("tiny", 43, 11)
        assert all(set(row[column]) == SPREAD for column in ("time_ms", "gradients", "times_ours"))
    assert {row["package"] for row in tables["block_of_eight"]} == timed - {"gradient"}


def test_what_computes_another_product_is_not_timed(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRODUCTS, "liar", Liar)
    tables = hvp.measure_products(net, ONCE)
    assert "liar" not in {row["package"] for row in tables["one_product"]}
    (why,) = (row["why"] for row in tables["not_timed"] if row["package"] == "liar")
    assert "differs from the reference by 1.0e-02" in why


def test_nothing_is_measured_where_ours_are_wrong(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRODUCTS, OURS, Liar)
    with pytest.raises(Disagreement, match=r"curvwidget's product with 1 differs"):
        hvp.measure_products(net, ONCE)


def test_rounding_is_no_disagreement_and_nan_is() -> None:
    numbers = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert check_agreement("x", numbers * (1 + 1e-6), numbers) == pytest.approx(1e-6, rel=0.2)
    for wrong in (numbers * 1.001, numbers * torch.nan, numbers[:50]):
        with pytest.raises(Disagreement, match="x "):
            check_agreement("x", wrong, numbers)


@pytest.mark.parametrize("name", NETS)
def test_the_networks_are_those_of_the_list(name: str) -> None:
    found = build_net(name, quick=True)
    sizes = {
        "MLP 64-64-10": 64 * 64 + 64 + 64 * 10 + 10,
        "MLP 784-256-128-10": 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10,
        "conv net": 8 * 9 + 8 + 16 * 8 * 9 + 16 + 64 * 10 + 10,
        "ResNet-20": 272_474,
        "transformer": 288 + 256 + 2 * (4 * 32**2 + 4 * 32 + 2 * 32 * 64 + 64 + 32 + 4 * 32) + 330,
        "transformer, norms frozen": 288 + 256 + 2 * (4 * 32**2 + 4 * 32 + 2 * 32 * 64 + 64 + 32) + 330,
    }
    assert found.n_parameters == sizes[name]
    assert found.objective().n_parameters == sizes[name]
    assert found.x.shape[0] == found.y.shape[0] == 8


def test_both_ends_are_those_of_the_dense_hessian(net: Net) -> None:
    tables = spectrum.measure_ends(net, ONCE)
    eigenvalues = torch.linalg.eigvalsh(dense_hessian(net))
    for row in tables["both_ends"]:
        assert row["largest"] == pytest.approx(float(eigenvalues[-1]), rel=1e-4)
        assert row["smallest"] == pytest.approx(float(eigenvalues[0]), rel=1e-2)
        assert max(row["residuals"]) <= 2 * spectrum.TOLERANCE
        assert row["products"] > 2
    assert tables["both_ends"][0]["package"] == OURS


def test_ends_that_are_others_are_refused(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    def next_to_the_end(net: Net) -> spectrum.Finder:
        values, vectors = torch.linalg.eigh(dense_hessian(net))
        return lambda _: lambda: (float(values[-2]), vectors[:, -2], float(values[0]), vectors[:, 0], 1)

    monkeypatch.setitem(spectrum._OTHERS, "liar", next_to_the_end)
    tables = spectrum.measure_ends(net, ONCE)
    assert "liar" not in {row["package"] for row in tables["both_ends"]}
    (why,) = (row["why"] for row in tables["not_timed"] if row["package"] == "liar")
    assert "which residuals allow to differ" in why


def test_the_exact_trace_is_that_of_the_dense_hessian(net: Net) -> None:
    assert trace._exact_trace(net) == pytest.approx(float(dense_hessian(net).trace()), rel=1e-5)


def test_traces_come_with_errors_and_without_bias(net: Net) -> None:
    tables = trace.measure_trace(net, budgets=(12, 24), runs=8)
    assert {row["method"] for row in tables["runs"]} >= {f"{OURS}, {method}" for method in trace.OUR_METHODS}
    for row in tables["runs"]:
        assert row["relative_error"] > 0
        # of 8 runs: Student's t with 7 degrees of freedom is within 6 but for one in 2,000
        assert abs(row["bias_in_standard_errors"]) < 6


def test_the_ratio_at_equal_error_is_that_of_two_known_laws() -> None:
    rng = np.random.default_rng(0)
    budgets = np.array([10, 20, 40, 80])[:, None]
    runs = 400

    def estimates(scale: float) -> np.ndarray:
        return 5 + scale * rng.standard_normal((4, runs)) / budgets**0.5

    seconds = budgets * np.ones((4, runs))
    # Three times the deviation at the same budget is nine times the budget for the same error; twice the time a product: 18.
    ratio = trace.ratio_at_equal_error(5.0, estimates(3), 2 * seconds, estimates(1), seconds)
    # The fitted log error is good to 1/√(2·runs), and the slope of time over error is −2, over two decades of extrapolation.
    assert ratio["lower_quartile"] < ratio["median"] < ratio["upper_quartile"]
    assert ratio["median"] == pytest.approx(18, rel=0.25)


def test_slices_are_those_of_a_plain_loop(net: Net) -> None:
    tables = slices.measure_slices(net, slices.QUICK)
    rows = {row["package"]: row for row in tables["exact_grid"]}
    assert rows[planes.PASSES]["forward_passes_a_point"]["median"] == 1
    assert rows[OURS]["points"] == slices.QUICK.resolution**2
    refused = {row["package"]: row["why"] for row in tables["not_timed"]}
    assert set(rows) | set(refused) == {planes.PASSES, OURS, "loss-landscapes"}
    assert set(refused.values()) <= {"not installed"}


def test_a_slice_of_other_numbers_is_not_timed(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    right = cw.slice_loss

    def off(*arguments: Any, **options: Any) -> cw.LossSlice:
        plane = right(*arguments, **options)
        return cw.LossSlice(plane.axes, plane.values.T, plane.directions, plane.evaluations)

    monkeypatch.setattr(cw, "slice_loss", off)
    with pytest.raises(Disagreement, match="curvwidget's slice differs"):
        slices.measure_slices(net, slices.QUICK)


@pytest.mark.skipif(not slices.adaptive_slices_there(), reason="slices to a tolerance have not come yet")
def test_pictures_say_how_far_they_are_from_the_grid(net: Net) -> None:
    rows = slices.measure_pictures(net, slices.QUICK)["picture_to_one_per_cent"]
    assert [row["axes"] for row in rows] == ["random", "Hessian"]
    for row in rows:
        assert row["error_of_range"] <= max(row["error_said"], 1e-6)
        assert row["fell_back_to_the_grid"] is True  # 25 points are too few to save any
        assert 0 < row["evaluations"] <= slices.QUICK.resolution**2


def test_a_polynomial_tells_a_smooth_surface_from_one_with_a_wall() -> None:
    x = np.linspace(-1, 1, 31)
    assert slices.chebyshev_error(np.add.outer(x**8, x**7) + np.outer(x**3, x**5)) < 1e-12  # of degree 8: exact
    assert slices.chebyshev_error(np.cos(2 * np.add.outer(x, x))) < 1e-3
    wall = np.heaviside(np.add.outer(x, x), 0.5)
    assert slices.chebyshev_error(wall) > 0.1
    assert slices.chebyshev_error(np.where(wall > 0.5, np.nan, 0)) == np.inf


def test_a_round_lets_everybody_go_first_in_turn_and_a_ratio_is_taken_within_it() -> None:
    order: list[str] = []
    contenders = {name: repeated(lambda name=name: order.append(name)) for name in "abc"}
    times = interleave(contenders, Rounds(seconds=0, least=3, most=3))
    warm, rounds = order[:6], order[6:]
    assert warm == ["a", "a", "b", "b", "c", "c"]
    assert rounds == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    times.seconds.update(a=np.array([1.0, 2.0, 10.0]), b=np.array([2.0, 4.0, 20.0]))
    assert times.ratio("b", "a") == {"median": 2.0, "lower_quartile": 2.0, "upper_quartile": 2.0}
    assert times.ratio("b", "a", factor=4)["median"] == 0.5
    assert times.of("a", unit=2) == {"median": 1.0, "lower_quartile": 0.75, "upper_quartile": 3.0}


def test_what_can_be_called_once_is_made_anew_before_each_turn() -> None:
    made: list[int] = []

    def contender(index: int) -> Callable[[], None]:
        made.append(index)
        return lambda: None

    interleave({"x": contender}, Rounds(seconds=0, least=4, most=4))
    assert made == [-2, -1, 0, 1, 2, 3]


def test_the_spread_is_median_and_quartiles() -> None:
    assert spread_of(np.arange(1, 6)) == {"median": 3.0, "lower_quartile": 2.0, "upper_quartile": 4.0}


def test_exponents_are_those_of_the_law_and_carry_the_error_of_least_squares() -> None:
    sizes = np.array([1, 3, 10, 30, 100])
    exact = fit_exponent(sizes, 7 * sizes**1.5)
    assert (exact.value, exact.error) == (1.5, pytest.approx(0, abs=1e-12))
    costs = sizes * np.exp(0.1 * np.random.default_rng(1).standard_normal(5))
    (slope, _), covariance = np.polyfit(np.log(sizes), np.log(costs), 1, cov=True)
    fitted = fit_exponent(sizes, costs)
    assert fitted.value == pytest.approx(slope, abs=5e-4)
    assert fitted.error == pytest.approx(covariance[0, 0] ** 0.5, rel=0.05)
    with pytest.raises(ValueError, match="sizes must be at least three, got 2"):
        fit_exponent([1, 2], [1, 2])


def test_what_is_written_down_is_json_without_loss(net: Net, tmp_path: Path) -> None:
    tables = hvp.measure_products(net, ONCE)
    path = write_results("hvp", {"title": "products", **tables}, tmp_path)
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["one_product"] == tables["one_product"]
    assert kept["date"].count("-") == 2
