"""Files over HTTP that arrive whole: resumed after a break, cut at their announced size, checked at the end."""

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
_FIRST_ATTEMPTS = 3  # connections to a hub that has not answered yet: it may well be blocked, and there is another
_GAIN = 256 * 2**10  # bytes; an attempt that brings as much is a success, however it ends
_MAX_ANSWER = 16 * 2**20  # bytes of JSON; the real ones have some 10 kB
_SLOWEST = 1000  # bytes per second; Large would take three weeks


@dataclass(frozen=True)
class Patience:
    """How long to put up with a bad connection. All in seconds but for the attempts."""

    attempts: int = 6
    """In a row, without getting on."""
    backoff: float = 1.0
    """Before the second attempt; twice as long before each further one."""
    longest_wait: float = 60.0
    """Between attempts, whatever the hub asks for."""
    connect: float = 15.0
    stall: float = 30.0
    """Without data, or with next to none."""


class _PassingError(Exception):
    """What another attempt may well cure."""

    def __init__(self, reason: str, *, wait: float = 0.0, silent: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds that the hub asks us to wait."""
        self.silent = silent
        """There was no answer at all."""


class Connection:
    """HTTP with one hub. Proxies and certificates come from the environment, as for any client.

    Redirects are followed, as both hubs send big files from elsewhere; never from HTTPS to HTTP, and the token
    stays with the hub.
    """

    def __init__(self, title: str, address: str, *, token: str | None, patience: Patience) -> None:
        """Prepare; nothing is sent yet.

        Args:
            title: what people call the hub.
            address: its scheme and host, perhaps with a path.
            token: sent as a bearer token to that host only.
            patience: see there.

        Raises:
            HubError: a proxy variable that makes no sense.
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
            raise HubError(f"a proxy variable of the environment can't be used: {error}") from error

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def json(self, url: str, what: str) -> Any:
        """Fetch a small JSON answer; ``what`` it is about goes into errors.

        Raises:
            HubUnreachableError: no answer in several attempts.
            HubError: refused, or no JSON.
        """
        failures = 0
        while True:
            body = bytearray()
            try:
                with self._get(url, what) as response:
                    for chunk in self._chunks(response):
                        body += chunk
                        if len(body) > _MAX_ANSWER:
                            raise HubError(f"{self.title} answers without end: is {self.address} a model hub?")
                break
            except _PassingError as failure:
                failures += 1
                self._wait(failures, failure, _FIRST_ATTEMPTS if failure.silent else self._patience.attempts)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HubError(
                f"{self.title} answers with something else than JSON: is {self.address} a model hub?"
            ) from error

    def fetch(self, file: PublishedFile, url: str, place: Path, advanced: Callable[[int], None]) -> None:
        """Bring one file to ``place``: it is there afterwards, and it is the published one.

        What an earlier call got is kept beside it, under a name with the checksum, and not transferred again.

        Args:
            file: size and checksum that it must have.
            url: where it is.
            place: the file to make; its directory exists.
            advanced: called with the bytes of it that are there, as they grow, or shrink after a false start.

        Raises:
            HubUnreachableError: it breaks off again and again.
            HubMismatchError: the bytes are not the published ones, and were not the second time either.
            HubError: refused.
            OSError: the disk.
        """
        if file.matches(place):
            advanced(file.size)
            return
        part = self.part(file, place)
        for _ in range(2):
            self._complete(file, url, part, advanced)
            if file.matches(part):
                part.replace(place)
                return
            part.unlink()
            advanced(0)
        raise HubMismatchError(
            f"{file.path} from {self.title} is not the file it publishes: the {file.algorithm} checksum differs, "
            "twice. Nothing was kept; try again later, or another --hub"
        )

    @staticmethod
    def part(file: PublishedFile, place: Path) -> Path:
        """Where an unfinished transfer lies: one of another version of the file is never continued."""
        return place.with_name(f"{place.name}.{file.checksum[:16]}.part")

    def _complete(self, file: PublishedFile, url: str, part: Path, advanced: Callable[[int], None]) -> None:
        """Make ``part`` as long as the file is to be."""
        failures = 0
        part.touch()
        best = part.stat().st_size  # not just more than before: a file that starts anew each time never ends
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
        """Ask for what is missing once, and write what comes."""
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._get(url, file.path, headers) as response:
            start = _starts_at(response, have, file.size)
            if start is None:
                _emptied(part)
                raise _PassingError("sends another part of the file than asked for")
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
                        return  # whatever else it would send
        raise _PassingError("broke off the transfer")

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body as it comes, as long as it comes."""
        since, got = time.monotonic(), 0
        for chunk in response.iter_bytes():  # decodes, should a server compress what we asked for as it is
            yield chunk
            got += len(chunk)
            seconds = time.monotonic() - since
            if seconds > self._patience.stall:
                if got < _SLOWEST * seconds:
                    raise _PassingError("sends next to nothing")
                since, got = time.monotonic(), 0

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
            raise HubError(f"{self.title} has no usable address: {error}") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _PassingError(f"broke off ({error})") from error
        except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise HubError(f"{self.title} redirects to nowhere: {error}") from error

    def _check(self, response: httpx.Response, what: str) -> None:
        code = response.status_code
        if code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            return
        if code in _PASSING:
            raise _PassingError(f"answers {code}", wait=_retry_after(response.headers.get("Retry-After", "")))
        means = {
            401: "it is not there, or wants a valid token in HF_TOKEN; or choose another --hub",
            403: "a token, its terms or a proxy are in the way; or choose another --hub",
            404: "check the name and --revision, or choose another --hub",
            407: "the proxy wants a name and password, in the proxy variable of the environment",
        }
        hint = means.get(code, "try again later, or choose another --hub")
        raise HubError(f"{self.title} doesn't give {what} (HTTP {code}): {hint}")

    def _wait(self, failures: int, failure: _PassingError, attempts: int) -> None:
        """Sleep before another attempt, or give up."""
        if failures >= min(attempts, self._patience.attempts):
            raise HubUnreachableError(
                f"{self.title} {failure}, {failures} times in a row: check the connection and run this again, "
                "it goes on where it stopped"
            ) from failure
        wait = max(self._patience.backoff * 2 ** (failures - 1), failure.wait)
        time.sleep(min(wait, self._patience.longest_wait))

    def _keep_encrypted(self, request: httpx.Request) -> None:
        if self.address.startswith("https:") and request.url.scheme != "https":
            raise HubError(f"{self.title} redirects to {request.url.host} without encryption: refused")


def _emptied(part: Path) -> int:
    part.write_bytes(b"")
    return 0


def _starts_at(response: httpx.Response, asked: int, size: int) -> int | None:
    """The offset of the first byte of the body; None where it isn't what was asked for."""
    if response.status_code == HTTPStatus.OK:
        return 0  # the server knows no ranges
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not found or "Content-Encoding" in response.headers:
        return None  # 416; or a range of who knows which form
    right = int(found[1]) == asked and found[2] in ("*", str(size))
    return asked if right else None


def _check_length(response: httpx.Response, file: PublishedFile) -> None:
    """Leave what we have alone where a whole answer is too short: it is some proxy's page, not the file."""
    length = response.headers.get("Content-Length", "")
    whole = response.status_code == HTTPStatus.OK and "Content-Encoding" not in response.headers
    if whole and length.isdecimal() and int(length) < file.size:
        raise _PassingError(f"sends {length} bytes as {file.path} and announced {file.size}")


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date (RFC 9110, 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
