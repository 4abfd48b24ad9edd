"""Request bodies, written to files as they arrive, with every limit enforced on the way."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from anyio import fail_after
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from emovox.server.disk import write_problem
from emovox.server.http.problems import Problem
from emovox.server.http.uploads import CLOSE, Upload, Uploads

FIELDS = 64  # form fields, without files
FIELD_SIZE = 8192
GRACE = 30.0  # seconds before the minimum rate applies
_CHECK_EVERY = 2**26  # bytes between checks of the disk


@dataclass
class Form:
    """The content of a request body.

    Attributes:
        files: that it has.
        fields: the others, by name.
        lists: those whose names end in [], which may occur several times.
    """

    files: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    @property
    def items(self) -> list[tuple[str, str]]:
        """Every field, each value of a list by itself."""
        lists = [(name, value) for name, values in self.lists.items() for value in values]
        return [*self.fields.items(), *lists]


@dataclass(frozen=True)
class Limits:
    """What a request body may be.

    Attributes:
        size: of one file, bytes.
        total: of the whole body, bytes.
        files: in one body.
        stall: seconds without a byte.
        rate: bytes a second on average, at least.
        lists: whether a form may have fields whose names end in [], as OpenAI's have.
    """

    size: int
    total: int
    files: int
    stall: float
    rate: int
    lists: bool = False


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
        if self.size - self._checked > _CHECK_EVERY:
            self._uploads.check(0)
            self._checked = self.size
        self._file.write(data)

    def close(self) -> Upload:
        self._file.close()
        return Upload(self.token, self._name, self.size)


class _Multipart:
    """A multipart body: its files go to disk, its fields to memory."""

    def __init__(self, boundary: bytes, open_file: Callable[[str | None], _Writer], limits: Limits) -> None:
        self.form = Form()
        self._open, self._most, self._lists = open_file, limits.files, limits.lists
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
            raise _malformed("a part lacks its header Content-Disposition: form-data; name=...")
        self._field, self._text = options[b"name"].decode(errors="replace"), b""
        if b"filename" in options:
            if len(self.form.files) >= self._most:
                raise Problem(413, "too-many-files", f"send at most {self._most} files at once")
            self._file = self._open(_unescaped(options[b"filename"]))
        elif len(self.form.items) >= FIELDS:
            raise Problem(413, "too-many-fields", f"a form may have at most {FIELDS} fields")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > FIELD_SIZE:
            raise Problem(413, "field-too-large", f"a field may have at most {FIELD_SIZE} bytes")

    def _end(self) -> None:
        if self._file is not None:
            self.form.files.append(self._file.close())
            self._file = None
            return
        if self._lists and self._field.endswith("[]"):
            self.form.lists.setdefault(self._field, []).append(self._text.decode(errors="replace"))
            return
        if self._field in self.form.fields:
            raise _malformed(f"the field {self._field!r} occurs twice")
        self.form.fields[self._field] = self._text.decode(errors="replace")

    def _finish(self) -> None:
        self.ended = True


async def receive(request: Request, uploads: Uploads, limits: Limits, *, name: str | None = None) -> Form:
    """Receive a request's body: multipart, or a single file.

    Args:
        request: its body must not have been read.
        uploads: where the files go.
        limits: of the body.
        name: of the file, if the body is one.

    Raises:
        Problem: too large, too slow, too many files, malformed, or broken off; nothing is left of it.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.total:
        raise _too_large(limits.total)
    uploads.check(int(length) if length.isdigit() else 0)
    tokens: list[str] = []

    def open_file(name: str | None) -> _Writer:
        writer = _Writer(uploads, name, limits.size)
        tokens.append(writer.token)
        return writer

    try:
        if kind == b"multipart/form-data":
            return await _receive_form(request, options.get(b"boundary", b""), open_file, limits)
        if kind == b"application/json":  # not urlencoded forms, too: curl --data-binary calls every body one
            raise Problem(
                415, "unsupported-media-type", "send the recording as multipart/form-data, or as the body itself"
            )
        writer = open_file(name)
        try:
            async for chunk in _chunks(request, limits):
                writer.write(chunk)
        finally:
            upload = writer.close()
        return Form(files=[upload])
    except OSError as error:
        for token in tokens:
            uploads.remove(token)
        raise write_problem("the upload", error) from error
    except BaseException:
        for token in tokens:
            uploads.remove(token)
        raise


async def receive_json(request: Request, limits: Limits) -> bytes:
    """Receive a request's body that is JSON, of `limits.total` bytes at most.

    Args:
        request: its body must not have been read.
        limits: of the body.

    Raises:
        Problem: too large, too slow, or broken off.
    """
    return b"".join([chunk async for chunk in _chunks(request, limits)])


async def _receive_form(
    request: Request, boundary: bytes, open_file: Callable[[str | None], _Writer], limits: Limits
) -> Form:
    if not boundary:
        raise _malformed("the multipart body has no boundary")
    form: _Multipart | None = None
    try:
        form = _Multipart(boundary, open_file, limits)
        async for chunk in _chunks(request, limits):
            form.write(chunk)
    except FormParserError as error:
        raise _malformed("the multipart body can't be read") from error
    finally:
        if form is not None:
            form.close()
    if not form.ended:
        raise _malformed("the multipart body is incomplete")
    return form.form


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it arrives; a client that is too slow is cut off."""
    started, size = time.monotonic(), 0
    stream = request.stream().__aiter__()
    while True:
        try:
            with fail_after(limits.stall):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _slow(f"nothing arrived for {limits.stall:g} s") from None
        except ClientDisconnect:
            raise Problem(400, "broken-off", "the upload broke off") from None
        size += len(chunk)
        if size > limits.total:
            raise _too_large(limits.total)
        elapsed = time.monotonic() - started
        if elapsed > GRACE and size < limits.rate * elapsed:
            raise _slow(f"the upload was slower than {limits.rate} bytes a second")
        if chunk:
            yield chunk


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"larger than {limit} bytes (EMOVOX_MAX_FILE_SIZE)", headers=CLOSE)


def _slow(detail: str) -> Problem:
    return Problem(408, "too-slow", detail, headers=CLOSE)


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed-body", detail)


def _unescaped(name: bytes) -> str | None:
    """The name of a file, which browsers and HTTP libraries escape in forms (HTML, "multipart form data")."""
    for escaped, plain in ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n")):
        name = name.replace(escaped, plain)
    return name.decode(errors="replace") or None
