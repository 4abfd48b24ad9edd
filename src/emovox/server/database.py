"""The database: tables of jobs, batches and keys, in SQLite beside the outputs or wherever a URL says.

Only SQL that PostgreSQL knows too; what is SQLite's own are three pragmas.
"""

from pathlib import Path

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from emovox.errors import SettingsError
from emovox.settings import settings

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", Integer, nullable=False),  # in the order of their coming
    Column("batch", String(32), index=True),
    Column("state", String(16), nullable=False),
    Column("name", Text, nullable=False),  # JSON: a name may hold what no text column takes, as a null byte
    Column("options", Text, nullable=False),
    Column("upload", String(32), nullable=False),  # the file's name among the uploads
    Column("created", Float, nullable=False),  # seconds since 1970
    Column("started", Float),
    Column("finished", Float),
    Column("attempts", Integer, nullable=False),
    Column("claim", String(64)),  # the outputs directory that was about to be published
    Column("digest", String(64)),  # sha256 of its result.json, by which it is recognised
    Column("output", String(64)),
    Column("result", Text),  # result.json, where no outputs are stored
    Column("problem", Text),
    Column("timings", Text),
    Column("webhook", Text),  # where the end is to be told
    Column("told", Integer, nullable=False),  # 1: it was, or need not be
    Index("jobs_state", "state", "number"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created", Float, nullable=False),
    Column("count", Integer, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created", Float, nullable=False),
)


def state_directory() -> Path:
    """Where the service keeps what is its own: uploads, and the database when it is SQLite."""
    return settings().outputs / ".emovox" / "service"


def open_database() -> Engine:
    """Connect to the database of the settings, and make the tables that aren't there.

    Raises:
        SettingsError: it can't be reached.
    """
    url = settings().database.get_secret_value()
    try:
        if not url:
            state_directory().mkdir(parents=True, exist_ok=True)
        engine = create_engine(url or f"sqlite:///{state_directory() / 'service.db'}", pool_pre_ping=bool(url))
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare)
        metadata.create_all(engine)
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise SettingsError(f"the database can't be opened: {' '.join(str(error).split())[:300]}") from error
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers don't wait for a writer
    cursor.execute("PRAGMA synchronous=NORMAL")  # survives a kill; what the last second wrote may not a power cut
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()
