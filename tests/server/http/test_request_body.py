import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emovox import private
from support.service import Client, serving
from support.waiting import until


@pytest.fixture
def connection(shared: Client) -> Iterator[socket.socket]:
    """A connection by hand."""
    parts = urlsplit(str(shared.base_url))
    made = socket.create_connection((parts.hostname, parts.port), timeout=30)
    with made:
        yield made


def send(connection: socket.socket, *pieces: bytes, pause: float = 0) -> bytes:
    """Send pieces, and give the whole answer."""
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(pause)
    answer = b""
    with connection:
        while block := connection.recv(65_536):
            answer += block
            if b"\r\n\r\n" in answer and answer.endswith(b"}"):
                break
    return answer


PART = b"--b\r\nContent-Disposition: form-data; "
HEAD = b"POST /v1/recognitions HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/flac\r\n"


def empty(client: Client) -> bool:
    return list(client.service.uploads.directory.iterdir()) == []


def test_a_sender_that_falls_silent_is_cut_off(shared: Client, connection: socket.socket) -> None:
    answer = send(connection, HEAD + b"Content-Length: 1000\r\n\r\n", b"fLaC")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"urn:emovox:too-slow" in answer
    assert empty(shared)


def test_a_sender_that_breaks_off_leaves_nothing(shared: Client, connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nfLaC")
    until(lambda: shared.service.receiving == 1)
    connection.close()
    until(lambda: shared.service.receiving == 0)
    assert empty(shared)


def test_headers_without_end(shared: Client, connection: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.server.http.connections.PATIENCE", 0.5)
    other = socket.create_connection(connection.getpeername(), timeout=30)
    other.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
    other.settimeout(0.1)

    def cut_off() -> bool:  # and until then it gets byte after byte: it is never silent
        try:
            other.sendall(b"x")
            return not other.recv(100)
        except TimeoutError:
            return False
        except OSError:
            return True

    with other:
        until(cut_off)


@pytest.mark.parametrize("head", [b"Content-Length: 999999999999\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_too_much_is_refused_while_it_comes(tmp_path: Path, head: bytes) -> None:
    with serving(tmp_path / "outputs", max_file_size=100_000) as client:
        parts = urlsplit(str(client.base_url))
        made = socket.create_connection((parts.hostname, parts.port), timeout=30)
        body = b"" if b"Length" in head else (b"10000\r\n" + bytes(65_536) + b"\r\n") * 20
        answer = send(made, HEAD + head + b"\r\n" + body)
        assert answer.startswith(b"HTTP/1.1 413")
        assert empty(client)
        batch = client.post("/v1/batches", files=[("file", ("a", bytes(90_000)))] * 20)
        assert batch.status_code == 413
        parts_of_it = (PART + b'name="file"; filename="x"\r\n\r\n' + bytes(90_000) + b"\r\n" for _ in range(20))
        untold = client.post(  # without a length, so that it can be found only on the way
            "/v1/batches", content=parts_of_it, headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert (untold.status_code, empty(client)) == (413, True)
        form = client.post("/v1/recognitions", files={"file": ("a", bytes(100_001))})
        assert (form.status_code, empty(client)) == (413, True)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"no boundary", 400),
        ("multipart/form-data; boundary=b", PART + b'name="file"; filename="x"\r\n\r\nab', 400),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\nab\r\n--b--\r\n", 400),
        ("multipart/form-data; boundary=b", PART + b'name="model"\r\n\r\nlite\r\n--b--\r\n', 422),
        ("multipart/form-data; boundary=" + "b" * 500, b"x", 400),
        ("application/json", b"{}", 415),
    ],
)  # fmt: skip
def test_malformed_bodies(shared: Client, content_type: str, body: bytes, status: int) -> None:
    answer = shared.post("/v1/recognitions", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert empty(shared)


def test_forms_have_limits(shared: Client) -> None:
    file = ("file", ("x", b"x"))
    assert shared.post("/v1/recognitions", files=[file, file]).status_code == 413
    assert shared.post("/v1/recognitions", files=[file], data={"model": "x" * 9000}).status_code == 413
    many = {f"field{number}": "x" for number in range(100)}
    assert shared.post("/v1/recognitions", files=[file], data=many).status_code == 413
    assert empty(shared)


def test_so_many_uploads_at_once(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.service, "receiving", shared.service.settings.service.max_uploads)
    assert shared.post("/v1/recognitions", content=b"x").status_code == 503


def test_curl_needs_no_content_type(shared: Client, examples: list[Path]) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}  # what it says of --data-binary
    assert shared.post("/v1/recognitions", content=examples[0].read_bytes(), headers=kind).is_success


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (errno.ENOSPC, 507, "disk is full"),
        (errno.EMFILE, 503, "are open"),
        (errno.EACCES, 500, "see the service's log"),
    ],
)
def test_what_the_system_refuses_is_called_by_its_name(
    shared: Client, monkeypatch: pytest.MonkeyPatch, number: int, status: int, words: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(private, "create", refuse)
    answer = shared.post("/v1/recognitions", content=b"x")
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)
    assert ("retry-after" in answer.headers) == (status == 503)


def test_some_of_the_disk_is_left_free(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.server.disk.RESERVE", 2**60)
    answer = shared.post("/v1/recognitions", content=b"x")
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:emovox:storage")
    assert empty(shared)


def test_a_body_is_refused_before_it_comes(tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", max_file_size=2**20, max_uploads_size=1) as client:
        token, file = client.service.uploads.create()
        file.close()
        client.service.uploads.grow(token, 2**20)
        parts = urlsplit(str(client.base_url))
        made = socket.create_connection((parts.hostname, parts.port), timeout=30)
        answer = send(made, HEAD + b"Content-Length: 1048577\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 10" in answer.lower()
