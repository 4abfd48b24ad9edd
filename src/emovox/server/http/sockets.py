"""Sockets: where the service listens, how many connections it accepts, and how it refuses the rest."""

import errno
import logging
import os
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from emovox.errors import SettingsError
from emovox.refusals import is_exhausted
from emovox.server.http.problems import Problem

FILES = 16_384  # open at once, if the system allows so many
RESERVED = 64  # of them, for databases, models and recordings
OF_A_DECODER = 4  # files
MOST = 2_048  # connections
LEAST = 8
AT_ONCE = 16  # connections accepted before other work has its turn
UNSENT = 131_072  # bytes of an answer that the system buffers, instead of megabytes
PAUSE = 0.01  # seconds between attempts while nothing at all can be opened
log = logging.getLogger("emovox.server")


def raise_limit() -> int:
    """Let this process open as many files as the system allows and are of use; returns how many."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft == resource.RLIM_INFINITY:
        return FILES
    with suppress(OSError, ValueError):  # macOS allows fewer than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def room(files: int, *, decoders: int) -> int:
    """The number of connections for a number of open files: each may open another file, to read or write."""
    return max(LEAST, min(MOST, (files - RESERVED - OF_A_DECODER * decoders) // 2))


class Gate:
    """Counts the open connections, and admits no more than the limit."""

    def __init__(self, most: int, make_room: Callable[[], bool]) -> None:
        """Begin.

        Args:
            most: connections at once.
            make_room: drops an idle one; False if there is none.
        """
        self._most, self._make_room = most, make_room
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._spare: int | None = None
        self._take_spare()

    def admit(self, connection: socket.socket) -> bool:
        """Whether a connection may stay."""
        if len(self._open) >= self._most:
            count = sum(connection.fileno() >= 0 for connection in list(self._open))
            if count >= self._most and not self._make_room():
                log.warning("%d connections are open, which is the limit: refusing more", count)
                return False
        self._open.add(connection)
        return True

    def shed(self, listener: socket.socket) -> None:
        """Accept and refuse a connection when no file can be opened any more, by closing a spare one."""
        log.warning("too many files are open (ulimit -n): refusing a connection")
        self._make_room()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        try:
            refuse(socket.socket.accept(listener)[0])
        except OSError:
            time.sleep(PAUSE)
        self._take_spare()

    def close(self) -> None:
        """Close the spare file."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _take_spare(self) -> None:
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)


class ListeningSocket(socket.socket):
    """A listening socket with a gate.

    When asyncio can't accept a connection it tries 2,048 times, and logs a traceback each time.
    """

    def __init__(self, family: int, kind: int, protocol: int, gate: Gate) -> None:
        super().__init__(family, kind, protocol)
        self._gate, self._taken = gate, 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; after a few, pretend that there are no more, so that other work has its turn."""
        while self._taken < AT_ONCE:
            self._taken += 1
            try:
                connection, address = super().accept()
            except BlockingIOError:
                break
            except OSError as error:
                if not is_exhausted(error):
                    raise
                self._gate.shed(self)
                continue
            if self._gate.admit(connection):
                return connection, address
            refuse(connection)
        self._taken = 0
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def listen(host: str, port: int, gate: Gate) -> list[ListeningSocket]:
    """Listening sockets on every address of a host.

    Raises:
        SettingsError: there is no such host, or the port is in use.
    """
    listeners: list[ListeningSocket] = []
    refusal: OSError | None = None
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                listeners.append(_bind(ListeningSocket(family, kind, protocol, gate), address))
            except OSError as error:
                refusal = error
                if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:  # such as ::1 without IPv6
                    raise
        if refusal is not None and not listeners:
            raise refusal
    except OSError as error:
        for listener in listeners:
            listener.close()
        reason = error.strerror or str(error)
        raise SettingsError(
            f"can't listen on {host}, port {port}: {reason}; choose another with --port"
        ) from error
    return listeners


def _bind(listener: ListeningSocket, address: Any) -> ListeningSocket:
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def refuse(connection: socket.socket) -> None:
    """Answer that there is no room, and close."""
    with connection, suppress(OSError):
        connection.setblocking(False)
        connection.send(REFUSAL)
        connection.recv(65_536)  # if data is unread at the close, the client's system drops the answer


def raw(problem: Problem) -> bytes:
    """A problem as raw HTTP, when there is no app to answer; it closes the connection."""
    answer = problem.response()
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode(), b"connection: close"]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", answer.body])


REFUSAL = raw(
    Problem(503, "busy", "too many connections are open: try again in a moment", headers={"Retry-After": "2"})
)
