"""Connections: uvicorn's HTTP and WebSocket, with time limits. By itself uvicorn waits for slow clients for ever.

This overrides internals of uvicorn: pyproject names the versions it was tested with, and a test says what is
missing in others.
"""

import asyncio
import logging

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from emovox.server.http.problems import Problem
from emovox.server.http.sockets import raw

PATIENCE = 15.0  # seconds for a request's headers, and for the rest of a body that is no longer read
FRESH = 1.0  # seconds for which a new connection may be silent before another may take its place
DRAIN_TIME = 60.0  # seconds in which a client must read, of what is being sent to it,
DRAIN_SIZE = 65_536  # so many bytes, or all
_log = logging.getLogger("emovox.server.websocket")  # connecting and leaving isn't worth a line
_log.setLevel(logging.WARNING)
_log.addFilter(lambda record: "Invalid UTF-8" not in str(record.msg))  # nor are clients' mistakes


class Connections(ServerState):
    """What uvicorn's protocols share, and which connections could be dropped.

    Attributes:
        idle: connections without a request in progress and the time since when, longest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.idle: dict[Http, float] = {}

    def make_room(self) -> bool:
        """Drop the connection that has been idle longest; False if none has been for a moment."""
        for connection, since in self.idle.items():
            if connection.loop.time() - since < FRESH:
                return False
            if not connection.transport.get_write_buffer_size():  # the end of an answer may still be on its way
                del self.idle[connection]
                connection.transport.abort()
                return True
        return False


class Outflow:
    """The data waiting to be sent on a connection: a client that doesn't read it is dropped."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._timer: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=0)  # report any data that waits

    def pause(self) -> None:
        """Data waits."""
        size = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(DRAIN_TIME, self._check, size)

    def resume(self) -> None:
        """No data waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, before: int) -> None:
        if before - self._transport.get_write_buffer_size() < DRAIN_SIZE:
            self._transport.abort()
        else:
            self.pause()


class _Watched(asyncio.BaseProtocol):
    """A protocol with a watched outflow."""

    _outflow: Outflow

    def pause_writing(self) -> None:
        """The client reads less than it is sent."""
        self._outflow.pause()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has read everything."""
        self._outflow.resume()
        super().resume_writing()


class Http(_Watched, H11Protocol):
    """HTTP."""

    server_state: Connections
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._outflow = Outflow(transport, self.loop)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._relax()
        self._outflow.resume()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Process received events; once a request's headers are there, stop waiting for it."""
        cycle = self.cycle
        super().handle_events()
        if self.cycle is not cycle and not self.cycle.response_complete:
            self._relax()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Another protocol takes over."""
        self._relax()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP with a problem, as every error."""
        if not self.transport.is_closing():
            self.transport.write(raw(Problem(400, "no-http", "this is not an HTTP/1.1 request")))
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the rest of this request and for the next one."""
        self._expect()
        super().on_response_complete()

    def _expect(self) -> None:
        self._relax()
        self.server_state.idle[self] = self.loop.time()
        self._deadline = self.loop.call_later(PATIENCE, self.timeout_keep_alive_handler)

    def _relax(self) -> None:
        self.server_state.idle.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocket(_Watched, WebSocketsSansIOProtocol):
    """WebSocket."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over from HTTP."""
        super().connection_made(transport)
        self._outflow = Outflow(self.transport, self.loop)
        self.logger = self.conn.logger = _log

    def data_received(self, data: bytes) -> None:
        """Process received data; the first is the request that HTTP has read: a handshake, or not."""
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or raw(Problem(400, "no-websocket", "this is not a WebSocket handshake")))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._outflow.resume()
        super().connection_lost(exc)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message, unless the client has left: asyncio would log every one that is lost."""
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def handle_ping(self) -> None:
        """Answer, unless the client doesn't read the answers: they would pile up."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_parser_exception(self) -> None:
        """End what isn't a WebSocket; uvicorn's own method fails if the handshake shows that already."""
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()
