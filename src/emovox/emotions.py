"""The nine emotions: names, emoji and colours, in the order of every score vector."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from emovox.errors import UnknownEmotionError

Texture = Literal["", "dots", "stripes"]


@dataclass(frozen=True, slots=True)
class Emotion:
    """One of the nine classes.

    Attributes:
        name: lower-case English name, the identifier in files and programs.
        chinese: simplified Chinese name.
        emoji: one pictograph.
        colour: ``#rrggbb`` on a light ground.
        dark_colour: the same on a dark ground.
        texture: of areas, on top of the colour.

    On its ground each colour has a contrast of 3 at least, and any two are told apart by readers of every kind of
    colour vision: the least CIEDE2000, also as protanopes, deuteranopes and tritanopes see them, is 16. One set
    for both grounds can't be that. Labels that name no emotion are grey: neutral has a quiet one, other and
    unknown share a second and are told apart by textures.
    """

    name: str
    chinese: str
    emoji: str
    colour: str
    dark_colour: str
    texture: Texture = ""

    def label(self, language: str) -> str:
        """The name as people read it, in `en` or `zh`."""
        return self.chinese if language == "zh" else self.name


EMOTIONS = (
    Emotion("angry", "愤怒", "😠", "#b03305", "#ef2b09"),
    Emotion("disgusted", "厌恶", "🤢", "#4c7656", "#8bc487"),
    Emotion("fearful", "恐惧", "😨", "#724cda", "#cd98fe"),
    Emotion("happy", "快乐", "😊", "#c87d1b", "#ffe331"),
    Emotion("neutral", "中性", "😐", "#8f8e8d", "#a3a6a8"),
    Emotion("other", "其他", "🤔", "#434343", "#6e717d", "dots"),
    Emotion("sad", "悲伤", "😢", "#303f75", "#466cd4"),
    Emotion("surprised", "惊讶", "😲", "#5396bb", "#74fefb"),
    Emotion("unknown", "未知", "❓", "#434343", "#6e717d", "stripes"),
)
NAMES = tuple(emotion.name for emotion in EMOTIONS)
BY_NAME = {emotion.name: emotion for emotion in EMOTIONS}
_IN_CHINESE = {emotion.chinese: emotion.name for emotion in EMOTIONS}


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the identifiers of ``names``, English or Chinese, without repeats in the order of `EMOTIONS`.

    Raises:
        UnknownEmotionError: a name is not one of the nine, or there is none.
    """
    english = {_IN_CHINESE.get(name, name) for name in names}
    nine = ", ".join(f"{emotion.name} {emotion.chinese}" for emotion in EMOTIONS)
    if strangers := sorted(english - set(NAMES)):
        raise UnknownEmotionError(f"unknown emotion {', '.join(map(repr, strangers))}; the nine are {nine}")
    if not english:
        raise UnknownEmotionError(f"name at least one emotion; the nine are {nine}")
    return tuple(name for name in NAMES if name in english)
