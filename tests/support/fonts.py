"""A font that is surely there, and a system without others."""

from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from emovox.emotions import EMOTIONS

CHINESE = "".join(emotion.chinese for emotion in EMOTIONS) + "声道"


def make_font(path: Path, family: str, characters: str) -> Path:
    """A font with a square for each character."""
    builder = FontBuilder(1000, isTTF=True)
    names = {ord(character): f"uni{ord(character):04X}" for character in sorted(set(characters))}
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys([".notdef", *names.values()], pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1000, 100)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return path


def only_matplotlibs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be no other fonts."""
    ours = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", ours)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
