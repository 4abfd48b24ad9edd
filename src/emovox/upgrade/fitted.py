"""Heads and baselines again: trained on their lists, and fitted to their recordings, with another revision."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from emovox.archive import rows
from emovox.archive.fitting import CHANNEL
from emovox.archive.record import ArchiveRecord, Floats
from emovox.baselines.baseline import Baseline, summand
from emovox.baselines.fitting import Totals
from emovox.errors import DecoderError, EmovoxError
from emovox.heads.dataset import cache_key, checksum
from emovox.heads.embedding_cache import EmbeddingCache
from emovox.heads.training import Trained, train
from emovox.heads.value_training import TrainedValues, train_values
from emovox.inference.options import LiveArguments, Sink
from emovox.inference.recognition import NO_SPEECH
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Listed, read_labels
from emovox.labels.value_list import read_values
from emovox.models.fitted import Fitted
from emovox.models.head import Head
from emovox.outputs import EMBEDDING
from emovox.speech_embeddings import SILENCE, find_sources
from emovox.upgrade.material import is_same, material_of
from emovox.upgrade.selection import Selection

Kind = TypeVar("Kind", bound=Fitted)

_SHOWN = 3  # recordings that are named
_ENOUGH = 0.5  # of a baseline's recordings must be there: they are alike, so the others hardly move their mean


@dataclass(frozen=True)
class Outcome(Generic[Kind]):
    """What became of a head or a baseline.

    Attributes:
        name: of it.
        fitted: the new one; None: it stays as it is.
        note: why, or what is to be known of the new one.
    """

    name: str
    fitted: Kind | None
    note: str = ""


def untrainable(head: Head) -> str:
    """Why a head can't be trained again, as far as its file and list tell; empty: nothing says so."""
    again = f"`emovox head train LABELS --name {head.name}`"
    facts = head.training
    if facts.corrections:
        return f"it was trained on corrections: `emovox head train --corrections --name {head.name}`"
    if facts.labels_file is None:
        return f"it doesn't say on which list it was trained: {again}"
    path = Path(facts.labels_file)
    if not path.is_file():
        return f"its list {path} isn't there any more: {again}"
    try:
        items: Sequence[Listed]
        if head.values:
            items = read_values(path, head.values, paths=facts.path_column, columns=facts.value_columns)
        else:
            items = read_labels(path, paths=facts.path_column, labels=facts.label_column)
    except EmovoxError as error:
        return str(error)
    if any(item.path.suffix.lower() == ".npy" for item in items):
        return f"its list {path} names embeddings, which are of the other revision: {again}"
    return ""


def train_again(head: Head, recognizer: Recognizer, *, report: Path | None = None) -> Outcome[Head]:
    """Train a head on its list; one that lost recordings stays as it is.

    Args:
        head: the old one.
        recognizer: the model.
        report: file to write how the new one does to; None: nowhere.

    Raises:
        DecoderError: as `Recognizer.recognize`.
    """
    if reason := untrainable(head):
        return Outcome(head.name, None, reason)
    facts = head.training
    path = Path(str(facts.labels_file))
    trained: Trained | TrainedValues
    try:
        if head.range is not None:
            trained = train_values(
                path,
                head.name,
                recognizer,
                values=head.values,
                scale=head.range,
                paths=facts.path_column,
                columns=facts.value_columns,
                group=facts.group,
            )
        else:
            trained = train(
                path,
                head.name,
                recognizer,
                paths=facts.path_column,
                labels=facts.label_column,
                group=facts.group,
            )
    except DecoderError:
        raise
    except EmovoxError as error:
        return Outcome(head.name, None, str(error))
    now = trained.head.training.recordings or frozenset()
    if lost := (facts.recordings or frozenset()) - now:
        names = [f"{name} ({reason})" for name, reason in trained.failures]
        named = f": {_some(names)}" if names else f", and {facts.labels_file} no longer has them"
        return Outcome(head.name, None, f"{len(lost)} of its recordings can't be used{named}")
    if report is not None:
        from emovox.heads.report import head_report  # noqa: PLC0415  its pictures take time to load
        from emovox.heads.value_report import value_report  # noqa: PLC0415

        page = head_report(trained) if isinstance(trained, Trained) else value_report(trained)
        page.write(report)
    note = "" if facts.recordings in (None, now) else f"its list has {len(now)} recordings now"
    return Outcome(head.name, trained.head, note)


class BaselineFitting:
    """Fits baselines again, to the new embeddings of the recordings that they say they have."""

    def __init__(
        self,
        selection: Selection,
        recognizer: Recognizer,
        embeddings: Callable[[ArchiveRecord], tuple[Floats | None, Floats | None]],
        sink: Sink | None = None,
    ) -> None:
        """Begin.

        Args:
            selection: of the archive that may have their recordings.
            recognizer: the model.
            embeddings: the new ones of a record, for the archive and for its embedding.npy.
            sink: is given all waveforms that are recognised.
        """
        self._sink = sink
        self._selection, self._recognizer, self._embeddings = selection, recognizer, embeddings
        self._sources: dict[str, list[tuple[str, Path]]] = {}  # by the baseline's name

    def fit(self, whole: Baseline, members: Collection[Baseline]) -> list[Outcome[Baseline]]:
        """Fit a baseline and those of its groups again.

        Raises:
            DecoderError: as `Recognizer.recognize`.
        """
        if reason := unfittable(whole, members):
            return [Outcome(item.name, None, reason) for item in (whole, *members)]
        by_digest: dict[str, tuple[str, Floats]] = {}
        with closing(EmbeddingCache(f"{cache_key(self._recognizer)} speech")) as cache:
            for digest in sorted(whole.recordings or ()):
                if (pair := self._embedding(whole, digest, cache)) is not None:
                    by_digest[digest] = pair
        short = [item for item in (whole, *members) if not _enough(item, by_digest)]
        if short:
            lost = len(short[0].recordings or ()) - len((short[0].recordings or frozenset()) & by_digest.keys())
            reason = (
                f"the sound of {lost} of the recordings of {short[0].name} isn't there any more: {_again(whole)}"
            )
            return [Outcome(item.name, None, reason) for item in (whole, *members)]
        everyone = self._totals(whole, by_digest)
        outcomes = []
        for item in (whole, *members):
            group = item.group and everyone.group(whole.name, item.group.column, item.group.value)
            totals = self._totals(item, by_digest)
            note = "" if totals.count == item.count else f"of {totals.count} of its {item.count} recordings"
            outcomes.append(Outcome(item.name, totals.baseline(item.name, item.source, group), note))
        return outcomes

    def _totals(self, baseline: Baseline, by_digest: dict[str, tuple[str, Floats]]) -> Totals:
        totals = Totals(self._recognizer.metadata)
        for digest in sorted((baseline.recordings or frozenset()) & by_digest.keys()):
            sha256, embedding = by_digest[digest]
            totals.add(embedding[np.newaxis], [sha256])
        return totals

    def _embedding(self, baseline: Baseline, digest: str, cache: EmbeddingCache) -> tuple[str, Floats] | None:
        """The checksum and new embedding of a recording, made of what the old one was made of."""
        records = self._selection.of_recording(digest)
        summands = baseline.summands or ()
        for record in records:
            old = self._selection.archive.embedding(record.id)
            if old is not None and summand(record.sha256, old) in summands:
                whole, _ = self._embeddings(record)
                return None if whole is None else (record.sha256, rows.unpacked(rows.packed(whole)))
            if any(summand(record.sha256, old) in summands for old in self._in_files(record)):
                _, file = self._embeddings(record)
                return None if file is None else (record.sha256, file)
        sounds = list(self._sounds(records))
        if not sounds:
            sounds = [pair for pair in self._at_source(baseline) if pair[0].startswith(digest)]
        declared = _declared(records)
        for sha256, path in sounds:
            if (embedding := self._of_speech(path, sha256, cache, declared)) is not None:
                return sha256, embedding
        return None

    def _in_files(self, record: ArchiveRecord) -> Iterator[Floats]:
        for directory in self._selection.archive.directories.of([record.id]).get(record.id, ()):
            with suppress(OSError, ValueError):
                values = np.load(directory / EMBEDDING, allow_pickle=False)
                yield np.atleast_2d(np.asarray(values, np.float32)).mean(axis=0)

    def _sounds(self, records: list[ArchiveRecord]) -> Iterator[tuple[str, Path]]:
        """Of whole recordings: what was kept of a channel is its own."""
        for material in material_of(self._selection.archive, records):
            sound = material.sound
            if sound is None or not is_same(sound, material.record.sha256):
                continue
            if not (sound.kept and material.record.channel is not None):
                yield material.record.sha256, sound.path

    def _at_source(self, baseline: Baseline) -> list[tuple[str, Path]]:
        """The recordings of a baseline's source, as far as that is one path that is still there."""
        if baseline.name not in self._sources:
            pairs = self._sources.setdefault(baseline.name, [])
            with suppress(EmovoxError, OSError, ValueError):
                if Path(baseline.source).exists():
                    for item in find_sources(baseline.source):
                        if item.path.suffix.lower() != ".npy":
                            pairs.append((checksum(item.path), item.path))
        return self._sources[baseline.name]

    def _of_speech(self, path: Path, sha256: str, cache: EmbeddingCache, declared: LiveArguments) -> Floats | None:
        """The embedding of the speech in a recording, if the policy allows one and there is speech."""
        if declared["side"] in self._recognizer.policy.withheld:
            return None
        embedding = cache.get(sha256)
        if embedding is not None and embedding.shape == (self._recognizer.metadata.embedding_size,):
            return embedding
        try:
            recognition = self._recognizer.recognize(
                path, embedding=True, speech_only=True, sink=self._sink, **declared
            )
        except DecoderError:
            raise
        except EmovoxError:
            return None
        if {NO_SPEECH, SILENCE} & set(recognition.warnings) or recognition.embedding is None:
            return None
        cache.put(sha256, recognition.embedding[0])
        return np.asarray(recognition.embedding[0], np.float32)


def _declared(records: list[ArchiveRecord]) -> LiveArguments:
    """What was declared of a recording, as options of a recognition."""
    side, purpose, consent = (
        next((value for record in records if (value := getattr(record, name)) is not None), None)
        for name in ("side", "purpose", "consent")
    )
    return {"side": side, "purpose": purpose, "consent": consent}


def families(baselines: Collection[Baseline]) -> list[tuple[Baseline | None, list[Baseline]]]:
    """Baselines of whole sets, each with those of its groups; None: the whole's isn't there."""
    wholes = {item.name: item for item in baselines if item.group is None}
    members: dict[str, list[Baseline]] = {}
    for item in baselines:
        if item.group is not None:
            members.setdefault(item.group.name, []).append(item)
    lone = [(None, items) for name, items in members.items() if name not in wholes]
    return [*((item, members.get(name, [])) for name, item in wholes.items()), *lone]


def unfittable(whole: Baseline | None, members: Collection[Baseline]) -> str:
    """Why a baseline and its groups can't be fitted again, as far as they tell; empty: nothing says so."""
    first = whole or next(iter(members))
    if whole is None:
        return f"the baseline of its whole set isn't there: {_again(first)}"
    if any(item.recordings is None for item in (whole, *members)):
        return f"not all its recordings are known: {_again(whole)}"
    by_channel = any(item.group is not None and item.group.column == CHANNEL for item in members)
    if by_channel or whole.count != len(whole.recordings or ()):
        return f"its recordings have a part for each channel or group: {_again(whole)}"
    return ""


def _enough(baseline: Baseline, by_digest: Collection[str]) -> bool:
    recordings = baseline.recordings or frozenset()
    count = sum(digest in by_digest for digest in recordings)
    return count > 0 and count >= _ENOUGH * len(recordings)


def _again(baseline: Baseline) -> str:
    name = baseline.name if baseline.group is None else baseline.group.name
    group = "" if baseline.group is None else f" --group {baseline.group.column}"
    return f"`emovox baseline fit RECORDINGS --name {name}{group}` (it was made of {baseline.source})"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
