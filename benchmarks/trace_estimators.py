"""Estimators of the trace, each of which spends so many products from a seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

import curvwidget as cw
from benchmarks.nets import Net
from benchmarks.peers import PRODUCTS

__all__ = ["OUR_METHODS", "Estimator", "OurMethod", "others", "ours"]

OurMethod = Literal["hutchinson", "hutch++", "xtrace"]
OUR_METHODS: tuple[OurMethod, ...] = ("hutchinson", "hutch++", "xtrace")
#: Makes, from a budget of products and a seed, what estimates the trace.
Estimator = Callable[[int, int], Callable[[], float]]


def others() -> dict[str, Callable[[Net], Estimator]]:
    """List the estimators of other packages.

    Returns:
        What prepares each for a network, by name.
    """
    found: dict[str, Callable[[Net], Estimator]] = {}
    for label, function in (("XTrace", "xtrace"), ("Hutch++", "hutchpp_trace"), ("Hutchinson", "hutchinson_trace")):
        found[f"curvlinops, {label}"] = _curvlinops(function)
    for label, method in (("Hutch++", "hutch++"), ("Hutchinson", "hutchinson")):
        found[f"hessian-eigenthings, {label}"] = _eigenthings(method)
    found["PyHessian, Hutchinson"] = _pyhessian
    return found


def ours(method: OurMethod) -> Callable[[Net], Estimator]:
    """Take an estimator of curvwidget.

    Args:
        method: Which.

    Returns:
        What prepares it for a network.
    """

    def build(net: Net) -> Estimator:
        objective = net.objective()
        # Its graph is there and its way is chosen, as the others have what they prepare once.
        objective.hvp(torch.randn(8, net.n_parameters, device=net.x.device))

        def estimator(budget: int, seed: int) -> Callable[[], float]:
            distribution: Literal["gaussian", "rademacher"] = "rademacher" if method == "hutchinson" else "gaussian"
            return lambda: (
                cw.estimate_trace(objective, method=method, distribution=distribution, samples=budget, seed=seed + 100_000).trace
            )

        return estimator

    return build


def _curvlinops(function: str) -> Callable[[Net], Estimator]:
    def build(net: Net) -> Estimator:
        products: Any = PRODUCTS["curvlinops"](net)
        estimate = getattr(importlib.import_module("curvlinops"), function)

        def estimator(budget: int, seed: int) -> Callable[[], float]:
            torch.manual_seed(seed + 100_000)
            return lambda: float(estimate(products.operator, budget))

        return estimator

    return build


def _eigenthings(method: str) -> Callable[[Net], Estimator]:
    def build(net: Net) -> Estimator:
        products: Any = PRODUCTS["hessian-eigenthings"](net)
        estimate = importlib.import_module("hessian_eigenthings.algorithms.trace").trace

        def estimator(budget: int, seed: int) -> Callable[[], float]:
            return lambda: float(estimate(products.operator, num_matvecs=budget, method=method, seed=seed + 100_000).estimate)

        return estimator

    return build


def _pyhessian(net: Net) -> Estimator:
    products: Any = PRODUCTS["PyHessian"](net)

    def estimator(budget: int, seed: int) -> Callable[[], float]:
        torch.manual_seed(seed + 100_000)
        # Its own rule ends it at random; a tolerance of zero spends the whole budget.
        return lambda: float(np.mean(products.hessian.trace(maxIter=budget, tol=0.0)))

    return estimator
