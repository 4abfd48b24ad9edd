"""The words of a summary of values: those that it knows by name as a person would say them, others as numbers."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emovox.inference.sentence import LANGUAGES, Moment, clock, label

STEPS = (0.2, 0.4, 0.6, 0.8)
"""Shares of the range between which the same is said; 0.4 and 0.6 themselves are in the middle."""
ALWAYS = ("arousal", "valence")
"""What is also told in its middle; dominance only where it stands out."""


@dataclass(frozen=True)
class Terms:
    """What is said of a value.

    Attributes:
        steps: from its lowest to its highest.
        most: where it is highest, with when.
    """

    steps: tuple[str, str, str, str, str]
    most: str


TERMS = {
    "en": {
        "arousal": Terms(
            ("very calm", "calm", "moderately aroused", "aroused", "very aroused"), "most aroused at {}"
        ),
        "valence": Terms(
            (
                "very negative",
                "rather negative",
                "neither negative nor positive",
                "rather positive",
                "very positive",
            ),
            "most positive at {}",
        ),
        "dominance": Terms(
            ("very submissive", "rather submissive", "", "rather dominant", "very dominant"), "most dominant at {}"
        ),
    },
    "zh": {
        "arousal": Terms(("非常平静", "平静", "不算平静也不算激动", "激动", "非常激动"), "{} 最激动"),
        "valence": Terms(("非常消极", "偏消极", "不消极也不积极", "偏积极", "非常积极"), "{} 最积极"),
        "dominance": Terms(("非常弱势", "偏弱势", "", "偏强势", "非常强势"), "{} 最强势"),
    },
}
_SAID = {"en": ("sounds {}", " and "), "zh": ("听起来{}", "，")}


def step(value: float, range_: tuple[float, float]) -> int:
    """Which fifth of its range a value lies in, 0 to 4; the middle one has both its ends."""
    share = round((value - range_[0]) / (range_[1] - range_[0]), 9)
    return bisect_left(STEPS, share) if share > 0.5 else bisect_right(STEPS, share)


def value_words(
    values: Mapping[str, float], range_: tuple[float, float] | None, moments: Sequence[Moment], language: str
) -> tuple[str, str]:
    """Headline and sentence of a model that gives values instead of classes.

    Args:
        values: by name: the mean over the speech.
        range_: of all of them; None: it isn't known, and they are told as numbers.
        moments: where each is highest.
        language: `en` or `zh`.
    """
    words, terms = LANGUAGES[language], TERMS[language]
    numbers = {name: f"{label(name, language)} {round(value, 2) or 0.0:.2f}" for name, value in values.items()}
    vocabulary = {
        name: terms[name.casefold()] for name in values if range_ is not None and name.casefold() in terms
    }
    levels = []
    for word in terms:  # arousal first, however the model orders them
        for name in vocabulary:
            if name.casefold() == word and range_ is not None:
                levels.append(vocabulary[name].steps[step(values[name], range_)])
    levels = [each for each in levels if each]
    pattern, joint = _SAID[language]
    parts = []
    if levels:
        parts.append(
            pattern.format(joint.join([words.comma.join(levels[:-1]), levels[-1]] if levels[1:] else levels))
        )
    if rest := [number for name, number in numbers.items() if name not in vocabulary]:
        parts.append(words.comma.join(rest))
    highest = [
        vocabulary[item.name].most.format(clock(item.start))
        if item.name in vocabulary
        else words.highest.format(label(item.name, language), clock(item.start))
        for item in moments
    ]
    if highest:
        parts.append(words.comma.join(highest))
    sentence = words.semicolon.join(parts)
    return " · ".join(numbers.values()), sentence[:1].upper() + sentence[1:] + words.stop
