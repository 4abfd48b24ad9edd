"""Connections without end, and files that can't be opened: the service refuses some, says so, and lives."""

import os
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from emovox.errors import SettingsError
from emovox.server.http import connections, sockets
from emovox.server.http.sockets import Gate, ListeningSocket, listen, room
from support.service import Client, ServiceProcess, serving
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
CROWD = 300


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=60)


def ended(connection: socket.socket) -> bool:
    """Whether the service has closed a connection; what came before is thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def answers(client: httpx.Client) -> bool:
    """Whether it answers on a connection of its own."""
    try:
        return httpx.get(f"{client.base_url}/healthz", timeout=60).is_success
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_a_crowd_that_says_nothing(tmp_path: Path, examples: list[Path]) -> None:
    process = ServiceProcess(tmp_path / "outputs", files=128)
    process.wait_until_ready()
    before = len(process.log)
    with ExitStack() as stack:
        crowd = [stack.enter_context(connected(process.client)) for _ in range(CROWD)]
        until(lambda: answers(process.client))
        assert process.client.post("/v1/recognitions", content=examples[0].read_bytes()).is_success
        refused = [connection for connection in crowd if ended_with_busy(connection)]
        assert len(refused) > CROWD - 128
        again = [stack.enter_context(connected(process.client)) for _ in range(CROWD)]
        until(lambda: answers(process.client))
        del again
    assert process.end() == 0
    log = process.log[before:]
    assert len(log) < 50, "".join(log)
    assert not any("Traceback" in line for line in log)


def ended_with_busy(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        answer = connection.recv(65_536)
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: " in answer and b"urn:emovox:busy" in answer


@contextmanager
def nothing_to_open(process: ServiceProcess) -> Iterator[None]:
    """Let a process open nothing more: neither a file nor a connection."""
    pid = process.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    there = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208  numbers
    lowest = next(number for number in range(len(there) + 1) if number not in there)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_nothing_more_can_be_opened(tmp_path: Path, examples: list[Path]) -> None:
    process = ServiceProcess(tmp_path / "outputs")
    process.wait_until_ready()
    client, content = process.client, examples[0].read_bytes()
    output = client.post("/v1/recognitions?granularity=frame", content=content).headers["location"]
    asks = [
        ("GET", output, None),
        ("GET", f"{output}/timeline", None),
        ("GET", f"{output}/files/processed_audio.wav", None),
        ("GET", f"{output}/zip", None),
        ("POST", f"{output}/exports?export=csv", None),
        ("POST", "/v1/recognitions", content),
        ("POST", "/v1/recognitions?store=false", content),
    ]
    before = len(process.log)
    with nothing_to_open(process):
        for method, path, body in asks:
            answer = client.request(method, path, content=body)
            assert answer.status_code == 503, (method, path, answer.text)
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["type"] == "urn:emovox:busy"
            assert "full" not in answer.text
        refused = httpx.get(f"{client.base_url}/healthz", timeout=60)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:emovox:busy")
        assert client.get("/healthz").is_success
    for method, path, body in asks:
        assert client.request(method, path, content=body).is_success, path
    assert answers(client)
    assert process.end() == 0
    assert len(process.log) - before < 100
    assert not any("Traceback" in line for line in process.log)


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A service that takes three connections, of which none counts as new; its client has closed its own."""
    monkeypatch.setattr(sockets, "MOST", 3)
    monkeypatch.setattr(sockets, "LEAST", 3)
    with serving(tmp_path / "outputs") as client:
        monkeypatch.setattr(connections, "FRESH", 0.0)
        client.close()
        yield client


def test_who_is_idle_longest_makes_room(narrow: Client) -> None:
    with ExitStack() as stack:
        busy, silent, kept = (stack.enter_context(connected(narrow)) for _ in range(3))
        busy.sendall(b"POST /v1/recognitions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        until(lambda: narrow.service.receiving == 1)
        assert answers(narrow)
        assert ended(silent)
        assert not ended(kept)
        late, latest = (stack.enter_context(connected(narrow)) for _ in range(2))
        until(lambda: ended(kept))
        assert not ended(late)
        assert not ended(latest)
        busy.setblocking(True)
        busy.sendall(b"recording")
        assert busy.recv(65_536).startswith(b"HTTP/1.1 422 ")


def test_where_nobody_is_idle_the_newest_is_refused(narrow: Client) -> None:
    with ExitStack() as stack:
        uploads = [stack.enter_context(connected(narrow)) for _ in range(3)]
        for upload in uploads:
            upload.sendall(b"POST /v1/recognitions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        until(lambda: narrow.service.receiving == 3)
        for _ in range(100):
            with connected(narrow) as refused:
                assert refused.recv(65_536) == sockets.REFUSAL
        uploads[0].close()
        until(lambda: answers(narrow))


def test_room_is_left_for_files() -> None:
    for files in range(0, 70_000, 7):
        most = room(files, decoders=4)
        assert sockets.LEAST <= most <= sockets.MOST
        assert most == sockets.LEAST or 2 * most + sockets.RESERVED + 16 <= files
    assert room(sockets.FILES, decoders=8) == sockets.MOST


def test_a_port_that_is_taken_is_said() -> None:
    gate = Gate(3, lambda: False)
    first = listen("127.0.0.1", 0, gate)
    first[0].listen()
    port = first[0].getsockname()[1]
    with pytest.raises(
        SettingsError,
        match=f"can't listen on 127.0.0.1, port {port}: Address already in use; choose another with --port",
    ):
        listen("127.0.0.1", port, gate)
    with pytest.raises(SettingsError, match=r"can't listen on 192\.0\.2\.1, port"):
        listen("192.0.2.1", port, gate)
    for listener in first:
        listener.close()
    gate.close()


def test_a_few_connections_are_taken_at_a_time() -> None:
    gate = Gate(100, lambda: False)
    [listener] = listen("127.0.0.1", 0, gate)
    with ExitStack() as stack:
        stack.callback(gate.close)
        stack.enter_context(listener).listen()
        listener.setblocking(False)
        for _ in range(40):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        turns = [taken(listener, stack) for _ in range(4)]
        assert turns == [16, 16, 8, 0]


def taken(listener: ListeningSocket, stack: ExitStack) -> int:
    count = 0
    while True:
        try:
            stack.enter_context(listener.accept()[0])
        except BlockingIOError:
            return count
        count += 1
