import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from emovox.recognition.recognition import Recognition
from emovox.recognition.recognizer import Recognizer
from support.service import Client


def opened(client: Client, **headers: str) -> ClientConnection:
    return connect(str(client.base_url).replace("http", "ws") + "/v1/live", additional_headers=headers)


def hear(client: Client, pieces: list[bytes], **start: Any) -> list[dict[str, Any]]:
    with opened(client) as socket:
        socket.send(json.dumps(start))
        for piece in pieces:
            socket.send(piece)
        socket.send('{"type": "end"}')
        return [json.loads(message) for message in socket]


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
    heard = [event for event in told if event["type"] == "heard"]
    assert heard  # a service that is late leaves some out, and tells the rest
    assert {event["time"] for event in heard} <= times
    assert heard[-1]["time"] == max(times)


def test_it_is_stored_in_the_end(shared: Client, speech: NDArray[np.float32]) -> None:
    data = (speech * 32768).astype("<i2").tobytes()
    ended = hear(shared, [data], sample_rate=16_000, store=True, name="mine", emotions=["happy", "sad"])[-1]
    place = shared.outputs / ended["output"]
    result = Recognition.from_json((place / "result.json").read_bytes())
    assert (result.recording.name, result.emotion in {"happy", "sad"}) == ("mine", True)
    assert result.recording.duration == pytest.approx(len(speech) / 16_000, abs=0.01)
    assert hear(shared, [b"\0\0"], sample_rate=16_000, store=True)[-1] == {"type": "ended", "output": None}


@pytest.mark.parametrize(
    "first",
    ["", "{}", '{"sample_rate": 5}', '{"sample_rate": 16000, "model": "/etc/passwd"}', "[1]", b"\0\1",
     '{"sample_rate": 16000, "emotions": "joy"}', '{"sample_rate": 16000, "format": "mp3"}'],
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


def test_unknown_messages(shared: Client) -> None:
    with opened(shared) as socket:
        socket.send('{"sample_rate": 16000}')
        socket.send("what?")
        assert json.loads(socket.recv(10))["problem"]["type"] == "urn:emovox:unknown-message"


def test_pages_elsewhere_hear_nothing(shared: Client) -> None:
    with pytest.raises(Exception, match=r"403|close"), opened(shared, Origin="https://evil.example") as socket:
        socket.recv(5)


def test_nan_is_refused(shared: Client) -> None:
    bad = np.full(16_000, np.nan, "<f4").tobytes()
    with opened(shared) as socket:
        socket.send('{"sample_rate": 16000, "format": "f32"}')
        socket.send(bad)
        assert json.loads(socket.recv(10))["problem"]["status"] == 422
