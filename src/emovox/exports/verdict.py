"""What a recording or a segment was found to be, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emovox.emotions import BY_NAME, Emotion
from emovox.inference.recognition import ABSTAINED, Line, ReadoutResult, Recognition, Segment, trained

if TYPE_CHECKING:
    from emovox.inference.live import LiveUpdate

SEPARATOR = " · "
"""Between values."""
_RELATIVE = {"en": "relative to", "zh": "相对于"}
_SPEECH = {"en": "speech", "zh": "语音"}
_ABSTAINED = {"en": "not given: unsure", "zh": "没有把握，不给出"}
_WITHHELD = {"en": "not inferred (policy {})", "zh": "未推断（策略 {}）"}


@dataclass(frozen=True)
class Verdict:
    """What leads.

    Attributes:
        text: the emotion, the class as the model spells it, or the values; `speech` where nothing was judged.
        confidence: of an emotion or a class.
        emotion: which of the nine it is.
        readout: name of the readout whose class it is.
    """

    text: str
    confidence: float | None = None
    emotion: Emotion | None = None
    readout: str | None = None

    @property
    def with_confidence(self) -> str:
        """The text, with the confidence of a class in percent."""
        return self.text if self.confidence is None else f"{self.text} {100 * self.confidence:.0f} %"


def verdict(item: "Recognition | Segment | Line | LiveUpdate", language: str) -> Verdict:
    """The emotion if there is one, else the class of the first readout that has classes, else all values."""
    if item.emotion is not None:
        emotion = BY_NAME[item.emotion]
        return Verdict(emotion.label(language), item.confidence, emotion)
    for name, readout in item.readouts.items():
        if readout.label is not None:
            return Verdict(one_line(readout.label), readout.confidence, readout=name)
    return Verdict(short_values(item.readouts) or _SPEECH[language])


def is_judged(line: Line) -> bool:
    """Whether a line has anything but its text."""
    return line.emotion is not None or bool(line.readouts)


def title(recognition: Recognition, language: str) -> tuple[str, list[str]]:
    """What a recording comes to, and the classes in it where those are one or two.

    That is the headline of its summary; without segments what leads in all of it, with its confidence.
    """
    if (summary := recognition.summary) is not None:
        constant = len(summary.arc) == 1
        return one_line(summary.headline.in_language(language)), summary.arc[0].classes if constant else []
    if ABSTAINED in recognition.warnings:
        return _ABSTAINED[language], []
    lead = verdict(recognition, language)
    if lead.confidence is None:
        return lead.text if recognition.readouts else "", []
    return lead.with_confidence, [recognition.emotion or lead.text]


def withheld(recognition: Recognition, language: str) -> str:
    """That nothing was inferred, and by which policy, in words; empty: it was."""
    policy = recognition.policy
    return "" if policy is None or policy.inferred else _WITHHELD[language].format(policy.profile)


def verdict_in(recognition: Recognition, segment: Segment | Line, language: str) -> Verdict:
    """That of a segment; it says so if the policy allowed none."""
    if segment.is_abstained:
        return Verdict(_ABSTAINED[language])
    lead, reason = verdict(segment, language), withheld(recognition, language)
    return Verdict(f"{lead.text}{SEPARATOR}{reason}") if reason else lead


def relative_to(recognition: Recognition, language: str) -> str:
    """What scores are relative to, in words; empty: to nothing."""
    if recognition.baseline is None:
        return ""
    return f"{_RELATIVE[language]} {one_line(recognition.baseline.name)}"


def head_phrase(item: Recognition | Segment | Line, lead: Verdict) -> str:
    """A trained head's class and confidence, to be put behind what leads; empty if there is none, or it leads."""
    head = trained(item.readouts)
    if head is None or head[0] == lead.readout:
        return ""
    return f"{one_line(head[1].label or '')} {100 * (head[1].confidence or 0):.0f} %"


def short_values(readouts: Mapping[str, ReadoutResult]) -> str:
    """All values in a few words: `arousal 0.62 · valence 0.31`."""
    pairs = (pair for item in readouts.values() for pair in (item.values or {}).items())
    return SEPARATOR.join(f"{one_line(name)} {two_decimals(value)}" for name, value in pairs)


def two_decimals(value: float) -> str:
    """A value as people read it, and zero without a sign."""
    return f"{round(value, 2) or 0.0:.2f}"


def range_text(limits: tuple[float, float] | None) -> str:
    """A range in brackets: ` (0…1)`; empty if there is none."""
    return "" if limits is None else f" ({limits[0]:g}…{limits[1]:g})"


def one_line(text: str) -> str:
    """A label as one line."""
    return " ".join(text.split())
