"""`rm -rf outputs` under a running service."""

import shutil
from pathlib import Path

import pytest

from support.service import Client, ServiceProcess, serving
from support.waiting import until


def stored(client: Client, path: Path) -> str:
    answer = client.post_file(path)
    assert answer.status_code == 200, answer.text
    return answer.headers["location"]


@pytest.mark.parametrize("what", [".", ".emovox", ".emovox/service/uploads", ".emovox/service/waveforms"])
def test_what_can_be_made_again_is(
    tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("EMOVOX_DATABASE", f"sqlite:///{tmp_path}/elsewhere.db")
    with serving(tmp_path / "outputs") as client:
        first = stored(client, examples[0])
        shutil.rmtree(tmp_path / "outputs" / what)
        assert client.get(first).status_code == (404 if what == "." else 200)
        assert [item["id"] for item in client.get("/v1/outputs").json()["outputs"]] == (
            [] if what == "." else [first.rpartition("/")[2]]
        )
        second = stored(client, examples[1])
        assert client.get(f"{second}/timeline").status_code == 200
        job = client.post(
            "/v1/recognitions", content=examples[0].read_bytes(), headers={"Prefer": "respond-async"}
        )
        assert client.finished(job.json()["id"])["state"] == "done"
        assert client.delete(second).status_code == 204
        until((tmp_path / "outputs" / ".emovox" / "service" / "lock").exists)


def test_all_of_it_is_made_again(tmp_path: Path, examples: list[Path]) -> None:
    process = ServiceProcess(tmp_path / "outputs")
    process.wait_until_ready()
    client = process.client
    stored(client, examples[0])
    shutil.rmtree(tmp_path / "outputs")
    content = examples[0].read_bytes()
    answers = []

    def is_accepted() -> bool:
        answers.append(client.post("/v1/recognitions", content=content, headers={"Prefer": "respond-async"}))
        return answers[-1].status_code == 202

    assert client.post("/v1/recognitions", params={"store": "false"}, content=content).status_code == 200
    until(is_accepted)
    assert {answer.json()["type"] for answer in answers[:-1]} <= {"urn:emovox:database"}
    assert client.finished(answers[-1].json()["id"])["state"] == "done"
    assert client.get(stored(client, examples[1])).status_code == 200
    for words in ("the service's database was deleted", "lock was deleted while the service was running"):
        until(lambda words=words: any(words in line for line in process.log))  # type: ignore[misc]
    assert not any("disk is full" in line for line in process.log)
    assert process.end() == 0
