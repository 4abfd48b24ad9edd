"""The service's tables: jobs, their results, keys and sessions, in SQLite or wherever a URL says.

`emovox.archive.database` opens and migrates them: who changes a table here writes a migration there.
"""

import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import (
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    select,
    text,
)

from emovox import files, private
from emovox.archive import database
from emovox.settings import settings

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", Integer, nullable=False),  # in the order of their coming
    Column("owner", String(32)),  # the service whose job it is; NULL: it is from before there were owners
    Column("batch", String(32), index=True),
    Column("state", String(16), nullable=False),
    Column("name", Text, nullable=False),  # JSON: a name may hold what no text column takes, as a null byte
    Column("options", Text, nullable=False),
    Column(
        "upload", String(32), nullable=False
    ),  # the file's name among the uploads; "": cancelled and cleared up
    Column("created", Float, nullable=False),  # seconds since 1970
    Column("due", Float, nullable=False),  # when it is tried, at the earliest
    Column("started", Float),
    Column("finished", Float),
    Column("attempts", Integer, nullable=False),
    Column("claim", String(64)),  # the outputs directory that was about to be published
    Column("digest", String(64)),  # sha256 of its result.json, by which it is recognised
    Column("output", String(64)),
    Column("problem", Text),  # why it failed, or what makes it wait
    Column("timings", Text),
    Column("webhook", Text),  # where the end is to be told
    Column("told", Integer, nullable=False),  # 1: it was, or need not be
    Column("tellings", Integer, nullable=False, server_default="0"),  # tries to tell it
    Column("tell_at", Float, nullable=False, server_default="0"),  # not before this time, seconds since 1970
    Index("jobs_number", "number", unique=True),
    Index("jobs_state", "state", "number"),
    Index("jobs_owner", "owner", "state", "number"),
    Index(
        "jobs_untold",
        "webhook",
        "tell_at",
        "number",
        sqlite_where=text("told = 0"),
        postgresql_where=text("told = 0"),
    ),
)

results = Table(  # result.json of jobs that store no outputs
    "results",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # of the piece, from 0
    Column("text", Text, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created", Float, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # sha256 of the token in a browser's cookie
    Column("key", ForeignKey("keys.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created", Float, nullable=False),
)


def state_directory() -> Path:
    """Where the service keeps what is its own: uploads, and the database when it is SQLite."""
    return settings().outputs / ".emovox" / "service"


def open_database(*, patience: float = database.PATIENCE, make: bool = True) -> Engine:
    """Connect to the database of the settings, by default a file of the service's own, and bring it up to date.

    Args:
        patience: seconds that an SQLite file which somebody else has locked is waited for.
        make: as `database.open_database` has it.

    Raises:
        SettingsError: it can't be reached.
    """
    return database.open_database(state_directory() / "service.db", patience=patience, make=make)


def restore(engine: Engine, *, write: bool = False) -> bool:
    """See that a database can be read, or written; one that was deleted is made anew. Whether it was."""
    if (path := database.sqlite_path(engine.url)) is not None:
        private.make_directory(path.parent)
    anew = database.upgrade(engine)
    with engine.connect() as connection:
        if write and engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # which whoever else writes holds up
        connection.execute(select(jobs.c.id).limit(1))
    return anew


def owner(directory: Path, name: str | None = None) -> str:
    """The name under which a service owns jobs, made at random the first time and then kept.

    Args:
        directory: the service's own, of `state_directory`.
        name: what it is, where the file that keeps it has been deleted.

    Raises:
        OSError: it can't be kept.
    """
    file = directory / "owner"
    with suppress(FileNotFoundError):
        if kept := file.read_text(encoding="ascii").strip():
            return kept
    private.make_directory(directory)
    name = name or secrets.token_hex(16)
    files.write(file, name.encode())
    return name
