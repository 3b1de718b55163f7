"""Times measured side by side, as their ratios: whatever else the machine does then falls on all of them.

In each round every contender has its turn, in an order that moves on from round to round. A ratio is taken within a round, and
its median and quartiles over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Rounds", "Spread", "Times", "interleave", "repeated", "spread_of"]

Call = Callable[[], object]
#: Makes, before the clock starts, what is called in a round; rounds that do not count have negative numbers.
Contender = Callable[[int], Call]
Spread = dict[str, float]

_DIGITS = 4
_MOST_CALLS = 1000
_LONG = 1.0  # second


@dataclass(frozen=True)
class Rounds:
    """How often is measured.

    Attributes:
        seconds: All rounds together take about as long.
        least: But there are at least as many rounds…
        most: …and at most as many.
        least_seconds: Of one turn: what is shorter is called several times in it; 0 for what can be called only once.
    """

    seconds: float
    least: int = 5
    most: int = 41
    least_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Times:
    """Seconds a call, of each contender in each round.

    Attributes:
        seconds: One array ``(rounds,)`` a contender.
    """

    seconds: dict[str, np.ndarray]

    def of(self, name: str, *, unit: float = 1.0) -> Spread:
        """Return the time of a contender.

        Args:
            name: Which.
            unit: In seconds.

        Returns:
            Median and quartiles.
        """
        return spread_of(self.seconds[name] / unit)

    def ratio(self, name: str, to: str, *, factor: float = 1.0) -> Spread:
        """Return the time of a contender over that of another in the same round.

        Args:
            name: Which.
            to: The other.
            factor: Of the other's time: for how many of its calls.

        Returns:
            Median and quartiles.
        """
        return spread_of(self.seconds[name] / (factor * self.seconds[to]))


def repeated(call: Call) -> Contender:
    """Make a contender of what may be called again and again.

    Args:
        call: What is timed.

    Returns:
        The contender.
    """
    return lambda _: call


def interleave(contenders: Mapping[str, Contender], rounds: Rounds, device: torch.device | str = "cpu") -> Times:
    """Time contenders side by side, after a turn or two of each that do not count.

    Args:
        contenders: What is called, by name.
        rounds: How often.
        device: Where they compute; its queue is waited for.

    Returns:
        The times.
    """
    device = torch.device(device)
    calls = {}
    expected = 0.0
    for name, contender in contenders.items():
        once = _turn(contender, -2, 1, device)
        if once < _LONG:  # what takes longer is warm after one
            once = _turn(contender, -1, 1, device)
        calls[name] = max(1, min(_MOST_CALLS, round(rounds.least_seconds / max(once, 1e-9))))
        expected += once * calls[name]
    count = max(rounds.least, min(rounds.most, int(rounds.seconds / max(expected, 1e-9))))
    seconds = {name: np.empty(count) for name in contenders}
    names = list(contenders)
    for index in range(count):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            seconds[name][index] = _turn(contenders[name], index, calls[name], device)
    return Times(seconds)


def spread_of(values: np.ndarray) -> Spread:
    """Summarize repeated measurements.

    Args:
        values: ``(n,)``.

    Returns:
        Their ``median``, ``lower_quartile`` and ``upper_quartile``, to four digits.
    """
    low, middle, high = np.quantile(np.asarray(values, dtype=float), [0.25, 0.5, 0.75])
    numbers = {"median": middle, "lower_quartile": low, "upper_quartile": high}
    return {name: float(f"{number:.{_DIGITS}g}") for name, number in numbers.items()}


def _turn(contender: Contender, index: int, calls: int, device: torch.device) -> float:
    call = contender(index)
    _wait(device)
    began = time.perf_counter()
    for _ in range(calls):
        call()
    _wait(device)
    return (time.perf_counter() - began) / calls


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
