"""A turn of somebody who speaks with an agent: what the updates of a live stream come to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field

from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import OptionsError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.facts import Facts
from emovox.inference.live import STEP, LiveUpdate
from emovox.inference.nine import OptionalConfidence, OptionalEmotion, OptionalScores, WithoutBaseline, is_none
from emovox.inference.recognition import ReadoutResult
from emovox.inference.sentence import label

SECONDS = STEP / SAMPLE_RATE  # of an update

_LINES = {
    "en": ("The user’s voice in this turn: {}. An estimate from sound, which may be wrong.", "{} ({:.0%})", ", "),
    "zh": ("用户这一轮的语气：{}。这是根据声音作的估计，可能有误。", "{}（{:.0%}）", "，"),
}
_RELATIVE = {"en": "relative to {}", "zh": "相对于基线 {}"}


class Turn(Facts):
    """What one turn sounded like. What a model, or the policy, doesn't give is None and left out of JSON."""

    start: float = Field(description="seconds of the stream: of its first quarter with speech", ge=0)
    end: float = Field(description="likewise, of the last", gt=0)
    speech: float = Field(description="seconds, in quarters with speech", gt=0)
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    scores_without: WithoutBaseline = None
    readouts: dict[str, ReadoutResult] = Field(
        default_factory=dict, description="values, classes other than the nine, a trained head; as in live events"
    )
    baseline: BaselineFacts | None = Field(
        None, description="what it is relative to: of this speaker, if `self`", exclude_if=is_none
    )
    warnings: tuple[str, ...] = Field((), description="codes as in results, such as `baseline_short`")

    @property
    def values(self) -> dict[str, float]:
        """All values of all readouts, such as arousal, by name."""
        return {name: value for item in self.readouts.values() for name, value in (item.values or {}).items()}

    def attributes(self) -> dict[str, str]:
        """As text by name, for programs that only hand on text: `emovox.emotion`, `emovox.arousal` and so on."""
        fields: dict[str, str | None] = {
            "emotion": self.emotion,
            "confidence": None if self.confidence is None else f"{self.confidence:.3f}",
            "baseline": None if self.baseline is None else self.baseline.name,
            **{item: result.label for item, result in self.readouts.items()},
            **{name: f"{value:.3f}" for name, value in self.values.items()},
        }
        return {f"emovox.{name}": value for name, value in fields.items() if value is not None}

    def line(self, language: str = "en") -> str | None:
        """One line for a prompt, in `en` or `zh`; None: nothing was inferred.

        Raises:
            OptionsError: another language.
        """
        check_language(language)
        whole, part, comma = _LINES[language]
        leading = [
            (self.emotion, self.confidence),
            *((item.label, item.confidence) for item in self.readouts.values()),
        ]
        parts = [
            part.format(label(name, language), share) for name, share in leading if name and share is not None
        ]
        parts += [f"{name} {value:.2f}" for name, value in self.values.items()]
        if not parts:
            return None
        if self.baseline is not None:
            parts.append(_RELATIVE[language].format(self.baseline.name))
        return whole.format(comma.join(parts))


def check_language(language: str) -> None:
    """Refuse a language in which there is no line.

    Raises:
        OptionsError: there is none.
    """
    if language not in _LINES:
        raise OptionsError(f"language {language!r}: choose en or zh")


def turn_of(
    updates: Sequence[LiveUpdate], baseline: BaselineFacts | None = None, warnings: Sequence[str] = ()
) -> Turn | None:
    """The turn of a stream's updates: means over those with speech. None: nobody spoke in it.

    Args:
        updates: of the turn, in order.
        baseline: what they are relative to, if anything.
        warnings: of the stream.
    """
    spoken = [item for item in updates if item.speech]
    if not spoken:
        return None
    scores = _mean(item.scores for item in spoken)
    without = _mean(item.scores_without for item in spoken)
    emotion = max(scores, key=lambda name: scores[name]) if scores else None
    return Turn(
        start=max(0.0, spoken[0].time - SECONDS),
        end=spoken[-1].time,
        speech=len(spoken) * SECONDS,
        emotion=emotion,
        confidence=emotion and scores[emotion],
        scores=scores or None,
        scores_without=without or None,
        readouts=_readouts(spoken),
        baseline=baseline,
        warnings=tuple(warnings),
    )


def _mean(maps: Iterable[Mapping[str, float] | None]) -> dict[str, float]:
    """By name, of those that are there."""
    rows = [row for row in maps if row]
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}


def _readouts(updates: Sequence[LiveUpdate]) -> dict[str, ReadoutResult]:
    by_name: dict[str, list[ReadoutResult]] = {}
    for update in updates:
        for name, item in update.readouts.items():
            by_name.setdefault(name, []).append(item)
    return {name: _mean_readout(items) for name, items in by_name.items()}


def _mean_readout(items: Sequence[ReadoutResult]) -> ReadoutResult:
    scores = _mean(item.scores for item in items)
    changes: dict[str, Any] = {
        "scores": scores or None,
        "scores_without": _mean(item.scores_without for item in items) or None,
        "values": _mean(item.values for item in items) or None,
    }
    if scores:
        best = max(scores, key=lambda name: scores[name])
        changes |= {"label": best, "confidence": scores[best]}
    return items[-1].model_copy(update=changes)
