"""Baselines, made by clients and asked by name."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import delete

from emovox.archive.schema import embeddings
from emovox.baselines.baseline import Baseline, baseline_path
from emovox.inference.recognizer import Recognizer
from support.baselines import baseline
from support.service import Client, serving

Encode = Callable[..., Path]


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


def embedding(recognizer: Recognizer, path: Path, **options: Any) -> Any:
    recognition = recognizer.recognize(path, embedding=True, **options)
    assert recognition.embedding is not None
    return recognition.embedding[0]


def test_they_are_listed(shared: Client, line3: Baseline, recognizer: Recognizer, examples: list[Path]) -> None:
    baseline_path("broken").write_text("{")
    baseline(recognizer.metadata.model_copy(update={"source_sha256": "0" * 64})).write(baseline_path("old"))
    listed = shared.get("/v1/baselines").json()
    assert [(item["name"], item["usable"]) for item in listed] == [("line3", True), ("old", False)]
    assert listed[0] == {
        "name": "line3",
        "count": 20,
        "model": "lite",
        "revision": line3.model.revision,
        "side": None,
        "usable": True,
        "created_at": listed[0]["created_at"],
        "group": None,
        "checksum": line3.checksum,
    }
    assert shared.get("/v1/baselines/line3").json() == listed[0]
    assert shared.get("/v1/baselines", params={"model": "lite"}).json() == listed
    assert shared.get("/v1/baselines/line3", params={"model": "nothing"}).status_code == 422
    assert not shared.get("/v1/baselines/line3", params={"model": "emotion2vec_plus_base"}).json()["usable"]
    damaged = shared.get("/v1/baselines/broken")
    assert damaged.status_code == 409
    assert str(baseline_path("broken").parent) not in damaged.text
    for name, reason in {
        "broken": "broken is damaged: fit it again",
        "none": "there is no 'none': choose self",
    }.items():
        answer = shared.post_file(examples[0], baseline=name)
        assert (answer.status_code, reason in answer.json()["detail"]) == (422, True)
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


def test_a_job_is_refused_before_it_waits(shared: Client, line3: Baseline, examples: list[Path]) -> None:
    for options in ({"expect": "neutral=0.8"}, {"baseline": "line3", "expect": "neutral"}, {"baseline": "none"}):
        files, later = {"file": examples[0].read_bytes()}, {"Prefer": "respond-async"}
        answer = shared.post("/v1/recognitions", files=files, data=options, headers=later)
        assert answer.status_code == 422, answer.text


def test_a_full_queue_refuses_to_make_one(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.service.admission, "_limit", 0)
    answer = upload(shared, examples[:2], name="line3")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:emovox:busy")
    assert not any(shared.service.uploads.directory.iterdir())


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
    rows = [embedding(recognizer, path) for path in examples[:3]]
    assert item.mean == pytest.approx(np.mean(rows, axis=0), abs=2e-3)
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
    rows = [embedding(recognizer, path, speech_only=True) for path in examples[:2]]
    assert item.mean == pytest.approx(np.mean(rows, axis=0), abs=1e-5)
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
    baseline_of_two = line3.model_copy(update={"count": 2, "summands": None})
    baseline_of_two.write(baseline_path("line3"))
    assert shared.post_file(examples[0], baseline="line3").json()["baseline"]["count"] == 2
    assert len(reads) == 2


def test_each_channel_is_a_recording_of_its_own(
    shared: Client, recognizer: Recognizer, examples: list[Path], encode: Encode, speech: np.ndarray
) -> None:
    call = encode(np.stack([speech, 0.3 * speech[::-1]]), "call.wav", "pcm_f32le", sample_format="flt")
    ids = [
        *stored(shared, [call], channel="1"),
        *stored(shared, [call], channel="2"),
        *stored(shared, examples[1:2]),
    ]
    assert shared.post("/v1/baselines", json={"name": "line3", "outputs": ids}).json()["count"] == 3
    first, second = (embedding(recognizer, call, channel=channel) for channel in (1, 2))
    last = embedding(recognizer, examples[1])
    assert Baseline.find("line3").mean == pytest.approx((first + second + last) / 3, abs=2e-3)
    answer = shared.delete(f"/v1/outputs/{ids[0]}", params={"baselines": "refit"})
    assert answer.json()["baselines"] == [{"name": "line3", "count": 1, "left": 0, "reason": ""}]
    assert Baseline.find("line3").mean == pytest.approx(last, abs=2e-3)  # the recording is out, wholly


def test_what_cannot_be_used_is_left_out_and_named(
    shared: Client, examples: list[Path], encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = encode(np.zeros(32_000, np.float32), "silence.wav", "pcm_s16le", sample_format="s16")
    ids = stored(shared, [examples[0], silence, examples[1], examples[2]])
    forgotten = shared.service.archiving.archive.by_outputs(shared.outputs / ids[2])
    assert forgotten is not None
    with shared.service.archiving.archive.database.begin() as connection:
        connection.execute(delete(embeddings).where(embeddings.c.recognition == forgotten.id))
    kept = shared.service.archiving.archive.directories.embeddings
    monkeypatch.setattr(
        shared.service.archiving.archive.directories,
        "embeddings",
        lambda root, names: {
            name: replace(item, model="large") if name == ids[3] else item
            for name, item in kept(root, names).items()
        },
    )
    answer = shared.post("/v1/baselines", json={"name": "line3", "outputs": ids})
    assert answer.status_code == 201, answer.text
    assert answer.json()["count"] == 1
    reasons = {item["recording"]: item["reason"] for item in answer.json()["left_out"]}
    assert list(reasons) == ids[1:]
    for reason, words in zip(reasons.values(), ("no speech", "no embedding", "recognised by large"), strict=True):
        assert words in reason
    assert upload(shared, [silence], name="quiet").json()["errors"] == [
        {"field": "silence.wav", "reason": "no speech was found in it"}
    ]


def test_lists_and_statistics_say_what_they_are_relative_to(tmp_path: Path, examples: list[Path]) -> None:
    with serving(tmp_path / "outputs") as client:
        assert upload(client, examples, name="line3").status_code == 201
        options = {"baseline": "line3", "expect": "neutral=0.01"}
        answers = [client.post_file(path, **options).json() for path in examples]
        plain = client.post_file(examples[0]).json()
        listed = client.get("/v1/outputs").json()["outputs"]
        for item, result in zip(reversed(listed), [*answers, plain], strict=True):
            assert item["emotion"] == result["emotion"]
            assert item["scores"] == pytest.approx(result["scores"], abs=1e-6)
            assert item.get("scores_without") == (
                pytest.approx(result["scores_without"], abs=1e-6) if "scores_without" in result else None
            )
            view = client.get(f"/v1/outputs/{item['id']}").json()
            assert view["scores"] == pytest.approx(item["scores"], abs=1e-6)
        archived = client.get("/v1/archive").json()["recognitions"]
        assert [(item["baseline"] or {}).get("name") for item in archived] == [None, *["line3"] * len(examples)]
        for item, result in zip(reversed(archived), [*answers, plain], strict=True):
            assert item["scores"] == pytest.approx(result.get("scores_without", result["scores"]), abs=1e-6)
            assert item["relative_to"] == "raw"
        raw, relative = (
            client.get("/v1/archive/stats", params=params).json() for params in ({}, {"baseline": "recognized"})
        )
        assert (raw["relative_to"], relative["relative_to"]) == ("raw", "recognized")
        assert relative["by_emotion"] == Counter(item["emotion"] for item in [*answers, plain])
        without = [item.get("scores_without", item["scores"]) for item in [*answers, plain]]
        assert raw["by_emotion"] == Counter(max(scores, key=scores.__getitem__) for scores in without)


def test_the_archive_is_relative_to_any(
    tmp_path: Path,
    recognizer: Recognizer,
    examples: list[Path],
    line3: Baseline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emovox.archive.relative.Recognizer", None)  # the service loads none but in its pool

    def listed(client: Client, **params: Any) -> list[dict[str, Any]]:
        answer = client.get("/v1/archive", params=params)
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json()["recognitions"]))

    with serving(tmp_path / "outputs") as client:
        raw = [client.post_file(path).json() for path in examples]
        options: dict[str, Any] = {"baseline": line3, "expect": {"neutral": 0.8}}
        expected = [recognizer.recognize(path, **options) for path in examples]
        items = listed(client, baseline="line3", expect="neutral=0.8")
        for item, result, before in zip(items, expected, raw, strict=True):
            assert (item["emotion"], item["relative_to"], item["baseline"]) == (result.emotion, "line3", None)
            assert item["scores"] == pytest.approx(result.scores, abs=1e-6)
            assert item["scores_without"] == pytest.approx(before["scores"], abs=1e-6)
        assert not any("scores_without" in item for item in listed(client))
        score = sorted(item["scores"]["neutral"] for item in items)[1]
        words = {"baseline": "line3", "expect": "neutral=0.8", "filter": f"neutral>{score}", "limit": "1"}
        page = client.get("/v1/archive", params=words).json()
        ids = [item["id"] for item in page["recognitions"]]
        while page["next"] is not None:
            page = client.get("/v1/archive", params={**words, "before": page["next"]}).json()
            ids += [item["id"] for item in page["recognitions"]]
        assert ids == [item["id"] for item in reversed(items) if item["scores"]["neutral"] > score]
        emotion = items[0]["emotion"]
        same = [item for item in items if item["emotion"] == emotion]
        assert listed(client, baseline="line3", expect="neutral=0.8", emotion=emotion) == same
        stats = client.get("/v1/archive/stats", params={"baseline": "line3", "expect": "neutral=0.8"}).json()
        assert stats["relative_to"] == "line3"
        assert stats["by_emotion"] == Counter(item["emotion"] for item in items)
        corpus = listed(client, baseline="corpus")
        assert {item["relative_to"] for item in corpus} == {"corpus"}
        client.put(f"/v1/outputs/{corpus[0]['output']}/tags/speaker:anna")
        speakers = [item["relative_to"] for item in listed(client, baseline="speaker")]
        assert speakers == ["speaker anna", *["corpus"] * (len(examples) - 1)]


@pytest.mark.parametrize("path", ["/v1/archive", "/v1/archive/stats"])
def test_what_the_archive_cant_be_relative_to(
    shared: Client, recognizer: Recognizer, examples: list[Path], line3: Baseline, path: str
) -> None:
    shared.post_file(examples[0])
    baseline(recognizer.metadata.model_copy(update={"name": "/etc/passwd"})).write(baseline_path("strange"))
    for params, status, words in (
        ({"baseline": "self"}, 422, "choose one of corpus, speaker, recognized, line3, strange"),
        ({"baseline": "nobody"}, 422, "baseline: choose one of"),
        ({"baseline": str(baseline_path("line3"))}, 422, "baseline: choose one of"),
        ({"expect": "neutral=0.8"}, 422, "choose a baseline, too"),
        ({"baseline": "line3", "expect": "neutral=8"}, 422, "give a share from 0 to 1"),
        ({"baseline": "recognized", "expect": "neutral=0.8"}, 422, "those that were said when recognising"),
        ({"baseline": "speaker"}, 409, "no recording has a tag like speaker:NAME"),
        ({"baseline": "line3", "tag": "nobody's"}, 409, "nothing in the archive is selected"),
        ({"baseline": "strange"}, 422, "made with the model /etc/passwd"),
    ):
        answer = shared.get(path, params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), params
        assert words in answer.json()["detail"], params
        assert str(baseline_path("line3").parent) not in answer.text


def test_long_uploads_are_sent_as_jobs_first(tmp_path: Path, examples: list[Path]) -> None:
    with serving(tmp_path / "outputs", sync_seconds=1) as client:
        answer = upload(client, examples[:1], name="line3")
    assert answer.status_code == 422
    assert "recognise it as a job" in answer.json()["errors"][0]["reason"]
