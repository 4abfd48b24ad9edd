"""Receivers of webhooks on real sockets: one that is as it should be, and some that misbehave."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress


class Receiver:
    """Takes connections, each in a thread of its own, and does something with each.

    Attributes:
        port: where.
        requests: heads and bodies, as they came.
        sent: bytes that went out.
    """

    def __init__(
        self,
        behave: "Callable[[Receiver, socket.socket], None]",
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._behave, self._tls = behave, tls
        self._socket = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=200
        )
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/hook?x=1"
        self.requests: list[tuple[str, bytes]] = []
        self.connections: list[socket.socket] = []
        self.sent = 0
        self.ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), ExitStack() as stack:
            stack.enter_context(connection)
            if self._tls is not None:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            data = b""
            while b"\r\n\r\n" not in data:
                data += _more(connection)
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            while len(body) < length:
                body += _more(connection)
            self.requests.append((head.decode(), body))
            self._behave(self, connection)

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)

    def close(self) -> None:
        self.ended.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError
    return data


def answers(*statuses: str) -> Callable[[Receiver, socket.socket], None]:
    """One after the other, and then the last again and again."""

    def behave(receiver: Receiver, connection: socket.socket) -> None:
        status = statuses[min(len(receiver.requests), len(statuses)) - 1]
        receiver.send(connection, f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return behave


def silent(receiver: Receiver, connection: socket.socket) -> None:
    """Never answers."""
    receiver.ended.wait()


def drips(receiver: Receiver, connection: socket.socket) -> None:
    """Sends a line that doesn't end, byte after byte: never silent, never finished."""
    receiver.send(connection, b"HTTP/1.1 200 O")
    while not receiver.ended.is_set():
        receiver.send(connection, b"x")
        time.sleep(0.02)


def endless(receiver: Receiver, connection: socket.socket) -> None:
    """Says 200, and then something without end."""
    receiver.send(connection, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not receiver.ended.is_set():
        receiver.send(connection, bytes(65_536))


def longwinded(receiver: Receiver, connection: socket.socket) -> None:
    """Sends a line without end, as fast as it can."""
    while not receiver.ended.is_set():
        receiver.send(connection, b"HTTP/1.1 200 " + bytes(65_536))


def continues(receiver: Receiver, connection: socket.socket) -> None:
    """Says 100 without end."""
    while not receiver.ended.is_set():
        receiver.send(connection, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def resets(receiver: Receiver, connection: socket.socket) -> None:
    """Resets the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def speaks_otherwise(receiver: Receiver, connection: socket.socket) -> None:
    """Is no HTTP server."""
    receiver.send(connection, b"220 mail.example ESMTP\r\n" * 10)


def redirects(to: str) -> Callable[[Receiver, socket.socket], None]:
    """Sends whoever comes to another address."""

    def behave(receiver: Receiver, connection: socket.socket) -> None:
        receiver.send(
            connection, f"HTTP/1.1 307 Over there\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
        )

    return behave


@contextmanager
def receiving(
    behave: Callable[[Receiver, socket.socket], None],
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    receiver = Receiver(behave, host=host, tls=tls)
    try:
        yield receiver
    finally:
        receiver.close()
