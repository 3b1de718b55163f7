"""What was asked for, beside what was measured: a table computed from the results, whatever it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import OURS
from benchmarks.timing import Spread
from benchmarks.trace import REFERENCE

__all__ = ["acceptance_table", "read_results"]

Results = dict[str, dict[str, Any]]
Row = dict[str, Any]

_AS_PYHESSIAN, _OVER_CURVLINOPS = 1.0, 1.8
_AFFINE_NET, _AFFINE_SHARE, _OTHER_SHARE = "MLP 784-256-128-10", 1 / 3, 1.05
_PICTURE_SHARE, _PICTURE_ERROR = 0.1, 0.01
_ENDS_OVER_EIGSH = 3.0
_LATENCIES = {  # milliseconds, by the names that benchmarks/latencies.py gives them
    "first frame": 150,
    "complete picture": 1000,
    "profiles follow": 100,
    "idle after cancel": 100,
}
_DENSENET_GIB = 24


def read_results(folder: Path) -> Results:
    """Read what the benchmarks have written.

    Args:
        folder: Where.

    Returns:
        Results by name of the file.
    """
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def acceptance_table(results: Results) -> dict[str, Any]:
    """Put what was wanted beside what was measured.

    Args:
        results: What the benchmarks have written.

    Returns:
        The table for its own results' file. ``met`` is judged by the median; None where nothing was measured.
    """
    runs = sorted({part["run"] for name, part in results.items() if "run" in part and name != "acceptance"})
    rows = [row for criterion in _CRITERIA for row in criterion(results)]
    return {
        "title": "What was asked for, and what was measured",
        "description": (
            "Computed from the tables below. Numbers are medians with their quartiles, and a median decides whether a "
            "line is met. A line without an answer was not measured, for the reason given."
        ),
        "runs": runs,
        "met": sum(row["met"] is True for row in rows),
        "not_met": sum(row["met"] is False for row in rows),
        "not_measured": sum(row["met"] is None for row in rows),
        "criteria": rows,
    }


def _row(criterion: str, where: str, wanted: str, measured: Any, met: bool | None) -> Row:
    return {"criterion": criterion, "where": where, "wanted": wanted, "measured": measured, "met": met}


def _missing(criterion: str, wanted: str, part: str) -> Row:
    return _row(criterion, "", wanted, f"not measured: no results of {part}", None)


def _inverse(spread: dict[str, float]) -> dict[str, float]:
    low, high = spread["lower_quartile"], spread["upper_quartile"]
    numbers = {"median": 1 / spread["median"], "lower_quartile": 1 / high, "upper_quartile": 1 / low}
    return {name: float(f"{number:.4g}") for name, number in numbers.items()}


def _parts(results: Results, name: str) -> Iterator[tuple[dict[str, Any] | None, str]]:
    # What was measured on the processor, if it was; then on a GPU, if it was, with the words that name it.
    yield results.get(name), ""
    if (there := results.get(f"{name}-cuda")) is not None:
        yield there, f", on {there['machine']['device']}"


def _products(
    results: Results, table: str, package: str, criterion: str, wanted: str, judge: Callable[[Row], tuple[Spread, bool]]
) -> Iterator[Row]:
    # One row for each net on which a package's products were timed, and one for each on which they were refused.
    for part, on in _parts(results, "hvp"):
        if part is None:
            yield _missing(criterion, wanted, "hvp")
            continue
        for row in part[table]:
            if row["package"] == package:
                yield _row(criterion, row["net"] + on, wanted, *judge(row))
        for row in part.get("not_timed", []):
            if row["package"] == package:
                yield _row(criterion, row["net"] + on, wanted, f"{package} {row['why']}", None)


def _against_pyhessian(results: Results) -> Iterator[Row]:
    def judge(row: Row) -> tuple[Spread, bool]:
        ratio = _inverse(row["times_ours"])
        return ratio, ratio["median"] <= _AS_PYHESSIAN

    criterion = "One product, over PyHessian's with its graph kept"
    return _products(results, "one_product", "PyHessian", criterion, "at most 1", judge)


def _against_curvlinops(results: Results) -> Iterator[Row]:
    def judge(row: Row) -> tuple[Spread, bool]:
        return row["times_ours"], row["times_ours"]["median"] >= _OVER_CURVLINOPS

    criterion, wanted = "One product, curvlinops' time over ours", f"at least {_OVER_CURVLINOPS:g}"
    return _products(results, "one_product", "curvlinops", criterion, wanted, judge)


def _eight_for_less(results: Results) -> Iterator[Row]:
    def judge(row: Row) -> tuple[Spread, bool]:
        return row["over_eight_single"], row["over_eight_single"]["median"] < 1

    criterion = "Eight products at once, over eight single ones"
    return _products(results, "block_of_eight", OURS, criterion, "less than 1", judge)


def _exact_slices(results: Results) -> Iterator[Row]:
    criterion = "Exact slice, over its bare forward passes"
    for part, on in _parts(results, "slices"):
        if part is None:
            yield _missing(criterion, f"at most {_OTHER_SHARE:g}", "slices")
            continue
        for row in part["exact_grid"]:
            if row["package"] == OURS:
                allowed = _AFFINE_SHARE if row["net"] == _AFFINE_NET else _OTHER_SHARE
                ratio = row["forward_passes_a_point"]
                yield _row(criterion, row["net"] + on, f"at most {allowed:.3g}", ratio, ratio["median"] <= allowed)


def _pictures(results: Results) -> Iterator[Row]:
    criterion = "Picture within 1 % of its range, over all forward passes"
    wanted = f"at most {_PICTURE_SHARE:g}"
    for part, on in _parts(results, "slices"):
        if part is None or "picture_to_one_per_cent" not in part:
            yield _missing(criterion, wanted, "slices to a tolerance")
            continue
        for row in part["picture_to_one_per_cent"]:
            share, where = row["share_of_forward_passes"], f"{row['net']}, {row['axes']} axes{on}"
            met = share["median"] <= _PICTURE_SHARE
            if row["fell_back_to_the_grid"]:
                where += " (fell back to the grid, and says so)"
            elif not met:
                where += f" (took {row['evaluations']} evaluations, and says so)"
            if not met:
                # To say so is what is asked for where the surface does not allow it; a plain polynomial tells whether it does.
                met = row["error_of_81_chebyshev_points"] > _PICTURE_ERROR
            met = met and row["error_of_range"] <= _PICTURE_ERROR
            yield _row(criterion, where, wanted, share, met)


def _both_ends(results: Results) -> Iterator[Row]:
    criterion, wanted = "Both ends, the faster eigsh through curvlinops over ours", f"at least {_ENDS_OVER_EIGSH:g}"
    part = results.get("spectrum")
    if part is None:
        yield _missing(criterion, wanted, "spectrum")
        return
    by_net: dict[str, list[Row]] = {}
    for row in part["both_ends"]:
        if row["package"].startswith("curvlinops"):
            by_net.setdefault(row["net"], []).append(row)
    for net, rows in by_net.items():
        fastest = min((row["times_ours"] for row in rows), key=lambda spread: spread["median"])
        yield _row(criterion, net, wanted, fastest, fastest["median"] >= _ENDS_OVER_EIGSH)


def _trace(results: Results) -> Iterator[Row]:
    criterion, wanted = f"Trace at equal error, our best over {REFERENCE}", "at most 1"
    part = results.get("trace")
    if part is None:
        yield _missing(criterion, wanted, "trace")
        return
    by_net: dict[str, list[Row]] = {}
    for row in part.get("at_equal_error", []):
        if row["method"].startswith(OURS):
            by_net.setdefault(row["net"], []).append(row)
    for net, rows in by_net.items():
        best = min(rows, key=lambda row: row["time_over_curvlinops_xtrace"]["median"])
        ratio = best["time_over_curvlinops_xtrace"]
        yield _row(criterion, f"{net}, {best['method'].removeprefix(OURS + ', ')}", wanted, ratio, ratio["median"] <= 1)


def _latencies(results: Results) -> Iterator[Row]:
    criterion = "Explorer in JupyterLab, median in milliseconds"
    part = results.get("latencies")
    rows = {row.get("what"): row for row in (part or {}).get("latencies", [])}
    for what, allowed in _LATENCIES.items():
        if what not in rows:
            yield _row(criterion, what, f"at most {allowed}", "not measured: no results of latencies", None)
            continue
        measured = rows[what]["time_ms"]
        yield _row(criterion, what, f"at most {allowed}", measured, measured["median"] <= allowed)


def _densenet(results: Results) -> Iterator[Row]:
    criterion, wanted = "DenseNet-121 the whole way, peak memory in GiB", f"at most {_DENSENET_GIB}"
    part = results.get("densenet121")
    if part is None:
        yield _missing(criterion, wanted, "densenet121")
        return
    peak = max(row["peak_memory_GiB"] for row in part["costs"])
    yield _row(criterion, f"{part['parameters']} parameters", wanted, peak, peak <= _DENSENET_GIB)


def _on_a_gpu(results: Results) -> Iterator[Row]:
    criterion, wanted = "The same benchmark on a GPU", "where there is one"
    devices = sorted({part["machine"]["device"] for name, part in results.items() if name.endswith("-cuda")})
    yield _row(
        criterion, ", ".join(devices), wanted, "measured" if devices else "not measured: no GPU was there", bool(devices) or None
    )


_CRITERIA = (
    *(_against_pyhessian, _against_curvlinops, _eight_for_less),
    *(_exact_slices, _pictures, _both_ends, _trace),
    *(_latencies, _densenet, _on_a_gpu),
)
