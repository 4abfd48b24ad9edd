"""What people say of segments, over HTTP, and heads that are trained on it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emovox.models.head import Head, head_path
from emovox.settings import settings
from support.service import Client, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("corrections") / "outputs") as client:
        yield client


@pytest.fixture
def outputs(client: Client, examples: list[Path]) -> Iterator[list[str]]:
    """The addresses of six stored recordings with segments."""
    made = [client.post_file(path, segments="true").headers["location"] for path in examples[:6]]
    yield made
    for address in made:
        client.delete(address)


def put(client: Client, address: str, number: int, label: str) -> dict[str, Any]:
    answer = client.put(f"{address}/segments/{number}/label", json={"label": label})
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


def events(client: Client, **asked: object) -> list[tuple[str, Any]]:
    with client.stream("POST", "/v1/heads", json=asked) as answer:
        text = "".join(answer.iter_text())
        assert answer.status_code == 200, text
    blocks = [block.splitlines() for block in text.strip().split("\n\n") if not block.startswith(":")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in blocks]


def test_a_segment_is_labelled_and_the_label_is_everywhere(client: Client, outputs: list[str]) -> None:
    address = outputs[0]
    segments = client.get(f"{address}/result").json()["segments"]
    made = put(client, address, 0, "愤怒")
    assert made["label"] == "angry"
    assert (made["said"], made["confidence"]) == (segments[0]["emotion"], pytest.approx(segments[0]["confidence"]))
    assert (made["start"], made["end"], made["model"], made["author"]) == (
        segments[0]["start"], segments[0]["end"], "lite", None,
    )  # fmt: skip
    [own] = client.get(f"{address}/corrections").json()["corrections"]
    assert own == {**made, "number": 0}
    page = client.get("/v1/corrections").json()
    assert (page["corrections"], page["counts"], page["next"]) == ([made], {"angry": 1}, None)
    assert client.get(f"{address}/timeline").json()["segments"][0]["label"] == "angry"
    assert "label" not in client.get(f"{address}/files/result.json").json()["segments"][0]
    csv = client.post(f"{address}/exports?export=csv").json()["files"][0]["url"]
    heading, row = client.get(csv).text.splitlines()[:2]
    assert heading.endswith(",label")
    assert row.endswith(",angry")
    assert client.delete(f"{address}/segments/0/label").status_code == 204
    assert client.delete(f"{address}/segments/0/label").status_code == 404
    client.post(f"{address}/exports?export=csv")
    assert "label" not in client.get(csv).text


def test_it_is_there_when_the_recording_is_recognised_again_and_goes_with_it(
    client: Client, outputs: list[str], examples: list[Path]
) -> None:
    put(client, outputs[0], 0, "mixed feelings")
    again = client.post_file(examples[0], segments="true", granularity="frame").headers["location"]
    assert [item["number"] for item in client.get(f"{again}/corrections").json()["corrections"]] == [0]
    client.delete(outputs[0])
    assert client.get("/v1/corrections").json()["counts"] == {"mixed feelings": 1}
    client.delete(again)
    assert client.get("/v1/corrections").json()["counts"] == {}


def test_the_least_certain_is_next_until_somebody_says_what_it_is(client: Client, outputs: list[str]) -> None:
    ids = {address.rpartition("/")[2] for address in outputs}
    first, *rest = client.get("/v1/corrections/next").json()["segments"]
    confidences = [item["confidence"] for item in (first, *rest)]
    assert confidences == sorted(confidences)
    assert {item["output"] for item in (first, *rest)} == ids
    page = client.get("/v1/corrections/next?limit=1").json()
    assert page["segments"] == [first]
    assert (
        client.get("/v1/corrections/next", params={"limit": 1, "after": page["next"]}).json()["segments"]
        == rest[:1]
    )
    put(client, f"/v1/outputs/{first['output']}", first["number"], "sad")
    assert client.get("/v1/corrections/next").json()["segments"] == rest


@pytest.mark.parametrize(
    ("body", "status"), [({"label": ""}, 422), ({"label": "  "}, 422), ({"label": "a\nb"}, 422), ({}, 422),
                         ({"label": "x", "more": 1}, 422), ({"label": "x" * 5000}, 413)],
)  # fmt: skip
def test_a_label_must_be_one(client: Client, outputs: list[str], body: dict[str, object], status: int) -> None:
    assert client.put(f"{outputs[0]}/segments/0/label", json=body).status_code == status


def test_only_a_segment_that_there_is_can_be_labelled(
    client: Client, outputs: list[str], examples: list[Path]
) -> None:
    assert (
        client.put(f"{outputs[0]}/segments/999/label", json={"label": "x"})
        .json()["type"]
        .endswith("no-such-segment")
    )
    plain = client.post_file(examples[6]).headers["location"]
    assert client.put(f"{plain}/segments/0/label", json={"label": "x"}).status_code == 404
    client.delete(plain)


def test_a_head_is_trained_on_them_and_says_what_was_held_out(client: Client, outputs: list[str]) -> None:
    answer = client.post("/v1/heads", json={"name": "own"})
    assert (answer.status_code, answer.json()["title"]) == (422, "Labels can't be used")
    assert "there are none" in answer.json()["detail"]
    for number, address in enumerate(outputs):
        put(client, address, 0, "loud" if number % 2 else "calm")
    put(client, outputs[0], 0, "odd")
    answer = client.post("/v1/heads", json={"name": "own"})
    assert "odd needs 1 more" in answer.json()["detail"]
    *progress, (kind, view) = events(client, name="own", without=["odd"])
    assert kind == "done"
    assert {kind for kind, _ in progress} <= {"progress"}
    assert (view["classes"], view["corrections"], view["group"], view["groups"]) == (
        ["calm", "loud"], True, "recording", 5,
    )  # fmt: skip
    assert view["folds"] >= 2
    assert set(view["intervals"]) == {"calm", "loud"}
    assert view["examples"] == {"calm": 2, "loud": 3}
    assert (view["left_out"], view["left_out_count"]) == ([], 0)
    assert Head.read(head_path("own")).classes == ("calm", "loud")
    assert client.post("/v1/heads", json={"name": "own", "without": ["odd"]}).status_code == 409
    assert events(client, name="own", without=["odd"], replace=True)[-1][0] == "done"
    [listed] = [item for item in client.get("/v1/heads").json() if item["name"] == "own"]
    assert listed["intervals"] == view["intervals"]


@pytest.mark.parametrize(
    "asked", [{}, {"name": ""}, {"name": "../x"}, {"name": "x", "model": "none"}, {"name": "x", "more": 1}]
)
def test_a_head_must_have_a_name(client: Client, asked: dict[str, object]) -> None:
    assert client.post("/v1/heads", json=asked).status_code == 422


def test_who_said_it_is_the_keys_name(tmp_path: Path, examples: list[Path]) -> None:
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        client.headers["Authorization"] = f"Bearer {client.service.keys.add('ann')}"
        address = client.post_file(examples[0], segments="true").headers["location"]
        assert put(client, address, 0, "angry")["author"] == "ann"


def test_under_the_policy_eu_a_workers_voice_is_not_labelled(
    tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "outputs") as client:
        worker = client.post_file(examples[0], segments="true", side="worker").headers["location"]
        assert len(client.get("/v1/corrections/next").json()["segments"]) == 1
        put(client, worker, 0, "angry")
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    with serving(tmp_path / "outputs") as client:
        answer = client.put(f"{worker}/segments/0/label", json={"label": "sad"})
        assert (answer.status_code, answer.json()["title"]) == (422, "Not allowed by the policy")
        assert client.get("/v1/corrections").json()["counts"] == {}
        assert client.get("/v1/corrections/next").json()["segments"] == []
        assert client.get(f"{worker}/corrections").json()["corrections"] == []
