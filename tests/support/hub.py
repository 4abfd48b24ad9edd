"""A model hub on this machine that speaks as Hugging Face and as ModelScope do, and misbehaves on demand."""

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.web_server import running

LISTING = "listing"
COMMIT = "6c303ba987b86b93193de93e34bb2b077a6bedc4"
LFS_FROM = 10_000  # bytes; below, Hugging Face publishes the git blob id alone


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Instead of the right one."""
    cut: int | None = None
    """The connection breaks off after so many bytes of the body."""
    stall: int | None = None
    """Nothing more comes after so many bytes of the body."""
    trickle: float | None = None
    """Seconds between single bytes."""
    extra: bytes = b""
    """After the body, and in its announced length."""
    unannounced: bool = False
    """No length: the end of the connection is the end of the body."""
    no_ranges: bool = False
    shifted: int = 0
    """The range that is sent begins so many bytes later than the one asked for."""


@dataclass
class Request:
    """What was asked, and how much was sent."""

    what: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    path: str
    sent: int = 0


class Hub:
    """The hub: `files` by path, `faults` by path or LISTING (used up one a request), `always` (not used up)."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.published = dict(files)
        """What sizes and checksums are made of."""
        self.listed: dict[str, dict[str, Any]] = {}
        """Entries of the listing instead of, or besides, the right ones."""
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.cdn: Hub | None = None
        """Where big files are redirected to."""
        self.requests: list[Request] = []
        self.url = ""
        self.released = threading.Event()

    def asked(self, what: str) -> list[Request]:
        return [request for request in self.requests if request.what == what]

    def sent(self, what: str) -> int:
        return sum(request.sent for request in self.asked(what))

    def huggingface(self) -> Any:
        siblings = []
        for path, content in self.published.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": blob}
            if len(content) >= LFS_FROM:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 135}
            siblings.append(self.listed.get(path, entry))
        siblings += [entry for path, entry in self.listed.items() if path not in self.published]
        return {"id": "some/model", "sha": COMMIT, "siblings": siblings}

    def modelscope(self) -> Any:
        files: list[dict[str, Any]] = [{"Path": "example", "Name": "example", "Type": "tree", "Size": 0}]
        for path, content in self.published.items():
            sha256 = hashlib.sha256(content).hexdigest()
            entry = {"Path": path, "Type": "blob", "Size": len(content), "Sha256": sha256, "IsLFS": True}
            files.append(self.listed.get(path, entry))
        files += [entry for path, entry in self.listed.items() if path not in self.published]
        return {"Code": 200, "Data": {"Files": files}, "Success": True}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Run a hub on a free port of its own."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    with running(Handler) as hub.url:
        try:
            yield hub
        finally:
            hub.released.set()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)  # with a host where we are asked as a proxy
        query = parse_qs(address.query)
        path = unquote(address.path)
        if path.startswith("/api/models/"):
            what, body = LISTING, json.dumps(self.hub.huggingface()).encode()
        elif path.endswith("/repo/files"):
            what, body = LISTING, json.dumps(self.hub.modelscope()).encode()
        else:
            what = query["FilePath"][0] if path.endswith("/repo") else path.split("/", 5)[-1]
            body = self.hub.files.get(what, b"")
        waiting = self.hub.faults[what]
        fault = waiting.pop(0) if waiting else self.hub.always.get(what, Fault())
        if what != LISTING and what not in self.hub.files:
            fault = Fault(status=404)
        # Before the answer, as whoever asked looks here once it has come.
        request = Request(what, query, dict(self.headers.items()), self.path)
        self.hub.requests.append(request)
        try:
            if self.hub.cdn and what != LISTING and len(body) >= LFS_FROM and fault == Fault():
                place = f"{self.hub.cdn.url}/some/model/resolve/cdn/{what}"
                self._head(302, {"Location": place, "Content-Length": "0"})
            else:
                self._answer(body, fault, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, body: bytes, fault: Fault, request: Request) -> None:
        body = body if fault.body is None else fault.body
        status, headers = fault.status or 200, dict(fault.headers)
        asked = self.headers.get("Range")
        if status != 200:
            body = body if fault.body is not None else b"no"
        elif asked and not fault.no_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) + fault.shifted
            if start >= len(body):
                status, body = 416, b""
            else:
                status = 206
                headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", **headers}
                body = body[start:]
        body += fault.extra
        if fault.unannounced:
            self.close_connection = True
            headers["Connection"] = "close"
        else:
            headers.setdefault("Content-Length", str(len(body)))
        stop = request.sent = min(len(body), *(at for at in (fault.cut, fault.stall, len(body)) if at is not None))
        self._head(status, headers)
        if fault.trickle is None:
            self.wfile.write(body[:stop])
        else:
            for position in range(len(body)):
                self.wfile.write(body[position : position + 1])
                if self.hub.released.wait(fault.trickle):
                    break
        if fault.stall is not None:
            self.hub.released.wait(10)
        if fault.cut is not None or fault.stall is not None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(SHUT_RDWR)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
