"""Uploads: the recordings that clients have sent, on the disk until their inference."""

import os
import secrets
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from emovox import files, private
from emovox.server.disk import has_room, no_room, write_problem
from emovox.server.http.problems import Problem, log

CLOSE = {"Connection": "close"}  # without waiting for the rest of the body


@dataclass(frozen=True)
class Upload:
    """An uploaded file.

    Attributes:
        channel: to infer alone, from 1, if the recording was split by channel.
    """

    token: str
    name: str | None
    size: int
    channel: int | None = None


@dataclass
class _Content:
    """A file on the disk, under one token or, by hard links, several."""

    size: int = 0
    tokens: int = 1


class Uploads:
    """The directory of uploads, each under a random token. Safe to use from several threads.

    Attributes:
        directory: of the files. If it is deleted while the service runs, it is created again.
        size: of all uploads, bytes.
    """

    def __init__(self, directory: Path, *, most: int) -> None:
        """Begin.

        Args:
            directory: for uploads only.
            most: bytes in all.

        Raises:
            OSError: it can't be made.
        """
        self.directory, self._most, self.size = directory, most, 0
        self._lock = threading.Lock()
        self._contents: dict[str, _Content] = {}
        private.make_directory(directory)

    def path(self, token: str) -> Path:
        """The path of an upload."""
        return self.directory / token

    def find(self, token: str) -> Path:
        """The path of an upload that must exist.

        Raises:
            Problem: 500, it is gone.
        """
        path = self.path(token)
        if not path.exists():
            raise _upload_lost(path)
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
            log.error("%s was deleted while the service was running: creating it again", self.directory)
            file = private.create(self.path(token), buffering=2**18)
        with self._lock:
            self._contents[token] = _Content()
        return token, file

    def grow(self, token: str, count: int) -> None:
        """Reserve space for more bytes of an upload.

        Raises:
            Problem: 503, there is none right now.
        """
        with self._lock:
            if self.size + count > self._most:
                raise _no_room()
            self.size += count
            self._contents[token].size += count

    def check(self, count: int) -> None:
        """Refuse right away what would be refused later.

        Raises:
            Problem: 503, there is no room for so many bytes right now; 507, the disk is full.
        """
        if self.size + count > self._most:
            raise _no_room()
        if not has_room(self.directory, count):
            raise Problem(507, "storage", "no room for the upload: the disk is nearly full", headers=CLOSE)

    def duplicate(self, token: str) -> str:
        """Give an upload a second token: by a hard link, or by a copy on file systems without them.

        Raises:
            Problem: 500, it is gone; 503 or 507, it can't be stored.
        """
        other = secrets.token_hex(16)
        try:
            try:
                os.link(self.find(token), self.path(other))
            except OSError:
                return self._copy(token)
        except OSError as error:
            raise write_problem("an upload", error) from error
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
                self.size -= 0 if content.tokens else content.size
        with suppress(OSError):
            self.path(token).unlink(missing_ok=True)

    def sweep(self, tokens: set[str]) -> None:
        """Delete all but these, which a killed process left."""
        private.make_directory(self.directory)
        contents: dict[int, _Content] = {}
        for path in self.directory.iterdir():
            if path.name not in tokens:
                path.unlink(missing_ok=True)
                continue
            facts = path.stat()
            with self._lock:
                if facts.st_ino in contents:
                    contents[facts.st_ino].tokens += 1
                else:
                    contents[facts.st_ino] = _Content(facts.st_size)
                    self.size += facts.st_size
                self._contents[path.name] = contents[facts.st_ino]

    def keep(self, token: str) -> None:
        """Make sure that an upload survives a power cut.

        Raises:
            Problem: 500, it is gone; 507, the disk refuses.
        """
        try:
            files.sync(self.find(token))
        except OSError as error:
            raise write_problem("the upload", error) from error


def _no_room() -> Problem:
    problem = no_room("uploads waiting for inference have filled their share of the disk")
    problem.headers |= CLOSE
    return problem


def _upload_lost(path: Path) -> Problem:
    log.error("%s is gone: it was deleted while the service was running", path)
    return Problem(500, "upload-lost", "the uploaded recording is gone: send it again")
