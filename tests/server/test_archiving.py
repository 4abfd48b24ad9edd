import shutil
from pathlib import Path

import numpy as np
import pytest

from emovox.archive import Archive
from emovox.archive.record import read_directory
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


def test_a_start_archives_what_is_not(tmp_path: Path, shared: Client, outputs: list[str]) -> None:
    root = tmp_path / "outputs"
    for id_ in outputs[:3]:
        shutil.copytree(shared.outputs / id_, root / id_)
    (root / outputs[2] / "result.json").write_text("{")
    with serving(root) as client:
        until(lambda: client.get("/v1/archive/stats").json()["recognitions"] == 2)
        assert client.get(f"/v1/outputs/{outputs[0]}/similar").status_code == 409  # it has no embedding
    with Archive(tmp_path / "outputs.db") as archive:
        assert {path.name for path in archive.known_outputs()} == set(outputs[:2])
