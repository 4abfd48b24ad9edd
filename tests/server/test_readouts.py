"""Models of every kind, served: what they give is in every answer, and nothing else is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from websockets.sync.client import connect

from emovox.client import Client as EmovoxClient
from emovox.models.readout import Readout
from support import tiny
from support.readouts import KINDS, NINE, own, swaying
from support.service import Client, serving

FIVE = {"emotion", "confidence", "scores"}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def client(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp(kind)
    model = tiny.write(root / "tiny.onnx", readouts=KINDS[kind])
    with serving(root / "outputs", model=model) as opened:
        yield opened


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swaying(tmp_path_factory.mktemp("sound") / "call.wav")


@pytest.fixture(scope="module")
def result(client: Client, sound: Path) -> dict[str, Any]:
    """Of the sound with everything, and the id of its outputs as `id`."""
    answer = client.post_file(sound, granularity="frame", frames="inline", segments="true", embedding="true")
    assert answer.is_success, answer.text
    return {**answer.json(), "id": answer.headers["location"].rpartition("/")[2]}


def check(said: dict[str, Any], kind: str) -> None:
    """Whether what is said of a recording, a segment or a moment is what a model of this kind gives."""
    assert FIVE & said.keys() == (FIVE if kind in NINE else set())
    assert list(said["readouts"]) == own(kind)
    for readout in KINDS[kind]:
        if readout.is_nine:
            continue
        item = said["readouts"][readout.name]
        assert item["kind"] == readout.kind
        assert list(item["values" if readout.gives_values else "scores"]) == list(readout.labels)
        assert "confidence" not in item if readout.gives_values else item["label"] in readout.labels


def test_a_recognition_says_what_the_model_gives(client: Client, kind: str, result: dict[str, Any]) -> None:
    check(result, kind)
    assert result["segments"]
    for segment in result["segments"]:
        check(segment, kind)
    assert result["warnings"] == (["no_head"] if kind == "embeddings" else [])
    schemas = client.get("/openapi.json").json()["components"]
    schema = {"$ref": "#/components/schemas/Recognition", "components": schemas}
    jsonschema.validate({key: value for key, value in result.items() if key != "id"}, schema)


def test_jobs_and_batches_say_the_same(client: Client, kind: str, sound: Path, result: dict[str, Any]) -> None:
    files = [("file", (f"{number}.wav", sound.read_bytes())) for number in range(2)]
    batch = client.post("/v1/batches", files=files, data={"store": "false"}).json()
    for job in batch["jobs"]:
        assert client.finished(job["id"])["state"] == "done"
        told = client.get(f"/v1/jobs/{job['id']}/result").json()
        check(told, kind)
        assert told["readouts"] == result["readouts"]


PLANES = {"values", "all"}
"""Those that give arousal and valence."""


def test_a_plane_that_the_model_can_t_fill_is_refused_before_it_runs(
    client: Client, kind: str, sound: Path
) -> None:
    files = [("file", ("call.wav", sound.read_bytes()))]
    heard = client.service.scheduler.sound_seconds
    answers = [
        client.post_file(sound, export="srt,plane"),
        client.post("/v1/recognitions?export=plane", files=files, headers={"Prefer": "respond-async"}),
        client.post("/v1/batches", files=files, data={"export": "plane_svg"}),
    ]
    with connect(f"ws://{client.base_url.host}:{client.base_url.port}/v1/live") as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "store": True, "export": "plane"}))
        socket.send('{"type": "end"}')
        told = json.loads(socket.recv(60))
    if kind in PLANES:
        assert [answer.status_code for answer in answers] == [200, 202, 202]
        place = client.outputs / answers[0].headers["location"].rpartition("/")[2]
        assert (place / "plane.png").is_file()
        for job in (answers[1].json()["id"], answers[2].json()["jobs"][0]["id"]):
            assert client.finished(job)["state"] == "done"
        assert told == {"type": "ended", "output": None}
        return
    problems = [answer.json() for answer in answers]
    if KINDS[kind]:  # of embeddings alone there are no streams
        problems.append(told["problem"])
    assert {(problem["status"], problem["type"]) for problem in problems} == {(422, problems[0]["type"])}
    assert all("values called arousal and valence" in problem["detail"] for problem in problems)
    assert client.service.scheduler.sound_seconds == heard
    assert not list(client.service.uploads.directory.iterdir())


def test_the_client_reads_it(client: Client, kind: str, sound: Path) -> None:
    with EmovoxClient(str(client.base_url)) as other:
        recognition = other.recognize(sound, store=False)
    assert list(recognition.readouts) == own(kind)
    assert (recognition.emotion is None) == (kind not in NINE)


def test_lists_say_it_too(client: Client, kind: str, result: dict[str, Any]) -> None:
    [summary] = [item for item in client.get("/v1/outputs").json()["outputs"] if item["id"] == result["id"]]
    check(summary, kind)
    assert summary["readouts"] == result["readouts"]
    output = client.get(f"/v1/outputs/{result['id']}").json()
    check(output, kind)


def test_the_archive_has_it(client: Client, kind: str, result: dict[str, Any]) -> None:
    [record] = [
        item for item in client.get("/v1/archive").json()["recognitions"] if item["output"] == result["id"]
    ]
    check(record, kind)
    assert client.get(f"/v1/outputs/{result['id']}/similar").is_success
    stats = client.get("/v1/archive/stats").json()
    assert list(stats["readouts"]) == sorted(own(kind))
    assert bool(stats["by_emotion"]) == (kind in NINE)
    for readout in KINDS[kind]:
        if readout.is_nine:
            continue
        told, item = stats["readouts"][readout.name], result["readouts"][readout.name]
        if readout.gives_values:
            assert told["values"]["arousal"]["mean"] == pytest.approx(item["values"]["arousal"], abs=1e-5)
            words, others = ["arousal>-1", "dimensions.valence<9"], ["arousal>-1", "arousal>9"]
        else:
            assert told["by_label"][item["label"]] >= 1
            name = f"{readout.name}.{item['label']}"
            words, others = [f"{name}>0.1"], [f"{name}>0.999"]
            if readout.name != "emotion":  # which is the nine's own parameter
                words.append(f"{readout.name}={item['label']}")
        for filter_, present in ((words, True), (others, False)):
            found = client.get("/v1/archive", params={"filter": filter_}).json()["recognitions"]
            assert (result["id"] in {item["output"] for item in found}) == present
            count = client.get("/v1/archive/stats", params={"filter": filter_}).json()["recognitions"]
            assert bool(count) == present


@pytest.mark.parametrize("word", ["nobody>0.5", "arousal", "tag=x", "arousal>much"])
def test_filters_that_can_t_be_used(client: Client, result: dict[str, Any], word: str) -> None:
    answer = client.get("/v1/archive", params={"filter": word})
    assert answer.status_code == 422, answer.text


def means(readout: Readout, frames: dict[str, Any]) -> list[float]:
    rows = frames["readouts"][readout.name]["values" if readout.gives_values else "scores"]
    return [float(number) for number in np.mean(rows, axis=0)]


def test_the_timeline_has_the_curves_of_all(client: Client, kind: str, result: dict[str, Any]) -> None:
    def read(points: int) -> dict[str, Any]:
        answer = client.get(f"/v1/outputs/{result['id']}/timeline", params={"points": points})
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()
        return data

    if kind == "embeddings":
        assert read(10)["curve"] is None
        return
    curve = read(10)["curve"]
    assert len(curve["times"]) == 10
    assert bool(curve["scores"]) == (kind in NINE)
    assert list(curve["readouts"]) == own(kind)
    whole = read(1)["curve"]["readouts"]
    for readout in KINDS[kind]:
        if readout.is_nine:
            continue
        item = curve["readouts"][readout.name]
        series = item["values" if readout.gives_values else "scores"]
        assert [len(numbers) for numbers in series.values()] == [10] * len(readout.labels)
        assert item.get("range") == (None if readout.range is None else list(readout.range))
        told = whole[readout.name]["values" if readout.gives_values else "scores"]
        assert list(told) == list(readout.labels)
        expected = means(readout, result["frames"])
        assert [numbers[0] for numbers in told.values()] == pytest.approx(expected, abs=2e-3)


def test_a_stream_says_it(client: Client, kind: str, speech: np.ndarray) -> None:
    with connect(f"{str(client.base_url).replace('http', 'ws')}/v1/live") as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32"}))
        if kind == "embeddings":
            assert json.loads(socket.recv())["problem"]["type"] == "urn:emovox:embeddings-only"
            return
        socket.send(speech.astype("<f4").tobytes())
        socket.send('{"type": "end"}')
        events = [json.loads(message) for message in socket]
    updates = [event for event in events if event["type"] == "update"]
    assert updates
    told = [event for event in updates if event["readouts"] or event["emotion"]]
    assert told
    for event in told:
        assert list(event["readouts"]) == own(kind)
        assert (event["emotion"] is None) == (kind not in NINE)
