import io
import itertools
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest

from emovox import exports
from emovox.inference import stored_result as stored
from emovox.inference.frames import RowsIn
from emovox.inference.recognition import json_schema
from emovox.outputs import Outputs
from emovox.server.http.problems import Problem
from emovox.server.stored_outputs import OutputQuery, StoredOutputs
from support.results import frames, recognition
from support.service import Client


@pytest.fixture(scope="module")
def output(shared: Client, examples: list[Path]) -> str:
    answer = shared.post_file(examples[1], segments="true", granularity="frame")
    return answer.headers["location"].rpartition("/")[2]


def test_an_output_and_its_files(shared: Client, output: str) -> None:
    view = shared.get(f"/v1/outputs/{output}").json()
    assert [file["name"] for file in view["files"]] == ["frames.npz", "processed_audio.wav", "result.json"]
    for file in view["files"]:
        content = shared.get(file["url"])
        assert content.content == (shared.outputs / output / file["name"]).read_bytes()
        assert content.headers["content-type"] == file["media_type"]
        assert len(content.content) == file["size"]


def test_frames_are_inline_where_they_are_asked_for(
    shared: Client, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"/v1/outputs/{output}"
    described = shared.get(f"{here}/files/result.json")
    file = np.load(io.BytesIO(shared.get(f"{here}/files/frames.npz").content))
    inline = shared.get(f"{here}/result?frames=inline")
    assert inline.headers["content-type"] == described.headers["content-type"] == "application/json"
    jsonschema.validate(inline.json(), json_schema())
    assert described.json()["frames"]["count"] == len(inline.json()["frames"]["scores"]) == len(file["scores"])
    np.testing.assert_allclose(inline.json()["frames"]["scores"], file["scores"], atol=1e-6)
    assert shared.get(f"{here}/result").content == inline.content
    assert shared.get(f"{here}/result?frames=file").content == described.content
    assert shared.get(here).json()["recognition"]["frames"] == described.json()["frames"]
    monkeypatch.setattr("emovox.inference.frames.INLINE_LIMIT", 5)
    refused = shared.get(f"{here}/result?frames=inline")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:emovox:export")
    assert "frames.npz" in refused.json()["detail"]
    assert "csv" in refused.json()["detail"]
    assert shared.get(f"{here}/result").content == described.content
    assert shared.get(f"{here}/result?frames=none").status_code == 422


def test_what_older_versions_wrote_stays_inline(tmp_path: Path) -> None:
    with Outputs(tmp_path).draft() as draft:
        draft.write(np.zeros(1000, np.float32))
        place = draft.publish(recognition(frames=frames(5)))
    (place / "frames.npz").unlink()
    (place / "result.json").write_text(recognition(frames=frames(5)).to_json())
    for rows_in in (*get_args(RowsIn), None):
        assert StoredOutputs(tmp_path).result(place.name, rows_in) == place / "result.json"


def test_frames_whose_file_is_gone(shared: Client, examples: list[Path]) -> None:
    here = shared.post_file(examples[0], granularity="frame").headers["location"]
    place = shared.outputs / here.rpartition("/")[2]
    (place / "frames.npz").unlink()
    assert shared.get(here).json()["emotion"] == "angry"
    assert shared.get(f"{here}/result").content == (place / "result.json").read_bytes()
    refused = shared.get(f"{here}/result?frames=inline")
    assert (refused.status_code, refused.json()["type"]) == (500, "urn:emovox:damaged-output")
    assert "frames.npz" in refused.json()["detail"]
    assert str(place) not in refused.text


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


def test_every_export_can_be_fetched(shared: Client, output: str) -> None:
    answer = shared.post(f"/v1/outputs/{output}/exports?export={','.join(exports.FORMATS)}")
    files = answer.json()["files"]
    assert {file["name"].rpartition(".")[2] for file in files} == set(exports.MEDIA_TYPES)
    for file in files:
        assert shared.get(file["url"]).headers["content-type"] == file["media_type"]
    listed = shared.get(f"/v1/outputs/{output}").json()["files"]
    assert {file["name"] for file in files} < {file["name"] for file in listed}


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


def test_pictures_take_turns_and_no_threads_from_others(
    shared: Client, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, release, statuses = threading.Event(), threading.Event(), list[int]()

    def write(*_: object, **__: object) -> list[Path]:
        started.set()
        release.wait()
        return []

    monkeypatch.setattr("emovox.exports.write", write)

    def ask() -> None:
        statuses.append(shared.post(f"/v1/outputs/{output}/exports?export=csv").status_code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        assert started.wait(60)
        assert shared.get("/v1/jobs").status_code == 200  # which needs a thread
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 20


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
    stored = StoredOutputs(tmp_path)
    seen: list[str] = []
    after = None
    while True:
        found, after = stored.find(OutputQuery(), before=after, limit=5)
        seen += [summary.id for summary in found]
        if after is None:
            break
    assert seen == ids[::-1]  # the twelfth of a second comes after the second, whatever the alphabet says
    assert [item.id for item in stored.find(OutputQuery(emotion="sad"), before=None, limit=9)[0]] == ids[-1:]
    assert len(stored.find(OutputQuery(name="übung"), before=None, limit=99)[0]) == 12
    moment = recognition().created_at.replace(day=5)
    assert [item.id for item in stored.find(OutputQuery(since=moment), before=None, limit=9)[0]] == ids[-1:]
    assert len(stored.find(OutputQuery(until=moment), before=None, limit=99)[0]) == 12
    shutil.rmtree(tmp_path / ids[0])
    (tmp_path / ids[1] / "result.json").write_text("{")
    assert len(StoredOutputs(tmp_path).find(OutputQuery(), before=None, limit=99)[0]) == 11


def test_the_list_over_http(shared: Client, output: str) -> None:
    answer = shared.get("/v1/outputs", params={"emotion": "happy", "since": "2020-01-01T00:00:00", "limit": 200})
    assert output in {item["id"] for item in answer.json()["outputs"]}
    assert all(item["emotion"] == "happy" for item in answer.json()["outputs"])
    first = shared.get("/v1/outputs?limit=1").json()
    second = shared.get("/v1/outputs", params={"limit": 1, "after": first["next"]}).json()
    assert first["outputs"][0]["id"] > second["outputs"][0]["id"]
    assert shared.get("/v1/outputs?emotion=joy").status_code == 422


def copies(root: Path, count: int) -> list[str]:
    """Ids of as many outputs directories, all the same, latest first."""
    first = root / publish(root, "2024-01-04 00:00:00", "call.wav")
    ids = [first.name, *(f"outputs_20240105_{number:06d}" for number in range(1, count))]
    for id_ in ids[1:]:
        shutil.copytree(first, root / id_)
    return ids[::-1]


ALL = OutputQuery()


def everything(library: StoredOutputs, query: OutputQuery = ALL, limit: int = 1000) -> list[str]:
    return [summary.id for summary in library.find(query, before=None, limit=limit)[0]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids whose result.json is read, as they are read."""
    ids: list[str] = []
    real = stored.read_head

    def read_head(path: Path) -> object:
        ids.append(path.parent.name)
        return real(path)

    monkeypatch.setattr(stored, "read_head", read_head)
    return ids


def test_a_page_reads_no_more_than_it_shows(tmp_path: Path, read: list[str]) -> None:
    ids = copies(tmp_path, 60)
    library = StoredOutputs(tmp_path)
    page, following = library.find(OutputQuery(), before=None, limit=5)
    assert [summary.id for summary in page] == ids[:5]
    assert following == ids[4]
    assert read == ids[:6]  # one more tells that there is another page
    assert [summary.id for summary in library.find(OutputQuery(), before=ids[50], limit=5)[0]] == ids[51:56]
    assert read == [*ids[:6], *ids[51:57]]
    assert len(everything(library, OutputQuery(emotion="happy"))) == 60
    assert everything(library, OutputQuery(emotion="sad")) == []
    assert sorted(read) == sorted(ids)  # each once
    new = publish(tmp_path, "2024-01-06 22:30:00", "new.wav", "sad")
    assert everything(library, limit=2) == [new, ids[0]]
    assert everything(library, OutputQuery(emotion="sad")) == [new]
    assert read[-1] == new
    assert len(read) == 61


def test_what_was_changed_by_hand_is_seen(tmp_path: Path) -> None:
    id_ = publish(tmp_path, "2024-01-04 22:30:00", "call.wav")
    library = StoredOutputs(tmp_path)
    assert everything(library, OutputQuery(emotion="happy")) == [id_]
    shutil.rmtree(tmp_path / id_)
    assert library.summary(id_) is None
    assert publish(tmp_path, "2024-01-04 22:30:00", "call.wav", "sad") == id_  # another one of the same second
    assert everything(library, OutputQuery(emotion="sad")) == [id_]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"recording": null}', '{"recording": []}', "\0", '"x"', "NaN"],
)
def test_one_that_is_damaged_is_left_out(tmp_path: Path, text: str) -> None:
    ids = [publish(tmp_path, f"2024-01-0{day} 22:30:00", "call.wav") for day in (4, 5, 6)]
    (tmp_path / ids[1] / "result.json").write_text(text)
    library = StoredOutputs(tmp_path)
    assert everything(library) == everything(library, OutputQuery(name="call")) == [ids[2], ids[0]]


def test_scores_that_are_none_are_damage(tmp_path: Path) -> None:
    ids = [publish(tmp_path, f"2024-01-0{day} 22:30:00", "call.wav") for day in (4, 5)]
    result = tmp_path / ids[0] / "result.json"
    result.write_text(result.read_text().replace('"happy": 1.0', '"happy": 0.0'))
    library = StoredOutputs(tmp_path)
    assert everything(library) == [ids[1]]
    assert library.summary(ids[0]) is None
    with pytest.raises(Problem):
        library.recognition(ids[0])


def test_a_time_without_its_zone_is_damage(tmp_path: Path) -> None:
    id_ = publish(tmp_path, "2024-01-04 22:30:00", "call.wav")
    result = tmp_path / id_ / "result.json"
    text = result.read_text(encoding="utf-8")
    assert "+00:00" in text or "Z" in text
    result.write_text(text.replace("2024-01-04T14:30:00Z", "2024-01-04T14:30:00"), encoding="utf-8")
    since = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    assert everything(StoredOutputs(tmp_path), OutputQuery(since=since)) == []


def test_one_that_is_deleted_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = copies(tmp_path, 5)
    real = stored.read_head

    def read_head(path: Path) -> object:
        shutil.rmtree(tmp_path / ids[1], ignore_errors=True)
        return real(path)

    monkeypatch.setattr(stored, "read_head", read_head)
    library = StoredOutputs(tmp_path)
    assert everything(library) == [ids[0], *ids[2:]]
    for method in (library.recognition, library.head, library.files, library.remove):
        with pytest.raises(Problem) as caught:
            method(ids[1])
        assert caught.value.status == 404
    shutil.rmtree(tmp_path)
    assert everything(library) == []


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns far more often than they do by themselves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_many_list_while_others_come_and_go(tmp_path: Path) -> None:
    ids = copies(tmp_path, 200)
    library, failures, ended = StoredOutputs(tmp_path), list[BaseException](), threading.Event()
    ends = {ids[0], ids[-1]}

    def watch(query: OutputQuery) -> None:
        try:
            while not ended.is_set():
                assert ends <= set(everything(library, query))
        except BaseException as error:
            failures.append(error)

    queries = [OutputQuery(), OutputQuery(emotion="happy"), OutputQuery(name="CALL")] * 2
    threads = [threading.Thread(target=watch, args=(query,)) for query in queries]
    for thread in threads:
        thread.start()
    for number, id_ in zip(range(60), itertools.cycle(ids[1:-1]), strict=False):
        shutil.copytree(tmp_path / ids[0], tmp_path / f"outputs_20240104_{number:06d}_2")
        if number % 4:  # by hand, or by another program
            (tmp_path / id_).rename(tmp_path / f"gone{number}")
        else:
            library.remove(id_)
    ended.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(everything(library)) == 200


def test_two_lists_at_once_over_http(shared: Client, output: str) -> None:
    statuses: list[int] = []

    def ask() -> None:
        for number in range(15):
            statuses.append(
                shared.get("/v1/outputs", params={"name": f"x{number}"} if number % 2 else {}).status_code
            )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(40):
        id_ = f"outputs_20240104_{number:06d}_9"
        shutil.copytree(shared.outputs / output, shared.outputs / id_)
        shared.service.stored_outputs.remove(id_)
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}


def test_what_a_killed_service_was_deleting_is_deleted(tmp_path: Path) -> None:
    id_ = publish(tmp_path, "2024-01-04 22:30:00", "call.wav")
    (tmp_path / id_).rename(tmp_path / ".emovox" / "removed-0123456789abcdef")
    left = tmp_path / ".emovox" / "timelines" / "draft-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "peaks.npy").write_bytes(b"x")
    StoredOutputs(tmp_path)
    assert not (tmp_path / ".emovox" / "removed-0123456789abcdef").exists()
    assert not left.exists()


def test_many_are_removed_though_some_are_gone(tmp_path: Path) -> None:
    ids, told = copies(tmp_path, 6), list[Path]()
    library = StoredOutputs(tmp_path, forget=told.extend)
    shutil.rmtree(tmp_path / ids[2])
    library.remove_all(ids[1:4])
    assert everything(library) == [ids[0], *ids[4:]]
    assert [path.name for path in told] == [ids[1], ids[3]]
    with pytest.raises(Problem):
        library.remove(ids[2])
