"""A Label Studio on a real socket: its files, a project's config, its export, and its two kinds of keys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from support.web_server import running

LEGACY = "0123456789abcdef"
PERSONAL = "eyJh.bGci.Oi"
ACCESS = "access-for-five-minutes"


@dataclass
class FakeLabelStudio:
    """What it has, and what it was asked.

    Attributes:
        files: content by path; a text is where it redirects to.
        config: of project 3.
        tasks: its export.
        asked: paths, in order.
        url: of its first page.
    """

    files: dict[str, bytes | str] = field(default_factory=dict)
    config: str = ""
    tasks: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == "/api/projects/3":
            return 200, json.dumps({"id": 3, "label_config": self.config}).encode()
        if path == "/api/projects/3/export":
            return 200, json.dumps(self.tasks).encode()
        content = self.files.get(path)
        if isinstance(content, str):
            return 302, content.encode()
        return (404, b"{}") if content is None else (200, content)


@contextmanager
def label_studio() -> Iterator[FakeLabelStudio]:
    """One on a port of this machine."""
    fake = FakeLabelStudio()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append(self.path)
            if self.headers.get("Authorization") not in {f"Token {LEGACY}", f"Bearer {ACCESS}"}:
                self._send(401, b"{}")
                return
            self._send(*fake.answer(urlsplit(self.path).path))

        def do_POST(self) -> None:
            fake.asked.append(self.path)
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            right = self.path == "/api/token/refresh" and given == {"refresh": PERSONAL}
            self._send(*((200, json.dumps({"access": ACCESS}).encode()) if right else (401, b"{}")))

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", content.decode())
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with running(Handler) as fake.url:
        yield fake
