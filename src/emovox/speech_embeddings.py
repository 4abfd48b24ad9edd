"""The embeddings of the speech in recordings, each computed once: what baselines are made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox.audio import lists
from emovox.audio.files import find
from emovox.errors import AudioError, DecoderError, EmovoxError, LabelsError, OutputsError, RecordingNotFoundError
from emovox.heads.dataset import StoredRecording, cache_key, checksum, stored_embedding, stored_recording
from emovox.heads.embedding_cache import EmbeddingCache
from emovox.inference.recognition import NO_SPEECH
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import PATHS, Failure, read_rows
from emovox.labels.readers import READERS
from emovox.notes import Notes, joined_notes, listed_notes
from emovox.outputs import AUDIO, EMBEDDING, find_directories
from emovox.policy import Side, Sides, listed_sides, side_of

SILENCE = "silence"  # the warning
_WHOLE = "what was kept is of all its channels together: give the recording"


@dataclass(frozen=True)
class RecordingSource:
    """A recording, or the embedding.npy that was kept of one.

    Attributes:
        path: where it is.
        name: as the list has it, else its path.
        columns: what the list says of it.
    """

    path: Path
    name: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SpeechEmbedding:
    """The mean over the frames of speech of a recording, or of one of its channels.

    Attributes:
        source: the recording.
        channel: from 1; None: the mean of all.
        embedding: float32 (D,).
        sha256: of the recording, where it is known.
        side: whose voice it is; None: nobody says.
    """

    source: RecordingSource
    channel: int | None
    embedding: NDArray[np.float32]
    sha256: str | None
    side: Side | None = None


def find_sources(argument: str, *, column: str | None = None) -> list[RecordingSource]:
    """The recordings that an argument means.

    Args:
        argument: a recording, a directory or pattern of recordings, a list of them, an outputs directory, or one
            with outputs directories in it.
        column: of a list, that has the paths; by default one with a usual name.

    Raises:
        LabelsError: a list can't be read.
        AudioError: there is no such file, or no recording.
    """
    path = Path(argument)
    if path.suffix.lower().removeprefix(".") in READERS and path.is_file():
        return list(_listed(path, column))
    if not path.is_dir():
        return [RecordingSource(file, str(file)) for file in find(argument)]
    directories: list[Path] = []
    with suppress(OutputsError):  # there are none
        directories = find_directories(path)
    stored = [directory / (EMBEDDING if (directory / EMBEDDING).exists() else AUDIO) for directory in directories]
    files: list[Path] = []
    with suppress(RecordingNotFoundError) if stored else nullcontext():
        files = [file for file in find(argument) if file.parent not in directories]
    return [RecordingSource(file, str(file)) for file in (*files, *stored)]


def embed_speech(
    sources: Sequence[RecordingSource],
    recognizer: Recognizer,
    *,
    channels: bool = False,
    sides: Sides | None = None,
    notes: Notes | None = None,
    begin: Callable[[str], None] = lambda _: None,
    end: Callable[[], None] = lambda: None,
) -> tuple[list[SpeechEmbedding], list[Failure]]:
    """Embeddings of recordings' speech; those that were computed before come from the cache.

    Args:
        sources: the recordings.
        recognizer: the model.
        channels: take each channel by itself.
        sides: whose voices they are, where a list doesn't say.
        notes: their purpose and consent; likewise.
        begin: is told the name of each before its turn.
        end: is called after each.

    Returns:
        Those that could be computed, and the recordings of which none could, with why.

    Raises:
        DecoderError: as `Recognizer.recognize`.
    """
    embeddings: list[SpeechEmbedding] = []
    failures: list[Failure] = []
    with closing(EmbeddingCache(f"{cache_key(recognizer)} speech")) as cache:
        for source in sources:
            begin(source.name)
            try:
                own = listed_sides(source.columns, recognizer.policy) or sides
                declared = joined_notes(notes, listed_notes(source.columns))
                embeddings += _of(source, recognizer, cache, channels=channels, sides=own, notes=declared)
            except DecoderError:  # not the recording's fault
                raise
            except EmovoxError as error:
                failures.append((source.name, error.reason if isinstance(error, AudioError) else str(error)))
            end()
    return embeddings, failures


def _of(
    source: RecordingSource,
    recognizer: Recognizer,
    cache: EmbeddingCache,
    *,
    channels: bool,
    sides: Sides | None,
    notes: Notes,
) -> Iterator[SpeechEmbedding]:
    policy = recognizer.policy
    side = None if channels else side_of(sides, None, len(sides or ()))
    if source.path.suffix.lower() == ".npy":
        embedding, known, own = stored_embedding(source.path, recognizer, side, notes)
        if channels and own is None:
            raise LabelsError(_WHOLE)
        kept_side = stored_recording(source.path.parent).side
        yield SpeechEmbedding(source, own, embedding, known, kept_side or side)
        return
    record = stored_recording(source.path.parent) if source.path.name == AUDIO else StoredRecording()
    known, own, own_side = record[:3]
    notes = joined_notes(notes, record.notes)
    stored = known is not None
    if stored and channels and own is None:
        raise LabelsError(_WHOLE)
    if own_side is not None:
        side, sides = own_side, (own_side,)
    apart = channels and not stored
    if not apart:
        policy.demand(side, **notes)
        policy.check(side, "a baseline")
    sha256 = known or checksum(source.path)
    cached = None if apart else cache.get(sha256, own)
    if cached is not None and cached.shape == (recognizer.metadata.embedding_size,):
        yield SpeechEmbedding(source, own, cached, sha256, side)
        return
    spoken, withheld = False, None
    for channel in count(1) if apart else [own]:
        recognition = recognizer.recognize(
            source.path,
            embedding=True,
            speech_only=True,
            channel=None if stored else channel,
            side=sides,
            purpose=notes.get("purpose"),
            consent=notes.get("consent"),
        )
        if not recognition.is_inferred:
            withheld = recognition.recording.side
        elif not {NO_SPEECH, SILENCE} & set(recognition.warnings):
            assert recognition.embedding is not None  # noqa: S101  asked for
            spoken = True
            cache.put(sha256, recognition.embedding[0], channel)  # those apart to be found when they are taken out
            yield SpeechEmbedding(source, channel, recognition.embedding[0], sha256, recognition.recording.side)
        if not apart or channel == recognition.recording.channels:
            break
    if not spoken:
        policy.check(withheld, "a baseline")
        raise AudioError("no speech was found in it")


def _listed(path: Path, column: str | None) -> Iterator[RecordingSource]:
    rows, columns, spans, _ = read_rows(path, recording=lambda path, _: path.stem)
    if any(spans):
        raise LabelsError(
            f"{path}: it is about stretches of recordings, and a baseline is made of all speech in each: name the "
            "recordings, or a list of them"
        )
    name = lists.column(columns, column, PATHS, str(path))
    for number, row in enumerate(rows, 1):
        if not row.get(name):
            raise LabelsError(f"{path}: row {number} has no {name}")
        rest = {key: value for key, value in row.items() if key != name}
        yield RecordingSource(lists.locate(path.parent, row[name]), row[name], rest)
