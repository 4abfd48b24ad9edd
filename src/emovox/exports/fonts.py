"""Fonts that have the characters: no box where a letter should be."""

import logging
from collections.abc import Iterable

from matplotlib import font_manager

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
"""Families with simplified Chinese on the usual systems, the most readable in small print first."""

# A family that isn't installed is looked for on purpose here: nothing to tell anybody.
logging.getLogger(font_manager.__name__).addFilter(lambda record: not record.getMessage().startswith("findfont"))


def families(needed: str) -> list[str]:
    """Families in which to look for each character: Latin, then one that has all `needed` if Latin hasn't.

    `needed` may still be out of reach, on a system without such a font: `missing` tells.
    """
    wanted = set(missing(needed, [LATIN]))
    if wanted:
        _refresh()
        installed = {font.name for font in font_manager.fontManager.ttflist}
        for family in CHINESE:
            if family in installed and not wanted - _characters(family):
                return [LATIN, family]
    return [LATIN]


def missing(text: str, names: Iterable[str]) -> str:
    """The characters of `text` that none of these families has."""
    there: set[str] = set().union(*map(_characters, names))
    return "".join(character for character in text if character not in there)


def drawable(text: str, names: Iterable[str]) -> str:
    """A text in characters that these families have, an ellipsis for each run of others."""
    lost, drawn = missing(text, names), ""
    for character in text:
        bad = character in lost or not character.isprintable()
        drawn += "" if bad and drawn.endswith("…") else "…" if bad else character
    return drawn


def _characters(family: str) -> set[str]:
    path = font_manager.findfont(font_manager.FontProperties(family=[family]))
    return {chr(code) for code in font_manager.get_font(path).get_charmap()}


def _refresh() -> None:
    """Let matplotlib see fonts that were installed since it made its list, which it keeps for ever."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    if not any(font.name in CHINESE for font in font_manager.fontManager.ttflist):
        for path in font_manager.findSystemFonts():
            if path not in known:
                try:
                    font_manager.fontManager.addfont(path)
                except (OSError, RuntimeError):  # a font that FreeType can't read is no font
                    continue
