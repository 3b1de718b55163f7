"""Numbers as they stand in a sentence."""

from __future__ import annotations

import math

__all__ = ["format_number", "format_share", "format_uncertain"]

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
    return f"{sign}{_without_zeros(mantissa)}×10{str(exponent).translate(_SUPERSCRIPTS)}"


def format_uncertain(value: float, stderr: float) -> str:
    """Write a number with its standard error.

    Args:
        value: The number.
        stderr: Its standard error; left out where it is zero or not known.

    Returns:
        The two to three and two significant digits.
    """
    if not stderr > 0:
        return format_number(value)
    return f"{format_number(value)} ± {format_number(stderr, 2)}"


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


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
