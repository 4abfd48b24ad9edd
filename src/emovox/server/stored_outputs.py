"""The stored outputs as clients see them: by id, which is the directory's name, strictly checked."""

import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from emovox import exports, private
from emovox.archive.database import HIDDEN
from emovox.errors import OutputsError
from emovox.inference import stored_result as stored
from emovox.inference.recognition import (
    OptionalConfidence,
    OptionalEmotion,
    OptionalScores,
    ReadoutResult,
    Recognition,
)
from emovox.outputs import RESULT
from emovox.refusals import is_exhausted
from emovox.server.http.problems import Problem, damaged
from emovox.server.timeline import Timeline, Timelines

ID = re.compile(r"outputs_[0-9]{8}_[0-9]{6}(_channel[0-9]{1,2})?(_[0-9]{1,6})?")
RESCUED = re.compile(r"recording_[0-9]{8}_[0-9]{6}(_[0-9]{1,6})?\.wav")
_REMOVED = "removed-"
_STAMP = len("outputs_20240104_223000")
MEDIA_TYPES = {
    "json": "application/json",
    "wav": "audio/wav",
    "npy": "application/octet-stream",
    **exports.MEDIA_TYPES,
}
FILE = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,63}}\.({'|'.join(MEDIA_TYPES)})")


class HeadVerdict(BaseModel):
    """A trained head's verdict, as it was before readouts."""

    name: str
    label: str
    confidence: float
    scores: dict[str, float]
    created_at: AwareDatetime


class Summary(BaseModel):
    """An outputs directory in a list."""

    id: str = Field(description="name of the directory", examples=["outputs_20240104_223000"])
    name: str | None = Field(description="of the recording")
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    readouts: dict[str, ReadoutResult] = Field(
        description="by name: what the model gives besides the nine emotions, and a trained head's verdict"
    )
    created_at: AwareDatetime
    duration: float = Field(description="seconds")
    model: str
    warnings: list[str]
    head: HeadVerdict | None = Field(
        None,
        description="verdict of a trained head; null: none was used. It is among `readouts`; this goes with 0.3",
    )


@dataclass(frozen=True)
class OutputQuery:
    """A search among the outputs."""

    emotion: str | None = None
    name: str | None = None  # part of it, in any case
    since: datetime | None = None
    until: datetime | None = None


class StoredOutputs:
    """The outputs directories under one root. Its methods read the disk, so they are for threads."""

    def __init__(self, root: Path, *, forget: Callable[[Sequence[Path]], None] = lambda _: None) -> None:
        """Begin.

        Args:
            root: of the directories.
            forget: called with directories before they are deleted.
        """
        self._root, self._forget = root, forget
        self._summaries: dict[str, tuple[int, Summary]] = {}  # with the modification time of the result.json
        self._lock = threading.Lock()  # of the summaries
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

    def recognition(self, id_: str) -> Recognition:
        """The recognition in an outputs directory.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        path = self.directory(id_) / RESULT
        try:
            return stored.read(path)
        except FileNotFoundError:
            raise _no_output() from None
        except (OSError, ValidationError) as error:
            raise damaged("its result.json can't be read", error) from error

    def head(self, id_: str) -> dict[str, Any]:
        """The result.json without its segments and frames, which may be hundreds of megabytes.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        try:
            return stored.read_head(self.directory(id_) / RESULT)
        except FileNotFoundError:
            raise _no_output() from None
        except (OSError, ValueError) as error:
            raise damaged("its result.json can't be read", error) from error

    def has_segments(self, id_: str) -> bool:
        """Whether segments were requested; there may be none all the same.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        try:
            return stored.has_segments(self.directory(id_) / RESULT)
        except (OSError, ValueError) as error:
            raise damaged("its result.json can't be read", error) from error

    def timeline(self, id_: str, *, start: float, end: float | None, points: int) -> Timeline:
        """Peaks, curve and segments of a stretch, as `Timelines.read`.

        Raises:
            Problem: 404, there is none; 422, the stretch is empty; 500, the outputs are damaged.
        """
        return self._timelines.read(self.directory(id_), start=start, end=end, points=points)

    def find(self, query: OutputQuery, *, before: str | None, limit: int) -> tuple[list[Summary], str | None]:
        """A page of search results, latest first. Outputs that are damaged or just deleted are left out.

        Args:
            query: all of it must match.
            before: an id; the page begins after it.
            limit: of the page.

        Returns:
            The page, and the id to continue from, if there is more.
        """
        page: list[Summary] = []
        for id_ in self.ids(before):
            summary = self.summary(id_)  # of no more directories than the page needs
            if summary is None or not _matches(summary, query):
                continue
            if len(page) == limit:
                return page, page[-1].id
            page.append(summary)
        return page, None

    def summary(self, id_: str) -> Summary | None:
        """The summary of an id; None if it is gone or damaged."""
        path = f"{self._root}/{id_}/{RESULT}"  # a Path is ten times slower, and there are thousands
        try:
            modified = os.stat(path).st_mtime_ns  # noqa: PTH116
            entry = self._summaries.get(id_)
            if entry is not None and entry[0] == modified:
                return entry[1]
            summary = _summary(id_, stored.read_head(Path(path)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, OSError) and is_exhausted(error):
                raise
            return None
        with self._lock:
            self._summaries[id_] = modified, summary
        return summary

    def ids(self, before: str | None = None) -> list[str]:
        """The ids of all outputs directories, or of those after one in this order: latest first."""
        try:
            with os.scandir(self._root) as entries:
                names = [
                    entry.name
                    for entry in entries
                    if ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            return []
        with self._lock:
            if len(self._summaries) > len(names):
                present = set(names)
                self._summaries = {id_: entry for id_, entry in self._summaries.items() if id_ in present}
        if before is not None:
            limit = _order(before)
            names = [name for name in names if _order(name) < limit]
        return sorted(names, key=_order, reverse=True)

    def rescued(self) -> list[str]:
        """The names of recordings whose sound alone was kept, as they could not be recognised."""
        try:
            return [path.name for path in self._root.iterdir() if RESCUED.fullmatch(path.name)]
        except OSError:
            return []

    def created(self, id_: str) -> datetime | None:
        """When an id was recognised, or by its name if its result.json is damaged; None if it is gone."""
        if (summary := self.summary(id_)) is not None:
            return summary.created_at
        if not (self._root / id_).exists():
            return None
        try:
            return datetime.strptime(stamp(id_), "%Y%m%d_%H%M%S").astimezone()
        except ValueError:  # the 31st of February
            return None

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
        with self._lock:
            self._summaries.pop(directory.name, None)
        self._timelines.forget(directory.name)
        shutil.rmtree(target, ignore_errors=True)  # the next start deletes what remains

    @staticmethod
    def _unlink(recording: Path) -> None:
        try:
            recording.unlink(missing_ok=True)
        except OSError as error:
            raise OutputsError(f"{recording} can't be deleted: {error.strerror}") from error

    def directories(self) -> list[Path]:
        """All outputs directories, latest first."""
        return [self._root / id_ for id_ in self.ids()]


def stamp(id_: str) -> str:
    """The local time in the name of an outputs directory or a rescued recording, YYYYMMDD_HHMMSS."""
    return id_.partition("_")[2][:15]


def _no_output() -> Problem:
    return Problem(404, "no-such-output", "there are no outputs with this id")


def _order(id_: str) -> tuple[str, int, str]:
    """By time, then by number."""
    stamp, rest = id_[:_STAMP], id_[_STAMP:]
    number = rest.rpartition("_")[2]
    return stamp, int(number) if number.isdigit() else 1, rest


def _matches(summary: Summary, query: OutputQuery) -> bool:
    return (
        (query.emotion is None or summary.emotion == query.emotion)
        and (query.name is None or query.name.casefold() in (summary.name or "").casefold())
        and (query.since is None or summary.created_at >= query.since)
        and (query.until is None or summary.created_at < query.until)
    )


def _trained(data: dict[str, Any]) -> dict[str, Any]:
    """The readouts of schema 1, which knew a trained head alone."""
    head = data.get("head")
    return {} if head is None else {head["name"]: {"kind": "linear", **head}}


def _summary(id_: str, data: dict[str, Any]) -> Summary:
    return Summary(
        id=id_,
        name=data["recording"]["name"],
        emotion=data.get("emotion"),
        confidence=data.get("confidence"),
        scores=data.get("scores"),
        readouts=data.get("readouts") or _trained(data),
        created_at=data["created_at"],
        duration=data["recording"]["duration"],
        model=data["model"]["name"],
        warnings=data["warnings"],
        head=data.get("head"),
    )
