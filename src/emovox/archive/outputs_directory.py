"""An outputs directory as an archive record: Emovox's, or another program's of the same layout."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import ValidationError

from emovox import files
from emovox.archive import foreign
from emovox.archive.pooling import pooled
from emovox.archive.record import UNKNOWN_MODEL, ArchiveRecord, clean, from_recognition
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, FramesError
from emovox.inference import stored_result as stored
from emovox.inference.recognition import ABSTAINED, NOT_INFERRED, ReadoutResult, Recognition
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS

# What JSON and NumPy raise on any bytes: nested too deeply, numbers too large.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, OverflowError, RecursionError)


def read_directory(directory: Path, *, model: str | None = None) -> ArchiveRecord:
    """The record of an outputs directory, Emovox's or another program's of the same layout.

    Another program's result.json needs only scores: `scores` by name, or `labels` and `scores` as FunASR writes
    them, with labels such as `生气/angry`. If it doesn't name its model, `model` does, as NAME or NAME@REVISION.

    Raises:
        ArchiveError: not an outputs directory, or unreadable; the message begins with its path.
    """
    try:
        if clean(str(directory)) != str(directory):
            raise ArchiveError("its name isn't valid text, so the archive couldn't find it again: rename it")
        content = _read(directory / RESULT)
        id_, mask = files.digest(directory / RESULT), None
        try:
            recognition = Recognition.model_validate(content)
            record = from_recognition(recognition, id_=id_, outputs=directory)
            if {NOT_INFERRED, ABSTAINED} & {*record.warnings}:  # whatever lies beside it
                return record
            mask = _speech_mask(recognition, directory)
        except ValidationError:
            record = _foreign(content, id_, directory, model)
        return _with_embeddings(record, directory, mask)
    except FileNotFoundError:
        raise ArchiveError(f"{directory}: not an outputs directory: it has no {RESULT}") from None
    except FramesError as error:
        raise ArchiveError(str(error)) from None
    except ArchiveError as error:
        raise ArchiveError(f"{directory}: {error}") from None
    except _UNREADABLE as error:
        raise ArchiveError(f"{directory}: can't be read: {' '.join(str(error).split())[:200]}") from error


def read_readouts(directory: Path) -> dict[str, ReadoutResult]:
    """What readouts gave besides the nine, by an outputs directory's result.json; empty if it can't be read."""
    try:
        return Recognition.model_validate(stored.read_head(directory / RESULT)).readouts
    except (ValidationError, *_UNREADABLE):
        return {}


def possible_ids(directory: Path) -> set[str]:
    """The ids under which the archive may have what an outputs directory holds.

    Raises:
        OSError: it isn't there, or can't be read.
    """
    result, audio = files.digest(directory / RESULT), directory / AUDIO
    return {result, _joint_id(result, files.digest(audio))} if audio.is_file() else {result}


def _read(path: Path) -> Any:
    """A result.json without its frames, which may be hundreds of megabytes."""
    try:
        content = stored.read_head(path)
    except ValueError:  # a list, or not JSON: reading all of it says which
        return json.loads(path.read_bytes())
    segments = None if "segments" in content else stored.read_segments(path)
    return content if segments is None else {**content, "segments": segments}


def _speech_mask(recognition: Recognition, directory: Path) -> NDArray[np.bool_] | None:
    """The frames (T,) that the verdict goes by; None: all. Silence has the score 1 for `unknown`, or NaN."""
    if not recognition.speech_only or recognition.granularity != "frame" or not (directory / EMBEDDING).is_file():
        return None
    frames = stored.read_frames(directory / RESULT)
    if frames is None:
        return None
    if frames.scores is not None:
        mask = frames.scores[:, NAMES.index("unknown")] < 1
    else:
        rows = next((item.numbers for item in frames.readouts.values()), np.zeros((0, 1), np.float32))
        mask = np.isfinite(rows[:, 0])
    return mask if mask.any() else None


def _with_embeddings(record: ArchiveRecord, directory: Path, mask: NDArray[np.bool_] | None) -> ArchiveRecord:
    """The record with the embeddings of the .npy files beside result.json."""
    if (directory / EMBEDDING).is_file():
        embedding = open_memmap(directory / EMBEDDING, mode="r")  # no pickle, no .npz
        record = replace(record, embedding=pooled(embedding, mask))
    if record.segments and (directory / SEGMENT_EMBEDDINGS).is_file():
        rows = open_memmap(directory / SEGMENT_EMBEDDINGS, mode="r")
        if rows.ndim != 2 or len(rows) != len(record.segments):
            raise ArchiveError(
                f"{SEGMENT_EMBEDDINGS} has the shape {rows.shape} for {len(record.segments)} segments"
            )
        pairs = zip(record.segments, rows, strict=True)
        items = (  # what is `unknown` alone was abstained from: silence has no segments
            item if (item.scores or {}).get("unknown") == 1 else replace(item, embedding=pooled(row))
            for item, row in pairs
        )
        record = replace(record, segments=tuple(items))
    return record


def _foreign(content: Any, id_: str, directory: Path, model: str | None) -> ArchiveRecord:
    """The record of another program's result.json."""
    if isinstance(content, list) and len(content) == 1:  # as FunASR's generate returns it
        content = content[0]
    if not isinstance(content, dict):
        raise ArchiveError(f"{RESULT} holds no result")
    scores = foreign.scores(content)
    recording = content["recording"] if isinstance(content.get("recording"), dict) else {}
    own_model = content["model"] if isinstance(content.get("model"), dict) else {"name": content.get("model")}
    name, _, revision = (model or "").partition("@")
    emotion = foreign.emotion(content.get("emotion")) or max(scores, key=scores.__getitem__)
    audio = directory / AUDIO
    sound = files.digest(audio) if audio.is_file() else None
    return ArchiveRecord(
        id=id_ if sound is None else _joint_id(id_, sound),
        earlier_id=None if sound is None else id_,
        sha256=foreign.checksum(recording.get("sha256")) or sound or id_,
        name=foreign.text(recording.get("name")) or foreign.text(content.get("key")),
        created=foreign.created(content, directory),
        emotion=emotion,
        confidence=scores[emotion],
        scores=scores,
        model=name or foreign.text(own_model.get("name")) or UNKNOWN_MODEL,
        revision=revision if name else foreign.text(own_model.get("revision")) or "",
        embedding_revision=None if name else foreign.text(own_model.get("embedding_revision")),
        granularity=foreign.text(content.get("granularity")) or "utterance",
        duration=foreign.duration(audio),
        outputs=directory,
    )


def _joint_id(result: str, sound: str) -> str:
    """The id of a result.json and its sound, by their checksums: results of two silent recordings may be equal."""
    return hashlib.sha256(f"{result} {sound}".encode()).hexdigest()
