"""The rule of a flag: for how long a number must be how high, in words: `angry >= 60% for 3s of customer`."""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from emovox.emotions import BY_NAME, NAMES, check_names
from emovox.errors import FilterError, UnknownEmotionError
from emovox.labels.aliases import emotion_of
from emovox.policy import LEFT_OPEN, SIDES, Side

Operator = Literal[">=", ">", "<=", "<"]
CHINESE_SIDES: dict[str, Side] = {
    "客户": "customer", "员工": "worker", "学生": "pupil", "研究参与者": "subject",
}  # fmt: skip
EXAMPLES = "angry >= 60% for 3s, arousal >= 0.7 for 2s, or angry >= 60% for 3s of customer"

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt,
}  # fmt: skip
_PLAIN = str.maketrans({"％": "%", "＞": ">", "＜": "<", "＝": "=", "．": ".", "≥": ">=", "≤": "<=", "−": "-"})
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"
_RULE = re.compile(
    rf"\s*(?P<name>.+?)\s*(?P<operator>>=|<=|>|<)\s*(?P<value>{_NUMBER})\s*(?P<percent>%)?"
    rf"(?:\s*(?:for|持续)\s*(?P<seconds>{_NUMBER})\s*(?:s|sec|seconds?|秒))?"
    r"(?:\s*(?:\bof\b|，?限)\s*(?P<side>\S+))?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rule:
    """What must hold, and for how long.

    Attributes:
        name: one of the nine emotions; or a class or value as the archive has it: `arousal`, `dimensions.arousal`.
        operator: how the number is compared.
        value: with what: a score from 0 to 1, or a value.
        seconds: of speech that it must hold for.
        side: whose voice alone is meant; None: all.
        percent: whether the value is a share, as only scores are.
    """

    name: str
    operator: Operator
    value: float
    seconds: float = 0.0
    side: Side | None = None
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Read a rule: NAME, a comparison, a number; then, if need be, `for SECONDS s` and `of SIDE`.

        Emotions are understood in English and Chinese, as `愤怒 >= 60% 持续 3 秒`.

        Raises:
            FilterError: it can't be read, or can never hold.
        """
        match = _RULE.fullmatch(text.translate(_PLAIN))
        if match is None:
            raise FilterError(
                f"rule {text!r}: write a name, >=, >, <= or <, a number and, if need be, for how long and of "
                f"whose voice: {EXAMPLES}"
            )
        name, percent = _name(match["name"]), match["percent"] is not None
        value, seconds = float(match["value"]), float(match["seconds"] or 0)
        value = value / 100 if percent else value
        if not math.isfinite(value) or not math.isfinite(seconds) or seconds < 0:
            raise FilterError(f"rule {text!r}: numbers are finite, and seconds aren't negative")
        if (percent or name in NAMES) and not 0 <= value <= 1:
            hint = f": write {value:g}%" if not percent and 1 < value <= 100 else ""
            raise FilterError(f"rule {text!r}: a score is from 0 to 1, or 0% to 100%{hint}")
        side = None if match["side"] is None else _side(match["side"], text)
        return cls(name, cast("Operator", match["operator"]), value, seconds, side, percent or name in NAMES)

    @classmethod
    def of(cls, rule: "str | Rule") -> "Rule":
        """A rule, or its text read by `parse`."""
        return rule if isinstance(rule, Rule) else cls.parse(rule)

    @property
    def is_of_nine(self) -> bool:
        """Whether its name is one of the nine emotions."""
        return self.name in NAMES

    @property
    def seeks_low(self) -> bool:
        """Whether small numbers are looked for."""
        return self.operator in {"<", "<="}

    def holds(self, number: float) -> bool:
        """Whether a number is as it says; NaN isn't."""
        return _OPERATORS[self.operator](number, self.value)

    def text(self, language: str = "en") -> str:
        """As `parse` reads it, in `en` or `zh`."""
        name = BY_NAME[self.name].label(language) if self.is_of_nine else self.name
        number = f"{round(100 * self.value, 6):g}%" if self.percent else f"{self.value:g}"
        words = f"{name} {self.operator} {number}"
        if language == "zh":
            side = next((word for word, side in CHINESE_SIDES.items() if side == self.side), None)
            lasting = f" 持续 {self.seconds:g} 秒" if self.seconds else ""
            return f"{words}{lasting}" + ("" if side is None else f"，限{side}")
        lasting = f" for {self.seconds:g}s" if self.seconds else ""
        return f"{words}{lasting}" + ("" if self.side is None else f" of {self.side}")

    def __str__(self) -> str:
        return self.text()


def _name(word: str) -> str:
    """An emotion as the nine have it; a class or value as it is spelt."""
    try:
        return check_names([word.lower()])[0]
    except UnknownEmotionError:
        return word


def meant(name: str) -> str:
    """What a name that nothing has may have been meant for, as the end of a sentence; empty: nothing is known."""
    emotion = emotion_of(name)
    return "" if emotion is None else f"; the emotion is called {emotion}"


def _side(word: str, text: str) -> Side:
    side = CHINESE_SIDES.get(word, word.lower())
    if side not in SIDES or side == LEFT_OPEN:
        raise FilterError(f"rule {text!r}: no side is called {word!r}: choose {', '.join(SIDES)}")
    return side
