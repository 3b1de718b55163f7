"""Numbers as they stand in a sentence."""

from __future__ import annotations

import math

__all__ = ["format_number", "format_power", "format_share", "format_uncertain"]

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def format_number(value: float, digits: int = 3) -> str:
    """Write a number to a few significant digits.

    Args:
        value: The number.
        digits: Significant digits; zeros at the end are left out.

    Returns:
        The number with a true minus sign, and with a power of ten below 0.001 and from 100,000 on.

    Example:
        >>> format_number(-0.12345), format_number(1.5e-7), format_number(12345.6)
        ('−0.123', '1.5×10⁻⁷', '12300')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, _, power = f"{abs(value):.{digits - 1}e}".partition("e")
    exponent = int(power)
    sign = "−" if value < 0 else ""
    if -3 <= exponent < 5:
        text = f"{float(f'{mantissa}e{exponent}'):.{max(digits - 1 - exponent, 0)}f}"
        return sign + _without_zeros(text)
    return f"{sign}{_without_zeros(mantissa)}×{format_power(exponent)}"


def format_uncertain(value: float, stderr: float, *, digits: int = 3, always: bool = False) -> str:
    """Write a number with its error, no digit longer than the error allows.

    Both are rounded to one place: the second digit of the error, but at most one digit beyond those of a number alone. It stands
    alone where its error is less than half a unit of its last digit, so less than its rounding.

    Args:
        value: The number.
        stderr: Its error, such as a standard error; left out where it is zero or not known.
        digits: Significant digits of a number alone.
        always: Whether an error too small for these digits is said nevertheless, in parentheses: for notes, which have the room.

    Returns:
        The number, and its error where that matters, in one notation.

    Example:
        >>> format_uncertain(292.3, 17.2), format_uncertain(0.00241, 7.7e-5), format_uncertain(2.41e-5, 7.7e-7)
        ('292 ± 17', '0.002410 ± 0.000077', '(2.410 ± 0.077)×10⁻⁵')
        >>> format_uncertain(42.3, 0.065), format_uncertain(42.3, 0.0065), format_uncertain(42.3, 0.0065, always=True)
        ('42.30 ± 0.07', '42.3', '42.3 (± 0.0065)')
    """
    if not stderr > 0:
        return format_number(value, digits)
    if not math.isfinite(value + stderr):
        return f"{format_number(value, digits)} ± {format_number(stderr, 2)}"
    first, last = max(_power(value, digits), _power(stderr, 2)), _power(stderr, 2)
    if stderr < 0.5 * 10.0 ** (first - digits + 1):
        alone = format_number(value, digits)
        return f"{alone} (± {format_number(stderr, 2)})" if always else alone
    place = max(last - 1, first - digits)
    shift = 0 if -3 <= first < 5 else first
    decimals = max(shift - place, 0)
    number, error = (round(part, -place) / 10.0**shift + 0.0 for part in (value, stderr))
    text = f"{number:.{decimals}f} ± {error:.{decimals}f}".replace("-", "−")
    return f"({text})×{format_power(shift)}" if shift else text


def format_power(exponent: int) -> str:
    """Write a power of ten.

    Args:
        exponent: The exponent.

    Returns:
        Such as ``10⁻³``.
    """
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def format_share(share: float) -> str:
    """Write a share in percent.

    Args:
        share: In [0, 1].

    Returns:
        The percentage, with "less than 0.1 %" and "more than 99.9 %" where it is neither 0 nor 1 but close to it.
    """
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    if 0 < share < 0.1 or 0.9 < share < 1:
        return f"{share:.1%}".replace("%", " %")
    return f"{share:.0%}".replace("%", " %")


# Of the first digit, after rounding; that of a zero is below all others.
def _power(value: float, digits: int) -> int:
    return int(f"{value:.{digits - 1}e}".partition("e")[2]) if value else -400


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
