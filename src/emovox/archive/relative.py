"""Relative: scores of what is in the archive, moved by a baseline when they are read; what is stored stays raw.

Scores are softmax(logits), so those with a shift of the logits are the softmax of their logarithms plus the shift.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from sqlalchemy import select

from emovox.archive import foreign
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.fitting import tagged
from emovox.archive.record import ArchiveRecord
from emovox.archive.schema import recognitions
from emovox.archive.vectors import blocks
from emovox.baselines.baseline import CORPUS, RECOGNIZED, SELF, SPEAKER, Baseline
from emovox.baselines.fitting import Fitting
from emovox.baselines.shift import Shifting, movable
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, BaselineError, OptionsError, UnknownModelError
from emovox.inference.options import Options
from emovox.inference.recognition import ReadoutResult
from emovox.inference.recognizer import Recognizer
from emovox.models.catalog import name_of
from emovox.models.metadata import Metadata
from emovox.models.readout import Temperatures, temperature


@dataclass(frozen=True)
class Move:
    """What moves the scores of a recognition.

    Attributes:
        name: of the baseline.
        readout: of the emotions.
        logits: what is added, by the readout's label.
        emotions: which of the nine each label is.
        whole: False: only segments are moved, as the recording is relative to itself.
        temperatures: by length, what the model divides logits by.
        recognized: whether it is the one that the recording was recognised with, of which the summary is known.
    """

    name: str
    readout: str
    logits: Mapping[str, float]
    emotions: Mapping[str, str]
    whole: bool = True
    temperatures: Temperatures = ()
    recognized: bool = False

    def record(self, record: ArchiveRecord) -> ArchiveRecord:
        """The same with moved scores."""
        summary = (record.summary_recognized or record.summary) if self.recognized else None
        record = replace(record, summary=summary)
        if record.scores is None or not self.whole:
            return record
        readouts, scores = record.readouts, record.scores
        divisor = temperature(self.temperatures, record.speech or 0.0)
        if (own := readouts.get(self.readout)) is not None and own.scores is not None:
            own = _with_scores(own, moved(own.scores, self.logits, divisor), own.scores)
            readouts = {**readouts, self.readout: own}
        if self._nine is not None:
            scores = moved(scores, self._nine, divisor)
        elif own is None or own.scores is None:
            raise ArchiveError(f"{record.name or record.id}: the scores of its own classes aren't in the archive")
        else:
            scores = dict.fromkeys(NAMES, 0.0)
            for label, score in own.scores.items():
                scores[self.emotions[label]] += score
        emotion = max(scores, key=scores.__getitem__)
        return replace(
            record, emotion=emotion, confidence=scores[emotion], scores=scores, readouts=readouts,
            relative_to=self.name, raw=record,
        )  # fmt: skip

    def segment(self, row: dict[str, Any]) -> dict[str, Any]:
        """A segment of `Archive.segments` with moved scores, and `scores_without`.

        Raises:
            ArchiveError: several of the model's classes are one emotion; segments are kept with the nine alone.
        """
        if row["emotion"] is None:
            return row
        if self._nine is None:
            raise ArchiveError(
                "segments of this model can't be moved: several of its classes are one emotion, and the archive "
                "has their sums alone: recognise with --baseline, and read the outputs"
            )
        divisor = temperature(self.temperatures, row["end"] - row["start"])
        without = {name: row[name] for name in NAMES}
        scores = moved(without, self._nine, divisor)
        emotion = max(scores, key=scores.__getitem__)
        return {
            **row, **scores, "emotion": emotion, "confidence": scores[emotion], "scores_without": without,
        }  # fmt: skip

    @cached_property
    def _nine(self) -> dict[str, float] | None:
        """What is added to the logits of the nine; None: several labels are one of them."""
        by_emotion = {
            emotion: self.logits[label] for label, emotion in self.emotions.items() if label in self.logits
        }
        return by_emotion if len(by_emotion) == len(self.logits) else None


def moved(scores: Mapping[str, float], logits: Mapping[str, float], divisor: float = 1.0) -> dict[str, float]:
    """Scores, which sum to 1, with something added to their logits; those that can't win stay 0.

    Args:
        scores: the softmax of logits that were divided.
        logits: what is added to them before.
        divisor: by which they were divided.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(np.array(list(scores.values()))) + [logits.get(name, 0.0) / divisor for name in scores]
    raised = np.exp(logs - logs.max())
    return dict(zip(scores, (raised / raised.sum()).tolist(), strict=True))


def _with_scores(item: ReadoutResult, scores: dict[str, float], without: dict[str, float]) -> ReadoutResult:
    best = max(scores, key=scores.__getitem__)
    facts = {"scores": scores, "label": best, "confidence": scores[best], "scores_without": without}
    return item.model_copy(update=facts)


class Relative(Protocol):
    """What the archive's scores are relative to.

    Attributes:
        name: of it, as the option has it, or the baseline's.
    """

    name: str

    def of(self, record: ArchiveRecord) -> Move | None:
        """What moves the scores of a record; None: nothing does."""


class AsRecognized:
    """Each relative to what it was recognised with: the numbers of its result.json."""

    name = RECOGNIZED

    def of(self, record: ArchiveRecord) -> Move | None:
        """As `Relative.of`."""
        if record.baseline is None or not record.baseline.shift:
            return None
        [(readout, logits)] = record.baseline.shift.items()
        # Where the model's facts don't say it labels are the emotions by name, and what has none is `unknown`.
        emotions = record.emotions or {label: foreign.emotion(label) or "unknown" for label in logits}
        whole = record.baseline.name != SELF
        return Move(record.baseline.name, readout, logits, emotions, whole, record.baseline.temperatures, True)


class ToBaselines:
    """Relative to a baseline: one for all, or one for the recordings of each speaker."""

    def __init__(
        self,
        rule: Shifting,
        whole: Baseline,
        by_speaker: Mapping[str, Baseline],
        *,
        name: str,
    ) -> None:
        self.name = name
        self._rule, self._whole, self._by_speaker = rule, whole, by_speaker
        self._moves: dict[tuple[str, frozenset[str]], Move] = {}
        rule(whole)  # what can't be is refused now, not in the middle

    def of(self, record: ArchiveRecord) -> Move | None:
        """As `Relative.of`."""
        if record.scores is None:
            return None
        speaker = tagged(record.tags, SPEAKER) if self._by_speaker else ""
        baseline = self._by_speaker.get(speaker)
        common = CORPUS if self._by_speaker else self.name
        name = common if baseline is None else f"{SPEAKER} {speaker}"
        # What couldn't win has the score 0, and then no share in the expected mixture either.
        allowed = frozenset(name for name, score in record.scores.items() if score > 0)
        key = (name, allowed)
        if key not in self._moves:
            self._moves[key] = self._move(name, baseline or self._whole, allowed)
        return self._moves[key]

    def _move(self, name: str, baseline: Baseline, allowed: frozenset[str]) -> Move:
        try:
            shift = replace(self._rule, emotions=allowed)(baseline)
        except (BaselineError, OptionsError):  # only what nobody expects can win, as in silence
            shift = self._rule(baseline)
        own = movable(self._rule.metadata)
        return Move(name, shift.readout, shift.logits, own.emotions, temperatures=own.temperatures)


Models = Callable[[str], AbstractContextManager[Recognizer]]
"""Gives the model of a name, as long as it is looked at."""


def load(name: str) -> AbstractContextManager[Recognizer]:
    """As `Models`: for this once."""
    try:
        return nullcontext(Recognizer(name))
    except UnknownModelError:  # of a file, which is perhaps that of the settings
        return nullcontext(Recognizer())


def relative_to(
    archive: Archive,
    baseline: str | Baseline,
    where: Filter,
    *,
    expect: Mapping[str, float] | None = None,
    models: Models = load,
) -> Relative:
    """What the scores of selected records are to be relative to.

    Args:
        archive: that has them.
        baseline: one, or its name or path, or `corpus`, `speaker`, or `recognized`.
        where: what selects them, not by scores. A corpus is what it selects and has embeddings; it is read twice.
        expect: shares of emotions that the baseline's recordings are taken to have.
        models: gives the model, of which only metadata and weights are needed.

    Raises:
        ArchiveError: they are of several models, or of another than the baseline's; there are no embeddings of
            them; or no speaker.
        BaselineError: there is no such baseline, or nothing of the model can be moved.
        OptionsError: the option can't be used here.
        ModelError: the model can't be loaded.
    """
    if baseline == SELF:
        raise OptionsError(
            "baseline self: the archive's recordings aren't recognised again: recognise with --baseline self, and "
            f"choose {RECOGNIZED} here"
        )
    if baseline == RECOGNIZED:
        if expect is not None:
            raise OptionsError(f"expect: with {RECOGNIZED} the shares are those that were said when recognising")
        return AsRecognized()
    if isinstance(baseline, str) and baseline not in {CORPUS, SPEAKER}:
        baseline = Baseline.find(baseline)
    model = _only_model(archive, where)
    own = (baseline.model.name, baseline.model.revision) if isinstance(baseline, Baseline) else model[:2]
    with models(name_of(*own)) as recognizer:
        _check(model, recognizer)
        if isinstance(baseline, Baseline):
            whole, by_speaker, name = baseline, dict[str, Baseline](), baseline.name
        else:
            whole, by_speaker = _fit(archive, recognizer.metadata, where, speakers=baseline == SPEAKER)
            name = baseline
        rule = recognizer.shifting(Options.of(baseline=whole, expect=expect))
    return ToBaselines(rule, whole, by_speaker, name=name)


def _fit(
    archive: Archive, metadata: Metadata, where: Filter, *, speakers: bool
) -> tuple[Baseline, dict[str, Baseline]]:
    fitting = Fitting("archive", metadata, column=SPEAKER, source="the archive")
    size = metadata.embedding_size
    for block in blocks(archive, where, model=metadata.name, revision=metadata.embeddings_of, size=size):
        values = [tagged(tags, SPEAKER) for tags in block.tags] if speakers else None
        fitting.add(block.vectors, list(block.sha256s), values, block.channels)
    whole, *groups = fitting.baselines()
    by_speaker = {item.group.value: item for item in groups if item.group is not None}
    if speakers and not by_speaker:
        raise ArchiveError("no recording has a tag like speaker:NAME: tag them, or choose corpus")
    return whole, by_speaker


_ModelKey = tuple[str, str, str | None]
"""Name, revision, and what its labels were taken for."""


def _only_model(archive: Archive, where: Filter) -> _ModelKey:
    columns = (recognitions.c.model, recognitions.c.revision, recognitions.c.emotions)
    with archive.database.connect() as connection:
        query = select(*columns).where(*where.resolved(connection).conditions()).distinct()
        models = [(row[0], row[1], row[2]) for row in connection.execute(query)]
    if not models:
        raise ArchiveError("nothing in the archive is selected: there is nothing to be relative to")
    labels = sorted({(name, revision) for name, revision, _ in models})
    if len(labels) > 1:
        name, revision = labels[-1]
        raise ArchiveError(
            f"these are of several models, {', '.join(' '.join(pair).strip() for pair in labels)}: scores can be "
            f"moved of one at a time: choose model={name} and revision={revision}, or others"
        )
    if len(models) > 1:
        raise ArchiveError(
            f"the labels of {labels[0][0]} were taken for different emotions: choose some with a filter"
        )
    return models[0]


def _check(model: _ModelKey, recognizer: Recognizer) -> None:
    name, revision, mapping = model
    facts = recognizer.model
    if (name, revision) != (facts.name, facts.revision):
        raise ArchiveError(
            f"these were recognised by {name} {revision}, not {facts.name} {facts.revision}: choose those of "
            f"model={facts.name} and revision={facts.revision}, or recognise these again: `emovox archive upgrade`"
        )
    if (None if mapping is None else json.loads(mapping)) != facts.emotions:
        raise ArchiveError(f"the labels of {name} were taken for other emotions than now: recognise them again")
