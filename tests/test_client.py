import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from emovox.client import Client, ServiceError
from emovox.errors import ExportError, OptionsError, RecordingNotFoundError, ServiceUnreachableError
from emovox.inference.recognizer import Recognizer
from support.exporters import break_format
from support.service import Client as Service


@pytest.fixture
def client(shared: Service) -> Client:
    return Client(str(shared.base_url))


def test_recognising(client: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    expected = recognizer.recognize(examples[0], segments=True, emotions=["angry", "sad"])
    with client:
        result = client.recognize(examples[0], segments=True, emotions=["angry", "sad"])
        assert (result.scores, result.recording) == (expected.scores, expected.recording)
        assert client.recognize(examples[0].read_bytes(), store=False).recording.name is None
        assert client.wait(client.submit(examples[0], export=["srt"]), every=0.05).emotion == "angry"
        assert next(client.outputs(emotion="angry"))["name"] == examples[0].name


def test_an_export_that_fails_is_a_warning(
    client: Client, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_format(monkeypatch, "srt", ExportError("no pen"))
    with client:
        with pytest.warns(UserWarning, match="^recognised, but not exported as srt: no pen$"):
            assert client.recognize(examples[0], export=["srt", "csv"]).emotion == "angry"
        id_ = client.submit(examples[0], export=["srt", "csv"])
        with pytest.warns(UserWarning, match="^recognised, but not exported as srt: no pen$"):
            assert client.wait(id_, every=0.05).emotion == "angry"


def test_baselines(client: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    began = datetime.now(timezone.utc).isoformat()  # others use this service, too
    with client:
        ids = [output["id"] for output in map(_stored(client), examples[:2])]
        made = client.fit_baseline("line 3", outputs=ids)
        assert (made["name"], made["count"], made["left_out"]) == ("line 3", 2, [])
        [listed] = client.baselines()
        assert listed == {key: value for key, value in made.items() if key != "left_out"}
        with pytest.raises(ServiceError, match="replace"):
            client.fit_baseline("line 3", examples[:2])
        again = client.fit_baseline("line 3", [examples[0], examples[1].read_bytes()], replace=True)
        assert again["count"] == 2
        expect = {"neutral": 0.8, "angry": 0.1}
        expected = recognizer.recognize(examples[2], baseline="line 3", expect=expect)
        for result in (
            client.recognize(examples[2], baseline="line 3", expect=expect),
            client.recognize(examples[2], baseline="line 3", expect="neutral=0.8,angry=0.1"),
            client.wait(client.submit(examples[2], baseline="line 3", expect=expect), every=0.05),
        ):
            assert (result.scores, result.baseline) == (expected.scores, expected.baseline)
        emotions = {
            path.name: recognizer.recognize(path, baseline="line 3", expect=expect).emotion for path in examples
        }
        records = client.archive(baseline="line 3", expect=expect, filter=["happy>=0", "sad>=0"], since=began)
        items = [item for item in records if item["name"] in emotions]
        assert len(items) > 2
        for item in items:
            assert (item["relative_to"], item["emotion"]) == ("line 3", emotions[item["name"]])
        assert client.archive_stats(baseline="corpus", model="lite")["relative_to"] == "corpus"
        assert {item["relative_to"] for item in client.archive(since=began, limit=2)} == {"raw"}
        client.delete_baseline("line 3")
        assert client.baselines() == []
        with pytest.raises(ServiceError):
            client.delete_baseline("line 3")
        for recordings, outputs in (([], []), (examples[:1], ids)):
            with pytest.raises(OptionsError):
                client.fit_baseline("line 3", recordings, outputs=outputs)


def _stored(client: Client) -> Callable[[Path], dict[str, Any]]:
    def output(path: Path) -> dict[str, Any]:
        client.recognize(path)
        return next(client.outputs())

    return output


def test_threads_may_share_one(client: Client, recognizer: Recognizer, examples: list[Path]) -> None:
    with client, ThreadPoolExecutor(3) as pool:
        results = list(pool.map(client.recognize, examples))
    assert [result.scores for result in results] == [recognizer.recognize(path).scores for path in examples]


def test_refusals(client: Client) -> None:
    with client:
        with pytest.raises(ServiceError, match="not a recording") as caught:
            client.recognize(b"nothing")
        assert (caught.value.status, caught.value.kind) == (422, "urn:emovox:unreadable-audio")
        with pytest.raises(ServiceError) as caught:
            client.wait(client.submit(b"nothing"), every=0.05)
        assert caught.value.kind == "urn:emovox:unreadable-audio"
        with pytest.raises(ServiceError):
            client.job("0" * 32)


def test_a_busy_service_is_asked_again(
    client: Client, shared: Service, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.setattr(shared.service.admission, "_limit", 9)

    monkeypatch.setattr(shared.service.admission, "_limit", 0)
    monkeypatch.setattr("emovox.client.time.sleep", sleep)
    with client:
        assert client.recognize(examples[0]).emotion == "angry"
    assert waited[0] >= 1


def test_a_service_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(ServiceUnreachableError, match="emovox serve"):
            client.job("0" * 32)
        with pytest.raises(RecordingNotFoundError):
            client.recognize("no such file.wav")
    for url in ("not an address", "http://a b", "http://[::1", "ftp://localhost"):
        with pytest.raises(ServiceUnreachableError), Client(url) as client:
            client.job("0" * 32)


class _Stranger(BaseHTTPRequestHandler):
    """A web server that is not Emovox."""

    def do_GET(self) -> None:
        status, kind, body = self.server.answers.pop(0)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


def test_what_answers_is_not_emovox(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("emovox.client.time.sleep", waited.append)
    server = HTTPServer(("127.0.0.1", 0), _Stranger)
    server.answers = [  # type: ignore[attr-defined]
        (200, "text/html", b"<html>"),
        (200, "application/json", b"[]"),
        (202, "application/json", b"{}"),
        (200, "application/json", b'{"outputs": []}'),
        (200, "text/html", b"<html>"),
        (200, "application/json", b'[{"name": "line3"}]'),
        (201, "application/json", b'{"name": "line3"}'),
        (503, "text/html", b"busy"),
        (418, "text/html", b"a teapot"),
    ]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.server_port}") as client:
            for call in (client.recognize, client.recognize, client.submit):
                with pytest.raises(ServiceUnreachableError, match="not as Emovox"):
                    call(b"RIFF")
            with pytest.raises(ServiceUnreachableError, match="not as Emovox"):
                list(client.outputs())
            for _ in range(2):
                with pytest.raises(ServiceUnreachableError, match="not as Emovox"):
                    client.baselines()
            with pytest.raises(ServiceUnreachableError, match="not as Emovox"):
                client.fit_baseline("line3", [b"RIFF"])
            with pytest.raises(ServiceError) as caught:  # busy first, and asked again
                client.job("0" * 32)
            assert caught.value.status == 418
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert waited == [1.0]
