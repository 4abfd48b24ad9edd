import asyncio
import json
import logging
import struct
import threading
import time
import wave
from socket import SO_LINGER, SOL_SOCKET, create_connection
from typing import Any, cast

import numpy as np
import pytest
from fastapi import WebSocket
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from emovox.baselines.baseline import baseline_path
from emovox.errors import ExportError, ModelError
from emovox.inference.live import Event, LiveUpdate
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.server.routes import live
from support.baselines import baseline
from support.exporters import break_format
from support.frames import BINARY, OPENING, TEXT, frame
from support.service import Client
from support.waiting import until


@pytest.mark.parametrize("query", ["", "?events=2"])
def test_the_version_of_the_events(shared: Client, speech: NDArray[np.float32], query: str) -> None:
    with opened(shared, query) as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32"}))
        socket.send(speech.astype("<f4").tobytes())
        socket.send('{"type": "end"}')
        kinds = {json.loads(message)["type"] for message in socket}
    assert kinds - {"heartbeat", "emotion_changed"} == {"update", "ended"}


@pytest.mark.parametrize("version", [1, 3])
def test_no_such_version_of_the_events(shared: Client, version: int) -> None:
    with opened(shared, f"?events={version}") as socket:
        socket.send(json.dumps({"sample_rate": 16_000}))
        assert json.loads(socket.recv())["problem"]["type"] == "urn:emovox:unknown-version"


def opened(client: Client, query: str = "", **headers: str) -> ClientConnection:
    return connect(str(client.base_url).replace("http", "ws") + f"/v1/live{query}", additional_headers=headers)


def updates(events: list[Event]) -> list[dict[str, Any]]:
    return [event.to_dict() for event in events if isinstance(event, LiveUpdate)]


def stream(client: Client, pieces: list[bytes], **start: Any) -> list[dict[str, Any]]:
    with opened(client) as socket:
        socket.send(json.dumps(start))
        for piece in pieces:
            socket.send(piece)
        socket.send('{"type": "end"}')
        return [json.loads(message) for message in socket]


def problem(socket: ClientConnection) -> dict[str, Any]:
    """The problem that a stream ends with."""
    while (message := json.loads(socket.recv(60)))["type"] != "problem":
        assert message["type"] != "ended"
    return dict(message["problem"])


@pytest.mark.parametrize("form", ["s16", "f32"])
def test_events_are_the_librarys(
    shared: Client, recognizer: Recognizer, speech: NDArray[np.float32], form: str
) -> None:
    data = speech.astype("<f4").tobytes() if form == "f32" else (speech * 32768).astype("<i2").tobytes()
    pieces = [data[start : start + 3_001] for start in range(0, len(data), 3_001)]  # samples torn apart, too
    with opened(shared) as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": form}))
        told: list[dict[str, Any]] = []
        for piece in pieces:
            socket.send(piece)
        socket.send('{"type": "end"}')
        told = [json.loads(message) for message in socket]
    live = recognizer.live()
    expected = [event.to_dict() for event in [*live.push(speech), *live.finish()]]
    assert told[-1] == {"type": "ended", "output": None}
    times = {event["time"] for event in expected}
    updates = [event for event in told if event["type"] == "update"]
    assert updates  # a service that is late leaves some out, and tells the rest
    assert {event["time"] for event in updates} <= times
    assert updates[-1]["time"] == max(times)


def test_it_is_stored_in_the_end(shared: Client, speech: NDArray[np.float32]) -> None:
    data = (speech * 32768).astype("<i2").tobytes()
    ended = stream(shared, [data], sample_rate=16_000, store=True, name="mine", emotions=["happy", "sad"])[-1]
    place = shared.outputs / ended["output"]
    result = Recognition.from_json((place / "result.json").read_bytes())
    assert (result.recording.name, result.emotion in {"happy", "sad"}) == ("mine", True)
    assert result.recording.duration == pytest.approx(len(speech) / 16_000, abs=0.01)
    assert stream(shared, [b"\0\0"], sample_rate=16_000, store=True)[-1] == {"type": "ended", "output": None}


def test_relative_to_a_baseline(shared: Client, recognizer: Recognizer, speech: NDArray[np.float32]) -> None:
    own = baseline(recognizer.metadata)
    own.write(baseline_path("line3"))
    data = (speech * 32768).astype("<i2").tobytes()
    start = {"sample_rate": 16_000, "baseline": "line3", "expect": "neutral=0.8"}
    told = stream(shared, [data], **start, store=True)
    live = recognizer.live(baseline=own, expect="neutral=0.8")
    expected = {event["time"]: event for event in updates([*live.push(speech), *live.finish()])}
    heard = [event for event in told if event["type"] == "update" and event["scores"] is not None]
    assert heard
    for event in heard:  # a service that is late leaves some out
        vector = np.array(list(live.baseline.shift["emotion"].values())) if live.baseline else np.zeros(9)
        names = list(live.baseline.shift["emotion"]) if live.baseline else []
        moved = np.log([event["scores"][name] / event["scores_without"][name] for name in names])
        moved, vector = moved - moved.mean(), vector - vector.mean()
        temperature = vector @ vector / (moved @ vector)  # of so little speech
        assert 1 <= temperature <= 1.7 + 1e-6
        np.testing.assert_allclose(moved, vector / temperature, atol=1e-5)
    assert heard[-1]["scores_without"] == pytest.approx(expected[heard[-1]["time"]]["scores_without"], abs=1e-3)
    assert live.baseline is not None
    assert told[-1]["baseline"] == live.baseline.model_dump(mode="json")
    assert [item["baseline"] for item in told if item["type"] == "baseline"] == [told[-1]["baseline"]]
    result = Recognition.from_json((shared.outputs / told[-1]["output"] / "result.json").read_bytes())
    assert result.baseline == live.baseline
    baseline_path("line3").unlink()
    with opened(shared) as socket:
        socket.send(json.dumps(start))
        assert [item["field"] for item in problem(socket)["errors"]] == ["baseline"]


def test_a_baseline_may_be_deleted_while_it_is_used(
    shared: Client, recognizer: Recognizer, speech: NDArray[np.float32]
) -> None:
    baseline(recognizer.metadata).write(baseline_path("line3"))
    with opened(shared) as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", "baseline": "line3", "store": True}))
        socket.send(speech.astype("<f4").tobytes())
        while json.loads(socket.recv(10))["type"] != "update":
            pass
        baseline_path("line3").unlink()
        socket.send('{"type": "end"}')
        *_, ended = [json.loads(message) for message in socket]
    assert (ended["type"], ended["baseline"]["name"]) == ("ended", "line3")


def test_relative_to_itself(shared: Client, speech: NDArray[np.float32]) -> None:
    """The service says in the end that there was too little speech; two streams know nothing of each other."""
    data = (speech * 32768).astype("<i2").tobytes()
    start = {"sample_rate": 16_000, "baseline": "self", "store": True}
    short = stream(shared, [data], **start)[-1]
    assert short["warnings"] == ["baseline_short"]
    piece = data[:48_000] + bytes(2 * 9_600)
    with opened(shared) as socket:
        socket.send(json.dumps(start))
        for number in range(9):
            socket.send(piece)
            while json.loads(socket.recv(60)).get("time", 0) < 2.1 * (number + 1) - 0.25:
                pass  # else it would be late, and leave segments out
        socket.send('{"type": "end"}')
        *_, long = [json.loads(message) for message in socket]
    assert "warnings" not in long
    assert (long["baseline"]["name"], long["baseline"]["count"]) == ("self", 9)
    for ended, count in ((short, None), (long, 9)):
        result = Recognition.from_json((shared.outputs / ended["output"] / "result.json").read_bytes())
        assert (result.baseline and result.baseline.count) == count
        assert ("baseline_short" in result.warnings) == (count is None)


def test_exports_and_the_archive_of_a_stream(shared: Client, speech: NDArray[np.float32]) -> None:
    data = (speech * 32768).astype("<i2").tobytes()
    for export in ("srt,csv", ["csv", "srt"]):
        ended = stream(shared, [data], sample_rate=16_000, store=True, export=export)[-1]
        place = shared.outputs / ended["output"]
        assert {path.name for path in place.iterdir()} == {
            "processed_audio.wav", "result.json", "segments.srt", "segments.csv", "frames.csv", "frames.npz",
        }  # fmt: skip
        archive = shared.service.archiving.archive
        item = archive.by_outputs(place)
        assert item is not None
        assert archive.embedding(item.id) is not None


def test_an_export_that_fails_is_told_by_the_end(
    shared: Client, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_format(monkeypatch, "srt", ExportError("no pen"))
    data = (speech * 32768).astype("<i2").tobytes()
    ended = stream(shared, [data], sample_rate=16_000, store=True, export="srt,csv")[-1]
    assert ended["problem"]["detail"] == "recognised, but not exported as srt: no pen"
    assert (shared.outputs / ended["output"] / "segments.csv").exists()
    assert "problem" not in stream(shared, [data], sample_rate=16_000, store=True, export="csv")[-1]


@pytest.mark.parametrize("failure", [ModelError("broken at /home/me"), ExportError("no pen")])
def test_the_sound_of_a_stream_is_kept_where_it_is_not_recognised(
    shared: Client, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(shared.service.scheduler, "recognize", fail)
    data, before = (speech * 32768).astype("<i2").tobytes(), set(shared.outputs.iterdir())
    with opened(shared) as socket:
        for said in ('{"sample_rate": 16000, "store": true}', data, '{"type": "end"}'):
            socket.send(said)
        detail = problem(socket)["detail"]
    (path,) = set(shared.outputs.iterdir()) - before
    assert detail.endswith(f"; the sound is kept in the service's outputs: {path.name}")
    assert "/home/me" not in detail
    with wave.open(str(path)) as file:
        np.testing.assert_array_equal(np.frombuffer(file.readframes(1 << 20), "<i2"), np.rint(speech * 32768))
    stream(shared, [data], sample_rate=16_000)  # what isn't to be stored
    stream(shared, [], sample_rate=16_000, store=True)
    assert set(shared.outputs.iterdir()) - before == {path}
    path.unlink()


def test_the_sound_before_what_is_none_is_kept(shared: Client, speech: NDArray[np.float32]) -> None:
    before = set(shared.outputs.iterdir())
    with opened(shared) as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", "store": True}))
        socket.send(speech[:16_000].astype("<f4").tobytes())
        assert json.loads(socket.recv(10))["type"] == "update"
        socket.send(np.full(16_000, np.nan, "<f4").tobytes())
        found = problem(socket)
    (path,) = set(shared.outputs.iterdir()) - before
    assert (found["status"], path.name in found["detail"]) == (422, True)
    path.unlink()


DEEP = "[" * 100_000  # more than any parser's stack holds


@pytest.mark.parametrize(
    "first",
    ["", "{}", '{"sample_rate": 5}', '{"sample_rate": 16000, "model": "/etc/passwd"}', "[1]", b"\0\1",
     '{"sample_rate": 16000, "emotions": "joy"}', '{"sample_rate": 16000, "format": "mp3"}',
     DEEP, '{"sample_rate": 16000, "emotions": ' + DEEP, '{"sample_rate": 1e400}', '{"sample_rate": NaN}',
     '{"sample_rate": ' + "9" * 5000 + "}", '{"sample_rate": 16000, "emotions": [1]}', '{"sample_rate": 16000.5}',
     '{"sample_rate": 16000, "name": "\\ud800"}', '{"sample_rate": 16000, "head": "../x"}',
     '{"sample_rate": 16000, "baseline": "../x"}', '{"sample_rate": 16000, "baseline": "/tmp/x.json"}',
     '{"sample_rate": 16000, "expect": "neutral=1"}',
     '{"sample_rate": 16000, "baseline": "self", "expect": "joy=1"}',
     '{"sample_rate": 16000, "export": "srt"}', '{"sample_rate": 16000, "store": true, "export": "docx"}',
     '{"sample_rate": 16000, "store": true, "export": [["srt"]]}',
     '{"sample_rate": 768000, "channels": 64}', '{"sample_rate": 16000, "channels": 65}'],
)  # fmt: skip
def test_wrong_beginnings(shared: Client, first: str | bytes) -> None:
    with opened(shared) as socket:
        socket.send(first)
        message = json.loads(socket.recv(10))
        assert (message["type"], message["problem"]["status"]) == ("problem", 422)
        with pytest.raises(ConnectionClosed):
            socket.recv(10)
    assert shared.service.streams == 0


def test_so_many_streams(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.service, "streams", 99)
    with opened(shared) as socket:
        socket.send('{"sample_rate": 16000}')
        assert json.loads(socket.recv(10))["problem"]["type"] == "urn:emovox:busy"


@pytest.mark.parametrize("message", ["what?", DEEP, '{"type": "end", "x": ' + DEEP, "9" * 5000, "null"])
def test_unknown_messages(shared: Client, message: str) -> None:
    with opened(shared) as socket:
        socket.send('{"sample_rate": 16000}')
        socket.send(message)
        problem = json.loads(socket.recv(10))["problem"]
        assert (problem["type"], problem["status"]) == ("urn:emovox:unknown-message", 400)


def test_what_waits_is_bounded_in_bytes() -> None:
    """At a rate and with channels such that ten seconds would be hundreds of megabytes."""
    start = live.LiveStart(sample_rate=96_000, channels=64, format="f32")
    message = bytes(2**20)

    async def run() -> None:
        stream = live._Stream(cast("WebSocket", None), start)

        async def fill() -> None:
            while True:
                await stream._take(message)

        filling = asyncio.create_task(fill())
        for _ in range(3):
            for _ in range(100):
                await asyncio.sleep(0)
            assert live.BUFFER_BYTES <= stream._bytes < live.BUFFER_BYTES + len(message)
            sound = await stream.next(10**9)
            assert sound is not None
            assert live.BUFFER_BYTES <= sound[0].nbytes < live.BUFFER_BYTES + len(message)
        filling.cancel()
        await asyncio.wait([filling])

    asyncio.run(run())


@pytest.mark.parametrize("message", [b"", b"\0\0"])
def test_what_is_no_sound_keeps_nothing_alive(
    shared: Client, monkeypatch: pytest.MonkeyPatch, message: bytes
) -> None:
    monkeypatch.setattr(live, "IDLE", 0.5)
    with opened(shared) as socket:
        socket.send('{"sample_rate": 16000}')
        reading = threading.Thread(target=lambda: told.extend(json.loads(message) for message in socket))
        told: list[dict[str, Any]] = []
        reading.start()

        def ended() -> bool:
            try:
                socket.send(message)
            except ConnectionClosed:
                return True
            return False

        until(ended)
        reading.join()
        assert told[-1] == {"type": "ended", "output": None}
    until(lambda: shared.service.streams == 0)


def test_a_pause_is_waited_out(
    shared: Client, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "IDLE", 1.0)
    sound = np.tile(speech, 2).astype("<f4").tobytes()  # a second at least
    with opened(shared) as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", "store": False}))
        socket.send(sound)
        socket.send('{"type": "pause"}')
        time.sleep(2.5)
        socket.send(sound)
        socket.send('{"type": "end"}')
        events = [json.loads(message) for message in socket]
    assert events[-1]["type"] == "ended"
    assert max(event["time"] for event in events if "time" in event) > 1.5 * len(speech) / 16_000


def test_pauses_alone_keep_nothing_alive(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "IDLE", 0.5)
    with opened(shared) as socket:
        socket.send(json.dumps({"sample_rate": 16_000}))
        with pytest.raises(ConnectionClosed):  # noqa: PT012  it may be closed at any of them
            for _ in range(600):
                socket.send('{"type": "pause"}')
                time.sleep(0.05)


@pytest.mark.parametrize("abruptly", [False, True])
@pytest.mark.parametrize("asked", [[], ["start"], ["start", "sound"], ["start", "sound", "end"], ["end"]])
def test_who_leaves_early_is_no_error(
    shared: Client, caplog: pytest.LogCaptureFixture, asked: list[str], abruptly: bool
) -> None:
    said = {
        "start": frame(TEXT, b'{"sample_rate": 16000}'),
        "sound": frame(BINARY, bytes(64_000)),
        "end": frame(TEXT, b'{"type": "end"}'),
    }
    for pause in (0, 0.05):  # before and after the service has taken it in
        with create_connection((shared.base_url.host, shared.base_url.port), timeout=60) as socket:
            socket.sendall(OPENING)
            assert b" 101 " in socket.recv(65_536)
            socket.sendall(b"".join(said[word] for word in asked))
            time.sleep(pause)
            if abruptly:  # a reset instead of an end
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: shared.service.streams == 0)
    assert shared.get("/healthz").is_success
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_pages_elsewhere_hear_nothing(shared: Client) -> None:
    with pytest.raises(Exception, match=r"403|close"), opened(shared, Origin="https://evil.example") as socket:
        socket.recv(5)


def test_nan_is_refused(shared: Client) -> None:
    bad = np.full(16_000, np.nan, "<f4").tobytes()
    with opened(shared) as socket:
        socket.send('{"sample_rate": 16000, "format": "f32"}')
        socket.send(bad)
        assert json.loads(socket.recv(10))["problem"]["status"] == 422
