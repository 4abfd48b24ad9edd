"""Recordings are deleted that baselines were made of."""

import logging
from pathlib import Path

import httpx
import numpy as np
import pytest

from emovox.baselines.baseline import Baseline, baseline_path
from emovox.errors import BaselineError
from support.service import Client, serving
from support.waiting import until


def stored(client: Client, paths: list[Path], **options: str) -> list[str]:
    answers = [client.post_file(path, **options) for path in paths]
    return [answer.headers["location"].rpartition("/")[2] for answer in answers]


def fit(client: Client, name: str, ids: list[str]) -> None:
    answer = client.post("/v1/baselines", json={"name": name, "outputs": ids, "replace": True})
    assert answer.status_code == 201, answer.text


def delete(client: Client, id_: str, baselines: str | None = None) -> httpx.Response:
    return client.delete(f"/v1/outputs/{id_}", params={} if baselines is None else {"baselines": baselines})


def test_who_has_a_recording_is_said_before_and_after(shared: Client, examples: list[Path]) -> None:
    ids = stored(shared, examples[:4])
    fit(shared, "line 3", ids[:2])
    fit(shared, "line4", ids[1:3])

    def having(*chosen: str) -> list[str]:
        listed = shared.get("/v1/baselines", params={"outputs": chosen}).json()
        return [item["name"] for item in listed]

    assert (having(ids[0]), having(ids[1]), having(ids[3])) == (["line 3"], ["line 3", "line4"], [])
    assert having(ids[0], ids[2], ids[3]) == ["line 3", "line4"]
    assert shared.get("/v1/baselines", params={"outputs": "../x"}).status_code == 422
    answer = delete(shared, ids[1])
    assert (answer.status_code, answer.content) == (204, b"")
    links = '</v1/baselines/line%203>; rel="related", </v1/baselines/line4>; rel="related"'
    assert answer.headers["link"] == links
    assert shared.get("/v1/baselines/line%203").json()["count"] == 2
    other = delete(shared, ids[3])
    assert (other.status_code, "link" in other.headers) == (204, False)


def test_a_recording_is_taken_out_as_if_it_had_never_been_in(shared: Client, examples: list[Path]) -> None:
    ids = stored(shared, examples[:3])
    fit(shared, "rest", ids[:2])
    rest = Baseline.find("rest")
    shared.delete("/v1/baselines/rest")
    fit(shared, "line3", ids)
    fit(shared, "alone", ids[2:])
    answer = delete(shared, ids[2], "refit")
    assert answer.status_code == 200, answer.text
    assert answer.json()["baselines"] == [
        {"name": "alone", "count": 0, "left": 0, "reason": ""},
        {"name": "line3", "count": 2, "left": 0, "reason": ""},
    ]
    assert not baseline_path("alone").exists()
    line3 = Baseline.find("line3")
    assert np.allclose(line3.sum, rest.sum)
    assert (line3.recordings, line3.summands) == (rest.recordings, rest.summands)
    assert shared.get(f"/v1/outputs/{ids[2]}").status_code == 404
    assert shared.post_file(examples[3], baseline="line3").json()["baseline"]["count"] == 2


def test_what_stays_in_is_said(shared: Client, examples: list[Path]) -> None:
    ids = stored(shared, examples[:2])
    files = [("file", (path.name, path.read_bytes())) for path in examples[:2]]
    assert shared.post("/v1/baselines", files=files, data={"name": "line3"}).status_code == 201  # not stored
    [item] = delete(shared, ids[0], "refit").json()["baselines"]
    assert (item["name"], item["count"], item["left"]) == ("line3", 2, 1)
    assert "fit it again" in item["reason"]
    assert item.keys() == {"name", "count", "left", "reason"}
    [item] = delete(shared, ids[1], "keep").json()["baselines"]
    assert (item["name"], item["count"], item["left"]) == ("line3", None, 1)
    [id_] = stored(shared, examples[2:3])
    assert delete(shared, id_, "refit").json() == {"baselines": []}
    assert delete(shared, id_, "refit").status_code == 404
    assert delete(shared, id_, "both").status_code == 422


def test_a_baseline_that_cannot_be_written_keeps_the_outputs(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = stored(shared, examples[:2])
    fit(shared, "line3", ids)

    def refuse(self: Baseline, path: Path) -> None:
        raise BaselineError(f"{path}: can't be written: no space left") from OSError(28, "No space left on device")

    monkeypatch.setattr(Baseline, "write", refuse)
    answer = delete(shared, ids[0], "refit")
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:emovox:storage")
    assert str(baseline_path("line3").parent) not in answer.text
    assert shared.get(f"/v1/outputs/{ids[0]}").is_success
    body = {"name": "line4", "outputs": ids}
    assert shared.post("/v1/baselines", json=body).status_code == 507


def test_what_the_settings_delete_is_logged(
    tmp_path: Path, examples: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path / "outputs") as client:
        ids = stored(client, examples[:2])
        fit(client, "line3", ids)
    with caplog.at_level(logging.WARNING), serving(tmp_path / "outputs", max_outputs_size=1) as client:
        until(lambda: not client.get("/v1/outputs").json()["outputs"])
    assert any("'line3'" in message for message in caplog.messages)
    assert Baseline.find("line3").count == 2
