"""The tools: each gives a small answer of what the library and the archive say, and nothing of its own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emovox import use_log
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.view import View
from emovox.assistants.answers import (
    Account,
    Comparison,
    Course,
    HighPoint,
    Listing,
    Matches,
    Neighbours,
    Pair,
    PartOfArc,
    ReadoutVerdict,
    Record,
    Series,
    Stretch,
    Verdict,
    When,
)
from emovox.assistants.recordings import COMMAND, Declaration, Progress, Recordings
from emovox.errors import FramesError, OptionsError
from emovox.exports import decimation
from emovox.inference.frames import Frames, Rows
from emovox.inference.recognition import ABSTAINED, UNSURE, WARNINGS, ReadoutResult, Recognition
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive.moments import Moment
    from emovox.archive.record import ArchiveRecord

MOST_RECORDINGS, MOST_RECORDS, MOST_SEGMENTS, MOST_POINTS, MOST_MOMENTS = 200, 50, 100, 200, 10
_SHOWN = 0.1
"""A curve that never reaches this is left out."""
_LEAST = 0.005
_DIGITS = 3


class Tools:
    """What an assistant may ask. Its methods take long: they are for threads."""

    def __init__(self, recordings: Recordings) -> None:
        """Begin with the recordings that it may ask about."""
        self._recordings = recordings

    def list_recordings(self, folder: str | None, name: str | None, limit: int) -> Listing:
        """The recordings in one folder or all, whose names have a part in them."""
        folders = self._recordings.folders
        names = [item for item in folders.recordings(folder) if (name or "").casefold() in item.casefold()]
        return Listing(folders=folders.names, recordings=names[:limit], count=len(names))

    def recognize(
        self, recording: str, channel: int | None, declared: Declaration, language: str | None, progress: Progress
    ) -> Verdict:
        """The verdict on a recording."""
        recognition = self._recordings.recognition(
            recording, channel=channel, declared=declared, progress=progress
        )
        outputs = recording if recording.startswith("outputs_") else None
        return _verdict(recognition, recording, _language(language), outputs)

    def save(
        self, recording: str, channel: int | None, declared: Declaration, language: str | None, progress: Progress
    ) -> Verdict:
        """The verdict on a recording, which is stored."""
        recognition, directory = self._recordings.save(
            recording, channel=channel, declared=declared, progress=progress
        )
        return _verdict(recognition, recording, _language(language), directory.name)

    def timeline(
        self, recording: str, channel: int | None, start: float, end: float | None, points: int, progress: Progress
    ) -> Course:
        """Segments and curve of a stretch of a recording.

        Raises:
            OptionsError: the stretch is empty.
        """
        recognition = self._recordings.recognition(recording, channel=channel, progress=progress)
        duration = recognition.recording.duration
        last = duration if end is None else min(end, duration)
        if start >= last:
            raise OptionsError(f"nothing from {start:g} to {last:g} s: the recording has {duration:.2f} s")
        inside = [item for item in recognition.segments or () if item.end > start and item.start < last]
        curve, note = None, None
        if not recognition.is_inferred:
            note = WARNINGS["not_inferred"]
        elif recognition.frames is None:
            note = "there is no curve: it was stored without the scores of frames, or the policy leaves them out"
        else:
            try:
                curve = _series(recognition.frames, start, last, points)
            except FramesError as error:
                note = str(error)
        return Course(
            recording=recording,
            duration=round(duration, 2),
            start=round(start, 2),
            end=round(last, 2),
            segments=[_stretch(vars(item)) for item in inside[:MOST_SEGMENTS]],
            left_out=max(len(inside) - MOST_SEGMENTS, 0),
            curve=curve,
            note=note,
        )

    def summarize(self, recording: str, channel: int | None, language: str | None, progress: Progress) -> Account:
        """What a recording comes to."""
        recognition = self._recordings.recognition(recording, channel=channel, progress=progress)
        return _account(recognition, recording, _language(language))

    def compare(
        self,
        first: str,
        second: str,
        first_channel: int | None,
        second_channel: int | None,
        language: str | None,
        progress: Progress,
    ) -> Comparison:
        """Two recordings, or two channels of one, side by side."""
        one = self._recordings.recognition(first, channel=first_channel, progress=progress)
        two = self._recordings.recognition(second, channel=second_channel, progress=progress)
        own, other = (_account(item, name, _language(language)) for item, name in ((one, first), (two, second)))
        return Comparison(
            first=own,
            second=other,
            scores=_pairs(one.scores or {}, two.scores or {}),
            shares=_pairs(own.shares, other.shares, everything=True),
            values=_pairs(own.values or {}, other.values or {}),
            cautions=_cautions(one, two),
        )

    def search(
        self,
        filters: Sequence[str],
        rule: str | None,
        baseline: str | None,
        limit: int,
        before: str | None,
        language: str | None,
    ) -> Matches:
        """A page of the archive, with how much there is of what the filters mean."""
        where = Filter.parse(filters).allowed()
        use_log.log("read", command=f"{COMMAND} search")
        with Archive(make=False) as archive:
            if archive.is_empty():
                return Matches(records=[], note="the archive is empty: `emovox recognize --archive` fills it")
            view = View.of(archive, where, baseline)
            if rule is not None:
                found = archive.flags.rule(rule)
                page, following = view.find_moments(found, limit=limit, before=before)
                blind = view.without_segments(found)
                return Matches(
                    records=[self._record(item.record, language, item.moments) for item in page],
                    next=following,
                    note=f"{blind} more have no segments to look into" if blind else None,
                )
            records, following = view.find(limit=limit, before=before)
            stats = archive.stats(where)
            return Matches(
                records=[self._record(record, language) for record in records],
                recognitions=stats.recognitions,
                seconds=round(stats.seconds, 1),
                by_emotion=dict(stats.by_emotion),
                next=following,
            )

    def similar(
        self,
        recording: str,
        filters: Sequence[str],
        segments: bool,
        limit: int,
        language: str | None,
        progress: Progress,
    ) -> Neighbours:
        """What in the archive sounds most like a recording."""
        where = Filter.parse(filters)
        use_log.log("read", command=f"{COMMAND} similar")
        with Archive(make=False) as archive:
            to = self._recordings.to_compare(recording, archive, progress=progress)
            near = archive.similar(to, k=limit, where=where, segments=segments)
            return Neighbours(
                records=[
                    self._record(item.record, language).model_copy(
                        update={
                            "similarity": round(item.similarity, _DIGITS),
                            "segment": None if item.segment is None else _stretch(item.segment),
                        }
                    )
                    for item in near
                ]
            )

    def _record(
        self, record: "ArchiveRecord", language: str | None, moments: "Sequence[Moment] | None" = None
    ) -> Record:
        outputs = record.outputs
        own = outputs is not None and outputs.parent == settings().outputs.absolute() and outputs.is_dir()
        return Record(
            id=record.id[:12],
            recording=self._recordings.folders.name(record.link),
            outputs=outputs.name if own and outputs is not None else None,
            name=record.name,
            created=record.created.astimezone().isoformat(timespec="seconds"),
            duration=None if record.duration is None else round(record.duration, 2),
            channel=record.channel,
            side=record.side,
            emotion=record.emotion,
            confidence=_rounded(record.confidence),
            headline=None if record.summary is None else record.summary.headline.in_language(_language(language)),
            tags=list(record.tags),
            model=f"{record.model} {record.revision}".strip(),
            moments=None
            if moments is None
            else [
                When(start=round(item.start, 2), end=round(item.end, 2), peak=round(item.peak, _DIGITS))
                for item in moments[:MOST_MOMENTS]
            ],
        )


def _verdict(recognition: Recognition, name: str, language: str, outputs: str | None) -> Verdict:
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
        confidence=_rounded(recognition.confidence),
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


def _account(recognition: Recognition, name: str, language: str) -> Account:
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
        unsure=_rounded(summary.unsure),
        values=_numbers(summary.values),
        arc=[
            PartOfArc(
                start=round(part.start, 2),
                end=round(part.end, 2),
                classes=part.classes,
                share=round(part.share, _DIGITS),
                lead=round(part.lead, _DIGITS),
            )
            for part in summary.arc
        ],
        peaks=[
            HighPoint(
                name=peak.name,
                start=round(peak.start, 2),
                end=round(peak.end, 2),
                confidence=_rounded(peak.confidence),
                value=_rounded(peak.value),
            )
            for peak in summary.peaks
        ],
        warnings=warnings,
    )


def _cautions(one: Recognition, two: Recognition) -> list[str]:
    """Why two recognitions can't be compared number by number."""
    cautions = [
        "a model hears voice, line and language as emotion, too: numbers of other speakers or lines differ for "
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


def _series(frames: Frames, start: float, end: float, points: int) -> Series:
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
        decimate(frames.scores, frames.labels or (), scores, _SHOWN)
    for name, readout in frames.readouts.items():
        labels = [f"{name}.{label}" for label in readout.labels]
        into, least = (values, -np.inf) if readout.values is not None else (scores, _SHOWN)
        decimate(readout.numbers, labels, into, least)
    centres = times + frames.hop * int(first)
    return Series(times=[round(float(time), 2) for time in centres], scores=scores, values=values)


def _stretch(segment: Mapping[str, Any]) -> Stretch:
    readouts: Mapping[str, ReadoutResult] = segment.get("readouts") or {}
    said = {name: item.label or _numbers(item.values) or {} for name, item in readouts.items()}
    return Stretch(
        start=round(segment["start"], 2),
        end=round(segment["end"], 2),
        emotion=segment.get("emotion"),
        confidence=_rounded(segment.get("confidence")),
        unsure=segment.get("unsure") or None,
        readouts=said or None,
    )


def _pairs(first: Mapping[str, float], second: Mapping[str, float], *, everything: bool = False) -> list[Pair]:
    """The numbers that both have, or either with `everything`; the largest difference first."""
    names = {**first, **second} if everything else {name: 0 for name in first if name in second}
    pairs = [
        Pair(
            name=name,
            first=round(first.get(name, 0.0), _DIGITS),
            second=round(second.get(name, 0.0), _DIGITS),
            difference=round(second.get(name, 0.0) - first.get(name, 0.0), _DIGITS),
        )
        for name in names
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.difference))


def _warnings(recognition: Recognition) -> list[str]:
    return [WARNINGS.get(code, code) for code in recognition.warnings]


def _scores(scores: Mapping[str, float]) -> dict[str, float]:
    """The highest first, without those that are next to nothing."""
    ordered = sorted(scores.items(), key=lambda item: -item[1])
    return {name: round(score, _DIGITS) for name, score in ordered if score >= _LEAST}


def _numbers(numbers: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if numbers is None else {name: round(number, _DIGITS) for name, number in numbers.items()}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, _DIGITS)


def _language(language: str | None) -> str:
    return language or settings().labels
