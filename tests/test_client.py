from pathlib import Path

import pytest

from emovox.client import Client, ServiceError
from emovox.recognition.recognizer import Recognizer
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
        monkeypatch.setattr(shared.service.queue, "_size", 9)

    monkeypatch.setattr(shared.service.queue, "_size", 0)
    monkeypatch.setattr("emovox.client.time.sleep", sleep)
    with client:
        assert client.recognize(examples[0]).emotion == "angry"
    assert waited[0] >= 1
