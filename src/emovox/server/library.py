"""The stored outputs, as clients see them: by id, which is a directory's name, strictly checked."""

import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from emovox.errors import OutputsError
from emovox.outputs import RESULT
from emovox.recognition import stored
from emovox.recognition.recognition import EmotionName, HeadVerdict, Recognition, ScoreMap
from emovox.refusals import is_exhausted
from emovox.server.problems import Problem, damaged
from emovox.server.timeline import Timeline, Timelines

ID = re.compile(r"outputs_[0-9]{8}_[0-9]{6}(_channel[0-9]{1,2})?(_[0-9]{1,6})?")
FILE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\.(json|wav|npy|srt|vtt|TextGrid|txt|csv|parquet|png|svg)")
MEDIA_TYPES = {
    "json": "application/json",
    "wav": "audio/wav",
    "npy": "application/octet-stream",
    "srt": "application/x-subrip",
    "vtt": "text/vtt; charset=utf-8",
    "TextGrid": "text/plain; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "svg": "image/svg+xml",
}


class Summary(BaseModel):
    """One outputs directory in a list."""

    id: str = Field(description="its directory's name", examples=["outputs_20240104_223000"])
    name: str | None = Field(description="of the recording")
    emotion: EmotionName
    confidence: float = Field(ge=0, le=1)
    scores: ScoreMap
    created_at: datetime
    duration: float = Field(description="seconds")
    model: str
    warnings: list[str]
    head: HeadVerdict | None = Field(None, description="what a trained head hears; null: none was asked")


@dataclass(frozen=True)
class Query:
    """What is looked for among the outputs."""

    emotion: str | None = None
    name: str | None = None  # part of it, whatever its case
    since: datetime | None = None
    until: datetime | None = None


class Library:
    """The outputs directories under one root. Its methods read disks, so they are for threads."""

    def __init__(self, root: Path, *, forget: Callable[[Sequence[Path]], None] = lambda _: None) -> None:
        """Begin.

        Args:
            root: where they are.
            forget: is told of directories before they are deleted.
        """
        self._root, self._forget = root, forget
        self._summaries: dict[str, Summary] = {}  # what was published doesn't change
        self._timelines = Timelines(root / ".emovox" / "timelines")

    def directory(self, id_: str) -> Path:
        """The directory of an id.

        Raises:
            Problem: 404, there is none.
        """
        path = self._root / id_ if ID.fullmatch(id_) else None
        if path is None or path.is_symlink() or not (path / RESULT).is_file():
            raise Problem(404, "no-such-output", "there are no outputs with this id")
        return path

    def file(self, id_: str, name: str) -> Path:
        """One file of an outputs directory.

        Raises:
            Problem: 404, there is none.
        """
        directory = self.directory(id_)
        path = directory / name if FILE.fullmatch(name) else None
        if path is None or path.is_symlink() or not path.is_file():
            raise Problem(404, "no-such-file", "these outputs have no file of this name")
        return path

    def files(self, id_: str) -> list[Path]:
        """All files of an outputs directory that clients may have, by name."""
        directory = self.directory(id_)
        return sorted(
            path
            for path in directory.iterdir()
            if FILE.fullmatch(path.name) and path.is_file() and not path.is_symlink()
        )

    def recognition(self, id_: str) -> Recognition:
        """What an outputs directory's result.json says.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        path = self.directory(id_) / RESULT
        try:
            return stored.read(path)
        except (OSError, ValidationError) as error:
            raise damaged("its result.json can't be read", error) from error

    def head(self, id_: str) -> dict[str, Any]:
        """result.json without its segments and frames, which may be hundreds of megabytes.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
        """
        try:
            return stored.read_head(self.directory(id_) / RESULT)
        except (OSError, ValueError) as error:
            raise damaged("its result.json can't be read", error) from error

    def has_segments(self, id_: str) -> bool:
        """Whether segments were asked for; there may be none all the same.

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

    def find(self, query: Query, *, before: str | None, limit: int) -> tuple[list[Summary], str | None]:
        """A page of what is looked for, latest first.

        Args:
            query: all of it must hold.
            before: an id; what comes after it in this order is given.
            limit: of the page.

        Returns:
            The page, and the id to go on from, if there is more.
        """
        found: list[Summary] = []
        for id_ in self._ids():
            if before is not None and _order(id_) >= _order(before):
                continue
            summary = self.summary(id_)
            if summary is None or not _fits(summary, query):
                continue
            if len(found) == limit:
                return found, found[-1].id
            found.append(summary)
        return found, None

    def summary(self, id_: str) -> Summary | None:
        """The summary of an id; None if it is gone or damaged."""
        if id_ not in self._summaries:
            try:
                self._summaries[id_] = _summary(id_, stored.read_head(self._root / id_ / RESULT))
            except (OSError, ValueError, KeyError, TypeError) as error:
                if isinstance(error, OSError) and is_exhausted(error):
                    raise
                return None
        return self._summaries[id_]

    def remove(self, *ids: str) -> None:
        """Delete outputs directories, each at once for whoever looks, and first what else is known of them.

        Raises:
            Problem: 404, there is none.
            OutputsError: the disk refuses.
        """
        directories = [self.directory(id_) for id_ in ids]
        self._forget(directories)
        for directory in directories:
            doomed = self._root / ".emovox" / f"removed-{secrets.token_hex(8)}"
            try:
                doomed.parent.mkdir(exist_ok=True)
                directory.rename(doomed)
            except FileNotFoundError:
                raise Problem(404, "no-such-output", "there are no outputs with this id") from None
            except OSError as error:
                raise OutputsError(f"{directory} can't be deleted: {error.strerror}") from error
            self._summaries.pop(directory.name, None)
            self._timelines.forget(directory.name)
            shutil.rmtree(doomed, ignore_errors=True)

    def directories(self) -> list[Path]:
        """All outputs directories, latest first."""
        return [self._root / id_ for id_ in self._ids()]

    def _ids(self) -> list[str]:
        if not self._root.is_dir():
            return []
        names = [path.name for path in self._root.iterdir() if ID.fullmatch(path.name) and not path.is_symlink()]
        self._summaries = {id_: summary for id_, summary in self._summaries.items() if id_ in set(names)}
        return sorted(names, key=_order, reverse=True)


def _order(id_: str) -> tuple[str, int, str]:
    """By time, then by number."""
    stamp, rest = id_[:23], id_[23:]
    number = re.search(r"_([0-9]+)$", rest)
    return stamp, int(number[1]) if number else 1, rest


def _fits(summary: Summary, query: Query) -> bool:
    return (
        (query.emotion is None or summary.emotion == query.emotion)
        and (query.name is None or query.name.casefold() in (summary.name or "").casefold())
        and (query.since is None or summary.created_at >= query.since)
        and (query.until is None or summary.created_at < query.until)
    )


def _summary(id_: str, data: dict[str, Any]) -> Summary:
    return Summary(
        id=id_,
        name=data["recording"]["name"],
        emotion=data["emotion"],
        confidence=data["confidence"],
        scores=data["scores"],
        created_at=data["created_at"],
        duration=data["recording"]["duration"],
        model=data["model"]["name"],
        warnings=data["warnings"],
        head=data.get("head"),
    )
