import itertools
import re
from pathlib import Path

import pytest

from emovox.exports import palette
from support import colours

STYLES = Path(__file__).parents[2] / "web" / "src" / "app.css"


@pytest.mark.parametrize("theme", ["LIGHT", "DARK"])
def test_colours_stay_apart_for_every_kind_of_colour_vision(theme: str) -> None:
    for vision in colours.VISIONS:
        for one, other in itertools.combinations(getattr(palette, theme), 2):
            difference = colours.difference(one, other, vision)
            assert difference >= 16, f"{one} and {other}, {vision}: {difference:.1f}"


@pytest.mark.parametrize("theme", ["LIGHT", "DARK"])
def test_colours_stand_out_from_the_grounds_that_they_are_drawn_on(theme: str) -> None:
    pairs = re.findall(r"--(?:ground|surface|raised): light-dark\((#\w+), (#\w+)\)", STYLES.read_text())
    assert len(pairs) == 3
    for ground in [pair[theme == "DARK"] for pair in pairs]:
        for colour in getattr(palette, theme):
            assert colours.contrast(colour, ground) >= 3, f"{colour} on {ground}"


def test_every_one_of_many_is_another_line() -> None:
    lines = {(palette.colour(index), str(palette.dashes(index))) for index in range(21)}
    assert len(lines) == 21
    assert palette.colour(700)
