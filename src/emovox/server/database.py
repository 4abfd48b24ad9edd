"""The service's tables: jobs and keys, in SQLite or wherever a URL says.

`emovox.library.database` opens and migrates them: who changes a table here writes a migration there.
"""

from pathlib import Path

from sqlalchemy import Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, text

from emovox.library import database
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
    Column("tellings", Integer, nullable=False, server_default="0"),  # tries to tell it
    Column("tell_at", Float, nullable=False, server_default="0"),  # not before this time, seconds since 1970
    Index("jobs_state", "state", "number"),
    Index(
        "jobs_untold",
        "webhook",
        "tell_at",
        "number",
        sqlite_where=text("told = 0"),
        postgresql_where=text("told = 0"),
    ),
)

Table(  # a batch is its jobs: nothing reads this any longer, and it goes with the next migration
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
    """Connect to the database of the settings, by default a file of the service's own, and bring it up to date.

    Raises:
        SettingsError: it can't be reached.
    """
    return database.open_database(state_directory() / "service.db")
