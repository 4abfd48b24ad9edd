"""The summary: what the speech of a recording comes to, by rule, from its segments alone.

Headline, segments and shares can't contradict each other, since nothing else is asked. The rules, in this order,
for the whole of a recording whose speech spans half a minute at most, and for each part of a longer one's arc. A
shorter one has an arc, too, where two level classes lead in less than two thirds of its speech:

1. unsure: most of its speech is in segments that are marked so; they speak for no class;
2. a tie: of the mean scores of the other segments, by their seconds, the second is within ten points of the first;
   or another class than the first leads in most of their seconds;
3. clear: the first.

A result without segments or speech has no summary, nor has one of which nothing may be inferred, or of a model
that gives embeddings alone.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from emovox.inference import arc
from emovox.inference.facts import Facts
from emovox.inference.nine import is_none
from emovox.inference.sentence import Moment, Stretch, headline, sentence
from emovox.inference.value_sentence import value_words

LONG = 30.0
"""Seconds of speech, with its pauses, that one emotion is still said of."""
TIE = 0.1
"""Of two mean scores: ten points."""
MOST = 2 / 3
"""Share of the speech that two level classes must lead in, to be said of all of it."""
LEAST_PEAK = 1.0  # seconds; a shorter segment is a flicker
PEAKS = 5
RESTING = frozenset({"neutral", "other", "unknown"})  # whose highest score nobody looks for
_ROUNDING = 1e-9

Flags = NDArray[np.bool_]


class _Readout(Protocol):
    @property
    def label(self) -> str | None: ...
    @property
    def scores(self) -> dict[str, float] | None: ...
    @property
    def values(self) -> dict[str, float] | None: ...
    @property
    def range(self) -> tuple[float, float] | None: ...


class _Segment(Protocol):
    """A segment of a recognition, as far as it is looked at here."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def scores(self) -> dict[str, float] | None: ...
    @property
    def unsure(self) -> bool | None: ...
    @property
    def readouts(self) -> Mapping[str, _Readout]: ...


Share = Annotated[float, Field(ge=0, le=1)]


class Part(Facts):
    """A part of the arc."""

    start: float = Field(description="of its first segment, seconds", ge=0)
    end: float = Field(description="of its last segment, seconds", gt=0)
    classes: list[str] = Field(
        description="what leads in it: one class, or two that are level; none: the model isn't sure"
    )
    share: Share = Field(description="of all speech")
    lead: Share = Field(description="of its own speech, in which these classes lead; below a half it is changing")


class Peak(Facts):
    """The segment in which a class, or a value, is highest."""

    name: str = Field(description="of the class, or the value")
    start: float = Field(description="seconds", ge=0)
    end: float = Field(description="seconds", gt=0)
    confidence: float | None = Field(None, description="its score there", ge=0, le=1, exclude_if=is_none)
    value: float | None = Field(None, description="the value there", exclude_if=is_none)


class Said(Facts):
    """Words in two languages."""

    en: str
    zh: str

    def in_language(self, language: str) -> str:
        """That of `en` or `zh`."""
        return self.zh if language == "zh" else self.en


Kind = Literal["clear", "tie", "unsure", "arc", "values"]


class Brief(Facts):
    """A summary in a line, as lists have it. Classes are the nine, or those of the model's first readout."""

    kind: Kind = Field(
        description="clear: one class leads; tie: two are level, which is within ten points of each other, "
        "or one has the higher scores and the other more of the speech; unsure: most of the speech is; arc: it "
        "changes; values: the model gives no classes"
    )
    readout: str | None = Field(
        None, description="whose classes or values they are; left out for the nine", exclude_if=is_none
    )
    headline: Said = Field(description="as a title: `neutral → angry 1:12 → neutral 2:30`")
    classes: list[str] = Field(
        description="what leads: one class, or two that are level; of an arc the one with most of the speech; "
        "none: the model isn't sure, or gives values"
    )
    score: Share | None = Field(
        None, description="of the class, where one leads clearly; left out otherwise", exclude_if=is_none
    )


class SpeechSummary(Brief):
    """What the speech of a recording comes to."""

    sentence: Said = Field(description="as a sentence that a person could repeat")
    speech: float = Field(description="seconds of all segments", gt=0)
    shares: dict[str, Share] = Field(
        description="of the speech that each class leads in, the largest first; with `unsure` they sum to 1"
    )
    unsure: Share = Field(description="share of the speech in segments that are unsure")
    scores: dict[str, float] = Field(
        description="the mean of the segments by their seconds, without those that are unsure unless all are; "
        "empty where there are values instead"
    )
    values: dict[str, float] | None = Field(
        None, description="likewise, of a model that gives no classes", exclude_if=is_none
    )
    arc: list[Part] = Field(
        description="its parts, in order: a single one if nothing changes, or the speech spans half a minute at "
        "most and one or two classes lead in most of it"
    )
    peaks: list[Peak] = Field(
        description="of a long recording, in order of time: where classes are highest that lead clearly in a "
        "segment of a second or more, five at most; not neutral, other and unknown. Of values where each is "
        "highest"
    )

    @property
    def brief(self) -> Brief:
        """The same in a line."""
        return Brief(**{name: getattr(self, name) for name in Brief.model_fields})


def summarize(segments: Sequence[_Segment] | None) -> SpeechSummary | None:
    """The summary of a recording's segments, or None without any. Segments that say nothing aren't counted."""
    segments = segments or ()
    if judged := [item for item in segments if item.scores]:
        return _of_classes(judged, None, [item.scores or {} for item in judged])
    readouts = {name: item for segment in segments for name, item in segment.readouts.items()}
    for name, readout in readouts.items():
        if readout.label is not None:
            judged = [item for item in segments if name in item.readouts and item.readouts[name].scores]
            return _of_classes(judged, name, [item.readouts[name].scores or {} for item in judged])
    for name, readout in readouts.items():
        if readout.values:
            judged = [item for item in segments if name in item.readouts and item.readouts[name].values]
            return _of_values(judged, name, [item.readouts[name].values or {} for item in judged])
    return None


def _of_classes(
    segments: Sequence[_Segment], readout: str | None, tables: Sequence[dict[str, float]]
) -> SpeechSummary:
    names = list(tables[0])
    scores = np.array([[table.get(name, 0.0) for name in names] for table in tables])
    seconds = np.array([item.end - item.start for item in segments])
    unsure = np.array([bool(item.unsure) for item in segments])
    speech = float(seconds.sum())
    everything = _leading(names, scores, seconds, unsure)
    long = segments[-1].end - segments[0].start > LONG or _mixed(names, everything, scores, seconds, unsure)
    # Who is unsure speaks for that alone.
    evidence = np.column_stack([np.where(unsure[:, np.newaxis], 0.0, scores), unsure])
    slices = arc.parts(seconds, evidence) if long else [slice(0, len(segments))]
    pieces: list[tuple[slice, list[str]]] = []
    for each in slices:
        classes = _leading(names, scores[each], seconds[each], unsure[each])
        if pieces and set(pieces[-1][1]) == set(classes):
            pieces[-1] = (slice(pieces[-1][0].start, each.stop), pieces[-1][1])
        else:
            pieces.append((each, classes))
    leaders = scores.argmax(axis=1)
    parts: list[Part] = []
    for each, classes in pieces:
        own = np.where(unsure[each], not classes, np.isin(np.array(names)[leaders[each]], classes))
        spoken = float(seconds[each].sum())
        parts.append(
            Part(
                start=segments[each][0].start,
                end=segments[each][-1].end,
                classes=classes,
                share=min(spoken / speech, 1.0),
                lead=min(float(seconds[each][own].sum()) / spoken, 1.0),
            )
        )
    shares = {
        name: float(seconds[(leaders == column) & ~unsure].sum()) / speech for column, name in enumerate(names)
    }
    peaks = _peaks(segments, names, scores, unsure) if long else []
    stretches = [Stretch(tuple(part.classes), part.start, part.end, part.share, part.lead) for part in parts]
    moments = [Moment(peak.name, peak.start) for peak in peaks]
    counted = seconds if unsure.all() else np.where(unsure, 0.0, seconds)
    mean = dict(zip(names, (counted @ scores / counted.sum()).tolist(), strict=True))
    shares = {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share}
    kind: Kind = "arc" if len(parts) > 1 else ("unsure", "clear", "tie")[len(parts[0].classes)]
    told = list(shares)[:1] if kind == "arc" else parts[0].classes
    return SpeechSummary(
        kind=kind,
        readout=readout,
        classes=told,
        score=mean[told[0]] if kind == "clear" else None,
        headline=Said(**{each: headline(stretches, each, long=long) for each in ("en", "zh")}),
        sentence=Said(**{each: sentence(stretches, moments, each, long=long) for each in ("en", "zh")}),
        speech=speech,
        shares=shares,
        unsure=float(seconds[unsure].sum()) / speech,
        scores=mean,
        arc=parts,
        peaks=peaks,
    )


def _leading(names: list[str], scores: arc.Numbers, seconds: arc.Numbers, unsure: Flags) -> list[str]:
    """The classes that lead in some segments, by the rules; none: that is unsure."""
    sure = np.where(unsure, 0.0, seconds)
    if sure.sum() < seconds[unsure].sum():
        return []
    mean = sure @ scores / sure.sum()
    first, second = np.argsort(-mean, kind="stable")[[0, -1 if len(names) == 1 else 1]]
    most = np.bincount(scores.argmax(axis=1), sure, len(names)).argmax()
    if most != first:
        second = most
    elif first == second or mean[first] - mean[second] > TIE + _ROUNDING:
        return [names[first]]
    return [names[first], names[second]]


def _mixed(names: list[str], leading: list[str], scores: arc.Numbers, seconds: arc.Numbers, unsure: Flags) -> bool:
    """Whether two are level that aren't what most of the speech is like."""
    mask = np.isin(np.array(names)[scores.argmax(axis=1)], leading)
    sure = np.where(unsure, 0.0, seconds)
    return len(leading) > 1 and float(sure[mask].sum()) < MOST * float(sure.sum())


def _peaks(segments: Sequence[_Segment], names: list[str], scores: arc.Numbers, unsure: Flags) -> list[Peak]:
    best: dict[str, Peak] = {}
    for item, row, doubtful in zip(segments, scores, unsure, strict=True):
        order = np.argsort(-row, kind="stable")
        name, confidence = names[order[0]], float(row[order[0]])
        tied = len(order) > 1 and confidence - row[order[1]] <= TIE + _ROUNDING
        if doubtful or tied or name in RESTING or item.end - item.start < LEAST_PEAK:
            continue
        if name not in best or confidence > (best[name].confidence or 0):
            best[name] = Peak(name=name, start=item.start, end=item.end, confidence=confidence)
    highest = sorted(best.values(), key=lambda peak: -(peak.confidence or 0))[:PEAKS]
    return sorted(highest, key=lambda peak: peak.start)


def _of_values(segments: Sequence[_Segment], readout: str, tables: Sequence[dict[str, float]]) -> SpeechSummary:
    names = list(tables[0])
    values = np.array([[table.get(name, 0.0) for name in names] for table in tables])
    seconds = np.array([item.end - item.start for item in segments])
    speech, start, end = float(seconds.sum()), segments[0].start, segments[-1].end
    mean = dict(zip(names, (seconds @ values / speech).tolist(), strict=True))
    peaks: list[Peak] = []
    lasting = np.flatnonzero(seconds >= LEAST_PEAK)
    if end - start > LONG and len(lasting):
        for column, name in enumerate(names):
            item = segments[lasting[values[lasting, column].argmax()]]
            value = float(values[lasting, column].max())
            peaks.append(Peak(name=name, start=item.start, end=item.end, value=value))
        peaks.sort(key=lambda peak: peak.start)
    moments = [Moment(peak.name, peak.start) for peak in peaks]
    range_ = next(item.readouts[readout].range for item in segments)
    words = {each: value_words(mean, range_, moments, each) for each in ("en", "zh")}
    return SpeechSummary(
        kind="values",
        readout=readout,
        classes=[],
        headline=Said(**{each: title for each, (title, _) in words.items()}),
        sentence=Said(**{each: said for each, (_, said) in words.items()}),
        speech=speech,
        shares={},
        unsure=0.0,
        scores={},
        values=mean,
        arc=[],
        peaks=peaks,
    )
