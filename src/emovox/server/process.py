"""The process: one uvicorn server on one port."""

import asyncio
import ipaddress
import logging
import sys
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from emovox.errors import SettingsError
from emovox.server.app import create_app
from emovox.server.database import open_database
from emovox.server.keys import Keys
from emovox.server.service import Service

PATIENCE = 15.0  # seconds for a request's headers, and for the rest of a body that nobody reads any more
GRACE = 20  # seconds that requests have to end when the service stops


class PatientProtocol(H11Protocol):
    """HTTP by uvicorn, which by itself would wait for a request's headers for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect no more."""
        self._relax()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Go on with what has come; a request whose headers are there is expected no longer."""
        cycle = self.cycle
        super().handle_events()
        if self.cycle is not cycle and not self.cycle.response_complete:
            self._relax()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Another protocol takes over."""
        self._relax()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Expect the next request, and before it the end of this one."""
        self._expect()
        super().on_response_complete()

    def _expect(self) -> None:
        self._relax()
        self._deadline = self.loop.call_later(PATIENCE, self.timeout_keep_alive_handler)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """Says where it listens, once it does.

    Attributes:
        port: where, once it has started.
    """

    port = 0

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: Any = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.port = port
            shown = f"[{host}]" if ":" in host else host
            name = "localhost" if is_loopback(host) else shown
            sys.stderr.write(f"Emovox listens on http://{name}:{port} (API: http://{name}:{port}/docs)\n")
            sys.stderr.flush()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop; streams of events end by themselves when they see it."""
        self._service.stopping = True
        await super().shutdown(sockets)
        self._captured_signals.clear()  # uvicorn would raise them again, and so end with a signal what ended well


def serve(*, host: str, port: int, no_keys: bool) -> int:
    """Run the service until it is told to stop.

    Args:
        host: the address to listen on.
        port: the port; 0: any that is free.
        no_keys: demand no keys, although other machines can reach that address.

    Returns:
        The exit code.

    Raises:
        SettingsError: keys are needed and there are none, or the database can't be opened.
    """
    keys_needed = not no_keys and not is_loopback(host)
    if keys_needed:
        database = open_database()
        try:
            if not Keys(database).all():
                raise SettingsError(
                    f"other machines can reach {host}, so clients must show a key: make one with "
                    "`emovox keys add NAME`, or start with --no-keys to let in whoever asks"
                )
        finally:
            database.dispose()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    server = make_server(create_app(host=host, keys_needed=keys_needed), host=host, port=port)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


def make_server(app: FastAPI, *, host: str, port: int) -> "Server":
    """A server of an app, ready to run."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PatientProtocol,
        loop="emovox.server.loop:new_loop",
        log_config=None,
        access_log=False,  # names of recordings stand in queries
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=65_536,
        ws="websockets-sansio",
        ws_max_size=2**20,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
    return Server(config, app.state.service)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
