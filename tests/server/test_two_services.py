"""Two services on one PostgreSQL: each does its own jobs, whatever happens to the other."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, update

from emovox.inference.recognition import Recognition
from emovox.outputs import RESULT
from emovox.server.database import jobs as table
from emovox.server.database import open_database, owner
from emovox.server.jobs.jobs import Jobs, NewJob
from support.service import ServiceProcess, serving
from support.waiting import until

MANY = 30


def accept(process: ServiceProcess, label: str, examples: list[Path], count: int) -> dict[str, str]:
    """The ids of so many jobs, and what their recordings are called."""
    jobs = {}
    for number in range(count):
        answer = process.client.post(
            "/v1/recognitions",
            params={"name": f"{label}{number}"},
            content=examples[number % len(examples)].read_bytes(),
            headers={"Prefer": "respond-async"},
        )
        jobs[answer.json()["id"]] = f"{label}{number}"
    return jobs


def check(process: ServiceProcess, root: Path, jobs: dict[str, str]) -> None:
    """All are done, each into one outputs directory of this service, and there are no others."""
    outputs = {}
    for id_, name in jobs.items():
        job = process.client.finished(id_)
        assert (job["state"], job["elsewhere"]) == ("done", False), job
        outputs[job["output"]] = name
    assert len(outputs) == len(jobs)
    assert {path.name for path in root.glob("outputs_*")} == set(outputs)
    for output, name in outputs.items():
        assert Recognition.from_json((root / output / RESULT).read_bytes()).recording.name == name
    assert list((root / ".emovox/service/uploads").iterdir()) == []


@pytest.mark.slow
def test_each_does_its_own_though_one_is_killed(
    tmp_path: Path, postgres: Callable[[str], str], examples: list[Path]
) -> None:
    url = postgres("two")
    one, other = (ServiceProcess(tmp_path / name, database=url) for name in ("one", "other"))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(accept, one, "a", examples, MANY)
        second = pool.submit(accept, other, "b", examples, MANY)
        mine, theirs = first.result(), second.result()
    one.end(kill=True)
    one = ServiceProcess(tmp_path / "one", database=url)
    mine |= accept(one, "c", examples, 3)
    check(other, tmp_path / "other", theirs)
    check(one, tmp_path / "one", mine)

    seen = one.client.get(f"/v1/jobs/{next(iter(theirs))}").json()  # read here, though it is done there
    assert (seen["state"], seen["elsewhere"], seen["output"]) == ("done", True, None)
    assert "result" not in seen["links"]
    assert "output" not in seen["links"]
    answer = one.client.get(f"{seen['links']['self']}/result")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:emovox:elsewhere")
    jobs = one.client.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    assert {job["id"] for job in jobs} == {*mine, *theirs}
    assert one.end() == other.end() == 0


def test_one_cancels_and_reads_what_the_other_does(
    tmp_path: Path, postgres: Callable[[str], str], examples: list[Path]
) -> None:
    url = postgres("two")
    with serving(tmp_path / "one", database=url) as one, serving(tmp_path / "other", database=url) as other:
        headers = {"Prefer": "respond-async"}
        content = examples[0].read_bytes()
        done = one.post("/v1/recognitions", params={"store": "false"}, content=content, headers=headers).json()
        assert one.finished(done["id"])["problem"] is None
        result = other.get(f"/v1/jobs/{done['id']}/result")  # which is in the database
        assert Recognition.from_json(result.content).emotion == "angry"

        one.service.decoders._stall = 60
        held = [one.service.decoders._free.get_nowait()]  # the only one: jobs run, and come no further
        ids = [
            one.post("/v1/recognitions", content=content, headers=headers).json()["id"]
            for _ in range(3)  # two run, one waits
        ]
        until(
            lambda: [one.get(f"/v1/jobs/{id_}").json()["state"] for id_ in ids] == ["running", "running", "queued"]
        )
        assert len(list(one.service.uploads.directory.iterdir())) == 3
        for id_ in ids:
            answer = other.delete(f"/v1/jobs/{id_}")
            assert (answer.status_code, answer.json().get("state")) == (200, "cancelled"), answer.text
        until(lambda: list(one.service.uploads.directory.iterdir()) == [])  # the owner has noticed
        for worker in held:
            one.service.decoders._free.put_nowait(worker)
        assert {one.get(f"/v1/jobs/{id_}").json()["state"] for id_ in ids} == {"cancelled"}
        again = one.post("/v1/recognitions", content=content, headers=headers).json()
        assert one.finished(again["id"])["state"] == "done"
    assert len(list((tmp_path / "one").glob("outputs_*"))) == 1


@pytest.fixture
def both(database: str) -> Iterator[tuple[Jobs, Jobs]]:
    """The jobs of two services in one database."""
    engines = open_database(), open_database()
    yield Jobs(engines[0], "a" * 32), Jobs(engines[1], "b" * 32)
    for engine in engines:
        engine.dispose()


def new(upload: str = "u", webhook: str | None = None) -> NewJob:
    return NewJob("x", {}, upload, webhook)


def test_each_sees_to_its_own(both: tuple[Jobs, Jobs]) -> None:
    mine, theirs = both
    (first,), (second,) = mine.add([new("1", "https://a.example")]), theirs.add([new("2")])
    assert (first.owner, second.owner) == ("a" * 32, "b" * 32)
    assert (mine.waiting(), mine.uploads()) == (1, {"1", "2"})
    taken = mine.next()
    assert taken is not None
    assert (taken.id, mine.next()) == (first.id, None)
    assert [job.id for job in mine.unsettled()] == [first.id]
    assert theirs.unsettled() == []
    assert mine.finish(first.id, "done", output="outputs_1")
    theirs.forget_outputs(["outputs_1"])  # another directory of the same name
    assert theirs.forget(time.time() + 1) == 0
    assert mine.get(first.id) == theirs.get(first.id) != None  # noqa: E711  both see it
    assert mine.forget(time.time() + 1) == 1
    assert [job.id for job in mine.page(state=None, before=None, limit=9)] == [second.id]
    assert mine.cancel(second.id)
    assert [job.id for job in theirs.unsettled()] == [second.id]  # its upload is still there
    assert mine.unsettled() == []
    theirs.settle([second.id])
    assert theirs.unsettled() == []


def test_numbers_are_given_once(both: tuple[Jobs, Jobs]) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = [
            job
            for part in pool.map(lambda number: both[number % 2].add([new()] * 3, batch=f"{number}"), range(40))
            for job in part
        ]
    assert sorted(job.number for job in added) == list(range(1, 121))
    for number in range(40):  # those of a batch in a row, as they came
        numbers = [job.number for job in added if job.batch == f"{number}"]
        assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_jobs_from_before_there_were_owners(
    tmp_path: Path, postgres: Callable[[str], str], examples: list[Path]
) -> None:
    """Each service does those that it has the upload of; nobody those that are lost."""
    url = postgres("two")
    with serving(tmp_path / "one", database=url):
        pass  # there is a database, and a place for uploads
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    for root in ("one", "other"):
        uploads = tmp_path / root / ".emovox/service/uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        (uploads / root).write_bytes(examples[0].read_bytes())
    jobs = Jobs(engine, "nobody")
    (mine,), (theirs,), (lost,) = (jobs.add([new(upload)]) for upload in ("one", "other", "lost"))
    with engine.begin() as connection:
        connection.execute(update(table).values(owner=None))
    engine.dispose()
    with serving(tmp_path / "one", database=url) as one, serving(tmp_path / "other", database=url) as other:
        assert one.finished(mine.id)["output"]
        assert other.finished(theirs.id)["output"]
        assert one.get(f"/v1/jobs/{mine.id}").json()["elsewhere"] is False
        assert one.get(f"/v1/jobs/{theirs.id}").json()["elsewhere"] is True
        assert one.get(f"/v1/jobs/{lost.id}").json()["state"] == "queued"
        assert one.delete(f"/v1/jobs/{lost.id}").json()["state"] == "cancelled"


def test_a_service_keeps_its_name(tmp_path: Path) -> None:
    names = [owner(tmp_path / name) for name in ("one", "one", "other")]
    assert names[0] == names[1] != names[2]
    file = tmp_path / "one" / "owner"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("")  # cut off by a power cut
    assert len(owner(file.parent)) == 32
    file.unlink()
    assert owner(file.parent, "a" * 32) == owner(file.parent) == owner(file.parent, "b" * 32) == "a" * 32


def test_a_database_of_its_own_knows_no_others(both: tuple[Jobs, Jobs]) -> None:
    """Its name was lost, or the database comes from elsewhere: its jobs are done all the same."""
    mine, other = both
    added = mine.add([new(), new()])
    assert other.adopt(lambda _: True) == 0
    assert other.adopt(None) == 2
    taken = [other.next(), other.next()]
    assert [job and job.id for job in taken] == [job.id for job in added]
