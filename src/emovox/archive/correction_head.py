"""The head of corrections: trained on the segments that people corrected, by the embeddings that they had.

A head judges segments by the mean of their frames in the windows of their recording, so that is what it is trained
on: the archive has it, rounded to float16, of every segment of its own. Where it has none by this model, the
stored sound is recognised again. A stretch that is no segment of the model's is recognised alone, which differs a
little, as other sound is around it.
"""

import wave
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sqlalchemy import select

from emovox.archive import rows
from emovox.archive.archive import Archive
from emovox.archive.corrections import Correction
from emovox.archive.fitting import tagged
from emovox.archive.record import Floats
from emovox.archive.schema import directories, embeddings, recognitions, segments, spaces
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.baselines.baseline import SPEAKER
from emovox.errors import AudioError, EmovoxError, LabelsError
from emovox.heads.fitting import FitProgress, Method
from emovox.heads.training import Material, Trained, train_on
from emovox.inference.recognition import Segment
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Failure, Labelled
from emovox.models.head import check_free, check_name
from emovox.outputs import AUDIO
from emovox.policy import Side

if TYPE_CHECKING:
    from emovox.inference.options import LiveArguments

LEAST = 2  # corrections of each class; five are better
RECORDING = "recording"
NEAR = 0.02  # seconds, a frame: the same stretch
NO_SOUND = "the archive has no embedding of it by this model, and its sound isn't stored: recognise it again"


def check_enough(counts: dict[str, int]) -> None:
    """Refuse corrections that no head can be trained on.

    Args:
        counts: corrections of each class.

    Raises:
        LabelsError: there are too few; the message says of which class, and how many are missing.
    """
    tally = ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"
    few = [(name, LEAST - count) for name, count in counts.items() if count < LEAST]
    if few:
        missing = ", ".join(f"{name} needs {number} more" for name, number in few)
        raise LabelsError(
            f"a head needs {LEAST} corrected segments of each class, better five: {missing}. There are {tally}; a "
            "class can also be left out"
        )
    if len(counts) < 2:
        raise LabelsError(
            f"a head needs two classes or more, with {LEAST} corrected segments of each, better five; there are "
            f"{tally}. A segment that the model judged rightly can be confirmed: that counts, too"
        )


def train_on_corrections(
    archive: Archive,
    name: str,
    recognizer: Recognizer,
    *,
    without: Collection[str] = (),
    method: Method = "auto",
    begin: Callable[[int, int], None] = lambda _, __: None,
    progress: FitProgress = lambda _, __: None,
) -> Trained:
    """Train a head on the archive's corrections.

    What is held out to measure it are whole speakers, where recordings have tags such as `speaker:anna`, and else
    whole recordings: segments of one recording are alike, and would tell each other's labels.

    Args:
        archive: that has them.
        name: of the head.
        recognizer: the model on whose embeddings it is trained.
        without: labels that are left out.
        method: as of `emovox.heads.train`.
        begin: is told how many segments are done, of how many.
        progress: likewise of fits.

    Raises:
        LabelsError: there are too few.
        HeadError: the name isn't one for a head, or a readout of the model has it.
    """
    check_name(name)
    check_free(name, recognizer.metadata)
    items = [item for item in archive.corrections.all() if item.label not in without]
    check_enough(counts_of(items))
    material = _material(archive, items, recognizer, begin)
    try:
        check_enough(counts_of(material.rows))
    except LabelsError as error:
        if material.failures:
            lost, reason = material.failures[0]
            raise LabelsError(f"{error}. {len(material.failures)} can't be used; {lost}: {reason}") from error
        raise
    return train_on(material, name, recognizer, method=method, progress=progress, facts={"corrections": True})


def counts_of(items: Iterable[Correction | Labelled]) -> dict[str, int]:
    """How many there are of each label, sorted by name."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.label] = counts.get(item.label, 0) + 1
    return dict(sorted(counts.items()))


class StoredSound(NamedTuple):
    """The stored sound of a recording or of a channel of it, and what was declared of it."""

    path: Path
    side: Side | None
    purpose: str | None
    consent: str | None

    @property
    def declared(self) -> "LiveArguments":
        """As options of a recognition."""
        return {"side": self.side, "purpose": self.purpose, "consent": self.consent}


def sounds(archive: Archive, items: Iterable[Correction]) -> dict[tuple[str, int | None], StoredSound]:
    """The stored sound of what was corrected, by recording and channel; what has none is left out."""
    table = recognitions.c
    columns = (table.recording, table.channel, table.side, table.purpose, table.consent, directories.c.path)
    query = select(*columns).select_from(directories.join(recognitions))
    stored: dict[tuple[str, int | None], StoredSound] = {}
    with archive.database.connect() as connection:
        for part in rows.parts({item.sha256 for item in items}):
            for row in connection.execute(query.where(recognitions.c.recording.in_(part))):
                sound = archive.directories.resolved(row.path) / AUDIO
                if (row.recording, row.channel) not in stored and sound.is_file():
                    stored[row.recording, row.channel] = StoredSound(sound, row.side, row.purpose, row.consent)
    return stored


def voices(archive: Archive, items: Iterable[Correction]) -> dict[str, str]:
    """Whose voice the recordings are, by tags such as `speaker:anna`; empty where none says.

    Raises:
        ArchiveError: a recording has two such tags.
    """
    with archive.database.connect() as connection:
        tags = rows.tags_of(connection, {item.sha256 for item in items})
    return {sha256: tagged(names, SPEAKER) for sha256, names in tags.items()}


def cut_out(sound: Path, start: float, end: float) -> Waveform:
    """A stretch of a stored sound, float32 (n,), 16 kHz.

    Raises:
        AudioError: it can't be read, or ends before.
    """
    try:
        with wave.open(str(sound)) as file:
            first = min(round(start * SAMPLE_RATE), file.getnframes())
            file.setpos(first)
            pcm = np.frombuffer(file.readframes(max(0, round(end * SAMPLE_RATE) - first)), "<i2")
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise AudioError(f"its stored sound can't be read: {error}") from error
    if not len(pcm):
        raise AudioError("its stored sound ends before it")
    waveform: Waveform = pcm.astype(np.float32) / np.float32(32768)
    return waveform


def title(item: Correction) -> str:
    """A correction in words: the recording, and where."""
    return f"{item.name or item.sha256[:12]} {item.start:.1f}–{item.end:.1f} s"


def _material(
    archive: Archive, items: list[Correction], recognizer: Recognizer, begin: Callable[[int, int], None]
) -> Material:
    stored, stored_sounds, speakers = (
        _stored(archive, items, recognizer),
        sounds(archive, items),
        voices(archive, items),
    )
    column = SPEAKER if any(speakers.values()) else RECORDING
    labelled: list[Labelled] = []
    vectors: list[Floats] = []
    sha256s: list[str] = []
    failures: list[Failure] = []
    inferred = _Inferred(recognizer)
    for number, item in enumerate(sorted(items, key=lambda item: (item.sha256, item.channel or 0, item.start))):
        begin(number, len(items))
        vector, sound = stored.get(item.id), stored_sounds.get((item.sha256, item.channel))
        try:
            if vector is None:
                vector = inferred.embedding(item, sound)
        except EmovoxError as error:
            failures.append((title(item), error.reason if isinstance(error, AudioError) else str(error)))
            continue
        group = speakers.get(item.sha256) or item.sha256
        path = Path() if sound is None else sound.path
        labelled.append(Labelled(path, item.label, title(item), {column: group}))
        vectors.append(vector)
        sha256s.append(item.sha256)
    begin(len(items), len(items))
    none: Floats = np.zeros((0, recognizer.metadata.embedding_size), np.float32)
    matrix = np.stack(vectors) if vectors else none
    return Material(labelled, matrix, sha256s, column, failures)


def _stored(archive: Archive, items: list[Correction], recognizer: Recognizer) -> dict[int, Floats]:
    """The embeddings (D,) that the archive has of corrected segments by this model, by the corrections' ids."""
    facts, width = recognizer.model, recognizer.metadata.embedding_size
    own = spaces.c.model == facts.name, spaces.c.revision == facts.embeddings_of, spaces.c.dimensions == width
    query = (
        select(
            recognitions.c.recording, recognitions.c.channel, segments.c.start, segments.c.end, embeddings.c.vector
        )
        .select_from(embeddings.join(spaces).join(recognitions).join(segments))
        .where(segments.c.number == embeddings.c.segment, *own)
    )
    by_recording: dict[str, list[Correction]] = {}
    for item in items:
        by_recording.setdefault(item.sha256, []).append(item)
    vectors: dict[int, Floats] = {}
    with archive.database.connect() as connection:
        for part in rows.parts(by_recording):
            for row in connection.execute(query.where(recognitions.c.recording.in_(part))):
                for item in by_recording[row.recording]:
                    near = abs(row.start - item.start) < NEAR and abs(row.end - item.end) < NEAR
                    if near and row.channel == item.channel:
                        vectors[item.id] = rows.unpacked(row.vector)
    return vectors


class _Inferred:
    """Embeddings of corrected stretches by a model that the archive has none of; each recording is run once."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._segments: tuple[Path, list[Segment]] = (Path(), [])

    def embedding(self, item: Correction, sound: StoredSound | None) -> Floats:
        """That of a stretch, (D,): its segment's, or where the model has none there what it gives of it alone.

        Raises:
            AudioError: its sound isn't stored, or can't be read.
            PolicyError: it must be said whose voice it is.
        """
        if sound is None:
            raise AudioError(NO_SOUND)
        if self._segments[0] != sound.path:
            recognition = self._recognizer.recognize(sound.path, embedding=True, segments=True, **sound.declared)
            self._segments = sound.path, recognition.segments or []
        for segment in self._segments[1]:
            near = abs(segment.start - item.start) < NEAR and abs(segment.end - item.end) < NEAR
            if near and segment.embedding is not None:
                own: Floats = segment.embedding
                return own
        waveform = cut_out(sound.path, item.start, item.end)
        alone = self._recognizer.recognize(
            (waveform, SAMPLE_RATE), embedding=True, segments=False, **sound.declared
        )
        if alone.embedding is None:
            raise AudioError("the policy allows nothing but talk time of it")
        vector: Floats = alone.embedding[0]
        return vector
