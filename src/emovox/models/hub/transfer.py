"""Transfer of files over HTTP: resumed after a break, cut at their published size, checked at the end."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from emovox.errors import HubError, HubMismatchError, HubUnreachableError
from emovox.models.hub.published import PublishedFile
from emovox.version import __version__

_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_FIRST_ATTEMPTS = 3  # at a hub that hasn't answered yet: it may be blocked, and there is another
_GAIN = 256 * 2**10  # bytes; an attempt that brings as many counts as a success, however it ends
_MAX_ANSWER = 16 * 2**20  # bytes of JSON; real ones have some 10 kB
_SLOWEST = 1000  # bytes per second; Large would take three weeks


@dataclass(frozen=True)
class Patience:
    """How long to put up with a bad connection, in seconds except for the attempts."""

    attempts: int = 6
    """In a row, without progress."""
    backoff: float = 1.0
    """Before the second attempt; twice as long before each further one."""
    longest_wait: float = 60.0
    """Between attempts, whatever the hub asks for."""
    connect: float = 15.0
    stall: float = 30.0
    """With no data, or next to none."""


class _PassingError(Exception):
    """A failure that another attempt may well overcome."""

    def __init__(self, reason: str, *, wait: float = 0.0, silent: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds that the hub asks us to wait."""
        self.silent = silent
        """Whether there was no answer at all."""


class Connection:
    """HTTP with one hub. Proxies and certificates come from the environment, as for any client.

    Redirects are followed, since both hubs serve big files from elsewhere; but never from HTTPS to HTTP, and the
    token is sent to the hub only.
    """

    def __init__(self, title: str, address: str, *, token: str | None, patience: Patience) -> None:
        """Prepare; nothing is sent yet.

        Args:
            title: the hub's name, for messages.
            address: its scheme and host, perhaps with a path.
            token: sent as a bearer token to that host only.
            patience: with bad connections.

        Raises:
            HubError: a proxy variable is invalid.
        """
        self.title = title
        self.address = address
        self._patience = patience
        headers = {"User-Agent": f"emovox/{__version__}", "Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._client = httpx.Client(
                headers=headers,
                timeout=httpx.Timeout(patience.stall, connect=patience.connect),
                follow_redirects=True,
                event_hooks={"request": [self._keep_encrypted]},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise HubError(f"a proxy variable of the environment is invalid: {error}") from error

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def json(self, url: str, what: str) -> Any:
        """Fetch a small JSON answer; ``what`` it is about is for errors.

        Raises:
            HubUnreachableError: no answer in several attempts.
            HubError: refused, or not JSON.
        """
        failures = 0
        while True:
            body = bytearray()
            try:
                with self._get(url, what) as response:
                    for chunk in self._chunks(response):
                        body += chunk
                        if len(body) > _MAX_ANSWER:
                            raise HubError(f"{self.title}'s answer is too long: is {self.address} a model hub?")
                break
            except _PassingError as failure:
                failures += 1
                self._wait(failures, failure, _FIRST_ATTEMPTS if failure.silent else self._patience.attempts)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HubError(f"{self.title}'s answer is not JSON: is {self.address} a model hub?") from error

    def fetch(self, file: PublishedFile, url: str, path: Path, advanced: Callable[[int], None]) -> None:
        """Fetch one file to ``path``, if it isn't there; afterwards it is, and is the published one.

        What an earlier call got is beside it, under a name with the checksum, and isn't transferred again.

        Args:
            file: its size and checksum.
            url: where it is.
            path: the file to make; its directory exists.
            advanced: is told how many bytes of it are there, which grow, or shrink after a false start.

        Raises:
            HubUnreachableError: the transfer breaks off again and again.
            HubMismatchError: the bytes aren't the published ones, twice.
            HubError: refused.
            OSError: it can't be written.
        """
        if file.matches(path):
            advanced(file.size)
            return
        part = self.part(file, path)
        for _ in range(2):
            self._complete(file, url, part, advanced)
            if file.matches(part):
                part.replace(path)
                return
            part.unlink()
            advanced(0)
        raise HubMismatchError(
            f"{file.path} from {self.title} is not the published file: its {file.algorithm} checksum is wrong, "
            "twice in a row. It was discarded; try again later, or choose another --hub"
        )

    @staticmethod
    def part(file: PublishedFile, path: Path) -> Path:
        """Where an unfinished transfer is: one of another version of the file is never resumed."""
        return path.with_name(f"{path.name}.{file.checksum[:16]}.part")

    def _complete(self, file: PublishedFile, url: str, part: Path, advanced: Callable[[int], None]) -> None:
        """Append to ``part`` until it has the file's size."""
        failures = 0
        part.touch()
        best = part.stat().st_size  # progress is more than ever before: a file may start from 0 each time
        while (have := part.stat().st_size) != file.size:
            if have > file.size:
                have = _emptied(part)
            advanced(have)
            try:
                self._append(file, url, part, have, advanced)
            except _PassingError as failure:
                reached = part.stat().st_size
                failures = 1 if reached - best >= _GAIN else failures + 1
                best = max(best, reached)
                self._wait(failures, failure, self._patience.attempts)
        advanced(file.size)

    def _append(
        self, file: PublishedFile, url: str, part: Path, have: int, advanced: Callable[[int], None]
    ) -> None:
        """Request the rest once, and write what comes."""
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._get(url, file.path, headers) as response:
            start = _starts_at(response, have, file.size)
            if start is None:
                _emptied(part)
                raise _PassingError("sends another part of the file than requested")
            _check_length(response, file)
            with part.open("r+b") as out:
                out.truncate(start)
                out.seek(start)
                have = start
                for chunk in self._chunks(response):
                    piece = chunk[: file.size - have]
                    out.write(piece)
                    have += len(piece)
                    advanced(have)
                    if have == file.size:
                        return  # even if it would send more
        raise _PassingError("broke off the transfer")

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body in pieces, unless it comes too slowly."""
        since, count = time.monotonic(), 0
        for chunk in response.iter_bytes():  # decodes, should a server compress it all the same
            yield chunk
            count += len(chunk)
            seconds = time.monotonic() - since
            if seconds > self._patience.stall:
                if count < _SLOWEST * seconds:
                    raise _PassingError("sends next to nothing")
                since, count = time.monotonic(), 0

    @contextmanager
    def _get(self, url: str, what: str, headers: dict[str, str] | None = None) -> Iterator[httpx.Response]:
        """A response that has content, or an error that says what to do."""
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                self._check(response, what)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise _PassingError(f"can't be reached ({error or 'no answer'})", silent=True) from error
        except httpx.TimeoutException as error:
            raise _PassingError(f"sends nothing for {self._patience.stall:g} s") from error
        except httpx.UnsupportedProtocol as error:
            raise HubError(f"the address of {self.title} is invalid: {error}") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _PassingError(f"broke off ({error})") from error
        except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise HubError(f"{self.title} redirects to an invalid address: {error}") from error

    def _check(self, response: httpx.Response, what: str) -> None:
        code = response.status_code
        if code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            return
        if code in _PASSING:
            raise _PassingError(f"answers {code}", wait=_retry_after(response.headers.get("Retry-After", "")))
        hints = {
            401: "it doesn't exist, or needs a valid token in HF_TOKEN; or choose another --hub",
            403: "check your token, whether you must accept terms, and your proxy; or choose another --hub",
            404: "check the name and --revision, or choose another --hub",
            407: "the proxy needs a name and password, in the proxy variable of the environment",
        }
        hint = hints.get(code, "try again later, or choose another --hub")
        raise HubError(f"{self.title} doesn't provide {what} (HTTP {code}): {hint}")

    def _wait(self, failures: int, failure: _PassingError, attempts: int) -> None:
        """Sleep before another attempt, or give up."""
        if failures >= min(attempts, self._patience.attempts):
            raise HubUnreachableError(
                f"{self.title} {failure}, {failures} times in a row: check the connection and run this again; it "
                "resumes where it stopped"
            ) from failure
        wait = max(self._patience.backoff * 2 ** (failures - 1), failure.wait)
        time.sleep(min(wait, self._patience.longest_wait))

    def _keep_encrypted(self, request: httpx.Request) -> None:
        if self.address.startswith("https:") and request.url.scheme != "https":
            raise HubError(f"{self.title} redirects to {request.url.host} without encryption: refused")


def _emptied(part: Path) -> int:
    part.write_bytes(b"")
    return 0


def _starts_at(response: httpx.Response, start: int, size: int) -> int | None:
    """The offset of the body's first byte; None if it is neither 0 nor the requested start."""
    if response.status_code == HTTPStatus.OK:
        return 0  # the server ignores ranges
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not match or "Content-Encoding" in response.headers:
        return None  # 416; or a range of an unknown form
    return start if int(match[1]) == start and match[2] in ("*", str(size)) else None


def _check_length(response: httpx.Response, file: PublishedFile) -> None:
    """Refuse a complete answer that is too short, before it overwrites anything: it is a proxy's page."""
    length = response.headers.get("Content-Length", "")
    whole = response.status_code == HTTPStatus.OK and "Content-Encoding" not in response.headers
    if whole and length.isdecimal() and int(length) < file.size:
        raise _PassingError(f"sends {length} bytes of {file.path}, which should have {file.size}")


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date (RFC 9110, 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
