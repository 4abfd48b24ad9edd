"""Colours of classes and values that aren't the nine emotions, which have their own.

As with those, each stands out from its ground with a contrast of 3 at least, and any two are told apart by readers
of every kind of colour vision: the least CIEDE2000, also as dichromats see them, is 15. More than eight can't be
that: the next eight are the same in dashes, then in dots. The page has the same: `web/src/lib/palette.ts`.
"""

from typing import Any

LIGHT = ("#3b3be3", "#ef6306", "#107070", "#c70505", "#8282ed", "#049f80", "#7c031b", "#103670")
"""On a light ground."""
DARK = ("#5ee8e8", "#d6d671", "#c282ed", "#ed8297", "#9e9e2e", "#be376d", "#a03be3", "#707010")
"""On a dark ground."""
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1, 0.8)))  # as matplotlib has them


def colour(index: int, *, dark: bool = False) -> str:
    """The colour of a readout's label, by its place among them."""
    colours = DARK if dark else LIGHT
    return colours[index % len(colours)]


def dashes(index: int) -> Any:
    """How its line is dashed, for matplotlib."""
    return _DASHES[index // len(LIGHT) % len(_DASHES)]


def on(colour: str) -> str:
    """Black or white, whichever is more readable on a colour."""
    return max("#0b0f14", "#ffffff", key=lambda text: contrast(text, colour))


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours `#rrggbb`, 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[first : first + 2], 16) / 255 for first in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
