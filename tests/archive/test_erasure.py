"""Everything of a recording goes, and a report says what went and what couldn't."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from emovox import outputs
from emovox.archive import Archive, Filter
from emovox.archive.erasure import Erasure, erase, expired, trained_on
from emovox.archive.schema import corrections, embeddings, recognitions
from emovox.archive.vectors import stored_embeddings
from emovox.baselines.baseline import Baseline
from emovox.errors import OutputsError
from emovox.heads import embedding_cache
from emovox.policy import Policy
from emovox.server.retention import Retention
from emovox.settings import settings
from support.service import serving
from support.waiting import until

Run = Callable[..., tuple[int, str, str]]
RETAINED = Policy(retention=(("default", 90.0), ("quality", 30.0)))


@pytest.fixture
def kept(run: Run, examples: list[Path]) -> list[Path]:
    """Recordings in the archive with everything that there is of one: Anna's is the first of them."""
    for path in examples:
        asked = ["--archive", "--embedding", "--segments", "--purpose", "quality", "-q"]
        assert run("recognize", path, "--model", "lite", *asked)[0] == 0
    labels = [f"{path},{'a' if number % 2 else 'b'}" for number, path in enumerate(examples)]
    Path("own.csv").write_text("\n".join(["path,label", *labels]))
    assert run("head", "train", "own.csv", "--name", "own", "--model", "lite", "-q", "-y")[0] == 0
    assert run("baseline", "fit", "--archive", "--name", "line", "--model", "lite", "-q")[0] == 0
    with Archive() as archive:
        anna = next(record for record in archive.all() if record.link == str(examples[0]))
        archive.tag(anna.sha256, "person:anna")
        assert anna.outputs is not None
        [segment, *_] = outputs.read_result(anna.outputs, "segments").segments or []
        archive.corrections.put(anna, segment, "calm")
    return examples


def test_everything_of_a_person(kept: list[Path], run: Run) -> None:
    with Archive() as archive:
        [anna] = archive.all(Filter(tag="person:anna"))
        assert list(stored_embeddings(archive, anna.sha256))
    before = Baseline.find("line").count
    code, out, err = run("archive", "erase", "--tag", "person:anna", "--yes", "--format", "json")
    assert code == 1, err  # a head can't be untrained, and the recording is its owner's
    report = json.loads(out)
    assert report["recordings"] == [anna.sha256]
    assert (report["recognitions"], report["corrections"]) == (1, 1)
    assert report["embeddings"] >= 2
    assert report["outputs"] == [str(anna.outputs)]
    assert [(item["name"], item["count"], item["reason"]) for item in report["baselines"]] == [
        ("line", before - 1, "")
    ]
    [head] = report["heads"]
    assert (head["name"], head["certain"]) == ("own", True)
    assert head["command"].startswith("emovox head train ")
    assert head["command"].endswith("own.csv --name own")
    assert (report["left"], report["own"]) == ([], [str(kept[0])])
    assert report["complete"] is False
    assert anna.outputs is not None
    assert not anna.outputs.exists()
    assert embedding_cache.stored(anna.sha256) == []
    assert not Baseline.find("line").knows(anna.sha256)
    with Archive() as archive:
        assert not list(archive.all(Filter(tag="person:anna")))
        assert len(list(archive.all())) == len(kept) - 1
        with archive.database.connect() as connection:
            for table, count in ((recognitions, len(kept) - 1), (corrections, 0)):
                assert connection.scalar(select(func.count()).select_from(table)) == count
            of = select(func.count()).select_from(embeddings).where(embeddings.c.recognition == anna.id)
            assert connection.scalar(of) == 0
    code, _, err = run("archive", "erase", "--tag", "person:anna", "--yes")
    assert (code, "nothing" in err) == (0, True)


def test_the_report_in_words(kept: list[Path], run: Run) -> None:
    with Archive() as archive:
        [anna] = archive.all(Filter(tag="person:anna"))
    code, out, _ = run("archive", "erase", anna.id[:12], "--yes")
    assert code == 1
    for words in ("1 recording", "1 recognition", "1 correction", "line: without it", "head own", "still there"):
        assert words in out, out


def test_nothing_goes_without_consent(kept: list[Path], run: Run) -> None:
    code, _, _ = run("archive", "erase", "--tag", "person:anna")  # there is nobody to ask
    assert code != 0
    with Archive() as archive:
        assert len(list(archive.all())) == len(kept)
    assert run("archive", "erase")[0] == 2
    assert run("archive", "erase", "--tag", "person:anna", "3f9a12c0ffee")[0] == 2


def test_what_is_killed_halfway_goes_on(kept: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive() as archive:
        records = list(archive.all(Filter(tag="person:anna")))

        def die(path: Path) -> None:
            outputs.remove(path)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            erase(archive, records, remove=die)
        again = erase(archive, archive.all(Filter(tag="person:anna")))
        assert again.recordings == [records[0].sha256]
        assert archive.lookup(records[0].sha256) == []


def test_a_directory_disappears_at_once_and_what_is_left_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("outputs_20240104_223000", "outputs_20240104_223001"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").touch()
        (tmp_path / ".emovox" / "timelines" / f"{name}.12").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)  # as if it were killed before
        outputs.remove(tmp_path / "outputs_20240104_223000")
    assert not (tmp_path / "outputs_20240104_223000").exists()
    assert list((tmp_path / ".emovox").glob("removed-*"))
    outputs.remove(tmp_path / "outputs_20240104_223001")
    assert not list((tmp_path / ".emovox").glob("removed-*"))
    assert not list((tmp_path / ".emovox" / "timelines").glob("outputs_20240104_223001*"))
    with pytest.raises(OutputsError):
        outputs.remove(tmp_path / "outputs_20240104_223001")


def test_of_a_recording_that_stays_only_a_recognition_goes(kept: list[Path], run: Run) -> None:
    assert run("recognize", kept[0], "--model", "lite", "--archive", "--purpose", "training", "-q")[0] == 0
    with Archive() as archive:
        [training] = archive.all(Filter(purpose="training"))
        report = erase(archive, [training])
        assert (report.recordings, report.recognitions, report.baselines) == ([], 1, [])
        assert [record.purpose for record in archive.lookup(training.sha256)] == ["quality"]
        assert archive.corrections.counts()


def test_what_can_not_be_deleted_is_said(kept: list[Path]) -> None:
    with Archive() as archive:
        records = list(archive.all(Filter(tag="person:anna")))

        def refuse(_: Path) -> None:
            raise OutputsError("read-only")

        report = erase(archive, records, remove=refuse)
        assert next((item.what, item.reason) for item in report.left) == (
            str(records[0].outputs), "it can't be deleted: read-only",
        )  # fmt: skip
        assert not report.complete


def test_nothing_is_trained_on_nothing() -> None:
    assert list(trained_on([])) == []
    assert Erasure().complete


@pytest.mark.parametrize(
    ("purpose", "days", "gone"),
    [("quality", 29, False), ("quality", 31, True), (None, 31, False), (None, 91, True), ("x", 91, True)],
)
def test_what_expires(kept: list[Path], purpose: str | None, days: int, gone: bool) -> None:
    with Archive() as archive:
        record = next(archive.all())
        archive.delete([record.sha256])
        archive.add_records([replace(record, purpose=purpose)])
        later = record.created + timedelta(days=days)
        assert (record.id in {item.id for item in expired(archive, RETAINED, later)}) == gone
        assert expired(archive, Policy(), later) == []


def test_expire(kept: list[Path], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("archive", "expire")
    assert (code, "no [retention]" in err) == (2, True)
    (tmp_path / "p.toml").write_text('profile = "open"\n[retention]\nquality = 0.000001\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(tmp_path / "p.toml"))
    settings.cache_clear()
    code, out, err = run("archive", "expire")
    assert (code, len(out.splitlines()), "--yes" in err) == (0, len(kept), True)
    with Archive() as archive:
        assert len(list(archive.all())) == len(kept)
    code, out, _ = run("archive", "expire", "--yes", "--format", "json")
    assert len(json.loads(out)["recordings"]) == len(kept)
    with Archive() as archive:
        assert archive.is_empty()
    assert not list(Path("outputs").glob("outputs_*"))


def test_the_service_deletes_by_purpose(tmp_path: Path, examples: list[Path]) -> None:
    (tmp_path / "p.toml").write_text('profile = "open"\n[retention]\nquality = 0.000001\n')
    with serving(tmp_path / "outputs", policy=str(tmp_path / "p.toml")) as client:
        ids = {
            purpose: client.post_file(examples[0], purpose=purpose).headers["location"].rpartition("/")[2]
            for purpose in ("quality", "training")
        }

        def is_gone() -> bool:
            Retention(client.service).sweep()
            return client.get(f"/v1/outputs/{ids['quality']}").status_code == 404

        until(is_gone)  # a tenth of a second is the age
        assert client.get(f"/v1/outputs/{ids['training']}").status_code == 200
        left = client.get("/v1/archive").json()["recognitions"]
        assert {item["purpose"] for item in left} == {"training"}
        assert client.get("/v1/policy").json()["retention"] == {"quality": 0.000001}


def test_erasure_over_http(tmp_path: Path, examples: list[Path]) -> None:
    with serving(tmp_path / "outputs") as client:
        ids = [client.post_file(path).headers["location"].rpartition("/")[2] for path in examples[:3]]
        job = client.post_file(examples[0], "/v1/batches").json()["jobs"][0]
        assert client.finished(job["id"])["state"] == "done"
        client.put(f"/v1/outputs/{ids[0]}/tags/person:anna")
        report = erased(client, {"tag": "person:anna"})
        assert len(report["recordings"]) == 1
        assert report["recognitions"] == 2
        assert ids[0] in report["outputs"]
        assert report["complete"] is True
        assert client.get(f"/v1/outputs/{ids[0]}").status_code == 404
        assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
        assert erased(client, {"outputs": [ids[1]]})["outputs"] == [ids[1]]
        assert erased(client, {"tag": "person:anna"})["recordings"] == []
        for wrong in ({}, {"tag": "x", "outputs": [ids[2]]}, {"outputs": ["x"]}):
            assert client.post("/v1/archive/erasures", json=wrong).status_code == 422
        assert client.post("/v1/archive/erasures", json={"outputs": [ids[0]]}).status_code == 404
        assert len(client.get("/v1/archive").json()["recognitions"]) == 1


def erased(client: Any, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/v1/archive/erasures", json=body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()
    return data
