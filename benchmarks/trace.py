"""The trace of the Hessian at equal error: what an estimate costs, times its variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from benchmarks.agreement import REFUSALS, check_agreement, why_not
from benchmarks.nets import Net, build_net
from benchmarks.peers import OURS, PRODUCTS, attention_that_bends
from benchmarks.timing import Rounds, Spread, interleave, spread_of
from benchmarks.trace_estimators import OUR_METHODS, Estimator, others, ours

__all__ = ["BUDGETS", "REFERENCE", "measure", "measure_trace", "ratio_at_equal_error"]

BUDGETS = (12, 24, 48, 96)  # products; ways of spending them divide by two and by three
REFERENCE = "curvlinops, XTrace"
_RUNS = 16
_CHUNK = 64
_RESAMPLES = 400
_BY_CHANCE = 1e-6  # that a mean of runs is as far from the truth as it may be


def measure(names: list[str], device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """Measure on networks of the list.

    Args:
        names: Which.
        device: Where.
        quick: Whether to see only that it runs.

    Returns:
        Tables for the results' file.
    """
    tables: dict[str, list[dict[str, Any]]] = {"at_equal_error": [], "runs": [], "not_timed": []}
    for name in names:
        if quick:
            measured = measure_trace(build_net(name, device, quick=True), budgets=BUDGETS[:2], runs=4)
        else:
            measured = measure_trace(build_net(name, device), budgets=BUDGETS, runs=_RUNS)
        for table, rows in measured.items():
            tables[table] += rows
        print(f"trace: {name} done", flush=True)
    return {
        "title": "Trace of the Hessian",
        "description": (
            "Each estimator runs with several budgets of products, each time from another seed. Its error is the root "
            "mean square distance from the exact trace, which curvwidget and curvlinops compute alike from all N "
            "products. The time at equal error is read off a power law through the budgets at the error that curvlinops' "
            "XTrace has with its largest; the quartiles come from resampled runs. Work is time × squared relative error."
        ),
        **{table: rows for table, rows in tables.items() if rows},
    }


def measure_trace(net: Net, *, budgets: tuple[int, ...], runs: int) -> dict[str, list[dict[str, Any]]]:
    """Measure on one network.

    Args:
        net: The network.
        budgets: Products, ascending.
        runs: Estimates a budget.

    Returns:
        Rows of three tables.
    """
    with attention_that_bends(net):
        exact = _exact_trace(net)
        estimators = {f"{OURS}, {method}": ours(method)(net) for method in OUR_METHODS}
        refused = []
        for name, build in others().items():
            try:
                estimator = build(net)
                estimator(budgets[0], 0)()
            except REFUSALS as error:
                refused.append({"net": net.name, "package": name, "why": why_not(error)})
                continue
            estimators[name] = estimator
        estimates, seconds = _run(net, estimators, budgets, runs)
    rows = []
    for name in list(estimators):
        of_this = _runs_of(net, name, exact, budgets, estimates[name], seconds[name])
        biases = [row["bias_in_standard_errors"] for row in of_this]
        if max(map(abs, biases)) > student.isf(_BY_CHANCE / 2, runs - 1):
            refused.append({"net": net.name, "package": name, "why": f"means are {biases} standard errors from the exact trace"})
            del estimators[name]
        rows += of_this
    equal = []
    if REFERENCE in estimators:
        for name in estimators:
            ratio = ratio_at_equal_error(exact, estimates[name], seconds[name], estimates[REFERENCE], seconds[REFERENCE])
            equal.append({**net.describe(), "method": name, "exact_trace": exact, "time_over_curvlinops_xtrace": ratio})
    return {"at_equal_error": equal, "runs": rows, "not_timed": refused}


def ratio_at_equal_error(
    exact: float,
    estimates: np.ndarray,
    seconds: np.ndarray,
    reference_estimates: np.ndarray,
    reference_seconds: np.ndarray,
    *,
    seed: int = 0,
) -> Spread:
    """Compare the times in which two estimators come to the same error.

    Error and time of each follow a power law over its budgets, fitted as a line in logarithms, by which the time is read off at
    the error that the reference has with its largest budget.

    Args:
        exact: The exact trace.
        estimates: One estimate a budget and run ``(B, R)``.
        seconds: What it took ``(B, R)``.
        reference_estimates: The same of the reference.
        reference_seconds: The same of the reference.
        seed: Of the resampling of runs.

    Returns:
        Time over the reference's time: median and quartiles over resampled runs.
    """
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(_RESAMPLES):
        mine = _law(exact, *_resampled(rng, estimates, seconds))
        theirs = _law(exact, *_resampled(rng, reference_estimates, reference_seconds))
        error = theirs[0][-1]
        ratios.append(np.exp(_time_at(mine, error) - _time_at(theirs, error)))
    return spread_of(np.array(ratios))


def _resampled(rng: np.random.Generator, estimates: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    runs = rng.integers(estimates.shape[1], size=estimates.shape[1])
    return estimates[:, runs], seconds[:, runs]


def _law(exact: float, estimates: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The logarithms of error and time at each budget.
    return 0.5 * np.log(((estimates - exact) ** 2).mean(axis=1)), np.log(np.median(seconds, axis=1))


def _time_at(law: tuple[np.ndarray, np.ndarray], error: float) -> float:
    errors, times = law
    centred = errors - errors.mean()
    slope = float(centred @ times / (centred @ centred))
    return float(times.mean() + slope * (error - errors.mean()))


def _run(
    net: Net, estimators: dict[str, Estimator], budgets: tuple[int, ...], runs: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    estimates = {name: np.empty((len(budgets), runs)) for name in estimators}
    seconds = {name: np.empty((len(budgets), runs)) for name in estimators}
    for row, budget in enumerate(budgets):

        def contender(name: str, row: int = row, budget: int = budget) -> Callable[[int], Callable[[], object]]:
            def make(index: int) -> Callable[[], object]:
                estimate = estimators[name](budget, 1000 * row + index)

                def call() -> None:
                    value = estimate()
                    if index >= 0:
                        estimates[name][row, index] = value

                return call

            return make

        times = interleave({name: contender(name) for name in estimators}, Rounds(0, least=runs, most=runs), net.x.device)
        for name in estimators:
            seconds[name][row] = times.seconds[name]
    return estimates, seconds


def _runs_of(
    net: Net, name: str, exact: float, budgets: tuple[int, ...], estimates: np.ndarray, seconds: np.ndarray
) -> list[dict[str, Any]]:
    rows = []
    for budget, values, times in zip(budgets, estimates, seconds, strict=True):
        bias = (values.mean() - exact) / (values.std(ddof=1) / len(values) ** 0.5)
        error = float(((values - exact) ** 2).mean() ** 0.5)
        rows.append(
            {
                **net.describe(),
                "method": name,
                "products": budget,
                "time_ms": spread_of(times * 1e3),
                "relative_error": float(f"{error / abs(exact):.3g}"),
                "work": float(f"{np.median(times) * (error / exact) ** 2:.3g}"),
                "bias_in_standard_errors": float(f"{bias:.2g}"),
            }
        )
    return rows


def _exact_trace(net: Net) -> float:
    # By ours and, where it is there and right, by curvlinops, from all unit vectors.
    diagonal = _diagonal(net, net.objective().hvp)
    try:
        theirs: Any = PRODUCTS["curvlinops"](net)
        check_agreement("curvlinops' diagonal", _diagonal(net, lambda block: theirs.rows(theirs.call(block)())), diagonal)
    except ImportError:
        pass
    return float(diagonal.double().sum())


def _diagonal(net: Net, product: Callable[[Tensor], Tensor]) -> Tensor:
    size = net.n_parameters
    parts = []
    for start in range(0, size, _CHUNK):
        rows = torch.arange(start, min(start + _CHUNK, size), device=net.x.device)
        block = torch.zeros(len(rows), size, device=net.x.device, dtype=net.x.dtype)
        block[torch.arange(len(rows)), rows] = 1
        parts.append(product(block)[torch.arange(len(rows)), rows])
    return torch.cat(parts)
