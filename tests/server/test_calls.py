"""A recording whose channels were recognised by themselves: one row, and both sides of it."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emovox.models.converted.clips import example_clips
from support.service import Client, serving


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices, each on a channel of its own, one after the other."""
    one, other = example_clips()[:2]
    planes = np.zeros((len(one) + len(other), 2), np.float32)
    planes[: len(one), 0], planes[len(one) :, 1] = one, other
    path = tmp_path_factory.mktemp("call") / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((planes * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, call: Path, examples: list[Path]) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("calls") / "outputs") as client:
        assert client.post_file(examples[0], segments="true").is_success
        for _ in range(2):
            batch = client.post(
                "/v1/batches?split_channels=true&segments=true&side=customer,worker",
                files=[("file", (call.name, call.read_bytes()))],
            ).json()
            for job in batch["jobs"]:
                client.finished(job["id"])
        assert client.post_file(examples[1], segments="true").is_success
        yield client


def test_a_call_is_one_row(filled: Client) -> None:
    apart = filled.get("/v1/outputs").json()["outputs"]
    assert len(apart) == 6
    sides = [item for item in apart if "channel" in item]
    assert sorted(item["channel"] for item in sides) == [1, 1, 2, 2]
    rows = filled.get("/v1/outputs", params={"together": True}).json()["outputs"]
    assert len(rows) == 4
    calls = [row for row in rows if "call" in row]
    assert len(calls) == 2
    for row in calls:
        [other] = row["others"]
        assert {row["channel"], other["channel"]} == {1, 2}
        assert {row["side"], other["side"]} == {"customer", "worker"}
        first, second = (row, other) if row["channel"] == 1 else (other, row)
        assert row["call"] == other["call"] == [first["id"], second["id"]]
        for id_ in row["call"]:
            assert filled.get(f"/v1/outputs/{id_}").json()["call"] == row["call"]
    assert not set(calls[0]["call"]) & set(calls[1]["call"])  # the later ones are together, and the earlier
    alone = next(row for row in rows if "call" not in row)
    assert "call" not in filled.get(f"/v1/outputs/{alone['id']}").json()


def test_pages_have_each_call_once(filled: Client) -> None:
    rows, after = [], "outputs_99991231_235959"
    for _ in range(9):
        page = filled.get("/v1/outputs", params={"together": True, "limit": 1, "after": after}).json()
        rows += page["outputs"]
        after = page["next"]
        if after is None:
            break
    assert sorted(len(row.get("call", [row["id"]])) for row in rows) == [1, 1, 2, 2]


def test_a_call_is_found_by_either_side(filled: Client) -> None:
    for item in filled.get("/v1/outputs").json()["outputs"]:
        if "channel" in item:
            rows = filled.get(f"/v1/outputs?together=true&name=call&emotion={item['emotion']}").json()["outputs"]
            assert any(item["id"] in row["call"] for row in rows)
            assert all(len(row["others"]) == 1 for row in rows)


def test_moments_are_those_of_each_side(filled: Client) -> None:
    params = {"together": "true", "flag": "angry >= 0% of worker"}
    rows = filled.get("/v1/outputs", params=params).json()["outputs"]
    assert len(rows) == 2
    for row in rows:
        assert (row["side"], list(row["moments"])) == ("worker", ["angry >= 0% of worker"])
        assert "moments" not in row["others"][0]


def test_a_side_is_recognised_again_within_its_call(filled: Client) -> None:
    before = next(row for row in filled.get("/v1/outputs?together=true").json()["outputs"] if "call" in row)
    ids = []
    for id_ in before["call"]:
        sound = filled.get(f"/v1/outputs/{id_}/files/processed_audio.wav").content
        answer = filled.post(
            "/v1/recognitions",
            data={"again": id_, "segments": "true", "granularity": "frame"},
            files=[("file", ("processed_audio.wav", sound))],
        )
        assert answer.is_success, answer.text
        ids.append(answer.headers["location"].rpartition("/")[2])
        old, new = (filled.get(f"/v1/outputs/{each}/result").json() for each in (id_, ids[-1]))
        assert new["recording"] == old["recording"]
        assert new["warnings"] == old["warnings"]
        assert (old["granularity"], new["granularity"]) == ("utterance", "frame")
        assert f"_channel{old['recording']['channel']}" in ids[-1]
    for id_, call in [*((id_, ids) for id_ in ids), *((id_, before["call"]) for id_ in before["call"])]:
        assert filled.get(f"/v1/outputs/{id_}").json()["call"] == call
    assert filled.get("/v1/outputs?together=true").json()["outputs"][0]["call"] == ids
    for id_ in ids:
        assert filled.delete(f"/v1/outputs/{id_}").is_success


def test_nothing_else_is_taken_for_a_side(filled: Client, call: Path, examples: list[Path]) -> None:
    [id_, *_] = (item["id"] for item in filled.get("/v1/outputs").json()["outputs"] if "channel" in item)
    for path in (call, examples[0]):
        other = filled.post_file(path, again=id_)
        assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "again")
    gone = filled.post_file(call, again="outputs_20200101_000000")
    assert (gone.status_code, gone.json()["type"]) == (404, "urn:emovox:no-such-output")
    for options in ({"again": "../secret"}, {"again": id_, "channel": 1}, {"again": id_, "track": 1}):
        assert filled.post_file(call, **options).status_code == 422
    batch = filled.post(
        "/v1/batches", data={"again": id_, "split_channels": "true"}, files=[("file", call.read_bytes())]
    )
    assert batch.status_code == 422
