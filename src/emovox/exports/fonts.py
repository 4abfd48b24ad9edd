"""Fonts: those that have the characters of a text, so that no box is drawn instead of one."""

import logging
from collections.abc import Iterable
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.textpath import text_to_path

LATIN = "DejaVu Sans"  # comes with matplotlib
CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "DengXian",
    "SimHei",
    "Heiti SC",
    "STHeiti",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK JP",  # where a collection's other faces are not seen, the first one has their characters too
    "Noto Sans CJK TC",
    "Noto Sans TC",
    "Noto Serif CJK SC",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
"""Families with simplified Chinese on common systems, the most readable in small print first."""

# A family that isn't installed is looked for on purpose here: nothing to tell anybody.
logging.getLogger(font_manager.__name__).addFilter(lambda record: not record.getMessage().startswith("findfont"))


def families(needed: str) -> list[str]:
    """Font families for a text: Latin, and if that lacks some of its characters one that has them.

    On a system without such a font some are missing all the same: `missing` says which.
    """
    others = set(missing(needed, [LATIN]))
    if others:
        _refresh()
        installed = {font.name for font in font_manager.fontManager.ttflist}
        for family in CHINESE:
            if family in installed and not others - _characters(family):
                return [LATIN, family]
    return [LATIN]


def missing(text: str, names: Iterable[str]) -> str:
    """The characters of `text` that none of these families has."""
    known: set[str] = set().union(*map(_characters, names))
    return "".join(character for character in text if character not in known)


def drawable(text: str, names: Iterable[str]) -> str:
    """A text in characters that these families have, with an ellipsis for each run of others."""
    others, result = missing(text, names), ""
    for character in text:
        bad = character in others or not character.isprintable()
        result += "" if bad and result.endswith("…") else "…" if bad else character
    return result


@lru_cache(maxsize=1024)
def inches(text: str, face: font_manager.FontProperties) -> float:
    """The width of a line of text."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, face, ismath=False)
    return width / 72


def _characters(family: str) -> set[str]:
    path = font_manager.findfont(font_manager.FontProperties(family=[family]))
    return {chr(code) for code in font_manager.get_font(path).get_charmap()}


def _refresh() -> None:
    """Let matplotlib know fonts that were installed after it made its list, which it never updates."""
    paths = {font.fname for font in font_manager.fontManager.ttflist}
    if not any(font.name in CHINESE for font in font_manager.fontManager.ttflist):
        for path in font_manager.findSystemFonts():
            if path not in paths:
                try:
                    font_manager.fontManager.addfont(path)
                except (OSError, RuntimeError):  # a font that FreeType can't read is no font
                    continue
