import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emovox.server.problems import Problem
from emovox.server.webhooks import check_url, is_public
from support.service import serving
from support.waiting import until


class Listener(ThreadingHTTPServer):
    """Takes webhooks; the first are answered with an error."""

    failures = 1

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.headers["x-emovox-signature"], body))
        self.send_response(500 if len(self.server.heard) <= self.server.failures else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_told_signed_and_again(
    tmp_path: Path, examples: list[Path], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.server.webhooks.FIRST_WAIT", 0.1)
    monkeypatch.setattr("emovox.server.webhooks.POLL", 0.05)
    url = f"http://localhost:{listener.server_port}/hook?x=1"
    with serving(tmp_path / "outputs", webhook_private=1, webhook_secret="key") as client:  # noqa: S106
        answer = client.post(
            "/v1/recognitions",
            files={"file": examples[0].read_bytes()},
            data={"webhook": url},
            headers={"Prefer": "respond-async"},
        )
        job = client.finished(answer.json()["id"])
        until(lambda: len(listener.heard) == 2)
        time.sleep(0.3)
    assert len(listener.heard) == 2
    signature, body = listener.heard[1]
    told = json.loads(body)
    assert (told["event"], told["job"]["id"], told["job"]["output"]) == ("job.done", job["id"], job["output"])
    moment, given = (part.partition("=")[2] for part in signature.split(","))
    assert hmac.compare_digest(given, hmac.new(b"key", moment.encode() + b"." + body, hashlib.sha256).hexdigest())
    assert abs(int(moment) - time.time()) < 30


def test_never_to_private_addresses(
    tmp_path: Path, examples: list[Path], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.server.webhooks.POLL", 0.05)
    url = f"http://localhost:{listener.server_port}/"
    with serving(tmp_path / "outputs", webhook_url=url) as client:
        answer = client.post(
            "/v1/recognitions", content=examples[0].read_bytes(), headers={"Prefer": "respond-async"}
        )
        client.finished(answer.json()["id"])
        until(lambda: client.service.jobs.untold() == [])
    assert listener.heard == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "fd00::1",  # noqa: S104
     "::ffff:127.0.0.1", "2002:7f00:1::", "100.64.0.1", "224.0.0.1"],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "//a.example", "http://", "http://user@a.example/", "http://[::1]/", "http://localhost:1/",
     "http://a.example:99999/", "http://é.example/", "http://a.example/\n", "javascript:x", "http://10.1.2.3/"],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Problem):
        check_url(url, private=False)


def test_addresses_that_are_fine() -> None:
    assert check_url("https://a.example:8443/x?y=z", private=False) == "https://a.example:8443/x?y=z"
    assert check_url("http://10.1.2.3/", private=True)
    assert check_url(None, private=False) is None
