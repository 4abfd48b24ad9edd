"""The material: what is stored of a recognition, its sound and how it was recognised, to do that again."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from emovox import files
from emovox.archive.record import ArchiveRecord
from emovox.audio.quality import WARNINGS as QUALITY
from emovox.baselines.baseline import CORPUS, SELF, SPEAKER
from emovox.emotions import NAMES
from emovox.inference import stored_result as stored
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.recognition import BASELINE_SHORT, Granularity, Recognition, format_timestamp, trained
from emovox.inference.recording_facts import RecordingFacts
from emovox.inference.smoothing import SMOOTHING
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS
from emovox.words import Cue

if TYPE_CHECKING:
    from emovox.archive.archive import Archive

_NEUTRAL = 0.5  # its share where nobody said one


@dataclass(frozen=True)
class Sound:
    """What is recognised again: the waveform that was kept, or the recording where it still is."""

    path: Path
    kept: bool


@dataclass(frozen=True)
class Material:
    """How a recognition was made, as far as it is stored.

    Attributes:
        record: as the archive has it.
        directories: outputs directories that have it.
        recording: facts of it.
        created_at: when it was recognised; so is `timestamp`.
        granularity: of the options, as are `speech_only`, `segments`, `smoothing`, `words`.
        embedding: whether its files have embeddings.
        head: name of the trained head that was used.
        baseline: that it was relative to.
        warnings: of it.
    """

    record: ArchiveRecord
    directories: tuple[Path, ...]
    recording: RecordingFacts
    created_at: datetime
    timestamp: str
    granularity: Granularity
    speech_only: bool
    segments: bool
    smoothing: float
    words: tuple[Cue, ...] | None
    embedding: bool
    head: str | None
    baseline: BaselineFacts | None
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, record: ArchiveRecord, directories: Sequence[Path], *, segments: bool) -> "Material":
        """Of a record.

        Args:
            record: of the archive.
            directories: outputs directories that have it.
            segments: whether the archive has segments of it.
        """
        result = next(filter(None, (_read(path, record.id) for path in directories)), None)
        head = trained(record.readouts)
        frames = None if result is None else result[1].frames
        lines = None if result is None else result[1].lines
        by_channel = record.channel is not None
        recording = _facts(record) if result is None else result[1].recording
        speech_only = None if result is None else result[1].speech_only
        return cls(
            record=record,
            directories=tuple(directories),
            recording=recording,
            created_at=record.created if result is None else result[1].created_at,
            timestamp=format_timestamp(record.created) if result is None else result[1].timestamp,
            granularity="frame" if record.granularity == "frame" else "utterance",
            speech_only=by_channel if speech_only is None else speech_only,
            segments=segments or (result is not None and stored.has_segments(result[0] / RESULT)),
            smoothing=SMOOTHING if frames is None else frames.smoothing,
            words=None if lines is None else tuple(Cue(line.start, line.end, line.text) for line in lines),
            embedding=any(
                (path / name).exists() for path in directories for name in (EMBEDDING, SEGMENT_EMBEDDINGS)
            ),
            head=None if head is None else head[0],
            baseline=record.baseline,
            warnings=record.warnings,
        )

    @property
    def sound(self) -> Sound | None:
        """What there is of its sound, by name: a recording may be another by now."""
        return sound_of(self.record, self.directories)

    @property
    def baseline_name(self) -> str | None:
        """The name of a baseline of the user's that it was relative to, if it was to one."""
        return None if self.baseline is None or self.of_run or self.of_itself else self.baseline.name

    @property
    def of_run(self) -> bool:
        """Whether its baseline was that of a whole run, which no file keeps."""
        name = "" if self.baseline is None else self.baseline.name
        return name == CORPUS or name.startswith(f"{SPEAKER} ")

    @property
    def of_itself(self) -> bool:
        """Whether it was relative to itself."""
        return BASELINE_SHORT in self.warnings or (self.baseline is not None and self.baseline.name == SELF)

    @property
    def expect(self) -> dict[str, float] | None:
        """The shares that somebody said; None: those that are assumed."""
        shares = {} if self.baseline is None else self.baseline.expectation
        others = {round(share, 6) for name, share in shares.items() if name != "neutral"}
        usual = abs(shares.get("neutral", _NEUTRAL) - _NEUTRAL) < 1e-6 and len(others) <= 1
        return None if usual else dict(shares)

    def options(self, sound: Sound, emotions: Sequence[str] | None) -> dict[str, Any]:
        """The options to recognise it again with, without head and baseline.

        Args:
            sound: that is recognised.
            emotions: those that may win; None: all.
        """
        side = self.record.side
        own = {} if sound.kept else {"channel": self.recording.channel, "track": self.recording.track}
        return {
            "granularity": self.granularity,
            "segments": self.segments,
            "speech_only": self.speech_only,
            "smoothing": self.smoothing,
            "words": self.words,
            "emotions": emotions,
            "side": None if side is None else [side],
            "purpose": self.record.purpose,
            "consent": self.record.consent,
            **own,
        }

    def restored(self, recognition: Recognition) -> Recognition:
        """A recognition of the same sound with the facts of the recording, when it was first recognised, and the
        warnings that are of the recording and not of the model.
        """  # noqa: D205
        facts = self.recording.model_copy(update={"speech": recognition.recording.speech})
        warnings = [code for code in self.warnings if code in QUALITY]
        warnings += [code for code in recognition.warnings if code not in QUALITY]
        changes = {"recording": facts, "created_at": self.created_at, "timestamp": self.timestamp}
        return recognition.model_copy(update={**changes, "warnings": warnings})


def sound_of(record: ArchiveRecord, directories: Sequence[Path]) -> Sound | None:
    """What there is of a recording's sound: the waveform in an outputs directory, or a file where it was."""
    for directory in directories:
        if (directory / AUDIO).is_file():
            return Sound(directory / AUDIO, kept=True)
    with suppress(OSError, ValueError):  # too long for a path, perhaps, or an address
        if record.link is not None and Path(record.link).is_file():
            return Sound(Path(record.link), kept=False)
    return None


def is_same(sound: Sound, sha256: str) -> bool:
    """Whether it is the recording with this checksum, or a waveform that was kept of it."""
    try:
        return sound.kept or files.digest(sound.path) == sha256
    except OSError:
        return False


def allowed(record: ArchiveRecord, known: Sequence[str], classes: Sequence[str]) -> list[str] | None:
    """The emotions that were chosen, as what couldn't win has the score 0; None: all could.

    Args:
        record: that was recognised.
        known: emotions that its revision gave to any recording.
        classes: emotions that the new revision knows.
    """
    scores = record.scores
    if scores is None or scores["unknown"] == 1:  # silence
        return None
    barred = {name for name in known if not scores[name] and name in classes}
    return [name for name in NAMES if name in classes and name not in barred] if barred else None


def material_of(archive: "Archive", records: Sequence[ArchiveRecord]) -> list[Material]:
    """The material of records."""
    directories = archive.directories.of(record.id for record in records)
    items = []
    for record in records:
        paths = directories.get(record.id, ())
        if record.outputs is not None and record.outputs not in paths:
            paths = (record.outputs, *paths)
        items.append(Material.of(record, paths, segments=bool(archive.segments(record.id))))
    return items


def _read(directory: Path, id_: str) -> tuple[Path, Recognition] | None:
    """What an outputs directory says of a recognition, without its segments, if it still says that one."""
    with suppress(OSError, ValueError, ValidationError):
        if files.digest(directory / RESULT) == id_:
            return directory, Recognition.model_validate(stored.read_head(directory / RESULT))
    return None


def _facts(record: ArchiveRecord) -> RecordingFacts:
    return RecordingFacts(
        name=record.name,
        sha256=record.sha256,
        duration=record.duration or 0.0,
        sample_rate=record.sample_rate or 16_000,
        channels=record.channels or 1,
        channel=record.channel,
        codec=record.codec,
        speech=record.speech,
        side=record.side,
        purpose=record.purpose,
        consent=record.consent,
    )
