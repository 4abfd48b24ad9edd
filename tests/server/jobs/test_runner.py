"""What becomes of a job that meets a trouble: one that passes, or one of its own."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from emovox.errors import (
    DecoderError,
    ModelError,
    NoAudioError,
    NotInstalledError,
    OutputsError,
    UnreadableAudioError,
)
from emovox.server.http.problems import Problem, database_away
from emovox.server.jobs.jobs import Jobs
from emovox.server.jobs.transient_errors import is_transient
from emovox.server.service import Service
from support.service import Client
from support.waiting import until

AWAY = OperationalError("SELECT", {}, Exception("connection refused"))
PASSING = [
    OutputsError("/secret/outputs: the disk is full"),
    DecoderError("no decoding process can be started"),
    ModelError("/secret/large.onnx: not a model that ONNX Runtime can load: std::bad_alloc"),
    ModelError("/secret/large.onnx: not a model that OpenVINO can load: can't alloc"),
    ModelError("the model large failed: CUDA error: out of memory"),
    MemoryError(),
    RuntimeError("can't start new thread"),
    OSError(errno.ENOSPC, "No space left on device", "/secret/x"),
    database_away(),
    AWAY,
]
OWN = [
    UnreadableAudioError("out of memory.wav holds no sound"),
    NoAudioError("there is no sound in it"),
    NotInstalledError("pull it first"),
    ModelError("/secret/large.onnx: not a model"),
    ZeroDivisionError(),
    Problem(422, "too-short", "too short"),
]


@pytest.fixture(autouse=True)
def well(shared: Client) -> Iterator[None]:
    """The service is as others find it."""
    yield
    until(lambda: shared.get("/readyz").is_success)
    until(lambda: list(shared.service.uploads.directory.iterdir()) == [])


def as_job(client: Client, path: Path, **options: str) -> str:
    query = {"name": path.name, **options}
    headers = {"Prefer": "respond-async"}
    answer = client.post("/v1/recognitions", params=query, content=path.read_bytes(), headers=headers)
    id_: str = answer.json()["id"]
    return id_


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Callable[[], None]:
    """Nothing is recognised, until that is called."""
    recognize, broken = Service.recognize, True

    async def recognize_or_fail(self: Service, *args: Any, **kwargs: Any) -> Any:
        if broken:
            raise error
        return await recognize(self, *args, **kwargs)

    def mend() -> None:
        nonlocal broken
        broken = False

    monkeypatch.setattr(Service, "recognize", recognize_or_fail)
    return mend


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", OWN, ids=str)
def test_what_does_not(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize("error", [PASSING[0], PASSING[2], AWAY], ids=["disk", "memory", "database"])
def test_a_job_waits_for_a_trouble_to_pass(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    mend = failing(monkeypatch, error)
    id_ = as_job(shared, examples[0])
    until(lambda: shared.get(f"/v1/jobs/{id_}").json()["problem"] is not None)
    view = shared.get(f"/v1/jobs/{id_}").json()
    assert view["state"] in {"queued", "running"}
    assert (view["problem"]["status"], "secret" in str(view)) in {(500, False), (503, False)}
    assert shared.get(f"/v1/jobs/{id_}/result").status_code == 409
    if not isinstance(error, ModelError):  # another model may do
        assert shared.get("/readyz").status_code == 503
    mend()
    done = shared.finished(id_)
    assert (done["state"], done["problem"]) == ("done", None)


def test_a_job_that_waits_can_be_cancelled(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, PASSING[0])
    id_ = as_job(shared, examples[0])
    until(lambda: shared.get("/readyz").status_code == 503)
    assert shared.delete(f"/v1/jobs/{id_}").json()["state"] == "cancelled"
    until(lambda: shared.get("/readyz").is_success)  # though nothing has succeeded: nothing waits either


def test_a_job_fails_for_what_is_its_own(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, OWN[1])
    failed = shared.finished(as_job(shared, examples[0]))
    assert (failed["state"], failed["problem"]["type"]) == ("failed", "urn:emovox:no-audio")


def test_a_model_that_fails_is_tried_for_a_while(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.server.jobs.runner.TRIES", 1)
    failing(monkeypatch, OWN[3])
    id_ = as_job(shared, examples[0])
    until(lambda: shared.get(f"/v1/jobs/{id_}").json()["problem"] is not None)
    assert shared.get("/readyz").is_success  # another model may do
    failed = shared.finished(id_)
    assert (failed["state"], failed["problem"]["type"]) == ("failed", "urn:emovox:model-failed")


@pytest.mark.parametrize("store", ["true", "false"])
def test_an_end_that_cannot_be_written_down(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """The outputs are there, and the database goes away: they are found, and nothing is done twice."""
    finish, refused = Jobs.finish, 0

    def refusing(self: Jobs, *args: Any, **kwargs: Any) -> bool:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise AWAY
        return finish(self, *args, **kwargs)

    monkeypatch.setattr(Jobs, "finish", refusing)
    before = len(list(shared.outputs.glob("outputs_*")))
    done = shared.finished(as_job(shared, examples[0], store=store))
    assert (done["state"], refused) == ("done", 2)
    assert len(list(shared.outputs.glob("outputs_*"))) == before + (store == "true")


def test_a_moment_without_database_costs_no_recognition(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when hours of work are about to be published: they wait for it."""
    claim, claims, count, recognize = Jobs.claim, 0, 0, Service.recognize

    def refusing(self: Jobs, *args: Any, **kwargs: Any) -> bool:
        nonlocal claims
        claims += 1
        if claims < 3:
            raise AWAY
        return claim(self, *args, **kwargs)

    async def counting(self: Service, *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return await recognize(self, *args, **kwargs)

    monkeypatch.setattr(Jobs, "claim", refusing)
    monkeypatch.setattr(Service, "recognize", counting)
    assert shared.finished(as_job(shared, examples[0]))["state"] == "done"
    assert (claims, count) == (3, 1)
