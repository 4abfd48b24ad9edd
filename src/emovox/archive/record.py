"""The archive record: one recognition as the archive keeps it, made of one or read from an outputs directory."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import ValidationError

from emovox import files
from emovox.archive import foreign
from emovox.archive.names import checked, values
from emovox.archive.pooling import pooled
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, FramesError
from emovox.inference import stored_result as stored
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.raw import without_baseline
from emovox.inference.recognition import ABSTAINED, NOT_INFERRED, ReadoutResult, Recognition
from emovox.inference.summary import Brief
from emovox.inference.talk_time import withheld
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS
from emovox.policy import Ruling, Side, policy

Floats = NDArray[np.float32]
Values = Mapping[str, Mapping[str, float]]

UNKNOWN_MODEL = "unknown"
# What JSON and NumPy raise on any bytes: nested too deeply, numbers too large.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, OverflowError, RecursionError)
RAW = "raw"
"""Instead of a baseline's name: scores are as the model gives them."""
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


# In JSON, and in this order.
FIELDS = (
    "id", "sha256", "name", "link", "duration", "speech", "created", "emotion", "confidence", "scores", "readouts",
    "model", "revision", "precision", "granularity", "channel", "warnings", "outputs", "tags", "baseline",
    "relative_to", "side", "policy", "summary", "purpose", "consent",
)  # fmt: skip


@dataclass(frozen=True)
class SegmentRecord:
    """A segment, its embedding float32 (D,), values by readout; emotion, confidence and scores as of a record."""

    start: float
    end: float
    emotion: str | None
    confidence: float | None
    scores: dict[str, float] | None
    channel: int | None = None
    embedding: Floats | None = None
    values: Values = field(default_factory=dict)


@dataclass(frozen=True)
class ArchiveRecord:
    """One recognition as the archive keeps it.

    `segments` and `embedding` go into tables of their own: records that the archive gives back are without them,
    and `Archive.segments` and `Archive.embedding` read them. So are `embedding_revision`, `earlier_id` and `head`.

    Attributes:
        id: sha256 of its result.json; another program's doesn't name its sound, so there it is that of the result
            and the sound beside it.
        earlier_id: the id that earlier versions gave it, if different.
        sha256: of the recording.
        link: where the recording was: a path or an address.
        created: when it was recognised, with its time zone.
        day: the same as a local date.
        emotion: None, like confidence and scores: the model doesn't give the nine.
        scores: of the nine emotions, in their order.
        speech: seconds of it in what was recognised; None: not known, as in records of earlier versions.
        embedding_revision: an earlier revision that gives the very same embeddings; None: none does.
        outputs: the outputs directory, which may have been deleted since.
        embedding: float32 (D,), the mean over the recording.
        readouts: what the model gives besides the nine, by name, as in result.json.
        tags: of the recording, sorted; only in records that the archive gives back.
        baseline: that it was recognised with; None: with none. Scores are without it all the same.
        relative_to: what the scores are relative to: `raw`, or the name of a baseline that moved them since.
        raw: itself with the scores that the archive has; None: those are its own.
        emotions: which of the nine each label of the model is; None: their names say it.
        side: whose voice it is; None: nobody said.
        policy: what the policy decided; None: nobody said whose voice it is, and everything was allowed.
        purpose: what it was recognised for; None: nobody said.
        consent: where the consent is kept; None: nobody said.
        summary: what its segments come to, by its scores; None: it has none, or that isn't known.
        summary_recognized: the same with the baseline that it was recognised with; None: with none.
    """

    id: str
    sha256: str
    name: str | None
    created: datetime
    emotion: str | None
    confidence: float | None
    scores: dict[str, float] | None
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
    readouts: dict[str, ReadoutResult] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    baseline: BaselineFacts | None = None
    relative_to: str = RAW
    raw: "ArchiveRecord | None" = None
    emotions: dict[str, str] | None = None
    side: Side | None = None
    policy: Ruling | None = None
    purpose: str | None = None
    consent: str | None = None
    summary: Brief | None = None
    summary_recognized: Brief | None = None

    @property
    def embeddings_of(self) -> str:
        """The revision whose embeddings these are."""
        return self.embedding_revision or self.revision

    @property
    def day(self) -> str:
        """Local date, YYYY-MM-DD."""
        return self.created.astimezone().strftime("%Y-%m-%d")

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the `FIELDS`, and `scores_without` where a baseline moved the scores."""
        scores = None if self.raw is None else self.raw.scores
        return {
            **{name: getattr(self, name) for name in FIELDS},
            "created": self.created.astimezone().isoformat(),
            "scores": None if self.scores is None else dict(self.scores),
            "readouts": {name: item.model_dump(mode="json") for name, item in self.readouts.items()},
            "warnings": list(self.warnings),
            "outputs": None if self.outputs is None else str(self.outputs),
            "tags": list(self.tags),
            "baseline": None if self.baseline is None else self.baseline.model_dump(mode="json"),
            **({} if scores is None else {"scores_without": dict(scores)}),
            "policy": None if self.policy is None else self.policy.model_dump(mode="json"),
            "summary": None if self.summary is None else self.summary.model_dump(mode="json"),
        }


def from_recognition(
    recognition: Recognition,
    *,
    id_: str | None = None,
    link: str | None = None,
    outputs: Path | None = None,
    embedding: Floats | None = None,
) -> ArchiveRecord:
    """The record of a recognition.

    Args:
        recognition: with or without embeddings.
        id_: sha256 of its result.json, if known.
        link: where the recording is.
        outputs: its outputs directory.
        embedding: (D,), (1, D) or (T, D); by default the recognition's own. Its mean is kept.

    Raises:
        ArchiveError: the embedding has another shape, or isn't finite; or a readout's numbers aren't.
    """
    id_ = id_ or _digest(recognition)
    recognition = withheld(recognition, policy())
    hidden = not recognition.is_inferred or ABSTAINED in recognition.warnings
    baseline, whole = recognition.baseline, recognition.summary
    recognition = without_baseline(recognition)  # its columns are compared with those of other voices
    facts = recognition.recording
    summary = recognition.summary
    own = recognition.embedding if recognition.mean_embedding is None else recognition.mean_embedding
    given = own if embedding is None else embedding
    return ArchiveRecord(
        id=id_,
        sha256=facts.sha256,
        name=facts.name,
        created=recognition.created_at,
        emotion=recognition.emotion,
        confidence=recognition.confidence,
        scores=_in_order(recognition.scores),
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
        embedding=None if given is None or hidden else pooled(given),
        segments=tuple(
            SegmentRecord(
                item.start,
                item.end,
                item.emotion,
                item.confidence,
                _in_order(item.scores),
                item.channel,
                None if item.embedding is None or item.is_abstained else pooled(item.embedding),
                values(item.readouts),
            )
            for item in recognition.segments or ()
        ),
        readouts=checked(recognition.readouts),
        baseline=baseline,
        emotions=recognition.model.emotions,
        side=facts.side,
        policy=recognition.policy,
        purpose=facts.purpose,
        consent=facts.consent,
        summary=None if summary is None else summary.brief,
        summary_recognized=None if baseline is None or whole is None else whole.brief,
    )


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


def clean(text: str) -> str:
    """Text that any database can hold: � for NUL, and for bytes of a file's name that aren't UTF-8."""
    return _NO_CHARACTER.sub("�", text)


def possible_ids(directory: Path) -> set[str]:
    """The ids under which the archive may have what an outputs directory holds.

    Raises:
        OSError: it isn't there, or can't be read.
    """
    result, audio = files.digest(directory / RESULT), directory / AUDIO
    return {result, _joint_id(result, files.digest(audio))} if audio.is_file() else {result}


def _in_order(scores: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if scores is None else {name: scores[name] for name in NAMES}


def _read(path: Path) -> Any:
    """A result.json without its frames, which may be hundreds of megabytes."""
    try:
        content = stored.read_head(path)
    except ValueError:  # a list, or not JSON: reading all of it says which
        return json.loads(path.read_bytes())
    segments = None if "segments" in content else stored.read_segments(path)
    return content if segments is None else {**content, "segments": segments}


def _digest(recognition: Recognition) -> str:
    digest = hashlib.sha256()
    for piece in recognition.json_pieces(inline=False):
        digest.update(piece.encode())
    return digest.hexdigest()


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
