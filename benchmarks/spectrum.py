"""Both ends of the Hessian's spectrum to the same residuals: one Krylov space, beside ARPACK through curvlinops and others."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import curvwidget as cw
from benchmarks.agreement import REFUSALS, Disagreement, why_not
from benchmarks.nets import Net, build_net
from benchmarks.peers import OURS, PRODUCTS, attention_that_bends, plain_products
from benchmarks.timing import Contender, Rounds, interleave

__all__ = ["TOLERANCE", "measure", "measure_ends"]

TOLERANCE = 1e-3
_ROUNDS = Rounds(seconds=12, least=3, most=21)
_FEW_ROUNDS = Rounds(seconds=0, least=1, most=1)
_ROUNDINGS = 1e-5  # of the largest eigenvalue, in float32
_LADDER = (20, 40, 80, 160, 320)  # steps of hessian-eigenthings' Lanczos, which are chosen by hand

#: Finds (λ_max, v_max, λ_min, v_min) from a seed, and says how many products that took.
Ends = tuple[float, Tensor, float, Tensor, int]
Finder = Callable[[int], Callable[[], Ends]]


def measure(names: list[str], device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """Measure on networks of the list.

    Args:
        names: Which.
        device: Where.
        quick: Whether to see only that it runs.

    Returns:
        Tables for the results' file.
    """
    tables: dict[str, list[dict[str, Any]]] = {"both_ends": [], "not_timed": []}
    for name in names:
        measured = measure_ends(build_net(name, device, quick=quick), _FEW_ROUNDS if quick else _ROUNDS)
        for table, rows in measured.items():
            tables[table] += rows
        print(f"spectrum: {name} done", flush=True)
    return {
        "title": "Both ends of the spectrum",
        "description": (
            f"λ_max and λ_min with their eigenvectors v, until ‖Hv − λv‖ is at most {TOLERANCE:g}·|λ| for each. The residuals "
            "are measured by products in plain torch. Each round begins with other random vectors. SciPy's eigsh is ARPACK, "
            "called through curvlinops' operator in both ways that it offers. What a package prepares once is not counted."
        ),
        "tolerance": TOLERANCE,
        **{table: rows for table, rows in tables.items() if rows},
    }


def measure_ends(net: Net, rounds: Rounds) -> dict[str, list[dict[str, Any]]]:
    """Measure on one network.

    Args:
        net: The network.
        rounds: How often.

    Returns:
        Rows of two tables.
    """
    refused = []
    with attention_that_bends(net):
        contenders: dict[str, Contender] = {OURS: _ours(net)}
        found = {OURS: _ours(net)(0)()}
        residuals = {OURS: _relative_residuals(net, found[OURS])}
        _check(found[OURS], residuals[OURS], found[OURS], residuals[OURS])
        for name, build in _OTHERS.items():
            try:
                finder = build(net)
                ends = finder(0)()
                residuals[name] = _relative_residuals(net, ends)
                _check(ends, residuals[name], found[OURS], residuals[OURS])
            except REFUSALS as error:
                refused.append({"net": net.name, "package": name, "why": why_not(error)})
                continue
            found[name], contenders[name] = ends, finder
        times = interleave(contenders, rounds, net.x.device)
    rows = [
        {
            **net.describe(),
            "package": name,
            "time_s": times.of(name),
            "times_ours": times.ratio(name, OURS),
            "products": found[name][4],
            "largest": found[name][0],
            "smallest": found[name][2],
            "residuals": [float(f"{residual:.2g}") for residual in residuals[name]],
        }
        for name in contenders
    ]
    return {"both_ends": rows, "not_timed": refused}


def _check(ends: Ends, residuals: tuple[float, float], ours: Ends, our_residuals: tuple[float, float]) -> None:
    # An eigenvalue lies within the residual of each, in units of |λ|; the extreme ones are the same within both.
    for index, (end, value, expected) in enumerate((("λ_max", ends[0], ours[0]), ("λ_min", ends[2], ours[2]))):
        # ARPACK's estimate and the residual differ by some.
        if not residuals[index] <= 2 * TOLERANCE:
            raise Disagreement(f"the residual of {end} is {residuals[index]:.1e}·|λ|, wanted {TOLERANCE:g}")
        allowed = residuals[index] * abs(value) + our_residuals[index] * abs(expected) + _ROUNDINGS * abs(ours[0])
        if not abs(value - expected) <= allowed:
            raise Disagreement(f"{end} is {value:.6g}, ours {expected:.6g}, which residuals allow to differ by {allowed:.1g}")


def _relative_residuals(net: Net, ends: Ends) -> tuple[float, float]:
    largest, top, smallest, bottom, _ = ends
    vectors = torch.stack([top, bottom]).to(net.x)
    products = plain_products(net, vectors)
    values = torch.tensor([largest, smallest]).to(net.x)
    norms = (products - values[:, None] * vectors).double().norm(dim=1) / vectors.double().norm(dim=1)
    return float(norms[0]) / abs(largest), float(norms[1]) / abs(smallest)


def _ours(net: Net) -> Finder:
    objective = net.objective()
    objective.hvp(torch.randn(1, net.n_parameters, device=net.x.device))  # as the others have what they prepare once

    def finder(seed: int) -> Callable[[], Ends]:
        def call() -> Ends:
            pairs = cw.extreme_eigenpairs(objective, largest=1, smallest=1, tol=TOLERANCE, seed=seed + 10)
            top, bottom = pairs.vectors
            return float(pairs.values[0]), top, float(pairs.values[1]), bottom, pairs.hvps

        return call

    return finder


def _arpack(net: Net, *, at_once: bool) -> Finder:
    from scipy.sparse.linalg import LinearOperator, eigsh

    products: Any = PRODUCTS["curvlinops"](net)
    theirs = products.operator.to_scipy(dtype=np.float32)
    size = net.n_parameters
    counted = [0]

    def matvec(vector: np.ndarray) -> np.ndarray:
        counted[0] += 1
        return np.asarray(theirs.matvec(vector))

    operator = LinearOperator((size, size), matvec=matvec, dtype=np.float32)

    def ends(which: str, count: int, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = eigsh(operator, k=count, which=which, tol=TOLERANCE, v0=start)
        return values, vectors

    def finder(seed: int) -> Callable[[], Ends]:
        start = np.random.default_rng(seed + 10).standard_normal(size).astype(np.float32)

        def call() -> Ends:
            counted[0] = 0
            if at_once:
                values, vectors = ends("BE", 2, start)
                bottom, top = np.argsort(values)
                found = values[top], vectors[:, top], values[bottom], vectors[:, bottom]
            else:
                (top_values, top_vectors), (low_values, low_vectors) = ends("LA", 1, start), ends("SA", 1, start)
                found = top_values[0], top_vectors[:, 0], low_values[0], low_vectors[:, 0]
            return float(found[0]), torch.tensor(found[1]), float(found[2]), torch.tensor(found[3]), counted[0]

        return call

    return finder


def _eigenthings(net: Net) -> Finder:
    products: Any = PRODUCTS["hessian-eigenthings"](net)
    lanczos = importlib.import_module("hessian_eigenthings.algorithms.lanczos").lanczos

    def run(which: str, steps: int, seed: int) -> Any:
        return lanczos(products.operator, k=1, max_iter=steps, tol=TOLERANCE, reorthogonalize=True, which=which, seed=seed)

    def enough(which: str) -> int:
        for steps in _LADDER:
            if steps < net.n_parameters and bool(run(which, steps, 10).converged.all()):
                return steps
        raise Disagreement(f"Lanczos for {which} has not converged in {_LADDER[-1]} steps")

    steps = {which: enough(which) for which in ("LA", "SA")}

    def finder(seed: int) -> Callable[[], Ends]:
        def call() -> Ends:
            top, bottom = (run(which, number, seed + 10) for which, number in steps.items())
            largest, smallest = float(top.eigenvalues[0]), float(bottom.eigenvalues[0])
            return largest, top.eigenvectors[0], smallest, bottom.eigenvectors[0], sum(steps.values())

        return call

    return finder


def _power(net: Net) -> Finder:
    products: Any = PRODUCTS["PyHessian"](net)
    torch.manual_seed(10)
    values, vectors = products.hessian.eigenvalues(maxIter=1000, tol=TOLERANCE, top_n=1)
    vector = torch.cat([part.flatten() for part in vectors[0]])
    residual, _ = _relative_residuals(net, (values[0], vector, values[0], vector, 0))
    raise Disagreement(
        "power iteration finds the eigenvalue of largest magnitude alone and stops by its change: at the same tolerance it "
        f"returned {values[0]:.6g} with a residual of {residual:.1e}·|λ|"
    )


_OTHERS: dict[str, Callable[[Net], Finder]] = {
    "curvlinops, eigsh LA and SA": lambda net: _arpack(net, at_once=False),
    "curvlinops, eigsh BE": lambda net: _arpack(net, at_once=True),
    "hessian-eigenthings, Lanczos LA and SA": _eigenthings,
    "PyHessian": _power,
}
