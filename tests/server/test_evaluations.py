"""Evaluations over HTTP: labels against what is stored."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import Client, serving


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("evaluations") / "outputs") as client:
        for path in examples:
            assert client.post_file(path).is_success
        yield client


def truth(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def listed(paths: list[Path]) -> str:
    return "path,label,speaker\n" + "".join(
        f"anywhere/{path.name},{truth(path)},{number % 2}\n" for number, path in enumerate(paths)
    )


def test_labels_are_compared_with_what_is_stored(filled: Client, examples: list[Path]) -> None:
    paths = [path for path in examples if "_" in path.stem and truth(path) in {"angry", "sad", "happy", "neutral"}]
    assert len(paths) >= 3
    labels = listed(paths) + "anywhere/nowhere.wav,angry,1\n"
    answer = filled.post("/v1/evaluations", json={"title": "examples", "labels": labels})
    assert answer.status_code == 201
    report = answer.json()
    stored = {item["name"]: item["emotion"] for item in filled.get("/v1/outputs").json()["outputs"]}
    right = sum(stored[path.name] == truth(path) for path in paths)
    assert report["clips"] == len(paths)
    assert report["weighted"] == pytest.approx(right / len(paths), abs=1e-3)
    assert sum(map(sum, report["confusion"])) == len(paths)
    assert set(report["recalls"]) == {truth(path) for path in paths}
    assert report["missing"] == {"count": 1, "names": ["anywhere/nowhere.wav"]}
    assert report["coverage"][-1]["share"] == 1
    assert report["intervals"]["weighted"]["low"] <= report["weighted"] <= report["intervals"]["weighted"]["high"]
    assert report["doubts"] == []
    own = {"title": "of its own", "labels": labels.replace("anywhere/", "emodb/")}
    [doubt] = filled.post("/v1/evaluations", json=own).json()["doubts"]
    assert "lite was trained on emodb" in doubt
    filled.delete(filled.get("/v1/evaluations").json()["evaluations"][0]["id"].join(["/v1/evaluations/", ""]))
    assert filled.get(answer.headers["location"]).json() == report
    [brief] = filled.get("/v1/evaluations").json()["evaluations"]
    assert (brief["id"], brief["title"], brief["model"]) == (report["id"], "examples", "lite")
    assert filled.delete(answer.headers["location"]).status_code == 204
    assert filled.get(answer.headers["location"]).json()["type"] == "urn:emovox:no-such-evaluation"
    assert filled.get("/v1/evaluations").json()["evaluations"] == []


def test_a_recording_is_known_by_its_checksum(filled: Client, examples: list[Path]) -> None:
    records = filled.get("/v1/archive").json()["recognitions"]
    rows = [
        {"path": f"{number}.wav", "label": "angry" if number % 2 else "sad", "sha256": record["sha256"]}
        for number, record in enumerate(records)
    ]
    text = "\n".join(map(json.dumps, rows))
    report = filled.post("/v1/evaluations", json={"title": "x", "labels": text, "format": "jsonl"}).json()
    assert (report["clips"], report["missing"]["count"]) == (len(records), 0)
    assert report["competing"] == ["angry", "sad"]


def test_lists_that_can_t_be_used(filled: Client) -> None:
    def post(**body: object) -> tuple[int, str]:
        answer = filled.post("/v1/evaluations", json={"title": "x", **body})
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    assert post(labels="path,label\nnobody.wav,angry\n") == (422, "labels")
    assert post(labels="nothing") == (422, "labels")
    assert post(labels="") == (422, "invalid-options")
    assert post() == (422, "invalid-options")
    assert filled.get("/v1/evaluations/evaluation_20200101_000000_0000").status_code == 404
    assert filled.get("/v1/evaluations/evaluation_").status_code == 422
    detail = filled.post("/v1/evaluations", json={"title": "x", "labels": "nothing"}).json()["detail"]
    assert detail.startswith("x: ")  # and no path of the service's
