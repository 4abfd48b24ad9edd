"""A backend of Label Studio: what it asks, and what is fetched from it."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from emovox.emotions import NAMES
from emovox.errors import SettingsError
from emovox.inference.recognizer import Recognizer
from emovox.models.head import Head, head_path
from emovox.server.http.problems import Problem
from emovox.server.labelling.host import LabelStudio
from emovox.settings import settings
from support.heads import head
from support.label_studios import LEGACY, PERSONAL, FakeLabelStudio, label_studio
from support.service import Client, serving
from support.waiting import until

ROUTE = "/v1/label-studio"
CONFIG = """<View><Audio name="sound" value="$audio"/>
<Labels name="emotion" toName="sound">{labels}</Labels>
<Choices name="whole" toName="sound"><Choice value="Sad"/><Choice value="Anger"/></Choices></View>"""
NINE = CONFIG.format(labels="".join(f'<Label value="{name.title()}"/>' for name in NAMES))


@pytest.fixture(scope="module")
def studio() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        yield fake


@pytest.fixture(scope="module")
def backend(studio: FakeLabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    outputs = tmp_path_factory.mktemp("labelling") / "outputs"
    with serving(outputs, label_studio_url=studio.url, label_studio_api_key=LEGACY) as client:
        yield client


@pytest.fixture(autouse=True)
def files(studio: FakeLabelStudio, examples: list[Path]) -> None:
    studio.files = {f"/data/upload/3/{path.name}": path.read_bytes() for path in examples}
    studio.config, studio.tasks = NINE, []
    studio.asked.clear()


def named(examples: list[Path], emotion: str) -> str:
    return f"/data/upload/3/{next(path.name for path in examples if emotion in path.name)}"


def predict(backend: Client, *places: str, config: str = NINE, **data: Any) -> httpx.Response:
    tasks = [{"id": number, "project": 3, "data": {"audio": place, **data}} for number, place in enumerate(places)]
    body = {"tasks": tasks, "project": "3.1700000000", "label_config": config, "params": {"context": None}}
    return backend.post(f"{ROUTE}/predict", json=body)


def test_it_is_up_and_says_its_model(backend: Client) -> None:
    assert backend.get(f"{ROUTE}/health").json()["status"] == "UP"
    assert backend.get(f"{ROUTE}/metrics").json() == {}
    asked = {"project": "3.17", "schema": NINE, "hostname": "http://evil.example", "access_token": "x"}
    answer = backend.post(f"{ROUTE}/setup", json=asked)
    assert answer.json()["model_version"].startswith("lite ")
    answer = backend.post(f"{ROUTE}/setup", json={**asked, "schema": "<View/>"})
    assert (answer.status_code, answer.json()["title"]) == (422, "Labels can't be used")


def test_stretches_and_the_whole_are_labelled(
    backend: Client, studio: FakeLabelStudio, examples: list[Path], recognizer: Recognizer
) -> None:
    place = named(examples, "sad")
    answer = predict(backend, place)
    [found] = answer.json()["results"]
    expected = recognizer.recognize(next(path for path in examples if "sad" in path.name), segments=True)
    assert expected.segments
    *regions, whole = found["result"]
    assert [
        (item["value"]["start"], item["value"]["end"], item["value"]["labels"], item["score"]) for item in regions
    ] == [
        (part.start, part.end, [str(part.emotion).title()], pytest.approx(part.confidence, abs=1e-4))
        for part in expected.segments
    ]
    assert {item["type"] for item in regions} == {"labels"}
    assert (whole["type"], whole["value"], whole["from_name"]) == ("choices", {"choices": ["Sad"]}, "whole")
    assert whole["score"] == pytest.approx(expected.confidence, abs=1e-4)
    assert found["score"] == pytest.approx(
        min(
            np.average(
                [part.confidence for part in expected.segments],
                weights=[part.end - part.start for part in expected.segments],
            ),
            expected.confidence,
        ),
        abs=1e-3,
    )
    assert len({item["id"] for item in found["result"]}) == len(found["result"])
    assert found["model_version"] == answer.json()["model_version"]
    assert studio.asked == [place]
    assert not [path for path in (backend.outputs / ".emovox/service/uploads").iterdir() if path.is_file()]
    assert backend.get("/v1/outputs").json()["outputs"] == []


def test_what_has_no_label_is_not_labelled(backend: Client, examples: list[Path]) -> None:
    config = CONFIG.format(labels='<Label value="Happy"/>')
    [found] = predict(backend, named(examples, "sad"), config=config).json()["results"]
    assert [item["from_name"] for item in found["result"]] == ["whole"]  # and nothing is called happy
    [found] = predict(backend, named(examples, "neutral"), config=config).json()["results"]
    assert found["result"] == []
    assert 0 < found["score"] <= 1


def test_silence_is_not_labelled(backend: Client, studio: FakeLabelStudio, encode: Any) -> None:
    studio.files["/data/upload/3/a.wav"] = encode(
        np.zeros(32_000, np.float32), "a.wav", "pcm_s16le", sample_format="s16"
    ).read_bytes()
    [found] = predict(backend, "/data/upload/3/a.wav").json()["results"]
    assert found.keys() == {"result", "model_version"}
    assert found["result"] == []


def test_one_that_cannot_be_used_does_not_stop_the_others(
    backend: Client, studio: FakeLabelStudio, examples: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    studio.files |= {
        "/data/upload/3/text.wav": b"no sound at all",
        "/data/upload/3/moved.wav": "http://a.example/b",
    }
    bad = ["/data/upload/3/text.wav", "/data/upload/3/gone.wav", "/data/upload/3/moved.wav", "s3://bucket/a.wav"]
    with caplog.at_level(logging.WARNING):
        answer = predict(backend, bad[0], named(examples, "sad"), *bad[1:])
    first, found, *rest = answer.json()["results"]
    assert [first, *rest] == [[], [], [], []]  # no prediction there, so that it is asked for again
    assert found["result"]
    for words in ("doesn't have it any more", "redirections aren't followed", "isn't on Label Studio itself"):
        assert words in caplog.text
    answer = predict(backend, bad[1])
    assert (answer.status_code, answer.json()["title"]) == (422, "Unreadable recording")


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:1/a.wav",
        "//127.0.0.1:1/a.wav",
        "http://user:key@{host}/data/upload/3/a.wav",
        "https://{host}/a.wav",
        "http://{host}.evil.example/a.wav",
        "file:///etc/passwd",
        "http://[",
        "",
    ],
)
def test_nothing_else_is_fetched(backend: Client, studio: FakeLabelStudio, place: str) -> None:
    answer = predict(backend, place.format(host=studio.url.partition("//")[2]))
    assert answer.status_code == 422
    assert studio.asked in ([], ["/"])


def test_its_own_address_in_full(backend: Client, studio: FakeLabelStudio, examples: list[Path]) -> None:
    assert predict(backend, studio.url + named(examples, "sad")).json()["results"][0]["result"]


def test_heads_by_name(backend: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    head(recognizer.metadata, ("calm", "loud"), name="emotion").write(head_path("emotion"))
    config = CONFIG.format(labels='<Label value="Calm"/><Label value="Loud"/>')
    answer = predict(backend, named(examples, "sad"), config=config).json()
    labels = {label for item in answer["results"][0]["result"] for label in item["value"].get("labels", ())}
    assert labels
    assert labels <= {"Calm", "Loud"}
    assert "emotion 2024-01-04 14:30:00" in answer["model_version"]
    answer = predict(backend, named(examples, "sad")).json()  # none of whose labels it knows
    assert "emotion" not in answer["model_version"]


def annotated(number: int, place: str, *results: tuple[str, Any, str], **more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it: each result is a control's name, its stretch, and its label."""
    items = [
        {
            "from_name": name,
            "to_name": "sound",
            "type": "labels",
            "value": {"start": span[0], "end": span[1], "labels": [label]},
        }
        if span
        else {"from_name": name, "to_name": "sound", "type": "choices", "value": {"choices": [label]}}
        for name, span, label in results
    ]
    return {
        "id": number,
        "data": {"audio": place},
        "annotations": [
            {"result": [], "was_cancelled": True, "updated_at": "2026-12-01"},
            {"result": items, "was_cancelled": False, "updated_at": "2026-11-30", **more},
        ],
    }


def start(backend: Client) -> httpx.Response:
    body = {"action": "START_TRAINING", "project": {"id": 3, "title": "Calls"}}
    return backend.post(f"{ROUTE}/webhook", json=body)


def test_a_head_is_trained_and_used(backend: Client, studio: FakeLabelStudio, examples: list[Path]) -> None:
    angry, sad, happy = (named(examples, emotion) for emotion in ("angry", "sad", "happy"))
    studio.config = CONFIG.format(labels='<Label value="Loud"/><Label value="Quiet"/><Label value="Rare"/>')
    studio.tasks = [
        annotated(
            1, angry, ("emotion", (0, 0.9), "Loud"), ("emotion", (0.9, 1.8), "Loud"), ("whole", None, "Anger")
        ),
        annotated(
            2, sad, ("emotion", (0, 1.5), "Quiet"), ("emotion", (1.5, 3), "Quiet"), ("emotion", (3, 4), "Rare")
        ),
        annotated(3, "/data/upload/3/gone.wav", ("emotion", (0, 1), "Loud")),
        annotated(4, happy, ("emotion", (900, 901), "Loud")),  # behind its end
    ]
    answer = start(backend)
    assert (answer.status_code, answer.json()) == (201, {"status": "training"})
    until(lambda: head_path("label-studio-3-emotion").exists())
    trained = Head.find(str(head_path("label-studio-3-emotion")))
    assert trained.classes == ("Loud", "Quiet")
    assert trained.training.clips == {"Loud": 2, "Quiet": 2}
    assert trained.training.group == "recording"
    assert not head_path("label-studio-3-whole").exists()
    found = predict(backend, angry, sad, config=studio.config).json()
    labels = [
        {item["value"]["labels"][0] for item in part["result"] if item["type"] == "labels"}
        for part in found["results"]
    ]
    assert labels == [{"Loud"}, {"Quiet"}]
    assert "label-studio-3-emotion 20" in found["model_version"]
    version = backend.post(f"{ROUTE}/setup", json={"project": "3.1", "schema": studio.config}).json()
    assert version["model_version"] == found["model_version"]  # by which Label Studio sees that it is another
    other = backend.post(f"{ROUTE}/setup", json={"project": "4.1", "schema": studio.config}).json()
    assert "label-studio" not in other["model_version"]


def test_a_busy_service_is_waited_for(
    backend: Client, studio: FakeLabelStudio, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    admission, refused = backend.service.admission, 0
    admit = admission.admit

    def admit_later(progress: Any) -> Any:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise Problem(503, "busy", "the queue is full", headers={"Retry-After": "0"})
        return admit(progress)

    monkeypatch.setattr(admission, "admit", admit_later)
    studio.tasks = [
        annotated(number, named(examples, word), ("whole", None, label))
        for number, (word, label) in enumerate(
            (("sad", "Sad"), ("neutral", "Sad"), ("angry", "Anger"), ("happy", "Anger"))
        )
    ]
    assert start(backend).status_code == 201
    until(lambda: head_path("label-studio-3-whole").exists())
    assert refused == 6


def test_a_connection_that_breaks_off_once_costs_no_training(
    backend: Client, studio: FakeLabelStudio, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.server.labelling.training.PAUSE", 0.0)
    head_path("label-studio-3-whole").unlink(missing_ok=True)
    fetch, broken = LabelStudio.fetch, 0

    async def break_off(own: LabelStudio, place: str, *arguments: Any) -> Any:
        nonlocal broken
        if "sad" in place and broken < 2:
            broken += 1
            raise Problem(502, "label-studio", "the connection to Label Studio broke off: try again")
        return await fetch(own, place, *arguments)

    monkeypatch.setattr(LabelStudio, "fetch", break_off)
    strange = annotated(9, named(examples, "sad"), ("emotion", (0, 1e300), "Sad"))
    strange["annotations"][1]["result"] += [
        {"from_name": "whole", "type": "choices", "value": {"choices": [["Sad"]]}},
        {"from_name": "emotion", "type": "labels", "value": {"start": 0, "end": 10**400, "labels": ["Sad"]}},
    ]
    studio.tasks = [strange] + [
        annotated(number, named(examples, word), ("whole", None, label))
        for number, (word, label) in enumerate(
            (("sad", "Sad"), ("neutral", "Sad"), ("angry", "Anger"), ("happy", "Anger"))
        )
    ]
    assert start(backend).status_code == 201
    until(lambda: head_path("label-studio-3-whole").exists())
    assert broken == 2


def test_too_few_labels(backend: Client, studio: FakeLabelStudio, examples: list[Path]) -> None:
    studio.tasks = [annotated(1, named(examples, "sad"), ("emotion", (0, 1), "Sad"), ("emotion", (1, 2), "Angry"))]
    answer = start(backend)
    assert answer.status_code == 422
    assert "emotion: Angry (1), Sad (1); whole: none" in answer.json()["detail"]


def test_other_events_train_nothing(backend: Client, studio: FakeLabelStudio) -> None:
    answer = backend.post(f"{ROUTE}/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}})
    assert (answer.status_code, studio.asked) == (201, [])


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The log of use of this process, and a policy for which sides count."""
    policy = tmp_path / "policy.toml"
    policy.write_text('profile = "eu"\nrequire = ["side"]\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(policy))
    monkeypatch.setenv("EMOVOX_USE_LOG", str(tmp_path / "use.jsonl"))
    settings.cache_clear()
    yield tmp_path / "use.jsonl"
    settings.cache_clear()


def test_the_policy_and_the_log_of_use(
    studio: FakeLabelStudio, tmp_path: Path, examples: list[Path], log: Path
) -> None:
    changes: dict[str, Any] = {"label_studio_url": studio.url, "label_studio_api_key": LEGACY}
    with serving(tmp_path / "outputs", keys_needed=True, **changes) as client:
        client.headers["Authorization"] = f"Bearer {client.service.keys.add('studio')}"
        answer = predict(client, named(examples, "sad"))
        assert (answer.status_code, answer.json()["title"]) == (422, "Not allowed by the policy")
        assert studio.asked == []  # not even fetched
        [found] = predict(client, named(examples, "sad"), side="worker").json()["results"]
        assert found["result"] == []
        [found] = predict(client, named(examples, "sad"), side="customer").json()["results"]
        assert found["result"]
        sides = {"angry": "customer", "sad": "customer", "happy": "worker"}
        studio.tasks = [
            annotated(
                number, named(examples, emotion), ("emotion", (0, 0.8), label), ("emotion", (0.8, 1.6), label)
            )
            for number, (emotion, label) in enumerate(zip(sides, ("Angry", "Sad", "Happy"), strict=True))
        ]
        for task, side in zip(studio.tasks, sides.values(), strict=True):
            task["data"]["side"] = side
        assert start(client).status_code == 201
        until(lambda: head_path("label-studio-3-emotion").exists())
        assert Head.find(str(head_path("label-studio-3-emotion"))).classes == ("Angry", "Sad")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["action"] for entry in entries] == ["refused", "requested", "requested", "requested", "trained"]
    assert len(entries[-1]["recordings"]) == 2
    assert {entry["who"] for entry in entries} == {entries[0]["who"]}
    assert entries[0]["who"].startswith("key ")


def test_a_key_as_basic_login_and_personal_tokens(
    studio: FakeLabelStudio, tmp_path: Path, examples: list[Path]
) -> None:
    changes: dict[str, Any] = {"label_studio_url": studio.url, "label_studio_api_key": PERSONAL}
    with serving(tmp_path / "outputs", keys_needed=True, **changes) as client:
        key = client.service.keys.add("label studio")
        assert client.get(f"{ROUTE}/health").status_code == 401
        assert client.get(f"{ROUTE}/health", auth=("emovox", "wrong")).status_code == 401
        assert client.get(f"{ROUTE}/health", headers={"Authorization": "Basic ?"}).status_code == 401
        login = base64.b64encode(f"anyone:{key}".encode()).decode()
        client.headers["Authorization"] = f"Basic {login}"
        assert client.get(f"{ROUTE}/health").is_success
        assert predict(client, named(examples, "sad")).is_success
    assert studio.asked == ["/api/token/refresh", named(examples, "sad")]


def test_a_wrong_key_and_no_label_studio(
    studio: FakeLabelStudio, tmp_path: Path, examples: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path / "a", label_studio_url=studio.url, label_studio_api_key="wrong") as client:
        answer = predict(client, named(examples, "sad"))
        assert (answer.status_code, "EMOVOX_LABEL_STUDIO_API_KEY" in answer.text) == (502, True)
        assert start(client).status_code == 502
    assert "without a key" not in caplog.text
    with serving(tmp_path / "b", label_studio_url="http://127.0.0.1:9") as client:
        assert "gives no recordings without a key: set EMOVOX_LABEL_STUDIO_API_KEY" in caplog.text
        assert predict(client, named(examples, "sad")).json()["type"] == "urn:emovox:label-studio-unreachable"


def test_without_the_setting_there_is_none(shared: Client) -> None:
    for answer in (shared.get(f"{ROUTE}/health"), predict(shared, "/data/a.wav"), start(shared)):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:emovox:no-label-studio")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("localhost:8080", ""),
        ("http://a:b@c", ""),
        ("http://c", "a\nb"),
        ("http://c", f"{LEGACY} "),  # which an error about the header would have in words, for the log
        ("http://c", f" {LEGACY}"),
    ],
)
def test_settings_that_are_none(url: str, key: str) -> None:
    with pytest.raises(SettingsError, match="label_studio"):
        LabelStudio(url, key)
