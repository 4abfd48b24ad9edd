"""Search by PostgreSQL: whitened vectors in pgvector's columns with an HNSW index; a cache, like the vector file.

Each fit of a space has a table of its own, since a column of vectors has a fixed number of dimensions; its rows
are deleted with their embeddings. Raw embeddings have no table: they are seldom asked for, and vector files have
them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, Integer, column, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from emovox.archive.database import is_away
from emovox.archive.record import Floats
from emovox.archive.schema import embeddings
from emovox.archive.similarity.vector_file import Ids
from emovox.archive.similarity.whitening import Whitening

MOST = 4000  # dimensions of halfvec that HNSW takes
EF_SEARCH = 600  # candidates: enough for 95 of 100 true neighbours or more, see benchmarks/archive.py
_LOCK = 0x656D6F76 << 16  # of advisory locks; the space's number is added
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of COPY's binary format, and its end
_TAIL = b"\xff\xff"


class PostgresIndex:
    """The tables and indexes of vectors in a PostgreSQL database."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._available: bool | None = None
        self._last: dict[str, int] = {}

    def takes(self, dimensions: int) -> bool:
        """Whether pgvector is installed, or can be, and takes that many dimensions."""
        if self._available is None:
            try:
                with self._database.begin() as connection:
                    connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
                self._available = True
            except SQLAlchemyError as error:  # not on the server, or not allowed
                if is_away(error):
                    raise
                self._available = False
        return self._available and dimensions <= MOST

    def refresh(
        self,
        space: int,
        dimensions: int,
        last: int,
        whitening: Whitening,
        read: Callable[[int, int], Iterator[tuple[Ids, Floats]]],
    ) -> None:
        """Bring the table of a space's fit up to the embedding `last`, and drop the tables of older fits."""
        name = _name(space, whitening.id)
        if self._last.get(name, -1) >= last:
            return
        with self._database.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK + space})
            new = connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None
            if new:
                connection.execute(
                    text(
                        f"CREATE TABLE {name} (embedding integer PRIMARY KEY REFERENCES embeddings"
                        f" ON DELETE CASCADE, vector halfvec({dimensions}) NOT NULL)"
                    )
                )
            above = connection.scalar(text(f"SELECT max(embedding) FROM {name}")) or 0  # noqa: S608  made of numbers
            for ids, vectors in read(space, above):
                _copy(connection, name, ids, whitening.apply(vectors))
            if new:  # faster than with every row
                connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
                connection.execute(text(f"CREATE INDEX ON {name} USING hnsw (vector halfvec_cosine_ops)"))
        if new:  # only now: it would block those who read embeddings, as this very thread did
            with self._database.begin() as connection:
                tables = text(
                    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE :names"
                )
                for other in connection.scalars(tables, {"names": f"nearest\\_{space}\\_%"}).all():
                    connection.execute(text(f"ANALYZE {name}" if other == name else f"DROP TABLE {other}"))
        self._last[name] = last

    def search(
        self,
        space: int,
        dimensions: int,
        fit: int,
        query: Floats,
        k: int,
        joined: Any,
        conditions: Sequence[ColumnElement[bool]],
    ) -> list[tuple[int, float]]:
        """The ids and cosines of the k nearest that fulfil the conditions, nearest first; a few may be missed."""
        nearest = table(_name(space, fit), column("embedding", Integer), column("vector"))
        distance = text(f"{nearest.name}.vector <=> CAST(:query AS halfvec({dimensions}))")
        statement = (
            select(nearest.c.embedding, distance)
            .select_from(nearest.join(joined, nearest.c.embedding == embeddings.c.id))
            .where(*conditions)
            .order_by(text("2"))
            .limit(k)
        )
        vector = "[" + ",".join(f"{value:.6g}" for value in query.tolist()) + "]"
        with self._database.connect() as connection:
            connection.execute(text(f"SET LOCAL hnsw.ef_search = {max(EF_SEARCH, min(1000, 2 * k))}"))
            # Goes on where a filter leaves few.
            connection.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
            rows = connection.execute(statement, {"query": vector}).all()
        return sorted(((row[0], 1 - row[1]) for row in rows), key=lambda item: -item[1])


def _name(space: int, fit: int) -> str:
    return f"nearest_{space}_{fit}"


def _copy(connection: Connection, name: str, ids: Ids, vectors: Floats) -> None:
    """Append rows in COPY's binary format: the number of fields, then each field after its length."""
    width = vectors.shape[1]
    layout = [
        ("fields", ">i2"), ("id_size", ">i4"), ("id", ">i4"),
        ("size", ">i4"), ("dimensions", ">i2"), ("unused", ">i2"), ("vector", ">f2", (width,)),
    ]  # fmt: skip
    block = np.zeros(len(ids), layout)
    block["fields"], block["id_size"], block["id"] = 2, 4, ids
    block["size"], block["dimensions"], block["vector"] = 4 + 2 * width, width, vectors
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {name} (embedding, vector) FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.write(_HEAD + block.tobytes() + _TAIL)
    cursor.close()
