"""Trained heads, asked by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from emovox.inference.recognizer import Recognizer
from emovox.models.head import Head, head_path
from support.heads import head
from support.service import Client


@pytest.fixture
def own(recognizer: Recognizer) -> Head:
    own = head(recognizer.metadata)
    own.write(head_path("calls"))
    return own


def test_they_are_listed(shared: Client, own: Head) -> None:
    head_path("broken").write_text("{")
    [found] = shared.get("/v1/heads").json()
    assert (found["name"], found["classes"], found["model"]) == ("calls", list(own.classes), "lite")
    assert (found["values"], found["range"], found["figures"]) == ([], None, {})


def test_a_head_of_values(shared: Client, own: Head, examples: list[Path]) -> None:
    figures = {"arousal": {"clips": 9, "ccc": 0.5, "pearson": None, "rmse": 1.0, "mae": 0.8}}
    facts = own.model_dump() | {"name": "mood", "classes": (), "values": ("arousal", "valence"), "range": (1, 7)}
    facts["training"] |= {"figures": figures, "recordings": None}
    mood = Head(**{**facts, "weights": own.weights, "bias": own.bias})
    mood.write(head_path("mood"))
    found = next(view for view in shared.get("/v1/heads").json() if view["name"] == "mood")
    assert (found["classes"], found["values"], found["range"]) == ([], ["arousal", "valence"], [1, 7])
    assert found["figures"] == figures
    result = shared.post_file(examples[0], head="mood", model="lite", segments="true").json()
    assert list(result["readouts"]["mood"]["values"]) == ["arousal", "valence"]


def test_a_recording_and_a_job_ask_one(
    shared: Client, own: Head, recognizer: Recognizer, examples: list[Path]
) -> None:
    expected = recognizer.recognize(examples[0], head=own).readouts["calls"]
    answer = shared.post_file(examples[0], head="calls", segments="true", model="lite")
    assert answer.is_success, answer.text
    result = answer.json()
    assert result["readouts"]["calls"]["scores"] == pytest.approx(expected.scores)
    assert all(segment["readouts"]["calls"]["label"] in own.classes for segment in result["segments"])
    assert not [part for part in (result, *result["segments"]) if "head" in part]  # as until 0.2
    files = {"file": examples[0].read_bytes()}
    job = shared.post(
        "/v1/recognitions", files=files, data={"head": "calls"}, headers={"Prefer": "respond-async"}
    ).json()
    done = shared.finished(job["id"])
    assert done["state"] == "done"
    assert "calls" not in shared.post_file(examples[0]).json()["readouts"]


@pytest.mark.parametrize("name", ["none", "../calls", "/etc/passwd", "calls.json", "x" * 100, ""])
def test_only_names_of_heads_that_there_are(shared: Client, own: Head, examples: list[Path], name: str) -> None:
    answer = shared.post_file(examples[0], head=name)
    assert answer.status_code == 422
    assert "calls" in answer.text
    assert str(head_path("calls").parent) not in answer.text


def test_a_file_of_the_services_machine_is_not_read(
    shared: Client, own: Head, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(head_path("calls").parent)
    assert Head.find("calls.json").name == "calls"  # a user's command may
    assert shared.post_file(examples[0], head="calls.json").status_code == 422
    assert shared.post_file(examples[0], head="./calls.json").status_code == 422


def test_another_models_head_is_refused(shared: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    head(recognizer.metadata.model_copy(update={"name": "large"})).write(head_path("other"))
    answer = shared.post_file(examples[0], head="other", model="lite")
    assert (answer.status_code, answer.json()["title"]) == (422, "Head can't be used")
    assert "trained on the model large" in answer.json()["detail"]


def test_a_stream_asks_one(shared: Client, own: Head, speech: np.ndarray) -> None:
    with connect(str(shared.base_url).replace("http", "ws") + "/v1/live") as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", "head": "calls", "store": True}))
        socket.send(speech.astype("<f4").tobytes())
        socket.send('{"type": "end"}')
        told = [json.loads(message) for message in socket]
    updates = [event for event in told if event["type"] == "update" and event["emotion"]]
    assert updates
    assert all(set(event["readouts"]["calls"]["scores"]) == set(own.classes) for event in updates)
    output = told[-1]["output"]
    result = shared.get(f"/v1/outputs/{output}/files/result.json").json()
    assert list(result["readouts"]) == ["calls"]


def test_outputs_say_whether_they_have_segments_and_a_head_s_verdict(
    shared: Client, recognizer: Recognizer, examples: list[Path]
) -> None:
    head(recognizer.metadata).write(head_path("calls"))
    for options, segments, name in (
        ({"segments": "true", "head": "calls", "granularity": "frame"}, True, "calls"),
        ({"granularity": "frame"}, False, None),
        ({}, False, None),
    ):
        where = shared.post_file(examples[0], **options).headers["location"]
        output = shared.get(where).json()
        assert output["segments"] is segments
        assert list(output["readouts"]) == ([name] if name else [])
        [summary] = [item for item in shared.get("/v1/outputs").json()["outputs"] if item["id"] == output["id"]]
        assert summary["readouts"] == output["readouts"]
