"""Uploads: request bodies on their way to a file, with every limit enforced while they arrive."""

import os
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from anyio import fail_after
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from emovox import private
from emovox.server.disk import has_room, later, unwritten
from emovox.server.problems import Problem, log

FIELDS = 64  # form fields that are no files
FIELD_SIZE = 8192
GRACE = 30.0  # seconds before the least rate counts
_CHECKED = 2**26  # bytes from one look at the disk to the next
_CLOSE = {"Connection": "close"}  # the rest of the body is not waited for


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
class Form:
    """A body that has arrived."""

    files: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What is taken.

    Attributes:
        size: of one file, bytes.
        total: of all of a body, bytes.
        files: in one body.
        stall: seconds without a byte.
        rate: bytes a second, on the whole.
    """

    size: int
    total: int
    files: int
    stall: float
    rate: int


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
            raise Problem(507, "storage", "the upload can't be written: the disk is nearly full", headers=_CLOSE)

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
            with self.find(token).open("rb+") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritten("the upload", error) from error


class _Writer:
    """One file being written."""

    def __init__(self, uploads: Uploads, name: str | None, limit: int) -> None:
        self._uploads, self._limit, self._name = uploads, limit, name
        self.size = self._checked = 0
        self.token, self._file = uploads.create()

    def write(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise _too_large(self._limit)
        self._uploads.grow(self.token, len(data))
        if self.size - self._checked > _CHECKED:
            self._uploads.check(0)
            self._checked = self.size
        self._file.write(data)

    def close(self) -> Upload:
        self._file.close()
        return Upload(self.token, self._name, self.size)


class _Multipart:
    """A multipart body: files to files, fields to memory."""

    def __init__(self, boundary: bytes, open_file: Callable[[str | None], _Writer], most: int) -> None:
        self.form = Form()
        self._open, self._most = open_file, most
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._file: _Writer | None = None
        self._field, self._text = "", b""
        self.ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def write(self, data: bytes) -> None:
        self._parser.write(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._headers = {}

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part says not what it is: Content-Disposition: form-data; name=...")
        self._field, self._text = options[b"name"].decode(errors="replace"), b""
        if b"filename" in options:
            if len(self.form.files) >= self._most:
                raise Problem(413, "too-many-files", f"at most {self._most} files are taken at once")
            self._file = self._open(_unescaped(options[b"filename"]))
        elif len(self.form.fields) >= FIELDS:
            raise Problem(413, "too-many-fields", f"a form may have {FIELDS} fields")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > FIELD_SIZE:
            raise Problem(413, "field-too-large", f"a field may have {FIELD_SIZE} bytes")

    def _end(self) -> None:
        if self._file is not None:
            self.form.files.append(self._file.close())
            self._file = None
            return
        if self._field in self.form.fields:
            raise _malformed(f"the field {self._field!r} is there twice")
        self.form.fields[self._field] = self._text.decode(errors="replace")

    def _finish(self) -> None:
        self.ended = True


async def receive(request: Request, uploads: Uploads, limits: Limits, *, name: str | None = None) -> Form:
    """Take a request's body: multipart, or one file as it is.

    Args:
        request: whose body hasn't been read.
        uploads: where the files go.
        limits: what is taken.
        name: of the file, where the body is one.

    Raises:
        Problem: too large, too slow, too many files, malformed, or broken off. Nothing is left then.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.total:
        raise _too_large(limits.total)
    uploads.check(int(length) if length.isdigit() else 0)
    opened: list[str] = []

    def open_file(name: str | None) -> _Writer:
        writer = _Writer(uploads, name, limits.size)
        opened.append(writer.token)
        return writer

    try:
        if kind == b"multipart/form-data":
            return await _receive_form(request, options.get(b"boundary", b""), open_file, limits)
        if kind == b"application/json":  # curl --data-binary calls every body a urlencoded form
            raise Problem(
                415, "unsupported-media-type", "send the recording as multipart/form-data or as the body itself"
            )
        writer = open_file(name)
        try:
            async for chunk in _chunks(request, limits):
                writer.write(chunk)
        finally:
            upload = writer.close()
        return Form(files=[upload])
    except OSError as error:
        for token in opened:
            uploads.remove(token)
        raise unwritten("the upload", error) from error
    except BaseException:
        for token in opened:
            uploads.remove(token)
        raise


async def _receive_form(
    request: Request, boundary: bytes, open_file: Callable[[str | None], _Writer], limits: Limits
) -> Form:
    if not boundary:
        raise _malformed("the multipart body has no boundary")
    form: _Multipart | None = None
    try:
        form = _Multipart(boundary, open_file, limits.files)
        async for chunk in _chunks(request, limits):
            form.write(chunk)
    except FormParserError as error:
        raise _malformed("the multipart body can't be read") from error
    finally:
        if form is not None:
            form.close()
    if not form.ended:
        raise _malformed("the multipart body breaks off")
    return form.form


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it comes; who is too slow is cut off."""
    started, size = time.monotonic(), 0
    stream = request.stream().__aiter__()
    while True:
        try:
            with fail_after(limits.stall):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _slow(f"nothing came for {limits.stall:g} s") from None
        except ClientDisconnect:
            raise Problem(400, "broken-off", "the upload broke off") from None
        size += len(chunk)
        if size > limits.total:
            raise _too_large(limits.total)
        elapsed = time.monotonic() - started
        if elapsed > GRACE and size < limits.rate * elapsed:
            raise _slow(f"fewer than {limits.rate} bytes came in a second")
        if chunk:
            yield chunk


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"more than {limit} bytes (EMOVOX_MAX_FILE_SIZE)", headers=_CLOSE)


def _crowded() -> Problem:
    problem = later("the recordings that wait fill what they may of the disk")
    problem.headers |= _CLOSE
    return problem


def _lost(path: Path) -> Problem:
    log.error("%s is gone: somebody deleted it under the running service", path)
    return Problem(500, "upload-lost", "the uploaded recording is gone: send it again")


def _slow(detail: str) -> Problem:
    return Problem(408, "too-slow", detail, headers=_CLOSE)


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed-body", detail)


def _unescaped(name: bytes) -> str | None:
    """A file's name as browsers and HTTP libraries escape it in forms (HTML, "multipart form data")."""
    for escaped, plain in ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n")):
        name = name.replace(escaped, plain)
    return name.decode(errors="replace") or None
