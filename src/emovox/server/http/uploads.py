"""Uploads: the recordings that clients have sent, on the disk until they are heard."""

import os
import secrets
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from emovox import files, private
from emovox.server.disk import has_room, later, unwritten
from emovox.server.http.problems import Problem, log

CLOSE = {"Connection": "close"}  # the rest of the body is not waited for


@dataclass(frozen=True)
class Upload:
    """A file that has arrived.

    Attributes:
        channel: the one to hear of it, from 1, where each is heard by itself.
    """

    token: str
    name: str | None
    size: int
    channel: int | None = None


@dataclass
class _Content:
    """What lies on the disk under one token or, by hard links, several."""

    size: int = 0
    tokens: int = 1


class Uploads:
    """The directory in which uploads lie, each under a random token. Safe to use from several threads.

    Attributes:
        directory: where. When somebody deletes it under a running service, it is made again.
        taken: bytes.
    """

    def __init__(self, directory: Path, *, most: int) -> None:
        """Begin.

        Args:
            directory: of nobody else.
            most: bytes at once.

        Raises:
            OSError: it can't be made.
        """
        self.directory, self._most, self.taken = directory, most, 0
        self._lock = threading.Lock()
        self._contents: dict[str, _Content] = {}
        private.make_directory(directory)

    def path(self, token: str) -> Path:
        """Where an upload lies."""
        return self.directory / token

    def find(self, token: str) -> Path:
        """Where an upload lies.

        Raises:
            Problem: 500, it doesn't any more.
        """
        path = self.path(token)
        if not path.exists():
            raise _lost(path)
        return path

    def create(self) -> tuple[str, BinaryIO]:
        """A new upload's token and file.

        Raises:
            OSError: it can't be made.
        """
        token = secrets.token_hex(16)
        try:
            file = private.create(self.path(token), buffering=2**18)
        except FileNotFoundError:
            private.make_directory(self.directory)
            log.error("%s was deleted under the running service, and is made again", self.directory)
            file = private.create(self.path(token), buffering=2**18)
        with self._lock:
            self._contents[token] = _Content()
        return token, file

    def grow(self, token: str, count: int) -> None:
        """Take room for more bytes of an upload.

        Raises:
            Problem: 503, there is none now.
        """
        with self._lock:
            if self.taken + count > self._most:
                raise _crowded()
            self.taken += count
            self._contents[token].size += count

    def check(self, count: int) -> None:
        """Refuse at once what would be refused later.

        Raises:
            Problem: 503, there is no room for so many bytes now; 507, the disk is full.
        """
        if self.taken + count > self._most:
            raise _crowded()
        if not has_room(self.directory, count):
            raise Problem(507, "storage", "the upload can't be written: the disk is nearly full", headers=CLOSE)

    def again(self, token: str) -> str:
        """Give an upload another token beside its own: by a hard link, or a copy where there are none.

        Raises:
            Problem: 500, it is gone; 503 or 507, it can't be kept.
        """
        other = secrets.token_hex(16)
        try:
            try:
                os.link(self.find(token), self.path(other))
            except OSError:
                return self._copy(token)
        except OSError as error:
            raise unwritten("an upload", error) from error
        with self._lock:
            self._contents[other] = self._contents[token]
            self._contents[other].tokens += 1
        return other

    def _copy(self, token: str) -> str:
        other, file = self.create()
        try:
            with file, self.find(token).open("rb") as source:
                self.grow(other, os.fstat(source.fileno()).st_size)
                shutil.copyfileobj(source, file)
        except BaseException:
            self.remove(other)
            raise
        return other

    def remove(self, token: str) -> None:
        """Delete an upload."""
        with self._lock:
            content = self._contents.pop(token, None)
            if content is not None:
                content.tokens -= 1
                self.taken -= 0 if content.tokens else content.size
        with suppress(OSError):
            self.path(token).unlink(missing_ok=True)

    def sweep(self, kept: set[str]) -> None:
        """Delete all but these: what a killed process left."""
        private.make_directory(self.directory)
        contents: dict[int, _Content] = {}
        for path in self.directory.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)
                continue
            facts = path.stat()
            with self._lock:
                if facts.st_ino in contents:
                    contents[facts.st_ino].tokens += 1
                else:
                    contents[facts.st_ino] = _Content(facts.st_size)
                    self.taken += facts.st_size
                self._contents[path.name] = contents[facts.st_ino]

    def keep(self, token: str) -> None:
        """See to it that an upload survives a power cut.

        Raises:
            Problem: 500, it is gone; 507, the disk refuses.
        """
        try:
            files.sync(self.find(token))
        except OSError as error:
            raise unwritten("the upload", error) from error


def _crowded() -> Problem:
    problem = later("the recordings that wait fill what they may of the disk")
    problem.headers |= CLOSE
    return problem


def _lost(path: Path) -> Problem:
    log.error("%s is gone: somebody deleted it under the running service", path)
    return Problem(500, "upload-lost", "the uploaded recording is gone: send it again")
