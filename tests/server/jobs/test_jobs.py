import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from emovox.errors import ExportError
from emovox.inference.recognition import Recognition
from emovox.server.database import open_database, owner, state_directory
from emovox.server.jobs import webhooks
from emovox.server.jobs.jobs import Job, Jobs, NewJob
from emovox.server.keys import Keys
from support.exporters import break_format
from support.service import Client, serving


@pytest.fixture
def jobs(database: str) -> Iterator[Jobs]:
    engine = open_database()
    assert engine.dialect.name == ("postgresql" if database else "sqlite")
    yield Jobs(engine, owner(state_directory()))
    engine.dispose()


def new(name: str | None = "x", webhook: str | None = None) -> NewJob:
    return NewJob(name, {"segments": True}, "0" * 32, webhook)


def test_jobs_are_taken_in_their_order_and_once(jobs: Jobs) -> None:
    added = jobs.add([new("a"), new("b")]) + jobs.add([new("c\0")])
    taken = [jobs.next() for _ in range(4)]
    assert [job and job.id for job in taken] == [*(job.id for job in added), None]
    assert [job and job.name for job in taken[:3]] == ["a", "b", "c\0"]
    assert jobs.waiting() == 0
    assert len(jobs.unsettled()) == 3


def test_a_finished_job_stays_as_it_is(jobs: Jobs) -> None:
    (job,) = jobs.add([new()])
    assert not jobs.finish(job.id, "done", output="outputs_x")  # it doesn't run yet
    jobs.next()
    assert jobs.claim(job.id, "outputs_20240101_000000", "0" * 64)
    assert jobs.finish(job.id, "done", output="outputs_20240101_000000")
    assert not jobs.cancel(job.id)
    assert not jobs.put_back(job.id)
    assert not jobs.finish(job.id, "failed", problem={})
    found = jobs.get(job.id)
    assert found is not None
    assert (found.state, found.output) == ("done", "outputs_20240101_000000")


def test_a_job_that_is_put_back_waits_until_it_is_due(jobs: Jobs) -> None:
    first, second = jobs.add([new("a"), new("b")])
    taken = jobs.next()
    assert taken is not None
    assert (taken.id, taken.attempts) == (first.id, 0)
    problem = {"type": "urn:emovox:storage", "title": "Storage", "status": 507, "detail": "full"}
    assert jobs.put_back(first.id, due=time.time() + 500, problem=problem)
    assert jobs.has_problem()
    found = jobs.get(first.id)
    assert found is not None
    assert (found.state, found.problem, found.started, found.claim) == ("queued", problem, None, None)
    taken = jobs.next()  # it holds up nobody
    assert taken is not None
    assert (taken.id, jobs.next()) == (second.id, None)
    assert jobs.waiting() == 1
    assert jobs.put_back(second.id)
    taken = jobs.next()
    assert taken is not None
    assert (taken.id, taken.attempts) == (second.id, 1)
    assert jobs.cancel(first.id)
    found = jobs.get(first.id)
    assert found is not None
    assert (found.problem, jobs.has_problem()) == (None, False)


def test_a_clock_that_is_set_back_holds_up_no_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, postponed = jobs.add([new("a"), new("b")])
    jobs.next(), jobs.next()
    assert jobs.put_back(postponed.id, due=time.time() + 60)
    now = time.time() - 10_000
    monkeypatch.setattr("emovox.server.jobs.jobs.time.time", lambda: now)
    assert jobs.put_back(fresh.id)
    taken = [jobs.next(), jobs.next()]
    assert [job and job.id for job in taken] == [fresh.id, postponed.id]
    (late,) = jobs.add([new("c")])
    now -= 10
    taken = [jobs.next()]
    assert [job and job.id for job in taken] == [late.id]


def test_results_lie_apart(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be hundreds of megabytes: nothing but who asks for one reads it, and then by the piece."""
    monkeypatch.setattr("emovox.server.jobs.jobs._PIECE", 10)
    (job,) = jobs.add([new()], batch="1" * 32)
    jobs.next()
    assert jobs.finish(job.id, "done", result=["{", '"a":', " 12345678", "9", ' , "b": 1', "}"])
    asked: list[str] = []
    event.listen(jobs._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    jobs.get(job.id), jobs.of_batch("1" * 32), jobs.page(state="done", before=None, limit=9)
    assert jobs.states("1" * 32) == {"done": 1}
    assert asked
    assert not [statement for statement in asked if "result" in statement]
    assert "".join(jobs.result(job.id)) == '{"a": 123456789 , "b": 1}'
    assert len(list(jobs.result(job.id))) == 3
    assert list(jobs.result(job.id, 3)) == list(jobs.result("0" * 32)) == []
    assert jobs.forget(time.time() + 1) == 1
    assert list(jobs.result(job.id)) == []  # it goes with its job


def test_a_cancelled_job_claims_nothing(jobs: Jobs) -> None:
    (job,) = jobs.add([new()])
    jobs.next()
    assert jobs.cancel(job.id)
    assert not jobs.claim(job.id, "outputs_20240101_000000", "0" * 64)


def test_old_jobs_are_forgotten(jobs: Jobs) -> None:
    kept, gone = jobs.add([new(), new()])
    jobs.cancel(gone.id)
    assert jobs.forget(time.time() + 1) == 1
    assert [job.id for job in jobs.page(state=None, before=None, limit=9)] == [kept.id]


def test_jobs_are_forgotten_with_their_outputs(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.server.jobs.jobs._AT_ONCE", 2)
    added = jobs.add([new() for _ in range(5)], batch="1" * 32)
    for index, job in enumerate(added[:4]):
        jobs.next()
        assert jobs.finish(job.id, "done", output=f"outputs_{index}")
    jobs.forget_outputs([f"outputs_{index}" for index in range(1, 6)])
    assert jobs.of_batch("1" * 32) == [jobs.get(added[0].id), jobs.get(added[4].id)]
    jobs.forget_outputs([])


def test_pages(jobs: Jobs) -> None:
    added = jobs.add([new() for _ in range(5)])
    first = jobs.page(state="queued", before=None, limit=3)
    rest = jobs.page(state="queued", before=first[-1].number, limit=3)
    assert [job.id for job in first + rest] == [job.id for job in reversed(added)]
    assert jobs.page(state="done", before=None, limit=3) == []


def as_job(client: Client, path: Path, **options: str) -> dict[str, str]:
    answer = client.post(
        "/v1/recognitions",
        files={"file": (path.name, path.read_bytes())},
        data=options,
        headers={"Prefer": "wait=5, respond-async"},
    )
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    job: dict[str, str] = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


def test_a_job_from_its_beginning_to_its_end(shared: Client, examples: list[Path]) -> None:
    job = as_job(shared, examples[0], export="srt")
    assert job["state"] in {"queued", "running"}
    done = shared.finished(job["id"])
    assert (done["state"], done["progress"], done["problem"]) == ("done", 1.0, None)
    result = shared.get(f"/v1/jobs/{job['id']}/result")
    assert Recognition.from_json(result.content).emotion == "angry"
    assert result.content == (shared.outputs / done["output"] / "result.json").read_bytes()
    assert (shared.outputs / done["output"] / "segments.srt").exists()
    assert job["id"] in {item["id"] for item in shared.get("/v1/jobs?state=done").json()["jobs"]}
    assert list(shared.service.uploads.directory.iterdir()) == []
    assert shared.delete(f"/v1/jobs/{job['id']}").status_code == 409


def test_an_export_that_fails_is_the_problem_of_a_job_that_is_done(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_format(monkeypatch, "srt", ExportError("no pen"))
    job = as_job(shared, examples[0], export="srt,csv")
    done = shared.finished(job["id"])
    assert (done["state"], done["problem"]["type"]) == ("done", "urn:emovox:export")
    assert done["problem"]["detail"] == "recognised, but not exported as srt: no pen"
    assert (shared.outputs / done["output"] / "segments.csv").exists()
    assert f"{done['output']}: {done['problem']['detail']}" in caplog.messages
    assert Recognition.from_json(shared.get(f"/v1/jobs/{job['id']}/result").content).emotion == "angry"
    with shared.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        text = "".join(answer.iter_text())
    assert json.loads(text.rpartition("data: ")[2])["problem"] == done["problem"]
    found = shared.service.jobs.get(job["id"])
    assert found is not None
    assert {**json.loads(webhooks._body(found))["job"]["problem"], "errors": None} == done["problem"]


def test_events_end_with_the_job(shared: Client, examples: list[Path]) -> None:
    job = as_job(shared, examples[1])
    with shared.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    events = [part.split("\n") for part in text.strip().split("\n\n")]
    assert events[-1][0] == "event: done"
    assert json.loads(events[-1][1].removeprefix("data: "))["progress"] == 1.0


def test_a_deleted_output_leaves_no_name_behind(shared: Client, examples: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "Zoë Quux.flac"
    shutil.copy(examples[0], path)
    job: dict[str, Any] = shared.finished(as_job(shared, path)["id"])
    assert job["name"] == path.name
    assert shared.delete(job["links"]["output"]).status_code == 204
    assert shared.get(job["links"]["self"]).status_code == 404
    assert "Quux" not in shared.get("/v1/jobs", params={"limit": 200}).text


def test_a_result_that_is_not_stored_is_kept_with_the_job(shared: Client, examples: list[Path]) -> None:
    before = len(list(shared.outputs.glob("outputs_*")))
    done = shared.finished(as_job(shared, examples[0], store="false", granularity="frame")["id"])
    assert (done["state"], done["output"]) == ("done", None)
    assert Recognition.from_json(shared.get(f"/v1/jobs/{done['id']}/result").content).emotion == "angry"
    assert len(list(shared.outputs.glob("outputs_*"))) == before


def test_the_frames_of_a_result_are_where_it_was_asked(shared: Client, examples: list[Path]) -> None:
    for asked in ({}, {"frames": "inline"}, {"frames": "file"}):
        done = shared.finished(as_job(shared, examples[0], granularity="frame", **asked)["id"])
        address = f"/v1/jobs/{done['id']}/result"
        stored = (shared.outputs / done["output"] / "result.json").read_bytes()
        assert (shared.get(address).content == stored) is (asked != {"frames": "inline"})
        assert shared.get(f"{address}?frames=file").content == stored
        frames = Recognition.from_json(shared.get(f"{address}?frames=inline").content).frames
        assert frames is not None
        assert frames.scores is not None
        assert len(frames.scores) == json.loads(stored)["frames"]["count"]


def test_what_cannot_be_decoded_fails_with_its_reason(shared: Client, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF nothing")
    failed = shared.finished(as_job(shared, path)["id"])
    assert failed["state"] == "failed"
    assert failed["problem"]["status"] == 422
    assert "/" not in failed["problem"]["detail"]
    assert shared.get(f"/v1/jobs/{failed['id']}/result").status_code == 409


def test_waiting_jobs_are_cancelled(shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def none_taken(self: Jobs) -> Job | None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "next", none_taken)
        job = as_job(shared, examples[0])
        assert shared.get(f"/v1/jobs/{job['id']}/result").status_code == 409
        cancelled = shared.delete(f"/v1/jobs/{job['id']}").json()
    assert cancelled["state"] == "cancelled"
    assert list(shared.service.uploads.directory.iterdir()) == []


def test_many_look_at_once(shared: Client, examples: list[Path]) -> None:
    """All who follow a job see its end, and share their looks at the database."""
    looked, get = 0, Jobs.get

    def counting(self: Jobs, id_: str) -> Job | None:
        nonlocal looked
        looked += 1
        return get(self, id_)

    hold = shared.service.decoders._free.get_nowait()  # the job goes on when all are there
    job = as_job(shared, examples[1])
    url = f"/v1/jobs/{job['id']}/events"
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(20) as pool, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(shared.stream("GET", url)).iter_text() for _ in range(20)]
        assert {next(stream).partition("\n")[0] for stream in streams} <= {"event: queued", "event: running"}
        patch.setattr(Jobs, "get", counting)
        shared.service.decoders._free.put_nowait(hold)
        ends = list(pool.map("".join, streams))
        assert all("event: done" in end for end in ends)
        events = max(end.count("event: ") for end in ends)
    assert looked <= 4 * (events + 20)  # each by itself would have looked 20 times at each


def test_batches_have_one_progress(shared: Client, examples: list[Path]) -> None:
    files = [("file", (path.name, path.read_bytes())) for path in examples[:3]] + [("file", ("bad.wav", b"x"))]
    answer = shared.post("/v1/batches", files=files, data={"segments": "true"})
    assert answer.status_code == 202
    batch = answer.json()
    assert [job["name"] for job in batch["jobs"]] == [*(path.name for path in examples[:3]), "bad.wav"]
    with shared.stream("GET", batch["links"]["events"]) as stream:
        text = "".join(stream.iter_text())
    assert text.strip().split("\n\n")[-1].startswith("event: finished")
    ended = shared.get(answer.headers["location"]).json()
    assert ended["progress"] == 1.0
    assert ended["states"] == {"done": 3, "failed": 1}
    outputs = {job["output"] for job in ended["jobs"]} - {None}
    assert len(outputs) == 3
    assert shared.delete(answer.headers["location"]).json()["states"] == ended["states"]


@pytest.mark.parametrize(
    "path", ["/v1/jobs/" + "0" * 32, "/v1/batches/" + "0" * 32, "/v1/jobs/../../x", "/v1/jobs/x"]
)
def test_jobs_that_are_not_there(shared: Client, path: str) -> None:
    answer = shared.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_jobs_numbered_by_several_at_once(jobs: Jobs) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = [
            job for part in pool.map(lambda number: jobs.add([new(str(number))] * 3), range(20)) for job in part
        ]
        taken = list(pool.map(lambda _: jobs.next(), range(60)))
    assert sorted(job.number for job in added) == list(range(1, 61))
    assert {job.id for job in taken if job} == {job.id for job in added}


def test_keys_in_the_same_database(jobs: Jobs) -> None:
    engine = open_database()
    keys = Keys(engine)
    key = keys.add("ann")
    assert keys.check(key) == keys.all()[0].id
    assert keys.remove(keys.all()[0].id)
    engine.dispose()


def test_a_service_on_postgresql(postgres: Callable[[str], str], tmp_path: Path, examples: list[Path]) -> None:
    with serving(tmp_path / "outputs", database=postgres("service")) as client:
        done = client.finished(as_job(client, examples[0])["id"])
        assert (done["state"], client.get("/v1/archive/stats").json()["by_emotion"]) == ("done", {"angry": 1})
        other = client.post_file(examples[1]).headers["location"]
        (near,) = client.get(f"{other}/similar").json()["similar"]
        assert near["output"] == done["output"]
        assert client.delete(f"/v1/outputs/{done['output']}").status_code == 204
        assert client.get(f"{other}/similar").json()["similar"] == []
    assert not (tmp_path / "outputs.db").exists()
