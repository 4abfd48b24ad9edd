"""Clients that are silent, slow or deaf, and what of uvicorn's own is overridden to see the end of them."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from emovox.server.http import connections
from emovox.server.http.connections import Outflow
from emovox.server.routes import live
from support.frames import HANDSHAKE, OPENING, PING, frame
from support.service import Client, serving
from support.waiting import until


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("connections") / "outputs") as client:
        client.close()  # what is connected from now on are the tests' own
        yield client


@pytest.fixture
def connect(client: Client) -> Iterator[Callable[[], socket.socket]]:
    """Makes connections by hand, which end with the test."""
    made: list[socket.socket] = []

    def new() -> socket.socket:
        made.append(socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=60))
        return made[-1]

    yield new
    for connection in made:
        connection.close()
    until(lambda: not client.server.server_state.connections)


Connect = Callable[[], socket.socket]


def there(client: Client) -> list[Any]:
    """The service's side of the connections."""
    return list(client.server.server_state.connections)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the end of a connection."""
    pieces = []
    with suppress(ConnectionResetError):
        while piece := connection.recv(2**20):
            pieces.append(piece)
    return b"".join(pieces)


def test_who_says_nothing_at_all_is_cut_off(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    assert rest(connect()) == b""


@pytest.fixture(scope="module")
def big(client: Client) -> bytes:
    """A request for a file that no system keeps for a client that doesn't read it."""
    output = client.outputs / "outputs_20240104_223000"
    output.mkdir()
    (output / "result.json").touch()
    with (output / "embedding.npy").open("wb") as file:
        file.truncate(200 * 2**20)
    return b"GET /v1/outputs/outputs_20240104_223000/files/embedding.npy HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_who_doesn_t_read_its_answer_is_cut_off(
    client: Client, connect: Connect, big: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "DRAIN_TIME", 0.2)
    deaf = connect()
    deaf.sendall(big)
    until(lambda: len(there(client)) == 1)
    until(lambda: not there(client))
    assert len(rest(deaf)) < 200 * 2**20


def test_what_waits_for_a_slow_reader_is_small(client: Client, connect: Connect, big: bytes) -> None:
    slow = connect()
    slow.sendall(big)
    until(lambda: sum(one.transport.get_write_buffer_size() for one in there(client)) > 0)
    for _ in range(50):
        slow.recv(100_000)
        assert all(one.transport.get_write_buffer_size() <= 2 * 65_536 for one in there(client))


class Transport:
    """As much of one as `Outflow` needs."""

    def __init__(self) -> None:
        self.size, self.aborted = 0, False

    def set_write_buffer_limits(self, *, high: int) -> None:
        assert high == 0

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.aborted = True


def test_who_takes_little_by_little_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Callable[[], None]] = []

    class Loop:
        def call_later(self, delay: float, look: Callable[..., None], *arguments: object) -> None:
            assert delay == connections.DRAIN_TIME
            looks.append(lambda: look(*arguments))

    transport = Transport()
    outflow = Outflow(cast("asyncio.Transport", transport), cast("asyncio.AbstractEventLoop", Loop()))
    transport.size = 10 * connections.DRAIN_SIZE
    outflow.pause()
    for _ in range(9):
        transport.size -= connections.DRAIN_SIZE
        looks.pop()()
        assert not transport.aborted
    transport.size -= connections.DRAIN_SIZE - 1
    looks.pop()()
    assert transport.aborted


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /v1/live HTTP/1.1\r\n" + HANDSHAKE + b"Content-Length: 3\r\n\r\nabc", 400),
        (b"GET /v1/live HTTP/1.1\r\n" + HANDSHAKE + b"Content-Length: 3\r\n\r\nabc", 400),
        (b"GET /v1/live HTTP/1.1\r\n" + HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /v1/live HTTP/1.1\r\n" + HANDSHAKE + b"X: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET /v1/live HTTP/1.1\r\n" + HANDSHAKE + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /v1/live?" + b"y" * 9000 + b" HTTP/1.1\r\n" + HANDSHAKE + b"\r\n", 414),
        (b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"GET /nowhere HTTP/1.1\r\n" + HANDSHAKE + b"\r\n", 403),
    ],
)
def test_a_handshake_that_is_none_is_answered_and_ended(connect: Connect, request_: bytes, status: int) -> None:
    connection = connect()
    connection.sendall(request_)
    assert rest(connection).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    "frames",
    [
        b"\xff" * 50,
        b"\x81\x02hi",  # unmasked
        b"\x81\x82\0\0\0\0\xff\xfe",  # no UTF-8
        b"\x82\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0x",
    ],
)
def test_frames_that_are_none_end_it(connect: Connect, caplog: pytest.LogCaptureFixture, frames: bytes) -> None:
    connection = connect()
    connection.sendall(OPENING)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")
    connection.sendall(frames)
    assert len(rest(connection)) < 200  # a word of goodbye
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


def test_a_websocket_that_never_begins_is_ended(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "START", 0.2)
    connection = connect()
    connection.sendall(OPENING)
    answer = b""
    while b"urn:emovox:too-slow" not in answer:  # and it would have ten seconds to say goodbye
        answer += connection.recv(65_536)


def test_who_pings_and_never_reads_is_cut_off(
    client: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "DRAIN_TIME", 0.2)
    deaf = connect()
    deaf.sendall(OPENING)
    pings = frame(PING, bytes(125)) * 500
    sizes: list[int] = []

    def cut_off() -> bool:
        try:
            deaf.sendall(pings)
        except OSError:
            return True
        sizes.extend(one.transport.get_write_buffer_size() for one in there(client))
        return False

    until(cut_off)
    assert 0 < max(sizes) <= 2 * 262_144  # as much as is read at once
    until(lambda: not there(client))


def test_no_message_is_inflated(connect: Connect) -> None:
    connection = connect()
    connection.sendall(OPENING[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    assert b"extensions" not in connection.recv(65_536).lower()


PARTS = {
    H11Protocol: "connection_made connection_lost handle_events handle_websocket_upgrade send_400_response cycle "
    "on_response_complete pause_writing resume_writing timeout_keep_alive_handler loop transport server_state",
    WebSocketsSansIOProtocol: "connection_made connection_lost data_received handle_ping handle_parser_exception "
    "pause_writing resume_writing send handshake_initiated writable conn loop transport logger",
    ServerState: "connections",
    uvicorn.Server: "startup shutdown run servers started should_exit server_state _captured_signals",
}


def test_uvicorn_has_what_is_overridden() -> None:
    config, state = uvicorn.Config(lambda: None, lifespan="off"), ServerState()
    loop = asyncio.new_event_loop()
    parts: dict[type, Any] = {
        H11Protocol: H11Protocol(config, state, {}, loop),
        WebSocketsSansIOProtocol: WebSocketsSansIOProtocol(config, state, {}, loop),
        ServerState: state,
        uvicorn.Server: uvicorn.Server(config),
    }
    parts[uvicorn.Server].servers = []  # there once it has started
    loop.close()
    for kind, names in PARTS.items():
        missing = [name for name in names.split() if not hasattr(parts[kind], name)]
        assert not missing, (
            f"{kind.__name__} of uvicorn {uvicorn.__version__} has no {', '.join(missing)}, which "
            "emovox.server.http.connections builds on: see what took their place, then raise the bound of "
            "pyproject.toml"
        )
