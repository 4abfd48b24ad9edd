"""The archive record: one recognition as the archive keeps it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.archive.names import checked, values
from emovox.archive.pooling import pooled
from emovox.emotions import NAMES
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.raw import without_baseline
from emovox.inference.recognition import ABSTAINED, ReadoutResult, Recognition
from emovox.inference.summary import Brief
from emovox.inference.talk_time import withheld
from emovox.policy import Ruling, Side, policy

Floats = NDArray[np.float32]
Values = Mapping[str, Mapping[str, float]]

UNKNOWN_MODEL = "unknown"
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
    is_hidden = not recognition.is_inferred or ABSTAINED in recognition.warnings
    baseline, whole = recognition.baseline, recognition.summary
    recognition = without_baseline(recognition)  # its columns are compared with those of other voices
    facts = recognition.recording
    summary = recognition.summary
    own = recognition.embedding if recognition.mean_embedding is None else recognition.mean_embedding
    vectors = own if embedding is None else embedding
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
        embedding=None if vectors is None or is_hidden else pooled(vectors),
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


def clean(text: str) -> str:
    """Text that any database can hold: � for NUL, and for bytes of a file's name that aren't UTF-8."""
    return _NO_CHARACTER.sub("�", text)


def _in_order(scores: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if scores is None else {name: scores[name] for name in NAMES}


def _digest(recognition: Recognition) -> str:
    digest = hashlib.sha256()
    for piece in recognition.json_pieces(inline=False):
        digest.update(piece.encode())
    return digest.hexdigest()
