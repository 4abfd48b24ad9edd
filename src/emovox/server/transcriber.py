"""The transcriber: another service, with OpenAI's interface, that writes down what is said.

Its address is the only one to which recordings are sent, and it is sent nothing else: the recording with its name,
and the form's fields as the client gave them. Proxies of the environment aren't used, redirections not followed.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from emovox.server.http import outside
from emovox.server.http.problems import Problem, log
from emovox.server.http.request_body import Form
from emovox.server.http.uploads import Upload
from emovox.settings import ServiceSettings

ROUTE = "/audio/transcriptions"
CONNECT = 10.0  # seconds
WRITE = 60.0  # seconds in which it takes nothing of a recording
PIECE = 2**18  # bytes of a recording in memory at once
LARGEST = 2**26
"""Bytes of an answer, at most."""
TOLD = 300  # characters of its own message in ours


class Transcriber:
    """One transcriber."""

    def __init__(self, url: str, key: str = "", *, patience: float = 600) -> None:
        """Begin; nothing is sent yet.

        Args:
            url: of its interface, as http://localhost:8000/v1 or http://localhost:8000; any other path is that of
                the route itself.
            key: that it demands.
            patience: seconds that it may say nothing.

        Raises:
            SettingsError: not a URL, or not a key.
        """
        address = outside.address_of("transcriber", url, "http://localhost:8000/v1")
        outside.check_key("transcriber_key", key)
        path = address.path.rstrip("/")
        if not path or path.endswith("/v1"):
            address = address.copy_with(path=f"{path or '/v1'}{ROUTE}")
        self._url = address
        self._http = outside.client(
            httpx.Timeout(patience, connect=CONNECT, write=WRITE, pool=None),
            httpx.Limits(max_connections=None, max_keepalive_connections=8),
        )
        if key:
            self._http.headers["Authorization"] = f"Bearer {key}"
        self._patience = patience

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Transcriber | None":
        """That of the settings; None: there is none.

        Raises:
            SettingsError: its URL or key is none.
        """
        if not settings.transcriber:
            return None
        key = settings.transcriber_key.get_secret_value()
        return cls(settings.transcriber, key, patience=settings.transcriber_timeout)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def ask(self, form: Form, file: Upload, path: Path) -> AsyncIterator[httpx.Response]:
        """Send it a recording; for the length of the block its answer can be read.

        Args:
            form: whose fields it gets.
            file: the recording.
            path: where that is.

        Raises:
            Problem: it can't be reached, doesn't answer in time, or refuses.
        """
        boundary = secrets.token_hex(16)
        before, after = _around(form, file, boundary)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(before) + file.size + len(after)),
            "Accept-Encoding": "identity",
        }
        with path.open("rb") as sound:  # closed here, whoever gives up
            body = _body(before, sound, after)
            request = self._http.build_request("POST", self._url, headers=headers, content=body)
            with self._explained():
                answer = await self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    raise _refusal(answer, await self.read(answer))
                yield answer
            finally:
                await answer.aclose()

    async def read(self, answer: httpx.Response) -> bytes:
        """All of an answer.

        Raises:
            Problem: it breaks off, or is too large.
        """
        return b"".join([piece async for piece in self.pieces(answer)])

    async def pieces(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """An answer as it comes. Raises as `read`."""
        size = 0
        with self._explained():
            async for piece in answer.aiter_bytes():
                size += len(piece)
                if size > LARGEST:
                    raise _bad(f"the transcriber's answer is larger than {LARGEST} bytes")
                yield piece

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of a failed connection that it is the transcriber's."""
        try:
            yield
        except httpx.ConnectTimeout:
            raise _late(f"the transcriber can't be reached within {CONNECT:g} s") from None
        except httpx.TimeoutException:
            detail = f"the transcriber said nothing for {self._patience:g} s (EMOVOX_TRANSCRIBER_TIMEOUT)"
            raise _late(detail) from None
        except httpx.ConnectError:
            raise _bad(
                "the transcriber can't be reached: is it running?", kind="transcriber-unreachable"
            ) from None
        except httpx.HTTPError as error:
            log.warning("the transcriber: %s", str(error) or type(error).__name__)
            raise _bad("the connection to the transcriber broke off: try again") from None


def _around(form: Form, file: Upload, boundary: str) -> tuple[bytes, bytes]:
    """What stands before and behind the recording in a multipart body."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
        for name, value in form.items
    ]
    kind = "Content-Type: application/octet-stream"
    disposition = f'form-data; name="file"; filename="{_quoted(file.name or "recording")}"'
    parts.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n{kind}\r\n\r\n")
    return "".join(parts).encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()


def _quoted(name: str) -> str:
    """A name in a form, as browsers write it (HTML, "multipart form data")."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


async def _body(before: bytes, sound: BinaryIO, after: bytes) -> AsyncIterator[bytes]:
    yield before
    while piece := await asyncio.to_thread(sound.read, PIECE):
        yield piece
    yield after


def _refusal(answer: httpx.Response, content: bytes) -> Problem:
    """What a client is told where the transcriber refuses."""
    status, message = answer.status_code, _message(content)
    words = f": {message}" if message else ""
    if status in {401, 403}:
        log.error("the transcriber refuses the service's key (EMOVOX_TRANSCRIBER_KEY)")
        return _bad("the transcriber refuses the service's key: EMOVOX_TRANSCRIBER_KEY")
    if status in {429, 503}:
        wait = answer.headers.get("retry-after", "5")
        headers = {"Retry-After": wait if wait.isdigit() else "5"}
        return Problem(503, "transcriber-busy", f"the transcriber is busy{words}", headers=headers)
    if 400 <= status < 500:
        return Problem(status, "transcriber", f"the transcriber refuses{words or f' with {status}'}")
    return _bad(f"the transcriber answered {status}{words}")


def _message(content: bytes) -> str:
    """The transcriber's own words, on one line."""
    try:
        data: Any = httpx.Response(200, content=content).json()
    except (ValueError, RecursionError):
        return ""
    for key in ("detail", "error", "message", "detail"):  # FastAPI's servers have OpenAI's errors in `detail`
        data = data.get(key, data) if isinstance(data, dict) else data
    return " ".join(data.split())[:TOLD] if isinstance(data, str) else ""


def _bad(detail: str, *, kind: str = "transcriber") -> Problem:
    return Problem(502, kind, detail)


def _late(detail: str) -> Problem:
    return Problem(504, "transcriber-late", detail)
