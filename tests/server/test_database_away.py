"""PostgreSQL is stopped, restarted, or answers no more, while the service runs."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from emovox.archive.similarity.pgvector import PostgresIndex
from support import postgres
from support.postgres import Postgres
from support.service import Client, ServiceProcess, serving
from support.waiting import until


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.running() as server:
        yield server


@pytest.fixture(autouse=True)
def started(server: Postgres) -> Iterator[None]:
    """Whatever a test has done to it, the next finds it running."""
    yield
    server.start()


@pytest.fixture(scope="module")
def client(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    outputs = tmp_path_factory.mktemp("away") / "outputs"
    with serving(outputs, database=server.make("away"), keys_needed=True) as client:
        client.headers["X-API-Key"] = client.service.keys.add("me")
        yield client


def job(client: httpx.Client, path: Path) -> httpx.Response:
    return client.post("/v1/recognitions", content=path.read_bytes(), headers={"Prefer": "respond-async"})


def is_ready(client: httpx.Client) -> bool:
    return client.get("/readyz").is_success


def asked(client: Client, examples: list[Path], id_: str, output: str) -> dict[str, httpx.Response]:
    """Everything that asks the database."""
    files = [("file", (path.name, path.read_bytes())) for path in examples[:2]]
    return {
        "job": client.get(f"/v1/jobs/{id_}"),
        "result": client.get(f"/v1/jobs/{id_}/result"),
        "events": client.get(f"/v1/jobs/{id_}/events"),
        "jobs": client.get("/v1/jobs"),
        "cancel": client.delete(f"/v1/jobs/{id_}"),
        "async": job(client, examples[0]),
        "batch": client.post("/v1/batches", files=files),
        "batches": client.get(f"/v1/batches/{'0' * 32}"),
        "outputs": client.get("/v1/outputs"),
        "archive": client.get("/v1/archive"),
        "stats": client.get("/v1/archive/stats"),
        "similar": client.get(f"/v1/outputs/{output}/similar"),
        "tag": client.put(f"/v1/outputs/{output}/tags/a"),
        "untag": client.delete(f"/v1/outputs/{output}/tags/a"),
        "delete": client.delete(f"/v1/outputs/{output}"),
        "unknown key": client.get("/v1/jobs", headers={"X-API-Key": "emovox_a_b"}),
    }


def check_archived(client: Client, output: str) -> None:
    """It is in the archive, with its embedding."""

    def archived() -> bool:
        answer = client.get("/v1/archive", params={"limit": 200})
        return answer.is_success and output in {item["output"] for item in answer.json()["recognitions"]}

    until(archived)
    archive = client.service.archiving.archive
    found = archive.by_outputs(client.outputs / output)
    assert found is not None
    assert archive.embedding(found.id) is not None
    pending = client.outputs / ".emovox/service/pending"
    until(
        lambda: not any(pending.iterdir())
    )  # others may be on their way; a file goes once its output is archived


def test_a_restart(
    client: Client, server: Postgres, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.finished(job(client, examples[0]).json()["id"])
    server.stop()
    until(lambda: not is_ready(client))
    with monkeypatch.context() as patch:
        patch.setattr("emovox.server.keys.LATE", 0.0)
        answers = asked(client, examples, before["id"], before["output"])
    for name, answer in answers.items():
        assert (name, answer.status_code, answer.json()["type"]) == (name, 503, "urn:emovox:database")
        assert answer.headers["retry-after"] == "5"
    down = {f"{task}: the database is unavailable" for task in ("jobs", "the database", "keys")}
    until(lambda: down <= set(client.get("/readyz").json()["detail"].split("; ")))
    assert 'emovox_up{task="jobs"} 0.0' in client.get("/metrics").text
    stored = client.post_file(examples[1])  # needs no database
    assert stored.status_code == 200
    output = stored.headers["location"].rpartition("/")[2]
    pending = client.outputs / f".emovox/service/pending/{output}.npy"
    assert (pending.stat().st_mode & 0o777, pending.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(client.service.uploads.directory.iterdir()) == []  # of what was refused nothing is left
    server.start()
    until(lambda: is_ready(client))
    check_archived(client, output)
    assert 'emovox_up{task="jobs"} 1.0' in client.get("/metrics").text
    assert client.get("/v1/jobs", headers={"X-API-Key": "emovox_a_b"}).status_code == 401
    assert client.finished(job(client, examples[2]).json()["id"])["state"] == "done"
    assert client.get(f"/v1/jobs/{before['id']}").json() == before


def test_a_restart_while_jobs_run(client: Client, server: Postgres, examples: list[Path]) -> None:
    ids = [job(client, path).json()["id"] for path in [*examples, *examples]]
    until(lambda: client.get(f"/v1/jobs/{ids[2]}").json()["state"] != "queued")
    server.stop()
    until(lambda: not is_ready(client))
    server.start()
    until(lambda: is_ready(client))
    views = [client.finished(id_) for id_ in ids]
    assert {view["state"] for view in views} == {"done"}
    assert len({view["output"] for view in views}) == len(ids)
    for view in views:
        check_archived(client, view["output"])
    stored = {item["id"] for item in client.get("/v1/outputs", params={"limit": 200}).json()["outputs"]}
    known = {item["output"] for item in client.get("/v1/jobs", params={"limit": 200}).json()["jobs"]}
    assert stored >= known - {None}
    assert len(stored - known) == 1  # the one that was no job: none is there twice


def test_it_answers_no_more(
    client: Client, server: Postgres, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it for ever, and what needs no database goes on."""
    monkeypatch.setattr("emovox.server.query_threads.PATIENCE", 1.0)
    monkeypatch.setattr("emovox.server.service.LOCKED", 1.0)
    id_ = client.finished(job(client, examples[0]).json()["id"])["id"]
    server.stall(stalled=True)
    try:
        until(lambda: not is_ready(client))
        for answer in (client.get(f"/v1/jobs/{id_}"), job(client, examples[0])):
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:emovox:database")
        stored = client.post_file(examples[3])
        assert stored.status_code == 200
        assert client.get("/v1/emotions").status_code == 200
    finally:
        server.stall(stalled=False)
    until(lambda: is_ready(client))
    check_archived(client, stored.headers["location"].rpartition("/")[2])
    assert client.finished(job(client, examples[0]).json()["id"])["state"] == "done"


def test_killed_before_the_database_came_back(tmp_path: Path, server: Postgres, examples: list[Path]) -> None:
    """What waits to be archived outlives the service, with its embedding."""
    url = server.make("killed")
    process = ServiceProcess(tmp_path / "outputs", database=url)
    process.wait_until_ready()
    server.stop()
    until(lambda: not is_ready(process.client))
    names = [
        process.client.post_file(path, segments="true").headers["location"].rpartition("/")[2]
        for path in examples[:2]
    ]
    process.end(kill=True)
    server.start()
    with serving(tmp_path / "outputs", database=url) as client:
        for name in names:
            check_archived(client, name)
            assert client.get(f"/v1/outputs/{name}/similar", params={"segments": "true"}).status_code == 200


def test_pgvector_is_not_given_up(client: Client, server: Postgres) -> None:
    """Whether it is there can't be known while the database is away."""
    index = PostgresIndex(client.service.archiving.archive.database)
    server.stop()
    with pytest.raises(OperationalError):
        index.takes(8)
    server.start()
    assert index.takes(8)
