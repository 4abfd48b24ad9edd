"""The stored outputs as clients see them: by id, which is the directory's name, strictly checked."""

import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from emovox import exports
from emovox.archive.archive import Archive
from emovox.archive.database import HIDDEN
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.errors import OutputsError
from emovox.inference import stored_result as stored
from emovox.inference.frames import RowsIn
from emovox.inference.recognition import Recognition
from emovox.outputs import AUDIO, REMOVED, RESULT, TIMELINES, remove
from emovox.refusals import is_exhausted
from emovox.server.calls import Calls
from emovox.server.flags import FlagsOf
from emovox.server.http.problems import Problem, damaged
from emovox.server.output_summary import Summary, read_summary, summary_of
from emovox.server.timeline import Timelines
from emovox.server.timeline_view import Timeline

ID = re.compile(r"outputs_[0-9]{8}_[0-9]{6}(_channel[0-9]{1,2})?(_[0-9]{1,6})?")
RESCUED = re.compile(r"recording_[0-9]{8}_[0-9]{6}(_[0-9]{1,6})?\.wav")
MEDIA_TYPES = {
    "json": "application/json",
    "wav": "audio/wav",
    "npy": "application/octet-stream",
    "npz": "application/octet-stream",
    **exports.MEDIA_TYPES,
}
FILE = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,63}}\.({'|'.join(map(re.escape, MEDIA_TYPES))})")


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
        self._timelines = Timelines(root / HIDDEN / TIMELINES)
        for directory in (root / HIDDEN).glob(f"{REMOVED}*"):  # a kill interrupted the deletion
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
            return read_summary(id_, head), head
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
            rows_in: where they are to be; by default in their file. Rows that older versions wrote into
                result.json are in it anyway.

        Raises:
            Problem: 404, there is none; 500, it is damaged.
            ExportError: the rows are too many.
            FramesError: their file is gone or damaged.
        """
        path = self.directory(id_) / RESULT
        if rows_in != "inline" or "file" not in (self.head(id_)[1].get("frames") or {}):
            return path
        recognition = self.recognition(id_)
        if recognition.frames is None or not recognition.frames.goes_inline(rows_in, stored=True):
            return path
        pieces = recognition.json_pieces()
        return itertools.chain([next(pieces)], pieces)

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

    def find(
        self,
        where: Filter,
        *,
        before: str | None,
        limit: int,
        flag: str | None = None,
        raw: bool = False,
        together: bool = False,
    ) -> tuple[list[Summary], str | None]:
        """A page of those in the archive, latest first. Outputs that are damaged or just deleted are left out.

        Args:
            where: what must hold.
            before: an id; the page begins after it.
            limit: of the page.
            flag: of which there must be moments: a name, or a rule.
            raw: whether moments are looked for without the baselines that recordings were recognised with.
            together: whether a recording whose channels were recognised by themselves is one: the first of them
                in the list for which all holds, with the others.

        Returns:
            The page, and the id to continue from, if there is more. With a flag it may be short of the limit all
            the same, as it ends where much has been looked into.

        Raises:
            FilterError: there is no such flag, and it is no rule.
            sqlalchemy.exc.SQLAlchemyError: the database can't be read.
        """
        flags = FlagsOf(self._archive, flag, raw=raw)
        where = flags.narrowed(where)
        page: list[Summary] = []
        for looked in itertools.count(1):
            rows = self._archive.directories.page(
                self._root, where, before=before, limit=max(limit, flags.together) + 1
            )
            listed = flags.listed(rows)
            calls = Calls(self._archive, self._root, listed, where, flags)
            for path, record, modified in listed:
                moments = calls.moments.get(record.id, {})
                if together and not calls.leads(path.name):
                    continue
                if (summary := self._summary(path.name, record, modified)) is None:
                    continue
                if len(page) == limit:
                    return page, page[-1].id
                others = [self._summary(*each) for each in calls.others(path.name)] if together else []
                more = {
                    "moments": moments or None,
                    "call": calls.of(path.name),
                    "others": [
                        item.model_copy(update={"moments": calls.moments_of(item.id), "call": calls.of(item.id)})
                        for item in others
                        if item is not None
                    ]
                    or None,
                }
                page.append(summary.model_copy(update=more))
            if len(rows) <= max(limit, flags.together):
                return page, None
            before = rows[-1][0].name
            if flag is not None and looked == flags.most:
                return page, before
        raise AssertionError  # the count doesn't end

    def call(self, id_: str) -> list[str] | None:
        """The ids of the results of its recording's channels, in order; None: no other is known."""
        sha256 = self.sha256(id_)
        try:
            calls = self._archive.directories.calls(self._root, [] if sha256 is None else [sha256])
        except SQLAlchemyError:  # it is away, and results can be read all the same
            return None
        return list(calls[id_]) if id_ in calls else None

    def _summary(self, id_: str, record: ArchiveRecord, modified: int) -> Summary | None:
        """The summary of outputs in the archive; of their result.json if that is another; None if it is gone."""
        try:
            path = self.directory(id_) / RESULT
            if path.stat().st_mtime_ns != modified:
                return read_summary(id_, stored.read_head(path))
            return summary_of(id_, record)
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

    def remove_sound(self, id_: str) -> None:
        """Delete the sound of outputs, and what was drawn of it; or a rescued recording, which is nothing else.

        Raises:
            OutputsError: it can't be deleted.
        """
        if RESCUED.fullmatch(id_):
            return self._unlink(self._root / id_)
        sound = self._root / id_ / AUDIO
        if sound.exists():
            self._timelines.forget(id_)  # first, as after a kill only what has sound is looked at again
            self._unlink(sound)
            self._timelines.forget(id_)  # somebody may have looked at it meanwhile
        return None

    def _delete(self, directory: Path) -> None:
        if not os.path.lexists(directory):
            raise _no_output()
        remove(directory)
        self._timelines.forget(directory.name)

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
