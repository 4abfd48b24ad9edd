import itertools
import re
from pathlib import Path

import pytest

from emovox.emotions import BY_NAME, EMOTIONS, NAMES, check_names
from emovox.errors import UnknownEmotionError
from emovox.exports.paints import HATCHES
from support import colours

STYLES = Path(__file__).parents[1] / "web" / "src" / "app.css"
APART = 16  # CIEDE2000; two colours side by side are told apart from 2 or 3 on, thin lines need several times that
GRAPHICS = 3  # contrast: WCAG 2.2, 1.4.11


def test_the_nine_in_their_order() -> None:
    assert [f"{emotion.name} {emotion.chinese}" for emotion in EMOTIONS] == [
        "angry 愤怒", "disgusted 厌恶", "fearful 恐惧", "happy 快乐", "neutral 中性", "other 其他", "sad 悲伤",
        "surprised 惊讶", "unknown 未知",
    ]  # fmt: skip
    assert len({emotion.emoji for emotion in EMOTIONS}) == 9
    assert all(BY_NAME[name].name == name for name in NAMES)


def test_names_are_checked_and_put_in_order() -> None:
    assert check_names(["sad", "happy", "sad"]) == ("happy", "sad")
    with pytest.raises(UnknownEmotionError, match="'joy'; the nine are angry 愤怒, "):
        check_names(["happy", "joy"])
    with pytest.raises(UnknownEmotionError, match="at least one"):
        check_names([])


def test_chinese_names_are_understood() -> None:
    assert check_names(["悲伤", "happy", "快乐"]) == ("happy", "sad")
    with pytest.raises(UnknownEmotionError, match="angry 愤怒"):
        check_names(["愤慨"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stay_apart_for_every_kind_of_colour_vision(theme: str) -> None:
    nine = {each.name: each.dark_colour if theme == "dark" else each.colour for each in EMOTIONS}
    assert nine["other"] == nine["unknown"]  # told apart by their textures
    for vision in colours.VISIONS:
        for one, other in itertools.combinations(NAMES[:-1], 2):
            found = colours.difference(nine[one], nine[other], vision)
            assert found >= APART, f"{theme}: {one} and {other}, {vision}: {found:.1f}"


def test_what_has_the_same_colour_has_another_texture() -> None:
    assert len({(each.colour, each.texture) for each in EMOTIONS}) == len(EMOTIONS)
    assert len({(each.dark_colour, each.texture) for each in EMOTIONS}) == len(EMOTIONS)
    assert {each.name for each in EMOTIONS if each.texture} == {"other", "unknown"}
    assert set(HATCHES) == {each.texture for each in EMOTIONS}
    assert len(set(HATCHES.values())) == len(HATCHES)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_grounds_that_they_are_drawn_on(theme: str) -> None:
    pairs = re.findall(r"--(?:ground|surface|raised): light-dark\((#\w+), (#\w+)\)", STYLES.read_text())
    assert len(pairs) == 3
    others = ["#ffffff", "#f4f6f8"] if theme == "light" else ["#16181c"]  # pictures; the map
    for ground in [*(pair[theme == "dark"] for pair in pairs), *others]:
        for emotion in EMOTIONS:
            colour = emotion.dark_colour if theme == "dark" else emotion.colour
            assert colours.contrast(colour, ground) >= GRAPHICS, f"{emotion.name} on {ground}"


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [  # from the table of Sharma and others
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_of_difference_is_as_published(
    one: tuple[float, ...], other: tuple[float, ...], difference: float
) -> None:
    assert colours.ciede2000(one, other) == pytest.approx(difference, abs=1e-4)
