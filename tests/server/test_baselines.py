"""Baselines, made by clients and asked by name."""

import json
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest

from emovox.baselines.baseline import Baseline, baseline_path
from emovox.inference.recognizer import Recognizer
from support.baselines import baseline
from support.service import Client


@pytest.fixture
def line3(recognizer: Recognizer) -> Baseline:
    item = baseline(recognizer.metadata)
    item.write(baseline_path("line3"))
    return item


def stored(client: Client, paths: list[Path], **options: str) -> list[str]:
    answers = [client.post_file(path, **options) for path in paths]
    return [answer.headers["location"].rpartition("/")[2] for answer in answers]


def upload(client: Client, paths: list[Path], **fields: str) -> httpx.Response:
    return client.post(
        "/v1/baselines", files=[("file", (path.name, path.read_bytes())) for path in paths], data=fields
    )


def test_they_are_listed(shared: Client, line3: Baseline, recognizer: Recognizer) -> None:
    baseline_path("broken").write_text("{")
    baseline(recognizer.metadata.model_copy(update={"source_sha256": "0" * 64})).write(baseline_path("old"))
    listed = shared.get("/v1/baselines").json()
    assert [(item["name"], item["usable"]) for item in listed] == [("line3", True), ("old", False)]
    assert listed[0] == {
        "name": "line3",
        "count": 20,
        "model": "lite",
        "revision": line3.model.revision,
        "usable": True,
        "created_at": listed[0]["created_at"],
        "group": None,
        "source": "a test",
        "checksum": line3.checksum,
    }
    assert shared.get("/v1/baselines/line3").json() == listed[0]
    assert shared.get("/v1/baselines", params={"model": "lite"}).json() == listed
    assert shared.get("/v1/baselines/line3", params={"model": "nothing"}).status_code == 422
    assert not shared.get("/v1/baselines/line3", params={"model": "emotion2vec_plus_base"}).json()["usable"]
    damaged = shared.get("/v1/baselines/broken")
    assert damaged.status_code == 409
    assert str(baseline_path("broken").parent) not in damaged.text
    for name in ("none", "self", "line3.json"):
        assert shared.get(f"/v1/baselines/{name}").json()["type"] == "urn:emovox:no-such-baseline"


def test_a_recording_and_a_job_ask_one(
    shared: Client, line3: Baseline, recognizer: Recognizer, examples: list[Path]
) -> None:
    expected = recognizer.recognize(examples[0], baseline=line3, expect={"neutral": 0.8}, segments=True)
    options = {"baseline": "line3", "expect": "neutral=0.8", "segments": "true", "model": "lite"}
    result = shared.post_file(examples[0], **options).json()
    assert result["scores"] == pytest.approx(expected.scores)
    assert result["scores_without"] == pytest.approx(expected.scores_without)
    assert result["baseline"] == json.loads(expected.to_json())["baseline"]
    files = {"file": examples[0].read_bytes()}
    job = shared.post("/v1/recognitions", files=files, data=options, headers={"Prefer": "respond-async"}).json()
    assert shared.finished(job["id"])["state"] == "done"
    assert shared.get(f"/v1/jobs/{job['id']}/result").json()["baseline"] == result["baseline"]
    batch = shared.post("/v1/batches", files=files, data=options).json()
    assert shared.finished(batch["jobs"][0]["id"])["state"] == "done"
    own = shared.post_file(examples[0], baseline="self", segments="true").json()
    assert own["warnings"] == ["baseline_short"]
    plain = shared.post_file(examples[0]).json()
    assert not {"baseline", "scores_without"} & plain.keys()


@pytest.mark.parametrize(
    "name", ["none", "../line3", "/etc/passwd", "line3.json", "corpus", "speaker", "x" * 200, ""]
)
def test_only_names_of_baselines_that_there_are(
    shared: Client, line3: Baseline, examples: list[Path], name: str
) -> None:
    answer = shared.post_file(examples[0], baseline=name)
    assert answer.status_code == 422
    assert "line3" in answer.text
    assert str(baseline_path("line3").parent) not in answer.text


@pytest.mark.parametrize(
    "options",
    [
        {"expect": "neutral=0.8"},
        {"baseline": "line3", "expect": "neutral"},
        {"baseline": "line3", "expect": "neutral=2"},
        {"baseline": "line3", "expect": "other=0.5"},
        {"baseline": "line3", "expect": "neutral=0.8", "emotions": "angry"},
    ],
)
def test_shares_that_mean_nothing(
    shared: Client, line3: Baseline, examples: list[Path], options: dict[str, str]
) -> None:
    answer = shared.post_file(examples[0], **options)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:emovox:invalid-options")


def test_another_models_baseline_is_refused(shared: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    baseline(recognizer.metadata.model_copy(update={"name": "large"})).write(baseline_path("other"))
    answer = shared.post_file(examples[0], baseline="other", model="lite")
    assert (answer.status_code, answer.json()["title"]) == (422, "Baseline can't be used")
    assert "made with the model large" in answer.json()["detail"]


def test_one_is_made_of_stored_outputs(shared: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    ids = stored(shared, examples[:3])
    answer = shared.post("/v1/baselines", json={"name": "line 4", "outputs": [*ids, ids[0]]})
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/baselines/line%204"), answer.text
    view = answer.json()
    assert (view["count"], view["left_out"], view["usable"]) == (3, [], True)
    item = Baseline.find("line 4")
    rows = [recognizer.recognize(path, embedding=True).embedding for path in examples[:3]]
    assert item.mean == pytest.approx(np.mean([row[0] for row in rows if row is not None], axis=0), abs=2e-3)
    assert all(item.knows(recognizer.recognize(path).recording.sha256) for path in examples[:3])
    again = {"name": "line 4", "outputs": ids[:2]}
    taken = shared.post("/v1/baselines", json=again)
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:emovox:baseline-exists")
    assert shared.post("/v1/baselines", json={**again, "replace": True}).json()["count"] == 2
    result = shared.post_file(examples[3], baseline="line 4").json()
    assert result["baseline"]["count"] == 2
    assert shared.delete("/v1/baselines/line 4").status_code == 204
    assert shared.delete("/v1/baselines/line 4").status_code == 404
    assert shared.post_file(examples[3], baseline="line 4").status_code == 422


def test_one_is_made_of_uploads(
    shared: Client, recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    before = len(shared.get("/v1/outputs").json()["outputs"])
    answer = upload(shared, [*examples[:2], tmp_path / "text.wav"], name="line3")
    assert answer.status_code == 201, answer.text
    assert [item["recording"] for item in answer.json()["left_out"]] == ["text.wav"]
    item = Baseline.find("line3")
    rows = [recognizer.recognize(path, embedding=True, speech_only=True).embedding for path in examples[:2]]
    assert item.mean == pytest.approx(np.mean([row[0] for row in rows if row is not None], axis=0), abs=1e-5)
    assert len(shared.get("/v1/outputs").json()["outputs"]) == before
    assert not any(shared.service.uploads.directory.iterdir())
    assert upload(shared, examples[:1], name="line3").status_code == 409
    assert upload(shared, examples[:1], name="line3", replace="true").json()["count"] == 1


def test_what_none_is_made_of(
    shared: Client, recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    [id_] = stored(shared, examples[:1])
    strange = "outputs_20240104_223000"
    bodies: list[object] = [
        {"name": "corpus", "outputs": [id_]},
        {"name": "../x", "outputs": [id_]},
        {"name": "line3", "outputs": []},
        {"name": "line3", "outputs": ["../x"]},
        {"name": "line3", "outputs": [id_], "path": "/etc"},
        {"name": "line3", "outputs": [id_], "model": "/etc/passwd"},
        {"name": "line3"},
        [],
    ]
    for body in bodies:
        answer = shared.post("/v1/baselines", json=body)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:emovox:invalid-options"), answer.text
    answer = shared.post("/v1/baselines", json={"name": "line3", "outputs": [strange]})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:emovox:baseline")
    assert [item["field"] for item in answer.json()["errors"]] == [strange]
    assert shared.post("/v1/baselines", content=b"{").status_code == 415
    assert shared.post("/v1/baselines", json={"name": "x", "outputs": [id_] * 60_000}).status_code == 413
    assert upload(shared, examples[:1]).status_code == 422
    assert upload(shared, examples[:1], name="self").status_code == 422
    assert upload(shared, examples[:1], name="line3", path="/etc").status_code == 422
    assert upload(shared, [], name="line3").status_code in {415, 422}
    assert not list(baseline_path("line3").parent.glob("*.json"))
    assert not any(shared.service.uploads.directory.iterdir())


def test_a_baseline_is_read_once(
    shared: Client, line3: Baseline, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read, lock = Baseline.read, threading.Lock()

    def counted(path: Path) -> Baseline:
        with lock:
            reads.append(path)
        return read(path)

    monkeypatch.setattr(Baseline, "read", counted)
    for _ in range(3):
        assert shared.post_file(examples[0], baseline="line3", store="false").is_success
    assert len(reads) == 1
    baseline_path("line3").unlink()
    baseline_of_two = line3.model_copy(update={"count": 2})
    baseline_of_two.write(baseline_path("line3"))
    assert shared.post_file(examples[0], baseline="line3").json()["baseline"]["count"] == 2
    assert len(reads) == 2
