import io
import itertools
import json
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest

from emovox import exports
from emovox.archive import Archive, Filter
from emovox.archive.importing import import_directories
from emovox.baselines.baseline import baseline_path
from emovox.inference import stored_result as stored
from emovox.inference.frames import RowsIn
from emovox.inference.recognition import ReadoutResult, json_schema
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Outputs
from emovox.server.http.problems import Problem
from emovox.server.stored_outputs import StoredOutputs
from support.baselines import baseline
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
    assert shared.get(f"{here}/result").content == described.content
    assert shared.get(f"{here}/result?frames=file").content == described.content
    assert shared.get(here).json()["recognition"]["frames"] == described.json()["frames"]
    monkeypatch.setattr("emovox.inference.frames.INLINE_LIMIT", 5)
    refused = shared.get(f"{here}/result?frames=inline")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:emovox:export")
    assert "frames.npz" in refused.json()["detail"]
    assert "csv" in refused.json()["detail"]
    assert shared.get(f"{here}/result?frames=none").status_code == 422


def test_what_older_versions_wrote_stays_inline(archive: Archive, tmp_path: Path) -> None:
    with Outputs(tmp_path).draft() as draft:
        draft.write(np.zeros(1000, np.float32))
        place = draft.publish(recognition(frames=frames(5)))
    (place / "frames.npz").unlink()
    (place / "result.json").write_text(recognition(frames=frames(5)).to_json())
    for rows_in in (*get_args(RowsIn), None):
        assert StoredOutputs(tmp_path, archive).result(place.name, rows_in) == place / "result.json"


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
    formats = [name for name in exports.FORMATS if not exports.values(name)]
    answer = shared.post(f"/v1/outputs/{output}/exports?export={','.join(formats)}")
    files = answer.json()["files"]
    assert {file["name"].partition(".")[2] for file in files} == set(exports.MEDIA_TYPES)
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


@pytest.fixture
def archive(database: str, tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "a.db") as archive:
        yield archive


def archived(archive: Archive, root: Path) -> StoredOutputs:
    """What is stored under a root, all of it archived."""
    import_directories(archive, root.glob("outputs_*"))
    return StoredOutputs(root, archive)


def test_pages_and_filters(archive: Archive, tmp_path: Path) -> None:
    ids = [publish(tmp_path, "2024-01-04 22:30:00", f"Übung {number}.wav") for number in range(12)]
    ids.append(publish(tmp_path, "2024-01-05 22:30:00", "call.wav", "sad"))
    stored = archived(archive, tmp_path)
    seen: list[str] = []
    after = None
    while True:
        found, after = stored.find(Filter(), before=after, limit=5)
        seen += [summary.id for summary in found]
        if after is None:
            break
    assert seen == ids[::-1]  # the twelfth of a second comes after the second, whatever the alphabet says
    assert [item.id for item in stored.find(Filter(emotion="sad"), before=None, limit=9)[0]] == ids[-1:]
    assert len(stored.find(Filter(name="übung"), before=None, limit=99)[0]) == 12
    moment = recognition().created_at.replace(day=5)
    assert [item.id for item in stored.find(Filter(since=moment), before=None, limit=9)[0]] == ids[-1:]
    assert len(stored.find(Filter(until=moment), before=None, limit=99)[0]) == 12
    shutil.rmtree(tmp_path / ids[0])
    (tmp_path / ids[1] / "result.json").write_text("{")
    assert len(stored.find(Filter(), before=None, limit=99)[0]) == 11


def test_the_list_over_http(shared: Client, output: str) -> None:
    answer = shared.get("/v1/outputs", params={"emotion": "happy", "since": "2020-01-01T00:00:00", "limit": 200})
    assert output in {item["id"] for item in answer.json()["outputs"]}
    assert all(item["emotion"] == "happy" for item in answer.json()["outputs"])
    first = shared.get("/v1/outputs?limit=1").json()
    second = shared.get("/v1/outputs", params={"limit": 1, "after": first["next"]}).json()
    assert first["outputs"][0]["id"] > second["outputs"][0]["id"]
    assert shared.get("/v1/outputs?emotion=joy").status_code == 422
    assert "tags" not in first["outputs"][0]


def test_the_list_by_tag(shared: Client, output: str) -> None:
    for tag in ("line 3", "angry caller"):
        shared.put(f"/v1/outputs/{output}/tags/{tag}").raise_for_status()
    listed = shared.get("/v1/outputs", params={"tag": "line 3"}).json()["outputs"]
    assert output in {item["id"] for item in listed}
    assert all(item["tags"] == ["angry caller", "line 3"] for item in listed)
    assert shared.get("/v1/outputs", params={"tag": "line 4"}).json()["outputs"] == []
    for tag in ("line 3", "angry caller"):
        shared.delete(f"/v1/outputs/{output}/tags/{tag}").raise_for_status()


def copies(root: Path, count: int) -> list[str]:
    """Ids of as many outputs directories, all the same, latest first."""
    first = root / publish(root, "2024-01-04 00:00:00", "call.wav")
    ids = [first.name, *(f"outputs_20240105_{number:06d}" for number in range(1, count))]
    for id_ in ids[1:]:
        shutil.copytree(first, root / id_)
    return ids[::-1]


ALL = Filter()


def everything(library: StoredOutputs, query: Filter = ALL, limit: int = 1000) -> list[str]:
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


def test_a_page_reads_no_result(archive: Archive, tmp_path: Path, read: list[str]) -> None:
    ids = copies(tmp_path, 60)  # of one recognition, and each is listed
    library = archived(archive, tmp_path)
    read.clear()
    page, following = library.find(Filter(), before=None, limit=5)
    assert [summary.id for summary in page] == ids[:5]
    assert following == ids[4]
    assert [summary.id for summary in library.find(Filter(), before=ids[50], limit=5)[0]] == ids[51:56]
    assert len(everything(library, Filter(emotion="happy"))) == 60
    assert everything(library, Filter(emotion="sad")) == []
    new = publish(tmp_path, "2024-01-06 22:30:00", "new.wav", "sad")
    assert everything(library, limit=1) == ids[:1]  # until it is archived
    library = archived(archive, tmp_path)
    read.clear()
    assert everything(library, limit=2) == [new, ids[0]]
    assert everything(library, Filter(emotion="sad")) == [new]
    assert read == []
    for id_ in ids[1:50]:
        shutil.rmtree(tmp_path / id_)
    page, following = library.find(Filter(emotion="happy"), before=ids[0], limit=5)
    assert [summary.id for summary in page] == ids[50:55]
    assert following == ids[54]
    assert read == []


def test_a_summary_is_that_of_its_result(archive: Archive, tmp_path: Path) -> None:
    """A recording may be recognised under two names, in two lengths, and with a head."""
    created = datetime(2024, 1, 3, tzinfo=timezone.utc)
    verdict = {"label": "a", "confidence": 0.75, "scores": {"a": 0.75, "b": 0.25}, "created_at": created}
    readouts = {"calls": ReadoutResult.model_validate({"kind": "linear", **verdict})}
    longer = recognition().recording.model_copy(update={"name": "\N{NO-BREAK SPACE}b.wav", "duration": 2.5})
    for changes in ({}, {"recording": longer, "readouts": readouts, "warnings": ["quiet", "short"]}):
        with Outputs(tmp_path).draft() as draft:
            draft.publish(recognition(**changes))
    library = archived(archive, tmp_path)
    page, _ = library.find(Filter(), before=None, limit=9)
    assert [summary.readouts for summary in page] == [readouts, {}]
    assert len({summary.name for summary in page}) == 2
    assert page == [library.head(summary.id)[0] for summary in page]
    assert [summary.model_dump_json() for summary in page] == [
        library.head(summary.id)[0].model_dump_json() for summary in page
    ]
    assert everything(library, Filter(name="B.WAV")) == [page[0].id]


def test_what_is_no_stored_output_is_not_listed(archive: Archive, tmp_path: Path) -> None:
    """Though the archive has it: another program's, of another name or parent, or a link."""
    root = tmp_path / "outputs"
    id_ = publish(root, "2024-01-04 22:30:00", "call.wav")
    foreign = root / "outputs_20240105_000000"
    foreign.mkdir()
    (foreign / "result.json").write_text('{"scores": {"sad": 1}}')
    shutil.copy(root / id_ / "processed_audio.wav", foreign)
    shutil.copytree(root / id_, root / "my outputs")
    shutil.copytree(root / id_, tmp_path / "outputs_20240106_000000")
    (root / "outputs_20240107_000000").symlink_to(tmp_path / "outputs_20240106_000000")
    paths = [*root.iterdir(), *tmp_path.glob("outputs_*")]
    assert import_directories(archive, paths) == 2
    assert everything(StoredOutputs(root, archive)) == [id_]


def test_what_was_changed_by_hand_is_seen(archive: Archive, tmp_path: Path) -> None:
    id_ = publish(tmp_path, "2024-01-04 22:30:00", "call.wav")
    library = archived(archive, tmp_path)
    assert everything(library, Filter(emotion="happy")) == [id_]
    shutil.rmtree(tmp_path / id_)
    assert everything(library) == []
    assert publish(tmp_path, "2024-01-04 22:30:00", "call.wav", "sad") == id_  # another one of the same second
    assert [summary.emotion for summary in library.find(Filter(), before=None, limit=9)[0]] == ["sad"]
    assert everything(archived(archive, tmp_path), Filter(emotion="sad")) == [id_]
    (tmp_path / id_ / "result.json").write_text("{")
    assert everything(library) == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"recording": null}', '{"recording": []}', "\0", '"x"', "NaN"],
)
def test_one_that_is_damaged_is_left_out(archive: Archive, tmp_path: Path, text: str) -> None:
    ids = [publish(tmp_path, f"2024-01-0{day} 22:30:00", "call.wav") for day in (4, 5, 6)]
    (tmp_path / ids[1] / "result.json").write_text(text)
    library = archived(archive, tmp_path)
    assert everything(library) == everything(library, Filter(name="call")) == [ids[2], ids[0]]


def test_scores_that_are_none_are_damage(archive: Archive, tmp_path: Path) -> None:
    ids = [publish(tmp_path, f"2024-01-0{day} 22:30:00", "call.wav") for day in (4, 5)]
    result = tmp_path / ids[0] / "result.json"
    result.write_text(result.read_text().replace('"happy": 1.0', '"happy": 0.0'))
    library = archived(archive, tmp_path)
    assert everything(library) == [ids[1]]
    for method in (library.head, library.recognition):
        with pytest.raises(Problem):
            method(ids[0])


def test_a_time_without_its_zone_is_damage(archive: Archive, tmp_path: Path) -> None:
    id_ = publish(tmp_path, "2024-01-04 22:30:00", "call.wav")
    result = tmp_path / id_ / "result.json"
    text = result.read_text(encoding="utf-8")
    assert "+00:00" in text or "Z" in text
    result.write_text(text.replace("2024-01-04T14:30:00Z", "2024-01-04T14:30:00"), encoding="utf-8")
    since = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    assert everything(archived(archive, tmp_path), Filter(since=since)) == []


def test_one_that_is_deleted_meanwhile_is_left_out(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = copies(tmp_path, 5)
    library = archived(archive, tmp_path)
    for id_ in ids:  # so that they are read again
        os.utime(tmp_path / id_ / "result.json", (1, 1))
    real = stored.read_head

    def read_head(path: Path) -> object:
        shutil.rmtree(tmp_path / ids[1], ignore_errors=True)
        return real(path)

    monkeypatch.setattr(stored, "read_head", read_head)
    assert everything(library) == [ids[0], *ids[2:]]
    for method in (library.recognition, library.head, library.files, library.remove):
        with pytest.raises(Problem) as caught:
            method(ids[1])
        assert caught.value.status == 404
    for path in tmp_path.glob("outputs_*"):
        shutil.rmtree(path)
    assert everything(library) == []


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns far more often than they do by themselves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_many_list_while_others_come_and_go(archive: Archive, tmp_path: Path) -> None:
    ids = copies(tmp_path, 200)
    archived(archive, tmp_path)
    library = StoredOutputs(tmp_path, archive, forget=archive.forget_outputs)
    failures, ended = list[BaseException](), threading.Event()
    ends = {ids[0], ids[-1]}

    def watch(query: Filter) -> None:
        try:
            while not ended.is_set():
                assert ends <= set(everything(library, query))
        except BaseException as error:
            failures.append(error)

    queries = [Filter(), Filter(emotion="happy"), Filter(name="CALL")] * 2
    threads = [threading.Thread(target=watch, args=(query,)) for query in queries]
    for thread in threads:
        thread.start()
    for number, id_ in zip(range(60), itertools.cycle(ids[1:-1]), strict=False):
        new = shutil.copytree(tmp_path / ids[0], tmp_path / f"outputs_20240104_{number:06d}_2")
        import_directories(archive, [new])
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


def test_what_a_killed_service_was_deleting_is_deleted(archive: Archive, tmp_path: Path) -> None:
    id_ = publish(tmp_path, "2024-01-04 22:30:00", "call.wav")
    (tmp_path / id_).rename(tmp_path / ".emovox" / "removed-0123456789abcdef")
    left = tmp_path / ".emovox" / "timelines" / "draft-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "peaks.npy").write_bytes(b"x")
    StoredOutputs(tmp_path, archive)
    assert not (tmp_path / ".emovox" / "removed-0123456789abcdef").exists()
    assert not left.exists()


def test_many_are_removed_though_some_are_gone(archive: Archive, tmp_path: Path) -> None:
    ids, told = copies(tmp_path, 6), list[Path]()
    archived(archive, tmp_path)
    library = StoredOutputs(tmp_path, archive, forget=told.extend)
    shutil.rmtree(tmp_path / ids[2])
    library.remove_all(ids[1:4])
    assert everything(library) == [ids[0], *ids[4:]]
    assert [path.name for path in told] == [ids[1], ids[3]]
    with pytest.raises(Problem):
        library.remove(ids[2])


def test_the_summary_of_the_speech_is_made_when_it_is_read(shared: Client, examples: list[Path]) -> None:
    answer = shared.post_file(examples[0], segments="true")
    assert answer.json()["summary"]["kind"] in {"clear", "tie"}
    here = answer.headers["location"]
    view = shared.get(here).json()
    assert view["summary"] == answer.json()["summary"]
    assert "summary_without" not in view
    assert "summary" not in view["recognition"]  # that of another version may have gone by other rules
    path = shared.outputs / here.rpartition("/")[2] / "result.json"
    data = json.loads(path.read_text("utf-8"))
    data["summary"]["headline"]["en"] = "by other rules"
    path.write_text(json.dumps(data), "utf-8")
    assert shared.get(here).json()["summary"] == view["summary"]
    del data["summary"]
    path.write_text(json.dumps(data), "utf-8")  # as earlier versions wrote it
    assert shared.get(here).json()["summary"] == view["summary"]
    plain = shared.post_file(examples[0])
    assert "summary" not in plain.json()
    assert "summary" not in shared.get(plain.headers["location"]).json()


def test_the_summary_without_a_baseline(shared: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    item = baseline(recognizer.metadata)
    item.write(baseline_path("summed"))
    answer = shared.post_file(examples[0], segments="true", baseline="summed")
    view = shared.get(answer.headers["location"]).json()
    assert view["summary"] == answer.json()["summary"]
    [segment] = answer.json()["segments"][:1]
    assert view["summary"]["scores"] != view["summary_without"]["scores"]
    if len(answer.json()["segments"]) == 1:
        assert view["summary_without"]["scores"] == pytest.approx(segment["scores_without"])
