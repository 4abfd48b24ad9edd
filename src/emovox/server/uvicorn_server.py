"""The process: one uvicorn server on one port."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from emovox.errors import SettingsError
from emovox.models.runtime.engine import usable_cores
from emovox.policy import Policy, policy
from emovox.server import logs
from emovox.server.app import create_app
from emovox.server.database import open_database
from emovox.server.http.connections import Connections, Http, WebSocket
from emovox.server.http.event_loop import new_loop  # noqa: F401  uvicorn would load it where an interrupt is a warning
from emovox.server.http.hosts import is_loopback
from emovox.server.http.problems import log
from emovox.server.http.sockets import Gate, listen, raise_limit, room
from emovox.server.keys import Keys
from emovox.server.service import Service
from emovox.settings import settings

FEW = 64  # connections; a lower limit is logged
GRACE = 20  # seconds for requests to end when the service stops


class Server(uvicorn.Server):
    """A server that says where it listens.

    Attributes:
        port: once it has started.
    """

    port = 0

    def __init__(self, config: uvicorn.Config, service: Service, *, connections: int) -> None:
        """Take the port.

        Args:
            config: for uvicorn.
            service: is told when the server stops.
            connections: open at once, at most.

        Raises:
            SettingsError: the port is in use.
        """
        super().__init__(config)
        self.server_state = state = Connections()
        self._service = service
        self._gate = Gate(connections, state.make_room)
        self._listeners = listen(config.host, config.port, self._gate)

    async def startup(self, sockets: Any = None) -> None:
        """Start, and print the address."""
        await super().startup(sockets or list(self._listeners))
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.port = port
            shown = f"[{host}]" if ":" in host else host
            name = "localhost" if is_loopback(host) else shown
            sys.stderr.write(f"Emovox listens on http://{name}:{port} (API: http://{name}:{port}/docs)\n")
            sys.stderr.flush()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop; event streams notice it and end."""
        self._service.stopping = True
        await super().shutdown(sockets)
        self._gate.close()
        self._captured_signals.clear()  # else uvicorn raises them again, and a clean exit looks like a kill


def serve(*, host: str, port: int, no_keys: bool) -> int:
    """Run the service until it is stopped.

    Args:
        host: the address to listen on.
        port: the port; 0: any free one.
        no_keys: require no keys, even if other machines can reach the address, or one of `allowed_hosts`.

    Returns:
        The exit code.

    Raises:
        SettingsError: keys are required and there are none, the database can't be opened, or the port is in use.
    """
    names = settings().service.allowed_hosts
    reachable = not is_loopback(host) or bool(names)  # by those names through a proxy on this machine
    keys_needed = not no_keys and reachable
    if keys_needed:
        database = open_database()
        try:
            if not Keys(database).all():
                where = names if is_loopback(host) else host
                raise SettingsError(
                    f"other machines can reach {where}, so clients need an API key: make one with "
                    "`emovox keys add NAME`, or use --no-keys to let anybody in"
                )
        finally:
            database.dispose()
    logs.set_up()
    app = create_app(host=host, keys_needed=keys_needed)
    _tell_policy(policy(), reachable=reachable)
    try:
        server = make_server(app, host=host, port=port)
    except SettingsError:
        app.state.service.close()
        raise
    try:
        server.run()
    except KeyboardInterrupt:
        if not server.started:
            raise
    return 0 if server.started else 1


def _tell_policy(chosen: Policy, *, reachable: bool) -> None:
    """Log of whose voice emotions are inferred; and how to choose, if others can reach it and nobody chose."""
    if chosen.given or reachable:
        hint = "" if chosen.given else "; EMOVOX_POLICY=eu or the path of a policy.toml chooses another"
        log.info("%s%s", chosen.sentence, hint)


def make_server(app: FastAPI, *, host: str, port: int) -> Server:
    """A server for an app, ready to run.

    Raises:
        SettingsError: the port is in use.
    """
    service: Service = app.state.service
    files = raise_limit()
    connections = room(files, decoders=service.settings.service.decoders or usable_cores())
    if connections < FEW:
        log.warning("at most %d open files (ulimit -n), and so at most %d connections", files, connections)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Http,
        loop="emovox.server.http.event_loop:new_loop",
        log_config=None,
        access_log=False,  # queries contain names of recordings
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=65_536,
        ws=WebSocket,
        ws_max_size=2**20,
        ws_per_message_deflate=False,  # else a few bytes could become a megabyte of silence, again and again
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
    return Server(config, service, connections=connections)
