"""The database: how any database of Emovox is opened and brought up to date.

Only SQL that SQLite and PostgreSQL both know; what is SQLite's own are its pragmas. The archive's tables stand in
`emovox.archive.schema`. The service's (jobs, their results, keys, sessions) stand in `emovox.server.database`, and
are made and changed by the same migrations: with a URL they live in one database with the archive, without one in
an SQLite file of their own.
"""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from emovox import private
from emovox.archive.schema import HEAD
from emovox.errors import SettingsError
from emovox.packages import install
from emovox.settings import settings

VERSION_TABLE = "emovox_version"
HIDDEN = ".emovox"  # in the outputs, what is no outputs directory
_MIGRATIONS = Path(__file__).with_name("migrations")
PATIENCE = 60.0  # seconds that a locked SQLite file is waited for
_POOL_PATIENCE = 10.0  # seconds for one of the connections, while all are in use
_POSTGRES = {  # of libpq: a server that is away, or a network that is cut, is noticed within seconds
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# What SQLite says when a file can't be read or written now, whatever was asked; of tables, if it was deleted.
# After the second group connections are useless: the file may be another by now.
_BLOCKED = ("no such table", "is locked", "is full", "out of memory", "locking protocol")
_BROKEN = ("malformed", "not a database", "disk I/O error", "unable to open", "readonly database")
_ALEMBIC = threading.Lock()
_LOCK = 0x656D6F766F78  # of PostgreSQL's advisory locks; any number that nobody else takes


def archive_file(outputs: Path | None = None) -> Path:
    """Where the archive is if it is SQLite: `outputs.db` beside `outputs/`, or in `outputs/.emovox/`.

    Inside if it is there already, if nothing can be written beside it, or if `outputs/` is a volume of its own, as
    in a container: what is beside that is lost with the container.

    Args:
        outputs: whose archive; by default that of the settings.
    """
    outputs = (outputs or settings().outputs).absolute()
    beside, inside = outputs.with_name(f"{outputs.name}.db"), outputs / HIDDEN / "outputs.db"
    parent = next(path for path in outputs.parents if path.exists())
    writable = os.access(parent, os.W_OK | os.X_OK)
    return beside if beside.exists() or not (inside.exists() or outputs.is_mount() or not writable) else inside


def open_database(file: Path, *, patience: float = PATIENCE, make: bool = True) -> Engine:
    """Connect to the database of the settings, by default an SQLite file, and bring its tables up to date.

    An SQLite file is copied to FILE.before-VERSION before its tables are changed.

    Args:
        file: the SQLite file, if the settings name no database.
        patience: seconds to wait for an SQLite file that another program has locked, once it is open.
        make: whether to make it, or its tables, if they aren't there; otherwise it is an empty one in memory then.

    Raises:
        SettingsError: it can't be reached, or a newer Emovox wrote it.
    """
    own_url = settings().database.get_secret_value()
    try:
        url = make_url(own_url) if own_url else URL.create("sqlite", database=str(file))
        if url.drivername in {"postgres", "postgresql"}:
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() not in {"sqlite", "postgresql"}:
            kind = url.get_backend_name()
            raise SettingsError(f"the database can't be opened: it is {kind}, and must be sqlite or postgresql")
        if (path := sqlite_path(url)) is not None and make:
            private.make_directory(path.parent)
        engine = _engine(url, patience)
        if make or ((path is None or path.exists()) and inspect(engine).get_table_names()):
            upgrade(engine)
        else:
            engine.dispose()
            engine = _engine(URL.create("sqlite"), patience)
            with engine.begin() as connection:
                _migrate(connection)
    except (SQLAlchemyError, OSError, ImportError) as error:
        no_driver = isinstance(error, ImportError) and "psycopg" in str(error)
        hint = f": {install('psycopg[binary]')}" if no_driver else ""
        where = "" if own_url else f" ({file}; put it elsewhere with EMOVOX_DATABASE)"
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"the database can't be opened{where}: {reason}{hint}") from error
    return engine


def is_away(error: BaseException) -> bool:
    """Whether an error means that the database can't be used now, not that the query is wrong.

    It may be stopped, cut off, locked by another program, damaged, or its disk full: the same may work later.
    """
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):  # whose OperationalError may also be about a missing table
        return any(words in str(error.orig) for words in (*_BLOCKED, *_BROKEN))
    read_only = getattr(error.orig, "sqlstate", None) == "25006"  # it is a standby at present
    return error.connection_invalidated or read_only or isinstance(error, (OperationalError, InterfaceError))


def upgrade(engine: Engine) -> bool:
    """Bring a database's tables up to date, or make them; gives whether anything had to be done."""
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return False
    with engine.connect() as connection:  # whoever else opens it waits here
        try:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql(f"PRAGMA busy_timeout={round(1000 * PATIENCE)}")
                # Where a table is made anew, to drop the old one would delete all that refers to it.
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            version = _version(connection)
            if version == HEAD:
                return False
            _check_known(version)
            if engine.dialect.name == "sqlite" and inspect(connection).get_table_names():
                _back_up(engine, version or "0000")
            _migrate(connection)
            connection.commit()
            return True
        finally:
            connection.invalidate()  # it has other pragmas than the rest


def _engine(url: URL, patience: float) -> Engine:
    if url.get_backend_name() == "postgresql":
        parameters = {name: value for name, value in _POSTGRES.items() if name not in url.query}
        return create_engine(
            url,
            connect_args=parameters,
            hide_parameters=True,
            isolation_level="READ COMMITTED",  # after waiting for a lock one sees what was done meanwhile
            pool_pre_ping=True,
            pool_timeout=_POOL_PATIENCE,
        )
    engine = create_engine(url, hide_parameters=True)  # names of recordings don't belong in logs
    event.listen(engine, "connect", partial(_prepare, patience))
    if (path := sqlite_path(url)) is not None:
        event.listen(engine, "do_connect", partial(_make_file, path))
        event.listen(engine, "connect", partial(_note_file, path))
        event.listen(engine, "checkout", partial(_check_file, path))
    event.listen(engine, "handle_error", _renew)
    return engine


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite database; None: it is in memory, or not SQLite."""
    file = url.database if url.get_backend_name() == "sqlite" else None
    return None if not file or file.startswith((":memory:", "file:")) else Path(file).absolute()


def _make_file(path: Path, *_: object) -> None:
    """Make the file before SQLite does, which would let others read it."""
    with suppress(OSError):  # SQLite's own error says more
        private.touch(path)


def _note_file(path: Path, _: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info["file"] = _file(path)


def _check_file(path: Path, _: DBAPIConnection, record: ConnectionPoolEntry, __: object) -> None:
    """Refuse a connection to a file that was deleted or replaced."""
    if record.info["file"] != _file(path):
        raise DisconnectionError("the file was replaced")


def _file(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _renew(context: ExceptionContext) -> None:
    """Close all connections to a file that can't be used, so that it is opened again the next time."""
    if any(words in str(context.original_exception) for words in _BROKEN):
        context.is_disconnect = True


def _prepare(patience: float, connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    try:
        _configure(connection, patience)
    except BaseException:
        connection.close()
        raise


def _configure(connection: DBAPIConnection, patience: float) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={round(1000 * patience)}")
    _write_ahead(cursor, patience)
    cursor.execute("PRAGMA synchronous=NORMAL")  # survives a kill; what the last second wrote may not a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-65536")  # kB; ids are random, so rows are added all over their indexes,
    cursor.execute("PRAGMA wal_autocheckpoint=16384")  # whose pages (of 4 kB) are better written once than often
    cursor.execute("PRAGMA secure_delete=ON")  # what was deleted is overwritten
    cursor.close()
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101  only SQLite is listened to
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII alone


def _write_ahead(cursor: DBAPICursor, patience: float) -> None:
    """Let readers go on while somebody writes; SQLite may refuse that to several processes at once."""
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _lower(value: object) -> str | None:
    return None if value is None else str(value).lower()


def _version(connection: Connection) -> str | None:
    """The last migration of a database; None: none is recorded."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  a constant
    return version


def _check_known(version: str | None) -> None:
    if version is not None and not any((_MIGRATIONS / "versions").glob(f"m{version}_*.py")):
        raise SettingsError(
            f"the database can't be opened: a newer Emovox wrote it (version {version}; this one knows {HEAD}): "
            "install that Emovox, or restore a copy from before"
        )


def _migrate(connection: Connection) -> None:
    """Run what is missing; one thread at a time, as alembic's `op` and `context` are of the whole process."""
    from alembic import command  # noqa: PLC0415  slow to load, and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, HEAD)


def _back_up(engine: Engine, version: str) -> None:
    file = engine.url.database
    if not file or file == ":memory:":
        return
    target = Path(f"{file}.before-{version}-to-{HEAD}")
    private.touch(target)
    with sqlite3.connect(file) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    source.close()
    copy.close()
