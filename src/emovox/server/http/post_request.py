"""A POST request: only the status of its answer is read.

By hand, because a general HTTP client goes on reading as long as anything comes: interim answers without end,
megabytes of headers, a body. Here a few kilobytes are read at most, and then the connection is closed.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence

import httpx
from anyio import fail_after

LONGEST = 16_384  # bytes of a status line with its headers
INTERIM = 4  # answers such as "100 Continue"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")


class PostError(Exception):
    """The server didn't answer in proper HTTP."""


async def post(
    url: httpx.URL,
    addresses: Sequence[str],
    body: bytes,
    headers: Mapping[str, str],
    *,
    patience: float,
    tls: ssl.SSLContext,
) -> int:
    """Send a request to the first IP address that can be reached.

    Args:
        url: of the request; its host goes into the Host header, and must be in the certificate.
        addresses: of the host. It isn't looked up again: the name could mean another address a moment later.
        body: of the request.
        headers: of the request, beyond the usual ones.
        patience: seconds to connect to each address.
        tls: which certificates are trusted.

    Returns:
        The status.

    Raises:
        OSError: no address can be reached, or the connection broke off.
        PostError: there is no proper answer.
    """
    failure = OSError("the host has no address")
    for address in addresses:
        try:
            with fail_after(patience):
                reader, writer = await _connect(url, address, tls)
        except OSError as error:
            failure = error
            continue
        try:
            writer.write(_request(url, body, headers))
            await writer.drain()
            return await _status(reader)
        finally:
            writer.transport.abort()
    raise failure


async def _connect(
    url: httpx.URL, address: str, tls: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    secure = url.scheme == "https"
    return await asyncio.open_connection(
        address,
        port(url),
        limit=LONGEST,
        ssl=tls if secure else None,
        server_hostname=url.raw_host.decode("ascii") if secure else None,
    )


def port(url: httpx.URL) -> int:
    """The port of a URL, given or implied."""
    return url.port or (443 if url.scheme == "https" else 80)


def _request(url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> bytes:
    host = url.netloc.decode("ascii")
    lines = [f"POST {url.raw_path.decode('ascii')} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += ["Connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _status(reader: asyncio.StreamReader) -> int:
    try:
        for _ in range(INTERIM):
            line = await reader.readuntil(b"\n")
            status = _STATUS.match(line)
            if status is None:
                raise PostError("the server doesn't speak HTTP")
            if int(status[1]) >= 200:
                return int(status[1])
            await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise PostError("the connection closed without an answer") from None
    except asyncio.LimitOverrunError:
        raise PostError("the answer's headers are too long") from None
    raise PostError("the answer never ends")
