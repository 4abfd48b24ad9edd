"""The entry: what the archive keeps of a recognition; made of one, or read from an outputs directory."""

import hashlib
import json
import re
import wave
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import ValidationError

from emovox import files
from emovox.emotions import EMOTIONS, NAMES
from emovox.errors import ArchiveError
from emovox.inference import stored_result as stored
from emovox.inference.recognition import Recognition
from emovox.models.scores import check_scores
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS

Floats = NDArray[np.float32]

UNKNOWN_MODEL = "unknown"
_HALF = float(np.finfo(np.float16).max)
# Whatever bytes JSON and NumPy may meet: nested too deep, numbers too great.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, OverflowError, RecursionError)
# What FunASR's models call the nine besides the names that Emovox has.
_CHINESE = {"生气": "angry", "开心": "happy", "中立": "neutral", "难过": "sad", "吃惊": "surprised"}
_LABELS = {
    **{name: name for name in NAMES},
    **{emotion.chinese: emotion.name for emotion in EMOTIONS},
    **_CHINESE,
    "<unk>": "unknown",
}
_STAMP = re.compile(r"outputs_(\d{8}_\d{6})")
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class SegmentRecord:
    """A stretch of speech."""

    start: float
    end: float
    emotion: str
    confidence: float
    scores: tuple[float, ...]
    channel: int | None = None
    embedding: Floats | None = None


@dataclass(frozen=True)
class ArchiveRecord:
    """What is kept of one recognition.

    Attributes:
        id: by which it is known again: sha256 of its result.json; of another program's, which doesn't say of which
            sound it is, of that and of the sound beside it.
        earlier_id: what versions before would have called it, where that is another.
        sha256: of the recording.
        link: where the recording was: a path or an address.
        created: when it was recognised, with its zone.
        day: the same as a local date.
        scores: of the nine emotions, in their order.
        speech: seconds of it in what was heard.
        embedding_revision: an earlier revision that gives the very same embeddings; None: they are its own.
        outputs: the outputs directory.
        embedding: float32 (D,), the mean over the recording.
    """

    id: str
    sha256: str
    name: str | None
    created: datetime
    emotion: str
    confidence: float
    scores: tuple[float, ...]
    model: str = UNKNOWN_MODEL
    revision: str = ""
    embedding_revision: str | None = None
    precision: str | None = None
    checksum: str | None = None
    granularity: str = "utterance"
    channel: int | None = None
    duration: float | None = None
    speech: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    codec: str | None = None
    warnings: tuple[str, ...] = ()
    emovox: str | None = None
    link: str | None = None
    outputs: Path | None = None
    embedding: Floats | None = None
    segments: tuple[SegmentRecord, ...] = ()
    earlier_id: str | None = None

    @property
    def embeddings_of(self) -> str:
        """The revision that the embeddings go by."""
        return self.embedding_revision or self.revision

    @property
    def day(self) -> str:
        """Local date, YYYY-MM-DD."""
        return self.created.astimezone().strftime("%Y-%m-%d")

    def to_dict(self) -> dict[str, Any]:
        """As `Found.to_dict` has it, of a recording without tags."""
        return {
            **{name: getattr(self, name) for name in ("id", "sha256", "name", "link", "duration", "speech")},
            "created": self.created.astimezone().isoformat(),
            **{name: getattr(self, name) for name in ("emotion", "confidence")},
            "scores": dict(zip(NAMES, self.scores, strict=True)),
            **{name: getattr(self, name) for name in ("model", "revision", "precision", "granularity", "channel")},
            "warnings": list(self.warnings),
            "outputs": None if self.outputs is None else str(self.outputs),
            "tags": [],
        }


def from_recognition(
    recognition: Recognition,
    *,
    id_: str | None = None,
    link: str | None = None,
    outputs: Path | None = None,
    embedding: Floats | None = None,
) -> ArchiveRecord:
    """What is kept of a recognition.

    Args:
        recognition: with or without its embeddings.
        id_: sha256 of its result.json, where that is known.
        link: where the recording is.
        outputs: its outputs directory.
        embedding: (D,), (1, D) or (T, D); by default the mean of the recognition's own.

    Raises:
        ArchiveError: the embedding is none.
    """
    facts = recognition.recording
    own = recognition.embedding if recognition.mean_embedding is None else recognition.mean_embedding
    given = own if embedding is None else embedding
    return ArchiveRecord(
        id=id_ or _digest(recognition),
        sha256=facts.sha256,
        name=facts.name,
        created=recognition.created_at,
        emotion=recognition.emotion,
        confidence=recognition.confidence,
        scores=tuple(recognition.scores[name] for name in NAMES),
        model=recognition.model.name,
        revision=recognition.model.revision,
        embedding_revision=recognition.model.embedding_revision,
        precision=recognition.model.precision,
        checksum=recognition.model.checksum,
        granularity=recognition.granularity,
        channel=facts.channel,
        duration=facts.duration,
        speech=facts.speech,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        codec=facts.codec,
        warnings=tuple(recognition.warnings),
        emovox=recognition.emovox,
        link=link,
        outputs=outputs,
        embedding=None if given is None else pooled(given),
        segments=tuple(
            SegmentRecord(
                item.start,
                item.end,
                item.emotion,
                item.confidence,
                tuple(item.scores[name] for name in NAMES),
                item.channel,
                None if item.embedding is None else pooled(item.embedding),
            )
            for item in recognition.segments or ()
        ),
    )


def read_directory(directory: Path, *, model: str | None = None) -> ArchiveRecord:
    """What is kept of an outputs directory, Emovox's or another program's of the same layout.

    Another program's result.json needs scores alone: `scores` by name, or `labels` and `scores` as FunASR gives
    them, with labels such as `生气/angry`. Its model is unknown unless it is named, as NAME or NAME@REVISION.

    Raises:
        ArchiveError: it is none, or can't be read; the message begins with its path.
    """
    try:
        if clean(str(directory)) != str(directory):
            raise ArchiveError("its name is no text: rename it, or the archive could not find it again")
        content = _read(directory / RESULT)
        id_, counted = files.digest(directory / RESULT), None
        try:
            recognition = Recognition.model_validate(content)
            record = from_recognition(recognition, id_=id_, outputs=directory)
            counted = _counted(recognition, directory)
        except ValidationError:
            record = _foreign(content, id_, directory, model)
        return _with_embeddings(record, directory, counted)
    except FileNotFoundError:
        raise ArchiveError(f"{directory}: no outputs directory: it has no {RESULT}") from None
    except ArchiveError as error:
        raise ArchiveError(f"{directory}: {error}") from None
    except _UNREADABLE as error:
        raise ArchiveError(f"{directory}: can't be read: {' '.join(str(error).split())[:200]}") from error


def clean(text: str) -> str:
    """A text that any database can hold: without what is no character, as in a file's name that isn't UTF-8."""
    return _NO_CHARACTER.sub("�", text)


def possible_ids(directory: Path) -> set[str]:
    """The ids that the archive may have of what an outputs directory holds.

    Raises:
        OSError: there is none, or it can't be read.
    """
    result, audio = files.digest(directory / RESULT), directory / AUDIO
    return {result, _joint_id(result, files.digest(audio))} if audio.is_file() else {result}


def pooled(embedding: NDArray[Any], counted: NDArray[np.bool_] | None = None) -> Floats:
    """One vector, float32 (D,), of an embedding (D,), (1, D) or (T, D): the mean over frames, or those that count.

    Raises:
        ArchiveError: another shape, or numbers that are none.
    """
    array = np.asarray(embedding)
    if array.ndim not in {1, 2} or not array.size or array.dtype.kind not in "fiu":
        raise ArchiveError(f"an embedding is (D,), (1, D) or (T, D), not {array.dtype} {array.shape}")
    some = True if counted is None or len(counted) != len(array) else counted[:, np.newaxis]
    mean = array if array.ndim == 1 else array.mean(axis=0, dtype=np.float64, where=some)
    if not np.isfinite(mean).all() or float(np.abs(mean).max()) > _HALF:
        raise ArchiveError("the embedding holds numbers that are none, or above 65504")
    return mean.astype(np.float32)


def _read(path: Path) -> Any:
    """What a result.json holds, without the frames, which may be hundreds of megabytes."""
    try:
        content = stored.read_head(path)
    except ValueError:  # a list, or no JSON at all: which says the whole
        return json.loads(path.read_bytes())
    segments = None if "segments" in content else stored.read_segments(path)
    return content if segments is None else {**content, "segments": segments}


def _digest(recognition: Recognition) -> str:
    found = hashlib.sha256()
    for piece in recognition.json_pieces():
        found.update(piece.encode())
    return found.hexdigest()


def _counted(recognition: Recognition, directory: Path) -> NDArray[np.bool_] | None:
    """Which frames count, (T,), where not all do: silence is unknown with certainty. None: all."""
    if not recognition.speech_only or recognition.granularity != "frame":
        return None
    frames = recognition.frames or stored.read_frames(directory / RESULT)
    counted = None if frames is None else frames.scores[:, NAMES.index("unknown")] < 1
    return counted if counted is not None and counted.any() else None


def _with_embeddings(record: ArchiveRecord, directory: Path, counted: NDArray[np.bool_] | None) -> ArchiveRecord:
    """With what the .npy files beside result.json hold."""
    if (directory / EMBEDDING).is_file():
        found = open_memmap(directory / EMBEDDING, mode="r")  # no pickle, no .npz
        record = replace(record, embedding=pooled(found, counted))
    if record.segments and (directory / SEGMENT_EMBEDDINGS).is_file():
        rows = open_memmap(directory / SEGMENT_EMBEDDINGS, mode="r")
        if rows.ndim != 2 or len(rows) != len(record.segments):
            raise ArchiveError(f"{SEGMENT_EMBEDDINGS} has the shape {rows.shape}, and there are other segments")
        pairs = zip(record.segments, rows, strict=True)
        record = replace(record, segments=tuple(replace(item, embedding=pooled(row)) for item, row in pairs))
    return record


def _foreign(content: Any, id_: str, directory: Path, model: str | None) -> ArchiveRecord:
    """What another program's result.json says."""
    if isinstance(content, list) and len(content) == 1:  # as FunASR's generate gives it
        content = content[0]
    if not isinstance(content, dict):
        raise ArchiveError(f"{RESULT} holds no result")
    scores = _scores(content)
    recording = content["recording"] if isinstance(content.get("recording"), dict) else {}
    said = content["model"] if isinstance(content.get("model"), dict) else {"name": content.get("model")}
    name, _, revision = (model or "").partition("@")
    emotion = _emotion(content.get("emotion")) or NAMES[max(range(len(NAMES)), key=scores.__getitem__)]
    audio = directory / AUDIO
    sound = files.digest(audio) if audio.is_file() else None
    return ArchiveRecord(
        id=id_ if sound is None else _joint_id(id_, sound),
        earlier_id=None if sound is None else id_,
        sha256=_checksum(recording.get("sha256")) or sound or id_,
        name=_text(recording.get("name")) or _text(content.get("key")),
        created=_created(content, directory),
        emotion=emotion,
        confidence=scores[NAMES.index(emotion)],
        scores=scores,
        model=name or _text(said.get("name")) or UNKNOWN_MODEL,
        revision=revision if name else _text(said.get("revision")) or "",
        embedding_revision=None if name else _text(said.get("embedding_revision")),
        granularity=_text(content.get("granularity")) or "utterance",
        duration=_duration(audio),
        outputs=directory,
    )


def _scores(content: Mapping[str, Any]) -> tuple[float, ...]:
    """Of the nine emotions; those that the other program doesn't know have 0."""
    given, labels = content.get("scores"), content.get("labels")
    if isinstance(given, list) and isinstance(labels, list):
        rows = np.atleast_2d(np.asarray(given, np.float64))  # one, or one for each frame
        given = dict(zip(labels, rows.mean(axis=0).tolist(), strict=True))
    elif isinstance(given, dict):
        rows = np.array([float(value) for value in given.values()])
    if not isinstance(given, dict) or not given:
        raise ArchiveError(f"{RESULT} has no scores by emotion")
    found = dict.fromkeys(NAMES, 0.0)
    for label, value in given.items():
        if name := _emotion(label):
            found[name] += float(value)
        elif not str(label).startswith("unuse"):  # classes that a model was never taught
            raise ArchiveError(f"{RESULT} has the label {label!r}, which is none of the nine emotions")
    try:
        check_scores(rows)  # with what a model was never taught
    except ValueError as error:
        raise ArchiveError(f"{RESULT} has {error}") from error
    if not any(found.values()):
        raise ArchiveError(f"{RESULT} has no scores above 0 by emotion")
    return tuple(found[name] for name in NAMES)


def _emotion(label: object) -> str | None:
    """Which of the nine a label means."""
    text = str(label).strip()
    return _LABELS.get(text) or _LABELS.get(text.rpartition("/")[2].strip().lower())


def _created(content: Mapping[str, Any], directory: Path) -> datetime:
    """When it was recognised: as it says, as its directory is called, or when the file was written."""
    with suppress(TypeError, ValueError, OverflowError):
        return datetime.fromisoformat(content.get("timestamp")).astimezone()  # type: ignore[arg-type]
    if found := _STAMP.match(directory.name):
        with suppress(ValueError):
            return datetime.strptime(found[1], "%Y%m%d_%H%M%S").astimezone()
    return datetime.fromtimestamp((directory / RESULT).stat().st_mtime).astimezone()


def _duration(audio: Path) -> float | None:
    with suppress(OSError, EOFError, wave.Error), wave.open(str(audio)) as file:
        return float(file.getnframes() / file.getframerate())
    return None


def _checksum(value: object) -> str | None:
    """A sha256; what another program calls so may be anything, and two recordings might be taken for one."""
    found = str(value).strip().lower()
    return found if re.fullmatch("[0-9a-f]{64}", found) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _joint_id(result: str, sound: str) -> str:
    """Of a result.json and a sound, by their checksums: results of two recordings may be equal, as of silence."""
    return hashlib.sha256(f"{result} {sound}".encode()).hexdigest()
