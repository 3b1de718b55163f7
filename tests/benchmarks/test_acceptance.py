"""What was asked for beside what was measured: each line by hand."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.acceptance import acceptance_table


def spread(median: float) -> dict[str, float]:
    return {"median": median, "lower_quartile": 0.9 * median, "upper_quartile": 1.2 * median}


def lines(results: dict[str, Any], begin: str) -> list[tuple[str, Any, Any]]:
    rows = acceptance_table(results)["criteria"]
    return [(row["where"], row["measured"], row["met"]) for row in rows if row["criterion"].startswith(begin)]


def product(net: str, package: str, times_ours: float) -> dict[str, Any]:
    return {"net": net, "package": package, "times_ours": spread(times_ours)}


def test_without_results_no_line_is_met_and_none_is_missed() -> None:
    table = acceptance_table({})
    assert table["met"] == table["not_met"] == 0
    assert table["not_measured"] == len(table["criteria"]) >= 10
    assert all("not measured" in row["measured"] for row in table["criteria"])


def test_products_are_judged_by_the_median_of_the_ratio() -> None:
    part = {
        "one_product": [product("a", "PyHessian", 1.25), product("b", "PyHessian", 0.5), product("a", "curvlinops", 1.79)],
        "block_of_eight": [{"net": "a", "package": "curvwidget", "over_eight_single": spread(1.0)}],
        "not_timed": [{"net": "b", "package": "curvlinops", "why": "differs"}],
    }
    faster, slower = lines({"hvp": part}, "One product, over PyHessian")
    assert faster[1] == {"median": 0.8, "lower_quartile": 0.6667, "upper_quartile": 0.8889}
    assert (faster[0], faster[2]) == ("a", True)
    assert slower[2] is False
    assert lines({"hvp": part}, "One product, curvlinops") == [
        ("a", spread(1.79), False),
        ("b", "curvlinops differs", None),
    ]
    assert lines({"hvp": part}, "Eight products")[0][2] is False  # as much as eight is not less


def test_the_affine_net_is_held_to_a_third_and_the_others_to_their_passes() -> None:
    rows = [
        {"net": net, "package": "curvwidget", "forward_passes_a_point": spread(ratio)}
        for net, ratio in (("MLP 784-256-128-10", 0.34), ("conv net", 1.04))
    ]
    assert [met for _, _, met in lines({"slices": {"exact_grid": rows}}, "Exact slice")] == [False, True]


@pytest.mark.parametrize(
    ("share", "error", "fell_back", "by_chebyshev", "met"),
    [
        (0.09, 0.009, False, 0.5, True),
        (0.11, 0.009, False, 0.5, True),
        (0.11, 0.009, False, 0.009, False),
        (0.11, 0.02, False, 0.5, False),
        (0.09, 0.02, False, 0.5, False),
        (1.0, 0.0, True, 0.5, True),
        (1.0, 0.0, True, 0.009, False),
    ],
)
def test_a_picture_is_cheap_and_within_or_says_that_its_surface_is_not_for_that(
    share: float, error: float, fell_back: bool, by_chebyshev: float, met: bool
) -> None:
    row = {"net": "a", "axes": "random", "share_of_forward_passes": spread(share), "error_of_range": error}
    row |= {"evaluations": 300, "fell_back_to_the_grid": fell_back, "error_of_81_chebyshev_points": by_chebyshev}
    part = {"exact_grid": [], "picture_to_one_per_cent": [row]}
    assert [line[2] for line in lines({"slices": part}, "Picture")] == [met]


def test_the_faster_way_of_eigsh_and_our_best_trace_count() -> None:
    ends = [product("a", "curvlinops, eigsh BE", 9.0), product("a", "curvlinops, eigsh LA and SA", 2.9)]
    assert lines({"spectrum": {"both_ends": ends}}, "Both ends") == [("a", spread(2.9), False)]
    methods = [("curvwidget, xtrace", 0.9), ("curvwidget, hutchinson", 1.4), ("curvlinops, Hutchinson", 0.1)]
    equal = [{"net": "a", "method": method, "time_over_curvlinops_xtrace": spread(ratio)} for method, ratio in methods]
    assert lines({"trace": {"at_equal_error": equal}}, "Trace") == [("a, xtrace", spread(0.9), True)]


def test_what_was_measured_on_a_gpu_is_judged_too_and_the_gpu_named() -> None:
    there: dict[str, Any] = {
        "machine": {"device": "a card"},
        "one_product": [product("a", "PyHessian", 0.5)],
        "block_of_eight": [],
    }
    assert lines({"hvp-cuda": there}, "The same benchmark on a GPU") == [("a card", "measured", True)]
    here = {"one_product": [product("a", "PyHessian", 2.0)], "block_of_eight": []}
    found = lines({"hvp": here, "hvp-cuda": there}, "One product, over PyHessian")
    assert [(where, met) for where, _, met in found] == [("a", True), ("a, on a card", False)]
