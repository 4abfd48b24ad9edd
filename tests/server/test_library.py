import io
import shutil
import zipfile
from pathlib import Path

import pytest

from emovox.outputs import Outputs
from emovox.server.library import Library, Query
from support.results import recognition
from support.service import Client


@pytest.fixture(scope="module")
def output(shared: Client, examples: list[Path]) -> str:
    answer = shared.post_file(examples[1], segments="true", granularity="frame")
    return answer.headers["location"].rpartition("/")[2]


def test_an_output_and_its_files(shared: Client, output: str) -> None:
    view = shared.get(f"/v1/outputs/{output}").json()
    assert [file["name"] for file in view["files"]] == ["processed_audio.wav", "result.json"]
    for file in view["files"]:
        content = shared.get(file["url"])
        assert content.content == (shared.outputs / output / file["name"]).read_bytes()
        assert content.headers["content-type"] == file["media_type"]
        assert len(content.content) == file["size"]


def test_players_can_seek(shared: Client, output: str) -> None:
    url = f"/v1/outputs/{output}/files/processed_audio.wav"
    whole = shared.get(url).content
    part = shared.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert shared.get(url, headers={"Range": "bytes=-10"}).content == whole[-10:]
    assert shared.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert shared.get(url).headers["accept-ranges"] == "bytes"


def test_a_zip_of_all(shared: Client, output: str) -> None:
    answer = shared.get(f"/v1/outputs/{output}/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert archive.read(name) == (shared.outputs / name).read_bytes()
        assert len(archive.namelist()) >= 2


def test_exports_on_demand(shared: Client, output: str) -> None:
    answer = shared.post(f"/v1/outputs/{output}/exports?export=csv,textgrid&labels=zh")
    assert [file["name"] for file in answer.json()["files"]] == ["segments.TextGrid", "segments.csv", "frames.csv"]
    assert "快乐" in shared.get(f"/v1/outputs/{output}/files/segments.TextGrid").text
    assert shared.post(f"/v1/outputs/{output}/exports?export=docx").status_code == 422


def test_an_export_that_the_result_cannot_fill(shared: Client, examples: list[Path]) -> None:
    place = shared.post_file(examples[0]).headers["location"]
    answer = shared.post(f"{place}/exports?export=srt")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:emovox:export")
    assert str(shared.outputs) not in answer.text


def test_deleting(shared: Client, examples: list[Path]) -> None:
    place = shared.post_file(examples[0]).headers["location"]
    assert shared.delete(place).status_code == 204
    assert shared.delete(place).status_code == 404
    assert not (shared.outputs / place.rpartition("/")[2]).exists()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/outputs/outputs_20990101_000000",
        "/v1/outputs/..%2f..",
        "/v1/outputs/.emovox",
        "/v1/outputs/outputs_20240104_223000%00",
        "/v1/outputs/OUTPUT/files/..%2f..%2fservice.db",
        "/v1/outputs/OUTPUT/files/result.json%00",
        "/v1/outputs/OUTPUT/files/link.json",
        "/v1/outputs/outputs_20010101_000000/files/result.json",
    ],
)
def test_no_path_leads_outside(shared: Client, output: str, tmp_path: Path, path: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "result.json").write_text("secret")
    link, other = shared.outputs / "outputs_20010101_000000", shared.outputs / output / "link.json"
    try:
        link.symlink_to(secret)
        other.symlink_to(secret / "result.json")
        answer = shared.get(path.replace("OUTPUT", output))
        assert answer.status_code in {404, 422}
        assert "secret" not in answer.text
        assert "link.json" not in shared.get(f"/v1/outputs/{output}").text
        with zipfile.ZipFile(io.BytesIO(shared.get(f"/v1/outputs/{output}/zip").content)) as archive:
            assert f"{output}/link.json" not in archive.namelist()
    finally:
        link.unlink()
        other.unlink()


def publish(root: Path, stamp: str, name: str, emotion: str = "happy") -> str:
    facts = recognition().recording.model_copy(update={"name": name})
    moment = recognition().created_at.replace(day=int(stamp[8:10]))
    with Outputs(root).draft() as draft:
        return draft.publish(
            recognition(timestamp=stamp, recording=facts, emotion=emotion, created_at=moment)
        ).name


def test_pages_and_filters(tmp_path: Path) -> None:
    ids = [publish(tmp_path, "2024-01-04 22:30:00", f"Übung {number}.wav") for number in range(12)]
    ids.append(publish(tmp_path, "2024-01-05 22:30:00", "call.wav", "sad"))
    stored = Library(tmp_path)
    seen: list[str] = []
    after = None
    while True:
        found, after = stored.find(Query(), before=after, limit=5)
        seen += [summary.id for summary in found]
        if after is None:
            break
    assert seen == ids[::-1]  # the twelfth of a second comes after the second, whatever the alphabet says
    assert [item.id for item in stored.find(Query(emotion="sad"), before=None, limit=9)[0]] == ids[-1:]
    assert len(stored.find(Query(name="übung"), before=None, limit=99)[0]) == 12
    moment = recognition().created_at.replace(day=5)
    assert [item.id for item in stored.find(Query(since=moment), before=None, limit=9)[0]] == ids[-1:]
    assert len(stored.find(Query(until=moment), before=None, limit=99)[0]) == 12
    shutil.rmtree(tmp_path / ids[0])
    (tmp_path / ids[1] / "result.json").write_text("{")
    assert len(Library(tmp_path).find(Query(), before=None, limit=99)[0]) == 11


def test_the_list_over_http(shared: Client, output: str) -> None:
    answer = shared.get("/v1/outputs", params={"emotion": "happy", "since": "2020-01-01T00:00:00", "limit": 200})
    assert output in {item["id"] for item in answer.json()["outputs"]}
    assert all(item["emotion"] == "happy" for item in answer.json()["outputs"])
    first = shared.get("/v1/outputs?limit=1").json()
    second = shared.get("/v1/outputs", params={"limit": 1, "after": first["next"]}).json()
    assert first["outputs"][0]["id"] > second["outputs"][0]["id"]
    assert shared.get("/v1/outputs?emotion=joy").status_code == 422
