import itertools
import re
from pathlib import Path

import pytest

from emovox.exports import palette
from support import colours

PAGE = Path(__file__).parents[2] / "web" / "src" / "lib" / "palette.ts"


@pytest.mark.parametrize("theme", ["LIGHT", "DARK"])
def test_colours_stay_apart_for_every_kind_of_colour_vision(theme: str) -> None:
    for vision in colours.VISIONS:
        for one, other in itertools.combinations(getattr(palette, theme), 2):
            difference = colours.difference(one, other, vision)
            assert difference >= 15, f"{one} and {other}, {vision}: {difference:.1f}"


@pytest.mark.parametrize(("theme", "ground"), [("LIGHT", "#ffffff"), ("DARK", "#1c1b22"), ("DARK", "#000000")])
def test_colours_stand_out_from_the_grounds_that_they_are_drawn_on(theme: str, ground: str) -> None:
    for colour in getattr(palette, theme):
        assert colours.contrast(colour, ground) >= 3, f"{colour} on {ground}"


def test_the_page_has_the_same() -> None:
    pairs = re.findall(r"\['(#\w{6})', '(#\w{6})'\]", PAGE.read_text())
    assert pairs == list(zip(palette.LIGHT, palette.DARK, strict=True))


def test_every_one_of_many_is_another_line() -> None:
    lines = {(palette.colour(index), str(palette.dashes(index))) for index in range(24)}
    assert len(lines) == 24
    assert palette.colour(700)
