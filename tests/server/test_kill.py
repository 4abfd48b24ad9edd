"""The service killed under load, and started again: every job ends in exactly one complete outputs directory."""

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from emovox import files
from emovox.inference.recognition import Recognition
from emovox.outputs import RESULT
from emovox.server.database import open_database, owner, state_directory
from emovox.server.jobs.jobs import Jobs, NewJob
from emovox.server.jobs.runner import Runner
from emovox.server.service import Service
from emovox.settings import settings
from support.results import recognition
from support.service import ServiceProcess


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_under_load(tmp_path: Path, examples: list[Path], kills: int) -> None:
    chance = random.Random(3)
    accepted: dict[str, str] = {}
    for _ in range(kills):
        process = ServiceProcess(tmp_path / "outputs")
        for number in range(chance.randint(5, 25)):
            content = examples[number % 7].read_bytes()
            name = f"{len(accepted)}"
            answer = process.client.post(
                "/v1/recognitions", params={"name": name}, content=content, headers={"Prefer": "respond-async"}
            )
            accepted[answer.json()["id"]] = name
            time.sleep(0.03)
        process.end(kill=True)
    process = ServiceProcess(tmp_path / "outputs")
    outputs = {}
    for id_, name in accepted.items():
        job = process.client.finished(id_)
        assert job["state"] == "done", job
        outputs[job["output"]] = name
    assert process.end() == 0
    directories = {path.name for path in (tmp_path / "outputs").glob("outputs_*")}
    assert directories == set(outputs)
    assert len(outputs) == len(accepted)
    for output, name in outputs.items():
        result = Recognition.from_json((tmp_path / "outputs" / output / RESULT).read_bytes())
        assert result.recording.name == name
        assert (tmp_path / "outputs" / output / "processed_audio.wav").stat().st_size > 1000
    assert list((tmp_path / "outputs/.emovox/service/uploads").iterdir()) == []


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """One that runs nothing."""
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    settings.cache_clear()
    service = Service()
    yield service
    service.close()


def running_job(service: Service) -> str:
    service.uploads.path("a" * 32).write_bytes(b"x")
    (job,) = service.jobs.add([NewJob("x", {}, "a" * 32, None)])
    assert service.jobs.next() is not None
    return job.id


@pytest.mark.parametrize("when", ["before the claim", "before the rename", "after the rename", "another's name"])
def test_what_a_kill_leaves_is_settled(service: Service, when: str) -> None:
    id_ = running_job(service)
    missing = {"type": "urn:emovox:export", "title": "Export not possible", "status": 422, "detail": "no pen"}
    with service.outputs.draft() as draft:
        directory = draft.complete(recognition())
        if when != "before the claim":
            service.jobs.claim(id_, "outputs_20240104_223000", files.digest(directory / RESULT), problem=missing)
        if when == "after the rename":
            assert draft.publish(recognition()).name == "outputs_20240104_223000"
    if when == "another's name":
        with service.outputs.draft() as draft:
            draft.publish(recognition(emotion="sad"))
    (left,) = service.jobs.unsettled()
    Runner(service, at_once=1)._settle(left)
    job = service.jobs.get(id_)
    assert job is not None
    done = when == "after the rename"
    assert (job.state, job.output) == (("done", "outputs_20240104_223000") if done else ("queued", None))
    assert job.problem == (missing if done else None)
    assert service.uploads.path("a" * 32).exists() != done


def test_a_cancelled_job_keeps_no_outputs(service: Service) -> None:
    id_ = running_job(service)
    with service.outputs.draft() as draft:
        service.jobs.claim(id_, "outputs_20240104_223000", files.digest(draft.complete(recognition()) / RESULT))
        place = draft.publish(recognition())
    service.jobs.cancel(id_)
    (left,) = service.jobs.unsettled()
    Runner(service, at_once=1)._settle(left)
    assert not place.exists()


def test_a_stop_puts_back_what_runs(tmp_path: Path, examples: list[Path]) -> None:
    process = ServiceProcess(tmp_path / "outputs", inference_threads=1)
    files = [("file", (f"{number}", examples[number % 7].read_bytes())) for number in range(40)]
    batch = process.client.post("/v1/batches", files=files).json()["links"]["self"]
    assert process.end() == 0
    process = ServiceProcess(tmp_path / "outputs")
    view = process.client.get(batch).json()
    for job in view["jobs"]:
        assert process.client.finished(job["id"])["state"] == "done"
    process.end()
    assert len(list((tmp_path / "outputs").glob("outputs_*"))) == 40


def test_one_service_at_a_time(tmp_path: Path, service: Service) -> None:
    with pytest.raises(Exception, match="another service is using the outputs"):
        Service()
    database = open_database()
    assert Jobs(database, owner(state_directory())).waiting() == 0  # the command line may read meanwhile
    database.dispose()


def test_it_stops_while_somebody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a hub that never answers, so the stream goes on
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        process = ServiceProcess(tmp_path / "outputs")
        process.wait_until_ready()
        url = f"{process.client.base_url}/v1/models/emotion2vec_base/pull"
        with httpx.stream("POST", url, timeout=60) as answer:
            assert answer.status_code == 200
            process.process.terminate()
            answer.read()
        assert process.end() == 0
