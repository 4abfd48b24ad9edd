"""Sockets: where the service listens, how many connections it takes, and what becomes of one too many."""

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

FILES = 16_384  # that may be open, where the system lets that be
RESERVED = 64  # of them for the databases, the model, and what is heard
OF_A_DECODER = 4  # files
MOST = 2_048  # connections
LEAST = 8
AT_ONCE = 16  # connections taken before others have their turn
UNSENT = 131_072  # bytes of an answer that the system keeps before they are sent, instead of megabytes
PAUSE = 0.01  # seconds; where nothing can be opened at all, so that it isn't tried a thousand times in them
log = logging.getLogger("emovox.server")


def raise_limit() -> int:
    """Let this process open as many files as it may, and no more than are of use; gives how many."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft == resource.RLIM_INFINITY:
        return FILES
    with suppress(OSError, ValueError):  # macOS takes fewer than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def room(files: int, *, decoders: int) -> int:
    """How many connections may be open where so many files may: each may open another, to read or write."""
    return max(LEAST, min(MOST, (files - RESERVED - OF_A_DECODER * decoders) // 2))


class Gate:
    """Counts the connections that are open, and lets no more in than may be."""

    def __init__(self, most: int, make_room: Callable[[], bool]) -> None:
        """Begin.

        Args:
            most: connections.
            make_room: ends one that can be spared; False where there is none.
        """
        self._most, self._make_room = most, make_room
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._spare: int | None = None
        self._take_spare()

    def admit(self, connection: socket.socket) -> bool:
        """Whether a connection may stay."""
        if len(self._open) >= self._most:
            there = sum(one.fileno() >= 0 for one in list(self._open))
            if there >= self._most and not self._make_room():
                log.warning("%d connections are open, and no more may be: others are refused", there)
                return False
        self._open.add(connection)
        return True

    def shed(self, listener: socket.socket) -> None:
        """Take and refuse a connection although nothing more can be opened: with the file kept for that."""
        log.warning("too many files are open (ulimit -n): a connection is refused")
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
        """Let go of the file."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _take_spare(self) -> None:
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)


class ListeningSocket(socket.socket):
    """A socket that listens, with a gate.

    asyncio, when it can't take a connection, tries 2,048 times and writes a traceback each time.
    """

    def __init__(self, family: int, kind: int, protocol: int, gate: Gate) -> None:
        super().__init__(family, kind, protocol)
        self._gate, self._taken = gate, 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Take a connection; after a few it is as if there were no more, and others have their turn."""
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
    """Sockets on every address that a host has.

    Raises:
        SettingsError: there is no such host, or the port is taken.
    """
    listeners: list[ListeningSocket] = []
    refusal: OSError | None = None
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                listeners.append(_bound(ListeningSocket(family, kind, protocol, gate), address))
            except OSError as error:
                refusal = error
                if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:  # as ::1 where there is no IPv6
                    raise
        if refusal is not None and not listeners:
            raise refusal
    except OSError as error:
        for listener in listeners:
            listener.close()
        reason = error.strerror or str(error)
        raise SettingsError(f"can't listen on {host}, port {port}: {reason}; --port takes another") from error
    return listeners


def _bound(listener: ListeningSocket, address: Any) -> ListeningSocket:
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
    """Say that there is no room, and close."""
    with connection, suppress(OSError):
        connection.setblocking(False)
        connection.send(REFUSAL)
        connection.recv(65_536)  # what isn't read when it is closed would have the client's system drop the answer


def raw(problem: Problem) -> bytes:
    """A problem as HTTP, for where there is no app to answer; the last on its connection."""
    answer = problem.response()
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode(), b"connection: close"]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", answer.body])


REFUSAL = raw(
    Problem(
        503, "busy", "as many connections are open as may: try again in a moment", headers={"Retry-After": "2"}
    )
)
