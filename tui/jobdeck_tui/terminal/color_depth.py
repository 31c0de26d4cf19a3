"""Finds out how many colors the terminal has, and the nearest of its 256 for a color that it lacks. Pure.

Rich picks the nearest color by its RGB values: dark grays with a tint become teal, and text may end up in the color of its
ground. Here the nearest color is the one that looks most alike, among those that keep the text legible.
"""

from __future__ import annotations

from enum import Enum
from functools import cache, lru_cache

Rgb = tuple[int, int, int]

LEVELS_OF_CONTRAST = (4.5, 3.0)
"""The contrast ratios of WCAG 2.1 for text, and for quiet text."""
_LEVELS = (0, 95, 135, 175, 215, 255)


class ColorDepth(Enum):
    """The colors of a terminal, by Rich's names."""

    SIXTEEN = "standard"
    """Those of its own palette, on which users disagree."""
    PALETTE = "256"
    """A cube of 216 colors and 24 grays; the same everywhere."""
    TRUE = "truecolor"


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast ratio of WCAG 2.1, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@lru_cache(4096)
def luminance(color: Rgb) -> float:
    """Return the relative luminance of WCAG 2.1, from 0 to 1."""
    red, green, blue = map(_linear, color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def palette() -> dict[int, Rgb]:
    """Return the colors 16 to 255, which no terminal lets its user change: the cube and the grays."""
    cube = {
        16 + 36 * red + 6 * green + blue: (_LEVELS[red], _LEVELS[green], _LEVELS[blue])
        for red in range(6)
        for green in range(6)
        for blue in range(6)
    }
    grays = {232 + step: 8 + 10 * step for step in range(24)}
    return cube | {number: (gray, gray, gray) for number, gray in grays.items()}


@lru_cache(4096)
def nearest(color: Rgb) -> int:
    """Return the number of the color of the palette that looks most alike."""
    return _by_likeness(color)[0]


@lru_cache(4096)
def nearest_legible(color: Rgb, ground: Rgb) -> int:
    """Return the number of the color for text on a ground, both as the theme wants them.

    If the theme's colors reach one of `LEVELS_OF_CONTRAST`, the colors of the palette reach it, too.
    """
    shown = palette()[nearest(ground)]
    wanted = contrast(color, ground)
    needed = next((level for level in LEVELS_OF_CONTRAST if wanted >= level), 0.0)
    numbers = _by_likeness(color)
    return next((number for number in numbers if contrast(palette()[number], shown) >= needed), numbers[0])


@lru_cache(1024)
def _by_likeness(color: Rgb) -> list[int]:
    lightness, a, b = _oklab(color)

    def distance(number: int) -> float:
        other = _palette_in_oklab()[number]
        return (lightness - other[0]) ** 2 + (a - other[1]) ** 2 + (b - other[2]) ** 2

    return sorted(palette(), key=distance)


@cache
def _palette_in_oklab() -> dict[int, tuple[float, float, float]]:
    return {number: _oklab(color) for number, color in palette().items()}


def _oklab(color: Rgb) -> tuple[float, float, float]:
    """Return lightness and two axes of hue, in which distances are those that people see (Björn Ottosson's OKLab)."""
    red, green, blue = map(_linear, color)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _linear(part: int) -> float:
    value = part / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
