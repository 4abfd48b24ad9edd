"""Flags over HTTP: kept for everybody, and what they find."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import Client, serving

RULE = "angry >= 60% for 1s"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("flags") / "outputs") as client:
        for path in examples[:4]:
            assert client.post_file(path, segments="true").is_success
        assert client.post_file(examples[0], name="without segments").is_success
        yield client


def test_a_flag_is_kept_and_shown_in_both_languages(filled: Client) -> None:
    assert filled.put("/v1/archive/flags/投诉", json={"rule": "愤怒 ≥ 60 % 持续 3 秒"}).json() == {
        "name": "投诉", "rule": "angry >= 60% for 3s", "rule_zh": "愤怒 >= 60% 持续 3 秒",
    }  # fmt: skip
    assert [flag["name"] for flag in filled.get("/v1/archive/flags").json()["flags"]] == ["投诉"]
    assert filled.delete("/v1/archive/flags/投诉").status_code == 204
    assert filled.delete("/v1/archive/flags/投诉").json()["type"] == "urn:emovox:no-such-flag"
    wrong = filled.put("/v1/archive/flags/x", json={"rule": "angry = 60%"})
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:emovox:filter")
    assert filled.put("/v1/archive/flags/x", json={}).status_code == 422
    assert filled.put("/v1/archive/flags/-", json={"rule": RULE}).status_code == 422


def test_moments_in_all_recordings(filled: Client) -> None:
    page = filled.get("/v1/archive/moments", params={"rule": RULE}).json()
    assert (page["rule"], page["without_segments"], page["next"]) == (RULE, 1, None)
    [item] = page["recognitions"]
    assert "angry" in item["name"]
    [moment] = item["moments"]
    segments = filled.get(f"/v1/outputs/{item['output']}/result").json()["segments"]
    assert (moment["start"], moment["end"]) == (segments[0]["start"], segments[-1]["end"])
    assert moment["peak"] == pytest.approx(max(segment["scores"]["angry"] for segment in segments), abs=1e-5)
    assert filled.get("/v1/archive/moments", params={"rule": RULE, "name": "sad"}).json()["recognitions"] == []
    assert filled.get("/v1/archive/moments", params={"rule": "angry"}).status_code == 422
    assert filled.get("/v1/archive/moments").status_code == 422
    first = filled.get("/v1/archive/moments", params={"rule": "angry >= 0%", "limit": 2}).json()
    rest = filled.get(
        "/v1/archive/moments", params={"rule": "angry >= 0%", "limit": 2, "before": first["next"]}
    ).json()
    names = [item["name"] for item in first["recognitions"] + rest["recognitions"]]
    assert (len(names), len(set(names)), rest["next"]) == (4, 4, None)


def test_lists_have_the_moments_of_every_flag_and_of_one_alone(filled: Client) -> None:
    assert not any("moments" in item for item in filled.get("/v1/outputs").json()["outputs"])
    filled.put("/v1/archive/flags/furious", json={"rule": RULE})
    filled.put("/v1/archive/flags/of nobody here", json={"rule": "no such value > 0.5"})
    listed = filled.get("/v1/outputs").json()["outputs"]
    assert len(listed) == 5
    [flagged] = [item for item in listed if "moments" in item]
    assert ("angry" in flagged["name"], list(flagged["moments"])) == (True, ["furious"])
    for flag in ("furious", RULE):
        [only] = filled.get("/v1/outputs", params={"flag": flag}).json()["outputs"]
        assert only["id"] == flagged["id"]
        assert only["moments"][flag] == flagged["moments"]["furious"]
    assert filled.get("/v1/outputs", params={"flag": "of nobody here"}).status_code == 422
    pages, after = [], "outputs_99991231_235959"
    while True:
        page = filled.get("/v1/outputs", params={"flag": "angry >= 0%", "limit": 1, "after": after}).json()
        pages.append([item["id"] for item in page["outputs"]])
        after = page["next"]
        if after is None:
            break
    assert sorted(map(len, pages)) == [1, 1, 1, 1]
    for name in ("furious", "of nobody here"):
        filled.delete(f"/v1/archive/flags/{name}")
