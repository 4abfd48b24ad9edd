"""The nine emotions: names, emoji and colours, in the order of every score vector."""

from collections.abc import Iterable
from dataclasses import dataclass

from emovox.errors import UnknownEmotionError


@dataclass(frozen=True, slots=True)
class Emotion:
    """One of the nine classes.

    Attributes:
        name: lower-case English name, the identifier in files and programs.
        chinese: simplified Chinese name.
        emoji: one pictograph.
        colour: ``#rrggbb``; the nine stay apart for colour-blind readers (Okabe and Ito 2008, with two greys).
    """

    name: str
    chinese: str
    emoji: str
    colour: str

    def label(self, language: str) -> str:
        """The name as people read it, in `en` or `zh`."""
        return self.chinese if language == "zh" else self.name


EMOTIONS = (
    Emotion("angry", "愤怒", "😠", "#d55e00"),
    Emotion("disgusted", "厌恶", "🤢", "#009e73"),
    Emotion("fearful", "恐惧", "😨", "#cc79a7"),
    Emotion("happy", "快乐", "😊", "#f0c000"),
    Emotion("neutral", "中性", "😐", "#999999"),
    Emotion("other", "其他", "🤔", "#7f5539"),
    Emotion("sad", "悲伤", "😢", "#0072b2"),
    Emotion("surprised", "惊讶", "😲", "#56b4e9"),
    Emotion("unknown", "未知", "❓", "#444444"),
)
NAMES = tuple(emotion.name for emotion in EMOTIONS)
BY_NAME = {emotion.name: emotion for emotion in EMOTIONS}
_IN_CHINESE = {emotion.chinese: emotion.name for emotion in EMOTIONS}


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the identifiers of ``names``, English or Chinese, without repeats in the order of `EMOTIONS`.

    Raises:
        UnknownEmotionError: a name is not one of the nine, or there is none.
    """
    chosen = {_IN_CHINESE.get(name, name) for name in names}
    nine = ", ".join(f"{emotion.name} {emotion.chinese}" for emotion in EMOTIONS)
    if strangers := sorted(chosen - set(NAMES)):
        raise UnknownEmotionError(f"unknown emotion {', '.join(map(repr, strangers))}; the nine are {nine}")
    if not chosen:
        raise UnknownEmotionError(f"name at least one emotion; the nine are {nine}")
    return tuple(name for name in NAMES if name in chosen)
