"""What a picture shows, in numbers."""

from __future__ import annotations

import io

from PIL import Image
from playwright.sync_api import Locator, Page

__all__ = ["distinct_colours", "mean_brightness", "picture", "share_of_main_colour"]


def picture(seen: Locator | Page) -> Image.Image:
    """Take a picture of an element, or of the whole window, as it is seen.

    Args:
        seen: A visible element, or a page.

    Returns:
        The picture, in RGB.
    """
    return Image.open(io.BytesIO(seen.screenshot(animations="disabled"))).convert("RGB")


def distinct_colours(image: Image.Image) -> int:
    """Count the colours; an element that drew nothing has one or two.

    Args:
        image: A picture in RGB.

    Returns:
        How many different colours there are.
    """
    return len(_colours(image))


def share_of_main_colour(image: Image.Image) -> float:
    """Say how much of the picture is in its most frequent colour.

    Args:
        image: A picture in RGB.

    Returns:
        A share in (0, 1]; 1 for a blank picture.
    """
    return max(count for count, _ in _colours(image)) / (image.width * image.height)


def mean_brightness(image: Image.Image) -> float:
    """Say how bright the picture is.

    Args:
        image: A picture in RGB.

    Returns:
        0 for black, 255 for white.
    """
    grey = image.convert("L").histogram()
    return sum(value * count for value, count in enumerate(grey)) / sum(grey)


def _colours(image: Image.Image) -> list[tuple[int, object]]:
    return image.getcolors(image.width * image.height) or []
