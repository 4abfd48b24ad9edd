import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from emovox.archive import Archive, Filter
from emovox.archive.directories import Directories
from emovox.archive.outputs_directory import read_directory
from emovox.outputs import Outputs
from emovox.server.archiving import Archiving
from emovox.settings import settings
from support.results import recognition
from support.service import Client, serving
from support.waiting import until


@pytest.fixture(scope="module")
def outputs(shared: Client, examples: list[Path]) -> list[str]:
    found = []
    for index, path in enumerate(examples):
        more = {"segments": "true"} if index % 2 else {"granularity": "frame"}
        found.append(shared.post_file(path, **more).headers["location"].rpartition("/")[2])
    return found


def test_what_is_stored_is_archived_with_its_embedding(shared: Client, outputs: list[str]) -> None:
    page = shared.get("/v1/archive", params={"limit": 200}).json()
    by_output = {item["output"]: item for item in page["recognitions"]}
    for id_ in outputs:
        item, view = by_output[id_], shared.get(f"/v1/outputs/{id_}").json()
        assert (item["emotion"], item["scores"]) == (view["emotion"], view["scores"])
        assert not [file for file in view["files"] if file["name"].endswith(".npy")]  # nobody asked for them
        archived = shared.service.archiving.archive.by_outputs(shared.outputs / id_)
        assert archived is not None
        vector = shared.service.archiving.archive.embedding(archived.id)
        assert vector is not None
        assert len(vector) == 384


def test_the_embedding_is_that_of_the_file(shared: Client, examples: list[Path]) -> None:
    for more in ({}, {"granularity": "frame"}, {"granularity": "frame", "segments": "true"}):
        id_ = shared.post_file(examples[0], embedding="true", **more).headers["location"].rpartition("/")[2]
        record = read_directory(shared.outputs / id_)
        archive = shared.service.archiving.archive
        kept = archive.embedding(record.id)
        assert kept is not None
        np.testing.assert_allclose(kept, record.embedding, rtol=2e-3, atol=1e-4)  # type: ignore[arg-type]
        assert len(archive.segments(record.id)) == len(record.segments)


def test_what_is_not_stored_is_not_archived(shared: Client, examples: list[Path]) -> None:
    before = shared.get("/v1/archive/stats").json()["recognitions"]
    assert shared.post_file(examples[0], store="false").status_code == 200
    assert shared.get("/v1/archive/stats").json()["recognitions"] == before


def test_search_and_pages(shared: Client, outputs: list[str]) -> None:
    first = shared.get("/v1/archive", params={"limit": 3}).json()
    rest = shared.get("/v1/archive", params={"limit": 200, "before": first["next"]}).json()
    ids = [item["id"] for item in first["recognitions"] + rest["recognitions"]]
    assert len(ids) == len(set(ids)) == shared.get("/v1/archive/stats").json()["recognitions"]
    angry = shared.get("/v1/archive", params={"emotion": "angry", "limit": 200}).json()["recognitions"]
    assert {item["emotion"] for item in angry} == {"angry"}
    assert shared.get("/v1/archive", params={"name": "no such"}).json()["recognitions"] == []
    assert shared.get("/v1/archive", params={"until": "2001-01-01"}).json()["recognitions"] == []
    assert shared.get("/v1/archive", params={"before": "x"}).status_code == 422
    assert shared.get("/v1/archive", params={"since": "12345"}).status_code == 422


def test_similar_recordings(shared: Client, outputs: list[str]) -> None:
    near = shared.get(f"/v1/outputs/{outputs[0]}/similar", params={"k": 3}).json()["similar"]
    own = {
        item["sha256"] for item in shared.get("/v1/archive").json()["recognitions"] if item["output"] == outputs[0]
    }
    assert len(near) == 3
    assert not own & {item["sha256"] for item in near}
    assert [item["similarity"] for item in near] == sorted((item["similarity"] for item in near), reverse=True)
    raw = shared.get(f"/v1/outputs/{outputs[0]}/similar", params={"raw": True}).json()["similar"]
    assert all(abs(item["similarity"] - item["cosine"]) < 0.01 for item in raw)
    only = shared.get(f"/v1/outputs/{outputs[0]}/similar", params={"emotion": "sad", "segments": True}).json()
    assert {item["segment"]["emotion"] for item in only["similar"]} <= {"sad"}
    assert shared.get("/v1/outputs/outputs_20000101_000000/similar").status_code == 404


def test_tags(shared: Client, outputs: list[str]) -> None:
    url = f"/v1/outputs/{outputs[2]}/tags"
    assert shared.put(f"{url}/投诉 1").json() == {"tags": ["投诉 1"]}
    assert shared.put(f"{url}/b").json() == {"tags": ["b", "投诉 1"]}
    found = shared.get("/v1/archive", params={"tag": "投诉 1"}).json()["recognitions"]
    assert outputs[2] in {item["output"] for item in found}
    assert shared.get("/v1/archive/stats").json()["by_tag"]["b"] >= 1
    assert shared.delete(f"{url}/b").status_code == 204
    assert shared.delete(f"{url}/b").status_code == 404
    assert shared.put(f"{url}/-").status_code == 422
    assert shared.put("/v1/outputs/outputs_20000101_000000/tags/b").status_code == 404


def test_deleted_outputs_go_from_the_archive(shared: Client, examples: list[Path]) -> None:
    id_ = shared.post_file(examples[5]).headers["location"].rpartition("/")[2]
    archive = shared.service.archiving.archive
    assert archive.by_outputs(shared.outputs / id_) is not None
    assert shared.delete(f"/v1/outputs/{id_}").status_code == 204
    assert archive.by_outputs(shared.outputs / id_) is None


def test_what_others_put_there_is_taken_in(shared: Client, outputs: list[str]) -> None:
    new = "outputs_20240106_000000"
    shutil.copytree(shared.outputs / outputs[0], shared.outputs / new)
    until(lambda: new in listed(shared))
    assert outputs[0] in listed(shared)
    assert shared.delete(f"/v1/outputs/{new}").status_code == 204
    assert new not in listed(shared)
    assert shared.get(f"/v1/outputs/{outputs[0]}/similar").status_code == 200  # what it was a copy of stays


def test_the_list_is_whole_or_refused(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    archiving = shared.service.archiving
    with monkeypatch.context() as patch:
        patch.setattr("emovox.server.service.PATIENCE", 0.1)
        patch.setattr(archiving, "catch_up", archiving.scan)
        archiving.scan()
        answer = shared.get("/v1/outputs")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:emovox:archiving")
        assert answer.headers["retry-after"] == "5"
    assert shared.get("/v1/outputs").status_code == 200


def test_a_start_reads_what_has_changed_and_drops_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "outputs"
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(root))
    settings.cache_clear()
    paths = [publish(root, day) for day in (4, 5, 6)]
    for _ in range(2):
        archiving = Archiving(tmp_path / "pending", root)
        archiving.catch_up()
        archiving.refresh()
        archiving.archive.close()
    text = (paths[1] / "result.json").read_text(encoding="utf-8")
    (paths[0] / "result.json").write_text("{")
    (paths[1] / "result.json").write_text(text.replace("x.wav", "y.wav"), encoding="utf-8")
    shutil.rmtree(paths[2])
    archiving = Archiving(tmp_path / "pending", root)
    assert not archiving.complete.is_set()
    archiving.catch_up()
    assert archiving.complete.is_set()
    archiving.refresh()
    assert f"{paths[0].name}: " in caplog.text
    page = archiving.archive.directories.page(root, Filter(name="Y.wav"), before=None, limit=9)
    assert [(path, record.name) for path, record, _ in page] == [(paths[1], "y.wav")]
    assert set(archiving.archive.directories.times(root)) == {path.name for path in paths[:2]}
    elsewhere = publish(tmp_path / "elsewhere", 9)
    (root / "outputs_20240108_000000").symlink_to(elsewhere)
    shutil.copytree(elsewhere, root / "mine")
    new = publish(root, 7)
    archiving.catch_up()
    names = {path.name for path in (*paths[:2], new)}
    assert set(archiving.archive.directories.times(root)) == names  # no links, and none of other names
    archiving.archive.close()


def test_a_database_that_goes_away_in_between_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "outputs"
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(root))
    settings.cache_clear()
    archiving = Archiving(tmp_path / "pending", root)

    def fail(*given: Any) -> None:
        list(given[-1])
        raise OperationalError("", None, Exception())

    for day, kind, method in ((4, Directories, "known"), (5, Archive, "add_records")):
        path = publish(root, day)
        with monkeypatch.context() as patch:
            patch.setattr(kind, method, fail)
            with pytest.raises(OperationalError):
                archiving.catch_up()
        archiving.catch_up()
        assert path.name in archiving.archive.directories.times(root)
    archiving.archive.close()


def publish(root: Path, day: int) -> Path:
    moment = recognition().created_at.replace(day=day)
    with Outputs(root).draft() as draft:
        return draft.publish(recognition(timestamp=f"2024-01-{day:02} 22:30:00", created_at=moment))


def listed(client: Client) -> set[str]:
    return {item["id"] for item in client.get("/v1/outputs", params={"limit": 200}).json()["outputs"]}


def test_a_start_archives_what_is_not(tmp_path: Path, shared: Client, outputs: list[str]) -> None:
    root = tmp_path / "outputs"
    for id_ in outputs[:3]:
        shutil.copytree(shared.outputs / id_, root / id_)
    (root / outputs[2] / "result.json").write_text("{")
    with serving(root) as client:
        assert listed(client) == set(outputs[:2])
        assert client.get("/v1/archive/stats").json()["recognitions"] == 2
        assert client.get(f"/v1/outputs/{outputs[0]}/similar").status_code == 409  # it has no embedding
    with Archive(tmp_path / "outputs.db") as archive:
        assert {path.name for path in archive.known_outputs()} == set(outputs[:2])
