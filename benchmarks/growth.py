"""How the cost of products and slices grows with the parameters, the samples, and the vectors or points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import curvwidget as cw
from benchmarks.nets import Net, mlp_of_width
from benchmarks.peers import gradient_of
from benchmarks.timing import Contender, Rounds, interleave, repeated

__all__ = ["Exponent", "fit_exponent", "measure"]

_ROUNDS = Rounds(seconds=4, least=5, most=15, least_seconds=0.01)
_ONCE = Rounds(seconds=4, least=3, most=7)  # what keeps what it has computed is asked once only
_QUICK = Rounds(seconds=0, least=1, most=1)
_WIDTH, _BATCH, _RESOLUTION = 128, 256, 11
# Two decades each: N from 10⁴ to 10⁶, and samples, vectors and points.
_WIDTHS = (70, 170, 280, 550, 960)
_BATCHES = (16, 50, 160, 500, 1600)
_COUNTS = (1, 3, 10, 30, 100)
_RESOLUTIONS = (5, 9, 15, 29, 51)


@dataclass(frozen=True)
class Exponent:
    """A power law fitted to costs.

    Attributes:
        value: The slope of log cost over log size, by least squares.
        error: Its standard error, from the scatter about the line.
    """

    value: float
    error: float


def fit_exponent(sizes: Sequence[float], costs: Sequence[float]) -> Exponent:
    """Fit cost ∝ size^p.

    Args:
        sizes: At least three, not all equal.
        costs: One a size, positive.

    Returns:
        The exponent with its standard error.

    Raises:
        ValueError: If there are fewer than three sizes.

    Example:
        >>> fit_exponent([1, 10, 100], [2.0, 200.0, 20000.0]).value
        2.0
    """
    if len(sizes) < 3:
        raise ValueError(f"sizes must be at least three, got {len(sizes)}")
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(costs, dtype=float))
    x = x - x.mean()
    slope = float(x @ (y - y.mean()) / (x @ x))
    rest = y - y.mean() - slope * x
    error = float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))
    return Exponent(float(f"{slope:.3f}"), float(f"{error:.2g}"))


def measure(device: str = "cpu", *, quick: bool = False) -> dict[str, Any]:
    """Measure how costs grow.

    Args:
        device: Where.
        quick: Whether to see only that it runs.

    Returns:
        Tables for the results' file.
    """
    cut = 3 if quick else None
    nets = {width: mlp_of_width(width, _BATCH, device) for width in _WIDTHS[:cut]}
    batches = {batch: mlp_of_width(_WIDTH, batch, device) for batch in _BATCHES[:cut]}
    middle = mlp_of_width(_WIDTH, _BATCH, device)
    rounds, once = (_QUICK, _QUICK) if quick else (_ROUNDS, _ONCE)
    parameters = {net.n_parameters: net for net in nets.values()}
    series = [
        ("gradient", "parameters", parameters, _gradient, rounds),
        ("product", "parameters", parameters, _product(1), rounds),
        ("slice", "parameters", parameters, _slice(_RESOLUTION), once),
        ("gradient", "samples", batches, _gradient, rounds),
        ("product", "samples", batches, _product(1), rounds),
        ("slice", "samples", batches, _slice(_RESOLUTION), once),
    ]
    points, exponents = [], []
    for what, over, by_size, prepare, often in series:
        rows = _series(what, over, {size: prepare(net) for size, net in by_size.items()}, often, device)
        points += rows
        exponents.append(_exponent(rows))
    for what, over, contenders, often in (
        ("products", "vectors", {count: _product(count)(middle) for count in _COUNTS[:cut]}, rounds),
        ("slice", "points", {number**2: _slice(number)(middle) for number in _RESOLUTIONS[:cut]}, once),
    ):
        rows = _series(what, over, contenders, often, device)
        points += rows
        exponents.append(_exponent(rows))
        print(f"growth: {what} over {over} done", flush=True)
    return {
        "title": "How costs grow",
        "description": (
            f"An MLP 64-w-w-10 with tanh on {_BATCH} samples, a slice of {_RESOLUTION} × {_RESOLUTION} points, and one of "
            "the numbers taken over two decades. The exponent p of cost ∝ size^p is the slope in logarithms, with its "
            "standard error; it is less than 1 where what every call costs, whatever its size, still counts."
        ),
        "exponents": exponents,
        "points": points,
    }


def _series(what: str, over: str, contenders: dict[int, Contender], rounds: Rounds, device: str) -> list[dict[str, Any]]:
    times = interleave({str(size): contender for size, contender in contenders.items()}, rounds, device)
    return [{"what": what, "over": over, "size": size, "time_ms": times.of(str(size), unit=1e-3)} for size in contenders]


def _exponent(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = [row["size"] for row in rows]
    exponent = fit_exponent(sizes, [row["time_ms"]["median"] for row in rows])
    return {
        "what": rows[0]["what"],
        "over": rows[0]["over"],
        "from": sizes[0],
        "to": sizes[-1],
        "exponent": exponent.value,
        "standard_error": exponent.error,
    }


def _gradient(net: Net) -> Contender:
    return repeated(gradient_of(net))


def _product(count: int) -> Callable[[Net], Contender]:
    def prepare(net: Net) -> Contender:
        objective = net.objective()
        vectors = torch.randn(count, net.n_parameters, generator=torch.Generator().manual_seed(1)).to(net.x.device)
        return repeated(lambda: objective.hvp(vectors))

    return prepare


def _slice(resolution: int) -> Callable[[Net], Contender]:
    def prepare(net: Net) -> Contender:
        objective = net.objective()

        def make(index: int) -> Callable[[], object]:
            directions = cw.random_directions(objective, 2, seed=index + 10)
            return lambda: cw.slice_loss(objective, directions, span=0.1, resolution=resolution)

        return make

    return prepare
