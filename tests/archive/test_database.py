import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, func, inspect, select

from emovox.archive import Archive, Filter, schema
from emovox.archive import database as tables
from emovox.archive.database import VERSION_TABLE, open_database
from emovox.archive.importing import import_directories
from emovox.archive.outputs_directory import read_directory
from emovox.archive.schema import HEAD
from emovox.emotions import NAMES
from emovox.errors import SettingsError
from emovox.outputs import RESULT
from emovox.server import database as service_tables
from emovox.server.jobs.jobs import Jobs, NewJob
from emovox.server.keys import Keys
from emovox.settings import settings
from support.records import record, without_nine
from support.results import recognition, segment, values

OLD = """
CREATE TABLE jobs (
    id VARCHAR(32) NOT NULL PRIMARY KEY, number INTEGER NOT NULL, batch VARCHAR(32), state VARCHAR(16) NOT NULL,
    name TEXT NOT NULL, options TEXT NOT NULL, upload VARCHAR(32) NOT NULL, created FLOAT NOT NULL, started FLOAT,
    finished FLOAT, attempts INTEGER NOT NULL, claim VARCHAR(64), digest VARCHAR(64), output VARCHAR(64),
    result TEXT, problem TEXT, webhook TEXT, told INTEGER NOT NULL
);
CREATE INDEX jobs_state ON jobs (state, number);
CREATE INDEX ix_jobs_batch ON jobs (batch);
CREATE TABLE batches (id VARCHAR(32) NOT NULL PRIMARY KEY, created FLOAT NOT NULL, count INTEGER NOT NULL);
CREATE TABLE keys (id VARCHAR(16) NOT NULL PRIMARY KEY, name TEXT NOT NULL, hash VARCHAR(64) NOT NULL,
    created FLOAT NOT NULL);
INSERT INTO keys VALUES ('01234567', 'ann', 'h', 1.0);
INSERT INTO jobs VALUES ('a', 1, NULL, 'queued', '"x"', '{}', 'u', 1.0, NULL, NULL, 0, NULL, NULL, NULL, NULL,
    NULL, NULL, 1);
"""


def old(file: Path, *, timings: bool = False) -> Path:
    """A service's database as it was before there were versions."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as connection:
        connection.executescript(OLD)
        if timings:
            connection.execute("ALTER TABLE jobs ADD COLUMN timings TEXT")
    connection.close()
    return file


def test_the_migrations_make_the_tables_that_the_program_has(database: str, tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    both = MetaData()
    for metadata in (schema.metadata, service_tables.metadata):
        for table in metadata.tables.values():
            table.to_metadata(both)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, both) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


@pytest.mark.parametrize("timings", [False, True])
def test_an_older_version_is_migrated_with_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timings: bool
) -> None:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    settings.cache_clear()
    file = old(service_tables.state_directory() / "service.db", timings=timings)
    engine = service_tables.open_database()
    assert [key.name for key in Keys(engine).all()] == ["ann"]
    jobs = Jobs(engine, service_tables.owner(service_tables.state_directory()))
    assert jobs.next() is None  # it is nobody's yet
    assert jobs.adopt(lambda job: job.upload == "other") == 0
    assert jobs.adopt(lambda job: job.upload == "u") == 1
    job = jobs.next()
    assert job is not None
    assert (job.id, job.number) == ("a", 1)
    engine.dispose()
    (backup,) = file.parent.glob("service.db.before-*")
    assert backup.name == f"service.db.before-0000-to-{HEAD}"
    with sqlite3.connect(backup) as connection:
        assert connection.execute("SELECT state FROM jobs").fetchall() == [("queued",)]
        assert not connection.execute("SELECT * FROM sqlite_master WHERE name = 'recordings'").fetchall()
    connection.close()
    service_tables.open_database().dispose()
    assert len(list(file.parent.glob("*before*"))) == 1  # nothing to migrate, nothing to copy


def test_jobs_of_0_1_0_are_moved(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two services on one database, which gave numbers twice; each then owns what it has the upload of."""
    file = tmp_path / "service.db"
    with monkeypatch.context() as patch:
        patch.setattr(tables, "HEAD", "0003")
        before = open_database(file)
    row = "'[]', '{}', '%s', 1.0, NULL, %s, 0, NULL, NULL, %s, %s, NULL, NULL, 1, NULL)"
    values = (
        "('a', 1, 'b1', 'queued', " + row % ("up1", "NULL", "NULL", "NULL"),
        "('b', 1, 'b2', 'running', " + row % ("up2", "NULL", "NULL", "NULL"),
        "('c', 2, NULL, 'done', " + row % ("up3", "2.0", "NULL", "'{\"a\": 1}'"),
        "('d', 2, NULL, 'done', " + row % ("up4", "2.0", "'outputs_1'", "NULL"),
        "('e', 3, NULL, 'cancelled', " + row % ("up5", "2.0", "NULL", "NULL"),
    )
    names = "id, number, batch, state, name, options, upload, created, started, finished, attempts, claim, digest"
    with before.begin() as connection:
        for value in values:
            text = f"INSERT INTO jobs ({names}, output, result, problem, webhook, told, timings) VALUES {value}"  # noqa: S608
            connection.exec_driver_sql(text)
    before.dispose()

    engine = open_database(file)
    jobs, others = Jobs(engine, "m" * 32), Jobs(engine, "o" * 32)
    assert jobs.next() is None
    assert [job.number for job in jobs.page(state=None, before=None, limit=9)] == [5, 4, 3, 2, 1]
    assert jobs.adopt(lambda job: job.upload == "up1" or job.state == "done") == 3
    assert others.adopt(lambda _: True) == 2
    taken, other = jobs.next(), others.next()
    assert taken is not None
    assert (taken.id, other) == ("a", None)
    assert [job.id for job in others.unsettled()] == ["b"]  # and nothing of what was cancelled
    assert "".join(jobs.result("c")) == '{"a": 1}'
    assert jobs.add([NewJob("x", {}, "u", None)])[0].number == 6
    assert not inspect(engine).has_table("batches")
    engine.dispose()


def test_speech_of_what_was_archived_before_is_unknown(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tables, "HEAD", "0004")
        before = open_database(tmp_path / "a.db")
    scores = ", ".join(["0.0"] * 8 + ["1.0"])
    with before.begin() as connection:
        connection.exec_driver_sql("INSERT INTO recordings (sha256, created) VALUES ('s', 1.0)")
        connection.exec_driver_sql(
            "INSERT INTO recognitions (id, recording, created, day, model, revision, granularity, emotion, "  # noqa: S608
            f"confidence, {', '.join(NAMES)}, warnings) "
            f"VALUES ('i', 's', 1.0, '1970-01-01', 'm', '1', 'utterance', 'unknown', 1.0, {scores}, '')"
        )
    before.dispose()
    with Archive(tmp_path / "a.db") as archive:
        assert [(item.id, item.speech) for item in archive.all()] == [("i", None)]
        archive.add_records([record(1, speech=0.75)])
        assert {item.speech for item in archive.all()} == {None, 0.75}


def test_what_was_archived_before_is_listed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its result.json is read again, by what the archive knows."""
    root, names = tmp_path / "outputs", ["outputs_20240104_223000_12", "outputs_20240104_223000_2", "mine"]
    with monkeypatch.context() as patch:
        patch.setattr(tables, "HEAD", "0005")
        before = open_database(tmp_path / "a.db")
    scores = ", ".join(["0.0"] * 8 + ["1.0"])
    with before.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO recordings (sha256, name, duration, created) VALUES ('s', 'x.wav', 1.5, 1.0)"
        )
        for number, name in enumerate([names[0], names[1], names[1], names[2], None]):
            path = "NULL" if name is None else f"'{root / name if database else f'outputs/{name}'}'"
            connection.exec_driver_sql(
                "INSERT INTO recognitions (id, recording, created, day, model, revision, granularity, emotion, "  # noqa: S608
                f"confidence, {', '.join(NAMES)}, warnings, emovox, outputs) VALUES ('{number}', 's', {number}, "
                f"'1970-01-01', 'm', '1', 'utterance', 'unknown', 1.0, {scores}, '', '0.1', {path})"
            )
    before.dispose()
    with Archive(tmp_path / "a.db") as archive:
        page = archive.directories.page(root, Filter(name="X."), before=None, limit=9)
        assert [(path, record.id, modified) for path, record, modified in page] == [
            (root / names[number], id_, 0) for number, id_ in ((2, "3"), (0, "0"), (1, "2"))
        ]
        assert {(record.name, record.duration) for _, record, _ in page} == {("x.wav", 1.5)}
        assert archive.directories.page(root, Filter(), before=names[0], limit=9) == page[2:]


def test_all_that_was_archived_is_there_once_the_nine_may_be_missing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make a table anew, SQLite drops the old one: what refers to its rows stays."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "HEAD", "0005")
        before = open_database(tmp_path / "a.db")
    scores = {name: float(name == "sad") for name in NAMES}
    verdict = {"emotion": "sad", "confidence": 1.0, **scores}
    facts = {"created": 1.0, "day": "1970-01-01", "model": "m", "revision": "1", "granularity": "utterance"}
    space = {"model": "m", "revision": "1", "dimensions": 2, "kind": "recording", "token": "x", "deletions": 0}
    ids = [f"{number:064x}" for number in range(50)]
    with before.begin() as connection:
        contents: dict[str, list[dict[str, object]]] = {
            "recordings": [{"sha256": id_[::-1], "name": "x.wav", "created": 1.0} for id_ in ids],
            "recognitions": [
                {"id": id_, "recording": id_[::-1], "warnings": "", **facts, **verdict} for id_ in ids
            ],
            "segments": [{"recognition": id_, "number": 0, "start": 0.0, "end": 1.0, **verdict} for id_ in ids],
            "tags": [{"recording": id_[::-1], "name": "t"} for id_ in ids],
            "spaces": [space],
            "embeddings": [{"recognition": id_, "segment": -1, "space": 1, "vector": bytes(4)} for id_ in ids],
        }
        for table, rows in contents.items():
            connection.execute(schema.metadata.tables[table].insert(), rows)
    before.dispose()
    with Archive(tmp_path / "a.db") as archive:
        first = archive.find()[0][0]
        assert (len(list(archive.all())), first.emotion, first.scores, first.tags) == (50, "sad", scores, ("t",))
        assert first.readouts == {}
        assert all(archive.segments(id_)[0]["sad"] == 1.0 for id_ in ids)
        assert all(archive.embedding(id_) is not None for id_ in ids)
        archive.add_records([without_nine(1)])
        assert archive.stats().by_emotion == {"sad": 50}
        archive.delete([ids[0][::-1]])  # what refers to the new tables still goes with their rows
        assert archive.segments(ids[0]) == []
        with archive.database.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(schema.segments)) == 50


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    file = old(tmp_path / "a.db")
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE tags (somebody_else TEXT)")  # in the way of the fifth table of 0003
    connection.close()
    with pytest.raises(SettingsError, match="already exists"):
        open_database(file)
    with sqlite3.connect(file) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"jobs", "batches", "keys", "tags"}
        assert "timings" not in {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}
    connection.close()


def test_to_look_makes_no_tables(database: str, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for name in ("none/a.db", "empty.db"):
        with Archive(tmp_path / name, make=False) as archive:
            assert archive.is_empty()
            assert archive.stats().recognitions == 0
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]
    url = database.replace("postgresql:", "postgresql+psycopg:") or f"sqlite:///{tmp_path}/empty.db"
    engine = create_engine(url)
    assert not inspect(engine).get_table_names()
    engine.dispose()
    with Archive(tmp_path / "empty.db") as archive:
        archive.add_records([record(1)])
    with Archive(tmp_path / "empty.db", make=False) as archive:
        assert not archive.is_empty()


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_database(tmp_path / "a.db").dispose()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608
    connection.close()
    with pytest.raises(SettingsError, match="a newer Emovox wrote it"):
        open_database(tmp_path / "a.db")


@pytest.mark.parametrize("url", ["", "postgresql://127.0.0.1:9/x", "nonsense", "mysql+nothing://x/y"])
def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("EMOVOX_DATABASE", url)
    settings.cache_clear()
    with pytest.raises(SettingsError, match="the database can't be opened"):
        open_database(tmp_path / "file" / "a.db")


def test_no_other_database_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_DATABASE", "mysql://user:password@host/emovox")
    settings.cache_clear()
    with pytest.raises(SettingsError, match="it is mysql, and must be sqlite or postgresql"):
        Archive(tmp_path / "a.db")


def test_opened_by_many_at_once_for_the_first_time(tmp_path: Path) -> None:
    wrong: list[BaseException] = []

    def begin() -> None:
        try:
            open_database(tmp_path / "a.db").dispose()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


WRITER = textwrap.dedent("""
    import sys
    sys.path[:0] = {path!r}
    from pathlib import Path
    from emovox.archive import Archive
    from support.records import record
    with Archive(Path({file!r})) as archive:
        for first in range({first}, {last}, {step}):
            archive.add_records(record(number) for number in range(first, first + {step}))
            print(first + {step}, flush=True)
""")


def writer(file: Path, first: int, last: int, step: int) -> "subprocess.Popen[str]":
    path = [str(Path(__file__).parents[1]), *sys.path]
    code = WRITER.format(path=path, file=str(file), first=first, last=last, step=step)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))


def whole(file: Path) -> set[int]:
    """The numbers of the entries that are there, each with all that belongs to it, once."""
    with Archive(file) as archive, archive.database.connect() as connection:
        for table, each in (("recognitions", 1), ("segments", 1), ("embeddings", 2)):
            count = connection.scalar(select(func.count()).select_from(schema.metadata.tables[table]))
            recordings = connection.scalar(select(func.count()).select_from(schema.recordings))
            assert count == each * (recordings or 0)
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        return {int(item.name[:-4]) for item in archive.all() if item.name}


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path / "a.db", first, first + 600, 5) for first in (0, 300)]  # half of it is the same
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert whole(tmp_path / "a.db") == set(range(900))


def test_whoever_makes_the_file_first_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself doesn't wait where two make a fresh file write ahead at once."""
    first = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, first.rollback)
    timer.start()
    open_database(tmp_path / "a.db").dispose()
    timer.join()
    first.close()


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_in_the_middle(tmp_path: Path, kills: int) -> None:
    """What a writer has said to be there is there, nothing is there by half or twice, and others write on."""
    file, chance, said = tmp_path / "a.db", random.Random(2024), [0, 0]
    steady = writer(file, 10_000, 10_600, 5)
    for _ in range(kills):
        process = writer(file, said[0], said[0] + 100_000, 5)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        printed = process.communicate()[0].split()
        said[1] = max([said[1], *map(int, printed)])
    steady.communicate()
    there = whole(file)
    assert there >= {*range(said[1]), *range(10_000, 10_600)}
    assert len(there) % 5 == 0
    last = max(number for number in there if number < 10_000)
    with Archive(file) as archive:  # the killed import again
        archive.add_records(record(number) for number in range(last + 6))
    assert whole(file) >= set(range(last + 6))


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    settings.cache_clear()
    return tmp_path / "outputs"


def test_where_only_the_outputs_can_be_written_to_the_archive_is_in_them(
    tmp_path: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tables.archive_file() == tmp_path / "outputs.db"
    allowed, inside = os.access, outputs / ".emovox" / "outputs.db"
    with monkeypatch.context() as container:
        container.setattr(os, "access", lambda path, mode: path != tmp_path and allowed(path, mode))
        with Archive() as archive:
            archive.add_records([record(1, outputs=outputs / "outputs_20240104_223000")])
    assert tables.archive_file() == inside  # one archive, whoever looks
    moved = tmp_path / "elsewhere"
    outputs.rename(moved)
    with Archive(moved / ".emovox" / "outputs.db") as archive:
        assert archive.known_outputs() == {moved / "outputs_20240104_223000"}


def test_outputs_that_are_a_volume_have_their_archive_in_them(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == outputs)
    assert tables.archive_file() == outputs / ".emovox" / "outputs.db"
    (beside := outputs.with_name("outputs.db")).touch()
    assert tables.archive_file() == beside  # it was there before


def test_summaries_of_what_was_archived_before_are_read_once(database: str, tmp_path: Path) -> None:
    """An archive that knows no summaries lets every directory be read again, which brings them."""
    directory = tmp_path / "outputs" / "outputs_20240104_223000"
    directory.mkdir(parents=True)
    item = recognition(segments=[segment(0, 2)])
    (directory / RESULT).write_text(item.to_json(), encoding="utf-8")
    with Archive(tmp_path / "a.db") as archive:
        archive.add_records([read_directory(directory)])
        with archive.database.begin() as connection:  # as the migration left it
            connection.exec_driver_sql("UPDATE recognitions SET summary = NULL")
            connection.exec_driver_sql("UPDATE directories SET modified = 0")
        assert [record.summary for record in archive.all()] == [None]
        import_directories(archive, [directory])
        [record] = archive.all()
        assert item.summary is not None
        assert (record.summary, record.summary_recognized) == (item.summary.brief, None)
        [(_, _, modified)] = archive.directories.page(directory.parent, Filter(), before=None, limit=9)
        assert modified == (directory / RESULT).stat().st_mtime_ns


def test_an_archive_of_before_gets_flags_and_summaries(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tables, "HEAD", "0009")
        before = open_database(tmp_path / "a.db")
    scores = ", ".join(["0.0"] * 8 + ["1.0"])
    with before.begin() as connection:
        connection.exec_driver_sql("INSERT INTO recordings (sha256, created) VALUES ('s', 1.0)")
        connection.exec_driver_sql(
            "INSERT INTO recognitions (id, recording, created, day, model, revision, granularity, emotion, "  # noqa: S608
            f"confidence, {', '.join(NAMES)}, warnings) "
            f"VALUES ('i', 's', 1.0, '1970-01-01', 'm', '1', 'utterance', 'unknown', 1.0, {scores}, '')"
        )
        connection.exec_driver_sql(
            "INSERT INTO directories (path, parent, position, recognition, modified) "
            "VALUES ('p/d', 'p', 'd', 'i', 7)"
        )
    before.dispose()
    with Archive(tmp_path / "a.db") as archive:
        assert [(item.id, item.summary) for item in archive.all()] == [("i", None)]
        assert archive.flags.put("x", "angry > 60%").name == "x"
        assert archive.segments("i") == []
        with archive.database.connect() as connection:
            assert connection.exec_driver_sql("SELECT modified FROM directories").scalar() == 0


def test_values_of_segments_that_were_archived_before_are_read_once(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, own = values(arousal=0.5, valence=0.1), values(arousal=0.9, valence=0.2)
    directories = [tmp_path / "outputs" / f"outputs_20240104_22300{number}" for number in range(2)]
    items = [
        recognition(readouts={"dimensions": whole}, segments=[segment(0, 2, readouts={"dimensions": own})]),
        recognition(segments=[segment(0, 3)]),
    ]
    for directory, item in zip(directories, items, strict=True):
        directory.mkdir(parents=True)
        (directory / RESULT).write_text(item.to_json(), encoding="utf-8")
    with Archive(tmp_path / "a.db") as archive:
        import_directories(archive, directories)
        with archive.database.begin() as connection:  # as before the migration
            connection.exec_driver_sql('ALTER TABLE segments DROP COLUMN "values"')
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0012'")  # noqa: S608
    with Archive(tmp_path / "a.db") as archive:
        with archive.database.connect() as connection:
            query = "SELECT modified FROM directories ORDER BY path"
            assert [modified == 0 for modified in connection.exec_driver_sql(query).scalars()] == [True, False]
        ids = {record.duration: record.id for record in archive.all() if record.readouts}
        [id_] = ids.values()
        assert [row["values"] for row in archive.segments(id_)] == [{}]
        import_directories(archive, directories)
        assert [row["values"] for row in archive.segments(id_)] == [
            {"dimensions": {"arousal": 0.9, "valence": 0.2}}
        ]
