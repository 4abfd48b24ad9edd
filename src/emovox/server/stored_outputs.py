"""The stored outputs as clients see them: by id, which is the directory's name, strictly checked."""

import itertools
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from emovox import exports, private
from emovox.archive.archive import Archive
from emovox.archive.database import HIDDEN
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.archive.relative import AsRecognized
from emovox.errors import FramesError, OutputsError
from emovox.inference import stored_result as stored
from emovox.inference.frames import RowsIn
from emovox.inference.nine import OptionalConfidence, OptionalEmotion, OptionalScores, WithoutBaseline, is_none
from emovox.inference.recognition import ReadoutResult, Recognition, trained
from emovox.outputs import RESULT
from emovox.policy import Ruling, Side
from emovox.refusals import is_exhausted
from emovox.server.http.problems import Problem, damaged
from emovox.server.timeline import Timeline, Timelines

ID = re.compile(r"outputs_[0-9]{8}_[0-9]{6}(_channel[0-9]{1,2})?(_[0-9]{1,6})?")
RESCUED = re.compile(r"recording_[0-9]{8}_[0-9]{6}(_[0-9]{1,6})?\.wav")
_REMOVED = "removed-"
_SAME = ("name", "emotion", "confidence", "scores", "readouts", "duration", "model", "warnings", "side", "policy")
_GIVEN = ("emotion", "confidence", "scores", "scores_without", "head", "policy")  # or not, in result.json
MEDIA_TYPES = {
    "json": "application/json",
    "wav": "audio/wav",
    "npy": "application/octet-stream",
    "npz": "application/octet-stream",
    **exports.MEDIA_TYPES,
}
FILE = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,63}}\.({'|'.join(map(re.escape, MEDIA_TYPES))})")


class HeadVerdict(BaseModel):
    """The verdict of a trained head on a recording."""

    label: str = Field(description="the class with the highest score")
    confidence: float = Field(description="that score")
    scores: dict[str, float] = Field(description="probability of each of the head's classes; they sum to 1")
    name: str = Field(description="of the head")
    created_at: AwareDatetime = Field(description="when it was trained")


class Summary(BaseModel):
    """An outputs directory in a list."""

    id: str = Field(description="name of the directory", examples=["outputs_20240104_223000"])
    name: str | None = Field(description="of the recording")
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    scores_without: WithoutBaseline = None
    readouts: dict[str, ReadoutResult] = Field(
        description="by name: what the model gives besides the nine emotions, and a trained head's verdict"
    )
    created_at: AwareDatetime
    duration: float = Field(description="seconds")
    model: str
    warnings: list[str]
    side: Side | None = Field(None, description="whose voice it is; left out if nobody said", exclude_if=is_none)
    policy: Ruling | None = Field(None, description="what the policy decided; likewise", exclude_if=is_none)
    tags: list[str] | None = Field(None, description="if it has any; in lists alone", exclude_if=is_none)
    head: HeadVerdict | None = Field(None, description="of a trained head; among `readouts`, too; goes with 0.3")


class StoredOutputs:
    """The outputs directories under one root. Its methods read the disk, so they are for threads."""

    def __init__(
        self, root: Path, archive: Archive, *, forget: Callable[[Sequence[Path]], object] = lambda _: None
    ) -> None:
        """Begin.

        Args:
            root: of the directories.
            archive: that they are in.
            forget: called with directories before they are deleted.
        """
        self._root, self._archive, self._forget = root, archive, forget
        self._timelines = Timelines(root / HIDDEN / "timelines")
        for directory in (root / HIDDEN).glob(f"{_REMOVED}*"):  # a kill interrupted the deletion
            shutil.rmtree(directory, ignore_errors=True)

    def directory(self, id_: str) -> Path:
        """The directory of an id.

        Raises:
            Problem: 404, there is none.
        """
        path = self._root / id_ if ID.fullmatch(id_) else None
        if path is None or path.is_symlink() or not (path / RESULT).is_file():
            raise _no_output()
        return path

    def file(self, id_: str, name: str) -> Path:
        """One file of an outputs directory.

        Raises:
            Problem: 404, there is none.
        """
        directory = self.directory(id_)
        path = directory / name if FILE.fullmatch(name) else None
        if path is None or path.is_symlink() or not path.is_file():
            raise Problem(404, "no-such-file", "these outputs have no file with this name")
        return path

    def files(self, id_: str) -> list[Path]:
        """All files of an outputs directory that clients may read, by name.

        Raises:
            Problem: 404, there is none.
        """
        directory = self.directory(id_)
        try:
            return sorted(
                path
                for path in directory.iterdir()
                if FILE.fullmatch(path.name) and path.is_file() and not path.is_symlink()
            )
        except FileNotFoundError:
            raise _no_output() from None

    def recognition(self, id_: str, only: stored.Part | None = None) -> Recognition:
        """The recognition in an outputs directory; `only` one of its long parts, if that is enough.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        path = self.directory(id_) / RESULT
        try:
            return stored.read(path, only)
        except FileNotFoundError:
            raise _no_output() from None
        except (OSError, ValidationError) as error:
            raise damaged("its result.json can't be read", error) from error

    def head(self, id_: str) -> tuple[Summary, dict[str, Any]]:
        """The summary, and the result.json without its segments and rows of frames, which may be long.

        Raises:
            Problem: 404, there is none, or it is damaged.
        """
        try:
            head = stored.read_head(self.directory(id_) / RESULT)
            return _read(id_, head), head
        except FileNotFoundError:
            raise _no_output() from None
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and is_exhausted(error):
                raise
            raise Problem(404, "no-such-output", "its result.json can't be read") from error

    def result(self, id_: str, rows_in: RowsIn | None) -> Path | Iterator[str]:
        """The result.json, or its text in pieces where the rows of frames are to be in it.

        Args:
            id_: of the outputs.
            rows_in: where they are to be; by default inline, if they can be. Rows that older versions wrote into
                the file are in it anyway.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
            ExportError: the rows are too many.
            FramesError: their file is gone or damaged.
        """
        path = self.directory(id_) / RESULT
        if rows_in == "file" or "file" not in (self.head(id_)[1].get("frames") or {}):
            return path
        recognition = self.recognition(id_)
        if recognition.frames is None or not recognition.frames.goes_inline(rows_in, stored=True):
            return path
        pieces = recognition.json_pieces()
        try:
            return itertools.chain([next(pieces)], pieces)
        except FramesError:
            if rows_in is None:
                return path
            raise

    def sha256(self, id_: str) -> str | None:
        """The checksum of the recording in an outputs directory; None: it isn't known, or there is none."""
        try:
            value = self.head(id_)[1]["recording"]["sha256"]
        except (Problem, OSError, KeyError, TypeError):
            return None
        return value if isinstance(value, str) else None

    def has_segments(self, id_: str) -> bool:
        """Whether segments were requested; there may be none all the same.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        try:
            return stored.has_segments(self.directory(id_) / RESULT)
        except (OSError, ValueError) as error:
            raise damaged("its result.json can't be read", error) from error

    def timeline(self, id_: str, *, start: float, end: float | None, points: int, segments: bool) -> Timeline:
        """Peaks, curve and segments of a stretch, as `Timelines.read`.

        Raises:
            Problem: 404, there is none; 422, the stretch is empty; 500, the outputs are damaged.
        """
        return self._timelines.read(self.directory(id_), start=start, end=end, points=points, segments=segments)

    def find(self, where: Filter, *, before: str | None, limit: int) -> tuple[list[Summary], str | None]:
        """A page of those in the archive, latest first. Outputs that are damaged or just deleted are left out.

        Args:
            where: what must hold.
            before: an id; the page begins after it.
            limit: of the page.

        Returns:
            The page, and the id to continue from, if there is more.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database can't be read.
        """
        page: list[Summary] = []
        while True:
            rows = self._archive.directories.page(self._root, where, before=before, limit=limit + 1)
            for path, record, modified in rows:
                if (summary := self._summary(path.name, record, modified)) is None:
                    continue
                if len(page) == limit:
                    return page, page[-1].id
                page.append(summary)
            if len(rows) <= limit:
                return page, None
            before = rows[-1][0].name

    def _summary(self, id_: str, record: ArchiveRecord, modified: int) -> Summary | None:
        """The summary of outputs in the archive; of their result.json if that is another; None if it is gone."""
        try:
            path = self.directory(id_) / RESULT
            if path.stat().st_mtime_ns != modified:
                return _read(id_, stored.read_head(path))
            move, raw = AsRecognized().of(record), record.scores
            record = record if move is None else move.record(record)
            facts = {name: getattr(record, name) for name in _SAME}
            facts |= {"scores_without": move and raw, "tags": record.tags or None, "head": _head(record.readouts)}
            return Summary(id=id_, created_at=record.created.astimezone(timezone.utc), **facts)
        except (Problem, OSError, ValueError) as error:
            if isinstance(error, OSError) and is_exhausted(error):
                raise
            return None

    def ids(self) -> list[str]:
        """The ids of all outputs directories, as they are on disk."""
        try:
            with os.scandir(self._root) as entries:
                return [
                    entry.name
                    for entry in entries
                    if ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            return []

    def rescued(self) -> list[str]:
        """The names of recordings whose sound alone was kept, as they could not be recognised."""
        try:
            return [path.name for path in self._root.iterdir() if RESCUED.fullmatch(path.name)]
        except OSError:
            return []

    def created(self) -> dict[str, datetime]:
        """When each was recognised; damaged and rescued ones by their names.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database can't be read.
        """
        times = {id_: created for id_, (created, _) in self._archive.directories.times(self._root).items()}
        ids = {*self.ids(), *self.rescued()}
        for id_ in ids - times.keys():
            with suppress(ValueError):  # the 31st of February
                times[id_] = datetime.strptime(stamp(id_), "%Y%m%d_%H%M%S").astimezone()
        return {id_: times[id_] for id_ in ids & times.keys()}

    def size(self, id_: str) -> int:
        """The bytes of all files of an id, or of a rescued recording; 0 if it is gone."""
        total = 0
        with suppress(OSError):
            if RESCUED.fullmatch(id_):
                return (self._root / id_).stat().st_size
        with suppress(OSError), os.scandir(self._root / id_) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
        return total

    def remove(self, id_: str) -> None:
        """Delete an outputs directory, after everything else that refers to it; it disappears at once.

        Raises:
            Problem: 404, there is none.
            OutputsError: it can't be deleted.
        """
        directory = self.directory(id_)
        self._forget([directory])
        self._delete(directory)

    def remove_all(self, ids: Iterable[str]) -> None:
        """Delete many as `remove` does, and rescued recordings; any that are gone already are skipped.

        Raises:
            OutputsError: it can't be deleted.
        """
        directories = []
        for id_ in ids:
            if RESCUED.fullmatch(id_):
                self._unlink(self._root / id_)
            with suppress(Problem):
                directories.append(self.directory(id_))
        if directories:
            self._forget(directories)
        for directory in directories:
            with suppress(Problem):
                self._delete(directory)

    def _delete(self, directory: Path) -> None:
        target = self._root / HIDDEN / f"{_REMOVED}{secrets.token_hex(8)}"
        try:
            private.make_directory(target.parent)
            directory.rename(target)
        except FileNotFoundError:
            raise _no_output() from None
        except OSError as error:
            raise OutputsError(f"{directory} can't be deleted: {error.strerror}") from error
        self._timelines.forget(directory.name)
        shutil.rmtree(target, ignore_errors=True)  # the next start deletes what remains

    @staticmethod
    def _unlink(recording: Path) -> None:
        try:
            recording.unlink(missing_ok=True)
        except OSError as error:
            raise OutputsError(f"{recording} can't be deleted: {error.strerror}") from error


def stamp(id_: str) -> str:
    """The local time in the name of an outputs directory or a rescued recording, YYYYMMDD_HHMMSS."""
    return id_.partition("_")[2][:15]


def _no_output() -> Problem:
    return Problem(404, "no-such-output", "there are no outputs with this id")


def _read(id_: str, data: dict[str, Any]) -> Summary:
    """The summary of a result.json.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return Summary(
            id=id_,
            name=data["recording"]["name"],
            duration=data["recording"]["duration"],
            side=data["recording"].get("side"),
            model=data["model"]["name"],
            readouts=data.get("readouts") or _trained(data),
            **{name: data.get(name) for name in _GIVEN},
            **{name: data[name] for name in ("created_at", "warnings")},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no result of Emovox") from error


def _head(readouts: Mapping[str, ReadoutResult]) -> HeadVerdict | None:
    if (head := trained(readouts)) is None:
        return None
    name, item = head
    return HeadVerdict(name=name, **item.model_dump(include={"label", "confidence", "scores", "created_at"}))


def _trained(data: dict[str, Any]) -> dict[str, Any]:
    """The readouts of schema 1, which knew a trained head alone."""
    head = data.get("head")
    return {} if head is None else {head["name"]: {"kind": "linear", **head}}
