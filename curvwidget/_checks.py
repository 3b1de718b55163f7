"""Checks at the door: each names the argument, what came and what was expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable

__all__ = ["check_choice", "check_count", "check_finite", "check_kind", "check_positive"]


def check_choice(name: str, value: object, choices: Iterable[str | None]) -> None:
    """Refuse a value that is none of the choices.

    Args:
        name: The argument's name.
        value: What came.
        choices: What is allowed.

    Raises:
        ValueError: If the value is none of the choices.
    """
    allowed = tuple(choices)
    if not isinstance(value, (str, type(None))) or value not in allowed:
        expected = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name} must be one of {expected}, got {value!r}")


def check_kind(name: str, value: object, kind: type) -> None:
    """Refuse a value of another class.

    Args:
        name: The argument's name.
        value: What came.
        kind: The class it must be of.

    Raises:
        TypeError: If it is of another.
    """
    if not isinstance(value, kind):
        came = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
        raise TypeError(f"{name} must be of class {kind.__name__}, got {came}")


def check_count(name: str, value: object, *, minimum: int = 1) -> int:
    """Return a whole number that is at least ``minimum``.

    Args:
        name: The argument's name.
        value: What came.
        minimum: The smallest number allowed.

    Returns:
        The value as an ``int``.

    Raises:
        TypeError: If the value is not a whole number.
        ValueError: If it is below the minimum.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    return number


def check_finite(name: str, value: object) -> float:
    """Return a finite number.

    Args:
        name: The argument's name.
        value: What came.

    Returns:
        The value as a ``float``.

    Raises:
        TypeError: If the value is not a real number.
        ValueError: If it is NaN or infinite.
    """
    if isinstance(value, (bool, str)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def check_positive(name: str, value: object) -> float:
    """Return a finite number above zero.

    Args:
        name: The argument's name.
        value: What came.

    Returns:
        The value as a ``float``.

    Raises:
        ValueError: If it is zero, negative, NaN or infinite.
    """
    number = check_finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {number}")
    return number
