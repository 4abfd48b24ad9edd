"""The service's tables: jobs, their results, keys and sessions, in SQLite or the database of a URL.

`emovox.archive.database` opens and migrates them: a change of a table here needs a migration there.
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
    Column("number", Integer, nullable=False),  # in order of arrival
    Column("owner", String(32)),  # the service that accepted it; NULL: from before there were owners
    Column("batch", String(32), index=True),
    Column("state", String(16), nullable=False),
    Column(
        "name", Text, nullable=False
    ),  # JSON: a name may contain what no text column takes, such as a null byte
    Column("options", Text, nullable=False),
    Column(
        "upload", String(32), nullable=False
    ),  # the file's name among the uploads; "": cancelled and cleared up
    Column("created", Float, nullable=False),  # seconds since 1970
    Column("due", Float, nullable=False),  # not to be started before this time
    Column("started", Float),
    Column("finished", Float),
    Column("attempts", Integer, nullable=False),
    Column("claim", String(64)),  # the outputs directory that was about to be published
    Column("digest", String(64)),  # sha256 of its result.json, to tell whether it was published
    Column("output", String(64)),
    Column("problem", Text),  # why it failed, or what it waits out
    Column("timings", Text),
    Column("webhook", Text),  # URL to report the end to
    Column("told", Integer, nullable=False),  # 1: reported, or needn't be
    Column("tellings", Integer, nullable=False, server_default="0"),  # tries to report it
    Column("tell_at", Float, nullable=False, server_default="0"),  # no try before this time, seconds since 1970
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

results = Table(  # result.json of jobs without stored outputs
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
    """The service's own directory: uploads, and the database if it is SQLite."""
    return settings().outputs / ".emovox" / "service"


def open_database(*, patience: float = database.PATIENCE, make: bool = True) -> Engine:
    """Connect to the database in the settings, by default a file of the service's own, and migrate it.

    Args:
        patience: seconds to wait for an SQLite file that another process has locked.
        make: as for `database.open_database`.

    Raises:
        SettingsError: it can't be reached.
    """
    return database.open_database(state_directory() / "service.db", patience=patience, make=make)


def restore(engine: Engine, *, write: bool = False) -> bool:
    """Check that a database can be read, or written; create it again if it was deleted. Returns whether it was."""
    if (path := database.sqlite_path(engine.url)) is not None:
        private.make_directory(path.parent)
    deleted = database.upgrade(engine)
    with engine.connect() as connection:
        if write and engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # which fails while another process is writing
        connection.execute(select(jobs.c.id).limit(1))
    return deleted


def owner(directory: Path, name: str | None = None) -> str:
    """The name under which a service owns jobs: random, and stored in a file.

    Args:
        directory: the service's own, `state_directory`.
        name: to use if the file has been deleted.

    Raises:
        OSError: it can't be stored.
    """
    file = directory / "owner"
    with suppress(FileNotFoundError):
        if stored := file.read_text(encoding="ascii").strip():
            return stored
    private.make_directory(directory)
    name = name or secrets.token_hex(16)
    files.write(file, name.encode())
    return name
