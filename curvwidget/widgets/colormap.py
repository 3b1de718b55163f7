"""The colours of a surface, the same as those of the map in js/src/colormap.ts."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["blue_orange", "shade", "viridis"]

Array = np.ndarray[Any, Any]

# Every eighth colour of matplotlib's viridis (by S. van der Walt and N. Smith, given to the public domain as CC0); the colours
# between are linear to within 1 %.
_VIRIDIS = (
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c1f988b1fa08822a78528ae80"
    "32b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725"
)
_KNOTS = np.frombuffer(bytes.fromhex(_VIRIDIS), dtype=np.uint8).reshape(-1, 3) / 255.0


def viridis(position: Array) -> Array:
    """Colour a loss.

    Args:
        position: Where the values lie between the least and the largest, in [0, 1], of any shape ``(…)``.

    Returns:
        Red, green and blue in [0, 1], ``(…, 3)``.
    """
    knots = np.linspace(0.0, 1.0, len(_KNOTS))
    return np.stack([np.interp(position, knots, channel) for channel in _KNOTS.T], axis=-1)


def blue_orange(position: Array) -> Array:
    """Colour a difference: blue below 0.5, white there, orange above.

    Args:
        position: Where the differences lie, in [0, 1], of any shape ``(…)``.

    Returns:
        Red, green and blue in [0, 1], ``(…, 3)``.

    Source:
        Lightness falls and chroma grows with the distance from 0.5 in the space of B. Ottosson, "A perceptual color space for
        image processing", 2020, whose inverse transform follows.
    """
    position = np.asarray(position, dtype=np.float64)
    far = np.minimum(1.0, np.abs(2 * position - 1))
    below = position < 0.5
    hue = np.radians(np.where(below, 256.0, 58.0))
    lightness = 0.975 - 0.53 * far
    chroma = np.where(below, 0.155, 0.15) * np.minimum(1.0, 1.9 * far) * (1 - 0.22 * far**2)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    lms = (lab @ _OKLAB_TO_LMS.T) ** 3
    linear = np.clip(lms @ _LMS_TO_RGB.T, 0.0, 1.0)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


_OKLAB_TO_LMS = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.291485548]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)


def shade(heights: Array, *, light: tuple[float, float, float] = (-0.45, 0.75, -0.5), ambient: float = 0.58) -> Array:
    """Light a surface over the unit square.

    Args:
        heights: Heights ``(m, n)`` in units of the square's side; NaN where there is none.
        light: Where the light comes from: along the first axis, up, along the second axis.
        ambient: Brightness of what the light does not reach.

    Returns:
        Brightness ``(m, n)`` in (0, 1], by the cosine between the surface's normal and the light; 1 where there is no height.
    """
    if min(heights.shape) < 2:
        return np.ones(heights.shape)
    # What is not finite has no height, and beside an infinite one there is no slope.
    heights = np.where(np.isfinite(heights), heights, np.nan)
    first, second = np.gradient(heights, 1 / (heights.shape[0] - 1), 1 / (heights.shape[1] - 1))
    toward = np.asarray(light) / np.linalg.norm(light)
    cosine = (-first * toward[0] + toward[1] - second * toward[2]) / np.sqrt(1 + first**2 + second**2)
    return np.where(np.isfinite(cosine), ambient + (1 - ambient) * np.clip(cosine, 0.0, 1.0), 1.0)
