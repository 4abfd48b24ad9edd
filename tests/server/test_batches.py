import errno
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import pytest
from conftest import Encode
from numpy.typing import NDArray

from emovox.inference.recognizer import Recognizer
from emovox.server.http.uploads import Uploads
from support.service import Client, serving


@pytest.fixture
def call(encode: Encode, examples: list[Path]) -> Path:
    """One example on the left, another on the right, at a rate of its own."""
    sides = [_read(path) for path in examples[:2]]
    stereo = np.zeros((2, max(map(len, sides))), np.float32)
    for place, side in zip(stereo, sides, strict=True):
        place[: len(side)] = side
    return encode(stereo, "call.wav", "pcm_s16le", sample_format="s16")


def _read(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return (np.concatenate(pieces) / 32768).astype(np.float32)


def split(client: Client, *paths: Path, **options: str) -> list[dict[str, Any]]:
    """The jobs of a batch with its channels apart, once they are finished."""
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    answer = client.post("/v1/batches", files=files, data={"split_channels": "true", **options})
    assert answer.status_code == 202, answer.text
    jobs = [client.finished(job["id"]) for job in answer.json()["jobs"]]
    assert empty(client)
    return jobs


def empty(client: Client) -> bool:
    for _ in range(40):  # a job is finished a moment before its upload is deleted
        if not list(client.service.uploads.directory.iterdir()):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("links", [True, False])
def test_each_channel_is_recognised_by_itself(
    shared: Client,
    recognizer: Recognizer,
    call: Path,
    examples: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF nothing")
    left, right, mono, failed = split(shared, call, examples[2], bad, segments="true")
    scores = []
    for channel, job in ((1, left), (2, right), (None, mono)):
        assert (job["name"], job["channel"]) == (examples[2].name if channel is None else "call.wav", channel)
        result = shared.get(job["links"]["result"]).json()
        expected = recognizer.recognize(
            examples[2] if channel is None else call, segments=True, channel=channel, speech_only=True
        ).to_dict()
        for name in ("emotion", "confidence", "scores", "segments", "recording", "speech_only"):
            assert result[name] == expected[name]
        scores.append(result["scores"])
    assert scores[0] != scores[1]
    assert "_channel1" in left["output"]
    assert "_channel2" in right["output"]
    assert (failed["state"], failed["channel"], failed["problem"]["status"]) == ("failed", None, 422)


def test_every_frame_of_a_channel_counts_where_that_is_asked(
    shared: Client, recognizer: Recognizer, call: Path, examples: list[Path]
) -> None:
    left, _, mono = split(shared, call, examples[2], speech_only="false")
    expected = recognizer.recognize(call, channel=1, speech_only=False)
    result = shared.get(left["links"]["result"]).json()
    assert (result["speech_only"], result["scores"]) == (False, expected.scores)
    assert shared.get(mono["links"]["result"]).json()["speech_only"] is False
    alone = shared.post_file(call, channel="2").json()
    assert (alone["speech_only"], alone["scores"]) == (True, recognizer.recognize(call, channel=2).scores)
    assert shared.post_file(call).json()["speech_only"] is False


def test_jobs_are_limited_after_splitting(tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "outputs", max_jobs=3) as client:
        made: list[str] = []
        monkeypatch.setattr(Uploads, "duplicate", lambda _, token: made.append(token))
        files = [("file", (call.name, call.read_bytes()))] * 2
        answer = client.post("/v1/batches?split_channels=1", files=files)
        assert (answer.status_code, answer.json()["type"], empty(client)) == (503, "urn:emovox:busy", True)
        assert made == []
        assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_full_disk_leaves_nothing(shared: Client, call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def link(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError("no space")
        target.write_bytes(source.read_bytes())

    def copy(_: BinaryIO, target: BinaryIO) -> None:
        target.write(b"half")
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr("shutil.copyfileobj", copy)
    files = [("file", (call.name, call.read_bytes()))] * 2
    answer = shared.post("/v1/batches", files=files, data={"split_channels": "true"})
    assert (answer.status_code, len(calls), empty(shared)) == (507, 2, True)


def test_too_many_channels_are_refused(shared: Client, call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.server.submission.CHANNELS", 1)
    answer = shared.post_file(call, "/v1/batches", split_channels="true")
    assert (answer.status_code, empty(shared)) == (422, True)
    assert "has 2 channels" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("url", "options", "reason"),
    [
        ("/v1/batches", {"split_channels": "maybe"}, "boolean"),
        ("/v1/batches", {"split_channels": "true", "channel": "1"}, "one of the two"),
        ("/v1/recognitions", {"split_channels": "true"}, "/v1/batches takes it"),
    ],
)
def test_wishes_that_cannot_be(shared: Client, call: Path, url: str, options: dict[str, str], reason: str) -> None:
    answer = shared.post_file(call, url, **options)
    assert (answer.status_code, empty(shared)) == (422, True)
    assert reason in answer.json()["detail"]
