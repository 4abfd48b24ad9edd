"""Evaluations over HTTP: labels against what is stored."""

import json
import re
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support import calls
from support.service import Client, serving

Run = Callable[..., tuple[int, str, str]]


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


class Annotated(NamedTuple):
    """A recording that is stored, and what is said of it, which isn't all true."""

    path: Path
    marks: list[calls.Mark]


@pytest.fixture(scope="module")
def annotated(filled: Client, tmp_path_factory: pytest.TempPathFactory, examples: list[Path]) -> list[Annotated]:
    """A long recording, and one of under half a minute, as the page would have them recognised."""
    folder, items = tmp_path_factory.mktemp("annotated"), []
    for name, part in {"long.wav": [*examples, *examples[::-1]], "short.wav": examples[:5]}.items():
        marks = calls.write_call(folder / name, part)
        said = [mark._replace(label="sad") if number % 4 == 1 else mark for number, mark in enumerate(marks)]
        assert filled.post_file(folder / name, granularity="frame", segments="true").is_success
        items.append(Annotated(folder / name, said))
    return items


def send(client: Client, *paths: Path, **fields: str) -> httpx.Response:
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    return client.post("/v1/evaluations", files=files, data=fields)


def write(kind: str, item: Annotated) -> Path:
    path = item.path.with_suffix({"textgrid": ".TextGrid", "eaf": ".eaf", "audacity": ".txt"}[kind])
    if kind == "eaf":
        return calls.write_eaf(path.with_stem("notes"), item.marks, item.path.name)
    return (calls.write_textgrid if kind == "textgrid" else calls.write_audacity)(path, item.marks)


@pytest.mark.parametrize("number", [0, 1], ids=["long", "short"])
@pytest.mark.parametrize("kind", ["textgrid", "eaf", "audacity"])
def test_the_figures_are_those_of_the_command(
    run: Run, filled: Client, annotated: list[Annotated], kind: str, number: int
) -> None:
    path = write(kind, annotated[number])
    answer = send(filled, path)
    assert answer.status_code == 201, answer.text
    report = answer.json()
    code, out, err = run("evaluate", path, "--model", "lite", "--format", "json", "-q")
    assert code == 0, err
    command = json.loads(out)
    assert (report["title"], report["missing"]["count"]) == (path.name, 0)
    count = len(annotated[number].marks)
    assert report["clips"] == report["stretches"] == command["clips"] == command["stretches"] == count
    for figure in ("names", "competing", "classes", "confusion", "weighted", "unweighted", "macro_f1", "recalls"):
        assert report[figure] == command[figure]
    assert 0.5 < report["weighted"] < 1
    # A share of the surest may be of other stretches, as confidences aren't quite the same.
    assert report["confidence"] == pytest.approx(command["confidence"], abs=0.1)


def test_several_files_at_once(filled: Client, annotated: list[Annotated], examples: list[Path]) -> None:
    paths = [write("textgrid", annotated[0]), write("audacity", annotated[1])]
    (listed_ := annotated[0].path.with_name("list.csv")).write_text(listed(examples[:4]), encoding="utf-16")
    one, two, three = (send(filled, path).json() for path in [*paths, listed_])
    report = send(filled, *paths, listed_, title="all of it").json()
    assert (report["title"], report["clips"]) == ("all of it", one["clips"] + two["clips"] + three["clips"])
    assert (report["stretches"], three["stretches"]) == (one["clips"] + two["clips"], 0)
    [brief, *_] = filled.get("/v1/evaluations").json()["evaluations"]
    assert (brief["title"], brief["stretches"]) == ("all of it", report["stretches"])


def test_a_tier_and_a_map_of_labels(filled: Client, annotated: list[Annotated]) -> None:
    item = annotated[0]
    marks = [mark._replace(label="upset") if mark.label == "angry" else mark for mark in item.marks]
    path = calls.write_textgrid(item.path.with_suffix(".TextGrid"), marks, tier="affect")
    answer = send(filled, path)
    assert answer.status_code == 422
    assert "long.TextGrid: no column of label, emotion, class, emo; it has path, affect" in answer.json()["detail"]
    report = send(filled, path, label_column="affect", labels_map="upset=angry,sad=", classes="all").json()
    assert report["left_out"] == {"sad": sum(mark.label == "sad" for mark in marks)}
    assert report["recalls"]["angry"] > 0


@pytest.mark.parametrize("channel", [None, 1])
def test_what_was_downloaded_and_corrected(
    filled: Client, annotated: list[Annotated], channel: int | None
) -> None:
    if channel is not None:
        query = f"/v1/recognitions?channel={channel}&granularity=frame&segments=true"
        assert filled.post_file(annotated[0].path, query).is_success
    [output] = [
        item["id"]
        for item in filled.get("/v1/outputs").json()["outputs"]
        if (item["name"], item.get("channel")) == ("long.wav", channel)
    ]
    assert filled.post(f"/v1/outputs/{output}/exports", params={"export": "textgrid"}).is_success
    [file] = [item for item in filled.get(f"/v1/outputs/{output}").json()["files"] if "TextGrid" in item["name"]]
    answer = filled.get(file["url"])
    name = re.search(r'filename="([^"]+)"', answer.headers["content-disposition"])
    assert name is not None
    assert name[1] == ("long" if channel is None else "long_channel1") + "_segments.TextGrid"
    for name_ in (name[1], f"{output}_segments.TextGrid"):  # as downloads were called before 0.3
        (path := annotated[0].path.with_name(name_)).write_bytes(answer.content)
        report = send(filled, path).json()
        assert report["missing"]["count"] == 0
        assert report["weighted"] > 0.9  # of the segments as they are: frames and segments agree


def test_stretches_in_which_nothing_lies_are_missing(filled: Client, annotated: list[Annotated]) -> None:
    marks = [*annotated[0].marks, calls.Mark(900, 901.5, "sad")]
    path = calls.write_audacity(annotated[0].path.with_suffix(".txt"), marks)
    report = send(filled, path).json()
    assert report["missing"] == {"count": 1, "names": ["long.wav#t=900,901.5"]}
    assert report["clips"] == len(marks) - 1
    unknown = send(filled, path, calls.write_audacity(path.with_name("unknown.txt"), marks[:1])).json()
    assert unknown["missing"]["names"] == ["long.wav#t=900,901.5", f"unknown#t=0,{marks[0].end:g}"]


def test_a_recording_without_segments_and_frames(filled: Client, annotated: list[Annotated]) -> None:
    bare = annotated[1].path.with_name("bare.wav")
    marks = calls.write_call(bare, [annotated[1].path])  # so it is another recording
    assert filled.post_file(bare, segments="false").is_success
    path = calls.write_audacity(bare.with_suffix(".txt"), [marks[0]._replace(end=1, label="sad")])
    answer = send(filled, path)
    assert answer.status_code == 422
    assert "bare.txt: its recordings are stored with neither segments nor frames" in answer.json()["detail"]


def test_files_that_can_t_be_used_are_named(filled: Client, annotated: list[Annotated], tmp_path: Path) -> None:
    good = write("textgrid", annotated[0])

    def refused(name: str, content: bytes) -> str:
        (path := tmp_path / name).write_bytes(content)
        answer = send(filled, good, path)
        assert answer.status_code == 422
        detail: str = answer.json()["detail"]
        assert str(filled.outputs.parent) not in detail
        return detail

    assert refused("bad.TextGrid", good.read_bytes()[:200]).startswith("bad.TextGrid: ")
    assert "bad.eaf: not valid XML" in refused("bad.eaf", b"<a>")
    assert "db.yaml: a database in audformat is read where its tables are" in refused("db.yaml", b"tables: {}")
    assert "call.wav: a recording, and no list" in refused("call.wav", b"RIFF")
    other = calls.write_textgrid(tmp_path / "x.TextGrid", [annotated[0].marks[0]._replace(label="disgusted")])
    assert "labelled" in refused("long.TextGrid", other.read_bytes())
    assert send(filled).status_code == 422
    assert filled.post("/v1/evaluations", files={"file": ("", b"")}).status_code == 422
    assert send(filled, good, sometimes="x").status_code == 422
    assert not list((filled.service.state / "evaluations").glob("labels-*"))
    assert filled.service.uploads.size == 0


def test_two_recordings_of_one_name(filled: Client, annotated: list[Annotated], tmp_path: Path) -> None:
    (other := tmp_path / "short.flac").write_bytes(annotated[1].path.read_bytes())
    with wave.open(str(tmp_path / "short.flac"), "rb") as file:  # another sound: one sample less
        frames, rate = file.readframes(file.getnframes() - 1), file.getframerate()
    with wave.open(str(other), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames)
    assert filled.post_file(other, segments="true").is_success
    path = calls.write_audacity(tmp_path / "short.txt", annotated[1].marks)
    answer = send(filled, path)
    assert answer.status_code == 422
    assert "short.flac" in answer.json()["detail"]
    assert "short.wav.txt" in answer.json()["detail"]
    assert send(filled, path.rename(tmp_path / "short.wav.txt")).status_code == 201
