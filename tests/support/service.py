"""A service to test with: in this process on a real port, or a process of its own that can be killed."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from emovox.server.app import create_app
from emovox.server.service import Service
from emovox.server.uvicorn_server import Server, make_server
from emovox.settings import settings


class Client(httpx.Client):
    """A client of one service.

    Attributes:
        service: what it works with; of a process of its own there is none.
        server: what listens; of a process of its own there is none.
        outputs: where its outputs go.
    """

    service: Service
    server: Server
    outputs: Path

    def post_file(self, path: Path, url: str = "/v1/recognitions", **options: Any) -> httpx.Response:
        return self.post(url, files={"file": (path.name, path.read_bytes())}, data=options)

    def talk(self, request: bytes) -> bytes:
        """Send bytes that need be no request, and give all that comes until the connection ends."""
        with socket.create_connection((self.base_url.host, self.base_url.port or 0), timeout=60) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def finished(self, job: str, patience: float = 60) -> dict[str, Any]:
        """The job, once it is finished."""
        for _ in range(round(patience / 0.05)):
            view: dict[str, Any] = self.get(f"/v1/jobs/{job}").json()
            if view["state"] in {"done", "failed", "cancelled"}:
                return view
            time.sleep(0.05)
        raise AssertionError(f"the job isn't finished: {view}")


@contextmanager
def serving(
    outputs: Path,
    *,
    keys_needed: bool = False,
    looking: Callable[[httpx.Client], None] = lambda _: None,
    **changes: object,
) -> Iterator[Client]:
    """A service with some settings changed, in a thread; it is ready. `looking` looks at it until it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOVOX_OUTPUTS", str(outputs))
        patch.setenv("EMOVOX_MODEL", "lite")
        patch.setenv("EMOVOX_DECODERS", "1")
        for name, value in changes.items():
            patch.setenv(f"EMOVOX_{name.upper()}", str(value))
        settings.cache_clear()
        app = create_app(keys_needed=keys_needed)
    settings.cache_clear()  # the service keeps its own: other tests shall not see them
    server = make_server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.port:  # `started` is true a moment before the port is known
            assert thread.is_alive()
            time.sleep(0.01)
        with Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            client.service, client.server, client.outputs = app.state.service, server, outputs
            _wait_until_ready(client, looking)
            yield client
    finally:
        server.should_exit = True
        thread.join()


class ServiceProcess:
    """`emovox serve` in a process of its own."""

    def __init__(self, outputs: Path, *, port: int = 0, files: int | None = None, **changes: object) -> None:
        """Start it, with some settings changed; `files` is the most that it may have open."""
        environment = {
            **os.environ,
            "EMOVOX_OUTPUTS": str(outputs),
            "EMOVOX_MODEL": "lite",
            "EMOVOX_DECODERS": "1",
        }
        environment |= {f"EMOVOX_{name.upper()}": str(value) for name, value in changes.items()}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-m", "emovox", "serve", "--port", str(port)]
        if files is not None:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        self.process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stderr is not None
        self.log: list[str] = []
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"listens on (http://localhost:\d+)", line):
                break
        else:
            raise AssertionError("".join(self.log))
        self.client = Client(base_url=found[1].replace("localhost", "127.0.0.1"), timeout=60)
        self.client.outputs = outputs
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr or []), daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        _wait_until_ready(self.client)

    def end(self, *, kill: bool = False) -> int:
        """Stop it, or kill it; gives the exit code."""
        self.client.close()
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        code = self.process.wait(60)
        self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code


def _wait_until_ready(client: httpx.Client, looking: Callable[[httpx.Client], None] = lambda _: None) -> None:
    for _ in range(1200):
        if client.get("/readyz").is_success:
            return
        looking(client)
        time.sleep(0.05)
    raise AssertionError(client.get("/readyz").text)
