"""The archive at size: how fast it takes embeddings in, and finds the nearest.

    PYTHONPATH=tests python -m benchmarks.archive PLACE               a million of 1024 numbers, in SQLite
    PYTHONPATH=tests python -m benchmarks.archive PLACE --postgres    a hundred thousand, in PostgreSQL

PLACE is a directory with room: 8 GB for a million. The embeddings are random, in one of two shapes: `even`, normal
in all directions, in which no index can shorten the way and which no model gives; or `voices`, sums of an emotion,
one of 2000 speakers in 40 directions, what is said in 60, and a little of all. Their whitening is fitted as ever.
"""

import argparse
import hashlib
import os
import resource
import statistics
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text

from emovox.archive import Archive, Filter
from emovox.archive.record import ArchiveRecord, Floats
from emovox.archive.schema import embeddings
from emovox.emotions import NAMES
from emovox.settings import settings

BLOCK = 5000
START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path)
    parser.add_argument("--rows", type=int, help="how many; by default a million, or 100,000 in PostgreSQL")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--shape", choices=["even", "voices"], default="voices")
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    options.place.mkdir(parents=True, exist_ok=True)
    rows = options.rows or (100_000 if options.postgres else 1_000_000)
    os.environ["EMOVOX_OUTPUTS"] = str(options.place / "outputs")
    if options.postgres:
        from support.postgres import Postgres  # noqa: PLC0415

        server = Postgres(options.place)
        os.environ["EMOVOX_DATABASE"] = server.make("benchmark")
        run(rows, options.width, options.shape, options.queries)
        server.close()
    else:
        run(rows, options.width, options.shape, options.queries)


def run(rows: int, width: int, shape: str, queries: int) -> None:
    """Fill an archive, and ask it."""
    settings.cache_clear()
    with Archive() as archive:
        print(f"{rows} embeddings of {width} numbers ({shape}), {archive.database.dialect.name}")
        made, cpu, started = 0.0, 0.0, time.perf_counter()
        waiting = blocks(rows, width, shape)
        while True:
            before = time.perf_counter()
            block = next(waiting, None)
            made += time.perf_counter() - before
            if block is None:
                break
            before = time.process_time()
            archive.add_records(block)
            cpu += time.process_time() - before
        taken = time.perf_counter() - started - made
        print(f"import: {rows / taken:.0f} a second; {rows / cpu:.0f} in a second of processor time")
        chosen = [f"{digest(number)}" for number in range(0, rows, max(1, rows // queries))][:queries]
        started = time.perf_counter()
        archive.similar(chosen[0])
        print(f"first query, with whitening and cache: {time.perf_counter() - started:.1f} s")
        for title, more in (
            ("whitened", {}),
            ("whitened, emotion=angry", {"where": Filter(emotion="angry")}),
            ("raw", {"raw": True}),
        ):
            archive.similar(chosen[0], **more)
            times, processor = [], _processor(archive)
            for id_ in chosen:
                started = time.perf_counter()
                archive.similar(id_, **more)
                times.append(time.perf_counter() - started)
            print(
                f"query, {title}: median {1000 * statistics.median(times):.1f} ms, "
                f"worst {1000 * max(times):.1f} ms; "
                f"{1000 * (_processor(archive) - processor) / len(chosen):.1f} ms of processor time"
            )
        recall(archive, chosen)
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def _processor(archive: Archive) -> float:
    """Seconds of processor time: of this process, and of PostgreSQL's that serve it."""
    used = time.process_time()
    if archive.database.dialect.name == "postgresql":
        with archive.database.connect() as connection:
            mine = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            for pid in connection.scalars(mine).all():
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def recall(archive: Archive, chosen: list[str]) -> None:
    """The share of the true ten nearest, by NumPy in float32, among those that are found."""
    found, true = 0, 0
    exact = exact_neighbours(archive, chosen)
    for id_, nearest in zip(chosen, exact, strict=True):
        ten = {item.record.id for item in archive.similar(id_)}
        found, true = found + len(ten & nearest), true + len(nearest)
    print(f"recall of the ten nearest: {found / true:.3f}")


def exact_neighbours(archive: Archive, chosen: list[str]) -> list[set[str]]:
    """The true ten nearest of each, a block at a time."""
    with archive.database.connect() as connection:
        query = select(embeddings.c.recognition).order_by(embeddings.c.id)
        names, wanted_ones = np.array(connection.scalars(query).all()), set(chosen)
    where = {name: row for row, name in enumerate(names) if name in wanted_ones}
    rows = np.array([where[id_] for id_ in chosen])
    wanted = np.concatenate([block[ids] for ids, block in _inside(archive, rows)])[np.argsort(np.argsort(rows))]
    best = [[(-2.0, -1)] * 10 for _ in chosen]
    first = 0
    for _, block in archive.neighbours.vectors(model="random"):
        cosines = wanted @ block.T
        own = (rows >= first) & (rows < first + len(block))
        cosines[np.flatnonzero(own), rows[own] - first] = -2
        for index, line in enumerate(cosines):
            top = np.argpartition(-line, min(10, len(line) - 1))[:10]
            best[index] = sorted([*best[index], *((float(line[at]), first + int(at)) for at in top)])[-10:]
        first += len(block)
    return [{str(names[row]) for _, row in ten} for ten in best]


def _inside(archive: Archive, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Blocks, each with those of the rows that are in it."""
    first = 0
    for _, block in archive.neighbours.vectors(model="random"):
        yield np.sort(rows[(rows >= first) & (rows < first + len(block))]) - first, block
        first += len(block)


def blocks(rows: int, width: int, shape: str) -> Iterator[list[ArchiveRecord]]:
    """Entries that were made up."""
    chance = np.random.default_rng(2024)
    emotions = chance.standard_normal((9, width)).astype(np.float32) * 3
    speakers = (chance.standard_normal((2000, 40)) @ chance.standard_normal((40, width))).astype(np.float32)
    said = chance.standard_normal((60, width)).astype(np.float32)
    for first in range(0, rows, BLOCK):
        count = min(BLOCK, rows - first)
        which = chance.integers(0, 9, count)
        vectors: Floats = chance.standard_normal((count, width), np.float32)
        if shape == "voices":
            vectors *= 0.3
            vectors += emotions[which] + speakers[chance.integers(0, 2000, count)]
            vectors += chance.standard_normal((count, 60), np.float32) @ said
        yield [entry(first + index, int(which[index]), vectors[index]) for index in range(count)]


def entry(number: int, emotion: int, vector: Floats) -> ArchiveRecord:
    """One that was made up."""
    scores = {name: float(index == emotion) for index, name in enumerate(NAMES)}
    return ArchiveRecord(
        id=digest(number), sha256=digest(-1 - number), name=f"{number}.wav",
        created=START + timedelta(seconds=number), emotion=NAMES[emotion], confidence=1.0, scores=scores,
        model="random", revision="1", duration=2.0, embedding=vector,
    )  # fmt: skip


def digest(number: int) -> str:
    """The id of one."""
    return hashlib.sha256(str(number).encode()).hexdigest()


if __name__ == "__main__":
    main()
