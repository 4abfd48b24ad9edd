"""Accounts: what a recognition says, as answers: in words, rounded, and without what is next to nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emovox.assistants.answers import (
    Account,
    HighPoint,
    Pair,
    PartOfArc,
    ReadoutVerdict,
    Series,
    Stretch,
    Verdict,
)
from emovox.exports import decimation
from emovox.inference.frames import Frames, Rows
from emovox.inference.recognition import ABSTAINED, UNSURE, WARNINGS, ReadoutResult, Recognition

DIGITS = 3  # of scores and values
_LEAST_SCORE = 0.005
_LEAST_PEAK = 0.1  # of a curve that is given


def verdict(recognition: Recognition, name: str, language: str, outputs: str | None) -> Verdict:
    """What was recognised of a recording as a whole."""
    facts, summary = recognition.recording, recognition.summary
    return Verdict(
        recording=name,
        name=facts.name,
        duration=round(facts.duration, 2),
        speech=None if facts.speech is None else round(facts.speech, 2),
        channel=facts.channel,
        channels=facts.channels,
        side=facts.side,
        emotion=recognition.emotion,
        confidence=rounded(recognition.confidence),
        scores=None if recognition.scores is None else _scores(recognition.scores),
        unsure=not {UNSURE, ABSTAINED}.isdisjoint(recognition.warnings),
        readouts={
            key: ReadoutVerdict(
                label=item.label,
                scores=None if item.scores is None else _scores(item.scores),
                values=_numbers(item.values),
                range=item.range,
            )
            for key, item in recognition.readouts.items()
        },
        headline=None if summary is None else summary.headline.in_language(language),
        sentence=None if summary is None else summary.sentence.in_language(language),
        relative_to=None if recognition.baseline is None else recognition.baseline.name,
        warnings=_warnings(recognition),
        model=f"{recognition.model.name} {recognition.model.revision} ({recognition.model.precision})",
        policy=None if recognition.policy is None else recognition.policy.profile,
        outputs=outputs,
    )


def account(recognition: Recognition, name: str, language: str) -> Account:
    """The summary of a recording, in a language."""
    summary, warnings = recognition.summary, _warnings(recognition)
    if summary is None:
        nothing = {
            "en": "There is no speech in it of which anything could be said.",
            "zh": "里面没有可以说点什么的语音。",
        }
        return Account(recording=name, sentence=nothing[language], warnings=warnings)
    return Account(
        recording=name,
        kind=summary.kind,
        headline=summary.headline.in_language(language),
        sentence=summary.sentence.in_language(language),
        speech=round(summary.speech, 2),
        shares=_numbers(summary.shares) or {},
        unsure=rounded(summary.unsure),
        values=_numbers(summary.values),
        arc=[
            PartOfArc(
                start=round(part.start, 2),
                end=round(part.end, 2),
                classes=part.classes,
                share=round(part.share, DIGITS),
                lead=round(part.lead, DIGITS),
            )
            for part in summary.arc
        ],
        peaks=[
            HighPoint(
                name=peak.name,
                start=round(peak.start, 2),
                end=round(peak.end, 2),
                confidence=rounded(peak.confidence),
                value=rounded(peak.value),
            )
            for peak in summary.peaks
        ],
        warnings=warnings,
    )


def cautions(one: Recognition, two: Recognition) -> list[str]:
    """Why two recognitions can't be compared number by number."""
    cautions = [
        "a model takes voice, line and language for emotion, too: numbers of other speakers or lines differ for "
        "that alone, unless each is relative to a baseline of its own"
    ]
    if (one.model.name, one.model.revision) != (two.model.name, two.model.revision):
        cautions.append("they were recognised by other models: their numbers can't be compared")
    names = [None if item.baseline is None else item.baseline.name for item in (one, two)]
    if names[0] != names[1]:
        cautions.append("their scores are relative to other baselines, or one of them to none")
    if any(not item.is_inferred for item in (one, two)):
        cautions.append("of one of them the policy allows nothing but talk time")
    return cautions


def series(frames: Frames, start: float, end: float, points: int) -> Series:
    """The curves of a stretch in so many columns at most.

    Raises:
        FramesError: the file of the frames is gone or damaged.
    """
    first, last = np.searchsorted(frames.times, [start, end])
    last = max(int(last), int(first) + 1)
    times = np.zeros(0)
    scores: dict[str, list[float | None]] = {}
    values: dict[str, list[float | None]] = {}

    def decimate(rows: Rows, labels: Sequence[str], into: dict[str, list[float | None]], least: float) -> None:
        nonlocal times
        times, means = decimation.curves(frames, rows[first:last], points)
        for index, label in enumerate(labels):
            if np.nanmax(means[:, index], initial=-np.inf) >= least:
                into[label] = [None if np.isnan(number) else round(float(number), 2) for number in means[:, index]]

    if frames.scores is not None:
        decimate(frames.scores, frames.labels or (), scores, _LEAST_PEAK)
    for name, readout in frames.readouts.items():
        labels = [f"{name}.{label}" for label in readout.labels]
        into, least = (values, -np.inf) if readout.values is not None else (scores, _LEAST_PEAK)
        decimate(readout.numbers, labels, into, least)
    centres = times + frames.hop * int(first)
    return Series(times=[round(float(time), 2) for time in centres], scores=scores, values=values)


def stretch(segment: Mapping[str, Any]) -> Stretch:
    """A segment, by the names of its attributes."""
    readouts: Mapping[str, ReadoutResult] = segment.get("readouts") or {}
    results = {name: item.label or _numbers(item.values) or {} for name, item in readouts.items()}
    return Stretch(
        start=round(segment["start"], 2),
        end=round(segment["end"], 2),
        emotion=segment.get("emotion"),
        confidence=rounded(segment.get("confidence")),
        unsure=segment.get("unsure") or None,
        readouts=results or None,
    )


def pairs(first: Mapping[str, float], second: Mapping[str, float], *, everything: bool = False) -> list[Pair]:
    """The numbers that both have, or either with `everything`; the largest difference first."""
    names = {**first, **second} if everything else {name: 0 for name in first if name in second}
    pairs = [
        Pair(
            name=name,
            first=round(first.get(name, 0.0), DIGITS),
            second=round(second.get(name, 0.0), DIGITS),
            difference=round(second.get(name, 0.0) - first.get(name, 0.0), DIGITS),
        )
        for name in names
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.difference))


def _warnings(recognition: Recognition) -> list[str]:
    return [WARNINGS.get(code, code) for code in recognition.warnings]


def _scores(scores: Mapping[str, float]) -> dict[str, float]:
    """The highest first, without those that are next to nothing."""
    ordered = sorted(scores.items(), key=lambda item: -item[1])
    return {name: round(score, DIGITS) for name, score in ordered if score >= _LEAST_SCORE}


def _numbers(numbers: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if numbers is None else {name: round(number, DIGITS) for name, number in numbers.items()}


def rounded(number: float | None) -> float | None:
    """A number as answers have it."""
    return None if number is None else round(number, DIGITS)
