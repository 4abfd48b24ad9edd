"""Posting: one HTTP request, of whose answer the status is read and nothing else.

By hand, because a client for all purposes reads on as long as it is sent something: interim answers without end,
megabytes of headers, a body. Here a few kilobytes are read at most, and then the connection is gone.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence

import httpx
from anyio import fail_after

LONGEST = 16_384  # bytes of a status line with its headers
INTERIM = 4  # answers of the kind of "100 Continue"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")


class PostError(Exception):
    """What answers is no HTTP server, or none that ends."""


async def post(
    url: httpx.URL,
    addresses: Sequence[str],
    body: bytes,
    headers: Mapping[str, str],
    *,
    patience: float,
    tls: ssl.SSLContext,
) -> int:
    """Send a request to the first IP address that can be reached, and give the answer's status.

    Args:
        url: where; its host is the name that is asked for, and that the certificate must have.
        addresses: of the host. A name isn't looked up again: it could mean another address a moment later.
        body: of the request.
        headers: of the request, but for those that go without saying.
        patience: seconds for the connection to each address.
        tls: which certificates are trusted.

    Raises:
        OSError: no address can be reached, or the connection broke.
        PostError: there is no proper answer.
    """
    failure = OSError("the name has no address")
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
    """The port of an address, said or not."""
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
                raise PostError("what answers speaks no HTTP")
            if int(status[1]) >= 200:
                return int(status[1])
            await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise PostError("the connection ended without an answer") from None
    except asyncio.LimitOverrunError:
        raise PostError("the answer's headers have no end") from None
    raise PostError("the answer has no end")
