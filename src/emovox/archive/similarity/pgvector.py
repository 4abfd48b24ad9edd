"""The nearest by PostgreSQL: whitened vectors in pgvector's columns, with an HNSW index. A cache like the matrix.

Each fit of a space has a table of its own, since columns of vectors have a fixed number of dimensions; rows go
from it when their embedding does. Raw embeddings have none: they are asked for to compare, and matrices have them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, Integer, column, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from emovox.archive.database import embeddings, is_away
from emovox.archive.record import Floats
from emovox.archive.similarity.vector_file import Ids
from emovox.archive.similarity.whitening import Whitening

MOST = 4000  # dimensions that HNSW takes of halfvec
EF_SEARCH = 600  # candidates: what finds 95 of 100 true neighbours and more, see benchmarks/archive.py
_LOCK = 0x656D6F76 << 16  # and the space's number, of advisory locks
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # of COPY's binary format, and its end
_TAIL = b"\xff\xff"


class PostgresIndex:
    """The tables and indexes of vectors in a PostgreSQL database."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._there: bool | None = None
        self._last: dict[str, int] = {}

    def takes(self, dimensions: int) -> bool:
        """Whether pgvector is there, or can be made to be, and takes so many dimensions."""
        if self._there is None:
            try:
                with self._database.begin() as connection:
                    connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
                self._there = True
            except SQLAlchemyError as error:  # not installed, or no permission
                if is_away(error):
                    raise
                self._there = False
        return self._there and dimensions <= MOST

    def refresh(
        self,
        space: int,
        dimensions: int,
        last: int,
        whitening: Whitening,
        read: Callable[[int, int], Iterator[tuple[Ids, Floats]]],
    ) -> None:
        """Make the table of a space's fit hold all up to the embedding `last`; older fits' tables go."""
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
            if new:  # which is faster than row by row
                connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
                connection.execute(text(f"CREATE INDEX ON {name} USING hnsw (vector halfvec_cosine_ops)"))
        if new:  # not before: it would hold back those who read embeddings, and that is this very thread
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
        """The ids of the k nearest that fulfil the conditions with their cosines, nearest first; nearly always."""
        nearest = table(_name(space, fit), column("embedding", Integer), column("vector"))
        distance = text(f"{nearest.name}.vector <=> CAST(:query AS halfvec({dimensions}))")
        chosen = (
            select(nearest.c.embedding, distance)
            .select_from(nearest.join(joined, nearest.c.embedding == embeddings.c.id))
            .where(*conditions)
            .order_by(text("2"))
            .limit(k)
        )
        given = "[" + ",".join(f"{value:.6g}" for value in query.tolist()) + "]"
        with self._database.connect() as connection:
            connection.execute(text(f"SET LOCAL hnsw.ef_search = {max(EF_SEARCH, min(1000, 2 * k))}"))
            connection.execute(
                text("SET LOCAL hnsw.iterative_scan = relaxed_order")
            )  # on, where a filter leaves few
            found = connection.execute(chosen, {"query": given}).all()
        return sorted(((row[0], 1 - row[1]) for row in found), key=lambda item: -item[1])


def _name(space: int, fit: int) -> str:
    return f"nearest_{space}_{fit}"


def _copy(connection: Connection, name: str, ids: Ids, vectors: Floats) -> None:
    """Append rows, in COPY's binary format: a row's fields, each with its length before it."""
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
