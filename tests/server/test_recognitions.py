import asyncio
import errno
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from conftest import Encode
from numpy.typing import NDArray

from emovox.errors import ExportError
from emovox.inference.recognition import Recognition, json_schema
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Outputs
from support.exporters import break_format
from support.service import Client, serving
from support.zoo import film, wav

NAMES = [
    "電話 3.mp3",
    "🎙️😡.wav",
    "é" * 150,
    "../../x",
    "a\0b",
    "..",
    'say "hi"; x=1\r\n.mp3',
    "c:\\x\\y.wav",
    "-rf *",
    " ",
]


def offline(recognizer: Recognizer, path: Path, **options: object) -> Recognition:
    return recognizer.recognize(path, **options)  # type: ignore[arg-type]


def same(answer: httpx.Response, expected: Recognition, name: str | None = None) -> None:
    """Equal to the bit, but for when it was made."""
    assert answer.status_code == 200, answer.text
    given, wanted = answer.json(), json.loads(expected.to_json())
    for part in (given, wanted):
        del part["timestamp"], part["created_at"]
    if name is not None:
        wanted["recording"]["name"] = name
    assert given == wanted


def test_answers_are_the_librarys_to_the_bit_and_stored(
    shared: Client, recognizer: Recognizer, examples: list[Path]
) -> None:
    for path in examples[:3]:
        answer = shared.post_file(path)
        same(answer, offline(recognizer, path))
        jsonschema.validate(answer.json(), json_schema())
        place = shared.outputs / answer.headers["location"].removeprefix("/v1/outputs/")
        assert (place / "result.json").read_bytes() == answer.content
        assert {item.name for item in place.iterdir()} == {"result.json", "processed_audio.wav"}


def test_frames_are_in_a_file_unless_they_are_to_be_in_the_answer(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = shared.post_file(examples[0], granularity="frame")
    place = shared.outputs / answer.headers["location"].removeprefix("/v1/outputs/")
    assert (place / "result.json").read_bytes() == answer.content
    count = answer.json()["frames"]["count"]
    for options in ({"frames": "inline"}, {"store": "false"}):
        rows = shared.post_file(examples[0], granularity="frame", **options).json()["frames"]["scores"]
        assert len(rows) == count
    assert shared.post_file(examples[0], granularity="frame", frames="file").json()["frames"]["count"] == count
    assert shared.post_file(examples[0], granularity="frame", frames="file", store="false").status_code == 422
    monkeypatch.setattr("emovox.inference.frames.INLINE_LIMIT", 5)
    assert shared.post_file(examples[0], granularity="frame").json()["frames"]["count"] == count
    for options in ({"frames": "inline"}, {"store": "false"}):
        refused = shared.post_file(examples[0], granularity="frame", **options)
        assert (refused.status_code, "frames.npz" in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "options",
    [
        {"granularity": "frame", "smoothing": "0.5"},
        {"segments": "true", "merge": "1", "speech_only": "yes"},
        {"emotions": "Happy, sad"},
        {"channel": "1"},
    ],
)
def test_options_mean_what_they_mean_to_the_library(
    shared: Client, recognizer: Recognizer, examples: list[Path], options: dict[str, str]
) -> None:
    read: dict[str, Callable[[str], object]] = {
        "smoothing": float,
        "channel": int,
        "emotions": lambda text: text.lower().replace(" ", "").split(","),
        "granularity": str,
    }
    wanted = {name: read[name](value) if name in read else True for name, value in options.items()}
    expected = offline(recognizer, examples[1], **wanted)
    options = {**options, "frames": "inline"}
    same(shared.post_file(examples[1], **options), expected)
    raw = shared.post(
        "/v1/recognitions", params={**options, "name": examples[1].name}, content=examples[1].read_bytes()
    )
    same(raw, expected)


def test_a_track_is_recognised_as_by_the_library(
    shared: Client, recognizer: Recognizer, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    path = film(tmp_path, speech, [0.0, 1.0, 0.5])
    same(shared.post_file(path), offline(recognizer, path))
    answer = shared.post_file(path, track="3")
    same(answer, offline(recognizer, path, track=3))
    assert answer.json()["recording"]["track"] == 3
    missing = shared.post_file(path, track="4")
    assert (missing.status_code, "there is no track 4" in missing.json()["detail"]) == (422, True)


def test_channels_that_cancel_are_recognised_as_by_the_library(
    shared: Client, recognizer: Recognizer, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    stereo = np.rint(np.stack([0.9 * speech, -speech], axis=1) * 32767).astype(np.int16)
    (path := tmp_path / "wires.wav").write_bytes(wav(stereo, 16_000))
    same(answer := shared.post_file(path), offline(recognizer, path))
    assert answer.json()["warnings"] == ["channels_cancel"]


def test_long_recordings_in_every_format(
    shared: Client, recognizer: Recognizer, speech: NDArray[np.float32], encode: Encode
) -> None:
    long = np.concatenate([np.tile(speech, 14), np.zeros(40_000, np.float32), speech])
    stereo = np.stack([long, long[::-1]])
    for path in (
        encode(stereo, "a.wav", "pcm_s24le", rate=44_100, sample_format="s32"),
        encode(stereo, "b.mp3", "libmp3lame", rate=44_100),
        encode(long, "c.webm", "libopus", rate=48_000, sample_format="flt"),
    ):
        options = {"granularity": "frame", "segments": "true", "frames": "inline"}
        same(shared.post_file(path, **options), offline(recognizer, path, granularity="frame", segments=True))


def test_embeddings_and_exports_are_among_the_outputs(
    shared: Client, recognizer: Recognizer, examples: list[Path]
) -> None:
    answer = shared.post_file(examples[0], embedding="true", granularity="frame", export="srt,csv,png")
    place = shared.outputs / answer.headers["location"].rpartition("/")[2]
    expected = offline(recognizer, examples[0], embedding=True, granularity="frame")
    assert expected.embedding is not None
    np.testing.assert_array_equal(np.load(place / "embedding.npy"), expected.embedding)
    assert {item.name for item in place.iterdir()} == {
        "frames.npz", "result.json", "processed_audio.wav", "embedding.npy", "segment_embeddings.npy",
        "segments.srt", "segments.csv", "frames.csv", "timeline.png",
    }  # fmt: skip


def test_an_export_that_fails_costs_itself_alone(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "没有笔 " + "x" * 5000
    break_format(monkeypatch, "srt", ExportError(words))
    answer = shared.post_file(examples[0], export="srt,csv")
    assert (answer.status_code, answer.json()["emotion"]) == (200, "angry")
    place = shared.outputs / answer.headers["location"].rpartition("/")[2]
    assert {item.name for item in place.iterdir()} == {"result.json", "processed_audio.wav", "segments.csv"}
    assert shared.service.archiving.archive.by_outputs(place) is not None
    problem = json.loads(answer.headers["x-emovox-problem"])
    assert (problem["type"], len(problem["detail"])) == ("urn:emovox:export", 1000)
    assert problem["detail"].startswith("recognised, but not exported as srt: 没有笔 ")
    assert "x-emovox-problem" not in shared.post_file(examples[0], export="csv").headers
    break_format(monkeypatch, "srt", OSError(errno.ENOSPC, "full"))
    before = sorted(shared.outputs.glob("outputs_*"))
    assert shared.post_file(examples[0], export="srt,csv").status_code == 507
    assert sorted(shared.outputs.glob("outputs_*")) == before


def test_nothing_is_stored_where_that_is_not_wanted(shared: Client, examples: list[Path]) -> None:
    before = sorted(shared.outputs.glob("outputs_*"))
    answer = shared.post_file(examples[0], store="false")
    assert answer.is_success
    assert "location" not in answer.headers
    assert sorted(shared.outputs.glob("outputs_*")) == before
    assert list(shared.service.uploads.directory.iterdir()) == []
    assert not [item for item in (shared.outputs / ".emovox").iterdir() if item.suffix == ".lock"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_given_back_and_is_never_a_path(shared: Client, examples: list[Path], name: str) -> None:
    raw = shared.post("/v1/recognitions", params={"name": name}, content=examples[0].read_bytes())
    assert raw.json()["recording"]["name"] == name
    output = shared.get(raw.headers["location"])
    assert output.json()["name"] == name
    job = shared.post(
        "/v1/recognitions",
        params={"name": name},
        content=examples[0].read_bytes(),
        headers={"Prefer": "respond-async"},
    ).json()
    assert job["name"] == name
    done = shared.finished(job["id"])
    assert shared.get(done["links"]["result"]).json()["recording"]["name"] == name
    if "\0" not in name and "c:" not in name:  # the form's reader takes what Internet Explorer would have meant
        form = shared.post("/v1/recognitions", files={"file": (name, examples[0].read_bytes())})
        assert form.json()["recording"]["name"] == name


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"granularity": "second"}, "granularity"),
        ({"smoothing": "-1"}, "smoothing"),
        ({"smoothing": "nan"}, "smoothing"),
        ({"channel": "0"}, "channel"),
        ({"track": "0"}, "track"),
        ({"emotions": "joyful"}, "emotions"),
        ({"export": "docx"}, "export"),
        ({"model": "../lite.onnx"}, "model"),
        ({"model": "/etc/passwd"}, "model"),
        ({"stroe": "false"}, "stroe"),
        ({"store": "false", "export": "srt"}, ""),
        ({"webhook": "http://127.0.0.1/x"}, "webhook"),
        ({"webhook": "file:///etc/passwd"}, "webhook"),
        ({"name": "x" * 5000}, "name"),
    ],
)
def test_wrong_options_are_named(
    shared: Client, examples: list[Path], options: dict[str, str], field: str
) -> None:
    for answer in (
        shared.post_file(examples[0], **options),
        shared.post("/v1/recognitions", params=options, content=examples[0].read_bytes()),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["type"] == "urn:emovox:invalid-options"
        assert field in {error["field"] for error in answer.json()["errors"]}
    assert list(shared.service.uploads.directory.iterdir()) == []


def test_options_are_said_once(shared: Client, examples: list[Path]) -> None:
    answer = shared.post("/v1/recognitions?segments=1", files={"file": b"x"}, data={"segments": "0"})
    assert answer.status_code == 422
    assert shared.post("/v1/recognitions?segments=1&segments=1", content=b"x").status_code == 422


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "unreadable-audio"), (b"no sound at all", "unreadable-audio"), (b"RIFF" * 99, "unreadable-audio")],
)
def test_what_is_no_recording(shared: Client, content: bytes, kind: str) -> None:
    for answer in (
        shared.post("/v1/recognitions", content=content),
        shared.post("/v1/recognitions", files={"file": ("x.wav", content)}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (422, f"urn:emovox:{kind}")


def test_models_that_are_not_there(shared: Client, examples: list[Path]) -> None:
    answer = shared.post_file(examples[0], model="emotion2vec_plus_base")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:emovox:model-not-installed")


def test_precisions_that_can_be_and_that_cannot(shared: Client, examples: list[Path]) -> None:
    right = shared.post_file(examples[0], precision="fp32")
    assert right.json()["model"]["precision"] == "fp32"
    for wrong, kind in (("int8", "impossible-precision"), ("fp64", "invalid-options")):
        answer = shared.post_file(examples[0], precision=wrong)
        assert (answer.status_code, answer.json()["type"]) == (422, f"urn:emovox:{kind}")
        assert "/" not in answer.json()["detail"]


def test_the_time_of_each_step_is_told(shared: Client, examples: list[Path]) -> None:
    steps = ["decoded", "waited", "heard", "stored"]
    header = shared.post_file(examples[0]).headers["server-timing"]
    assert re.findall(r"(\w+);dur=[0-9.]+", header) == steps
    job = shared.post("/v1/recognitions", content=examples[0].read_bytes(), headers={"Prefer": "respond-async"})
    done = shared.finished(job.json()["id"])
    assert list(done["timings"]) == steps
    assert 0 < sum(done["timings"].values()) < 60


def test_no_inference_for_who_has_gone(
    shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, inference = shared.service, threading.Event()
    recognize = service.scheduler.recognize

    async def patient(*arguments: Any) -> Recognition:
        await asyncio.sleep(30)
        inference.set()
        return await recognize(*arguments)

    monkeypatch.setattr(service.scheduler, "recognize", patient)
    content = examples[0].read_bytes()
    with socket.create_connection((shared.base_url.host, shared.base_url.port or 80)) as client:
        request = f"POST /v1/recognitions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
        client.sendall(request.encode() + content)
        while not service.admission.count:
            time.sleep(0.001)
    while service.admission.count:
        time.sleep(0.01)
    assert not inference.is_set()


def test_a_full_queue_says_so(shared: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.service.admission, "_limit", 0)
    answer = shared.post_file(examples[0])
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:emovox:busy")
    assert int(answer.headers["retry-after"]) >= 1


def test_long_recordings_become_jobs(tmp_path: Path, examples: list[Path], recognizer: Recognizer) -> None:
    with serving(tmp_path / "outputs", sync_seconds=1, max_duration=3) as client:
        answer = client.post_file(examples[0])
        assert answer.status_code == 202
        done = client.finished(answer.headers["location"].rpartition("/")[2])
        same(client.get(done["links"]["result"]), offline(recognizer, examples[0]))
        longer = next(path for path in examples if path.stem.endswith("sad"))  # 5.4 s
        failed = client.finished(client.post_file(longer).json()["id"])
        assert (failed["state"], failed["problem"]["type"]) == ("failed", "urn:emovox:too-large")
        assert len(list(client.outputs.glob("outputs_*"))) == 1
        Outputs(client.outputs)
