"""Emotions beside FunASR's own server: its interface, with a stand-in for its model."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn

from support.funasr_model import parity
from support.service import serving
from support.waiting import until

SAID = "Das schwarze Blatt Papier. Es befindet sich da oben neben dem Holzstück, und dort bleibt es auch heute."


class _Model:
    def __init__(self, **_: object) -> None:
        pass

    def generate(self, **_: object) -> list[dict[str, Any]]:
        return [{"text": f"<|de|><|SAD|>{SAID}"}]


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server of `funasr-server`, on a port of this machine."""
    import funasr  # noqa: PLC0415  which takes seconds
    from funasr.bin._server_app import create_app  # noqa: PLC0415

    monkeypatch.setattr(funasr, "AutoModel", _Model)
    server = uvicorn.Server(uvicorn.Config(create_app(device="cpu"), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


@parity
def test_its_answers_have_emotions(url: str, tmp_path: Path, examples: list[Path]) -> None:
    sad = next(path for path in examples if "sad" in path.name)
    with (
        serving(tmp_path / "outputs", transcriber=url) as service,
        openai.OpenAI(base_url=f"{service.base_url}/v1", api_key="none", max_retries=0) as client,
    ):

        def ask(model: str = "whisper-1", **options: Any) -> Any:
            return client.audio.transcriptions.create(file=sad, model=model, **options)

        answer = ask(response_format="verbose_json").to_dict()
        assert answer["text"] == SAID
        assert len(answer["segments"]) > 1
        assert {item["emotion"] for item in answer["segments"]} == {"sad"}
        assert (ask().text, ask().emotion) == (SAID, "sad")
        assert SAID in ask(response_format="srt")  # JSON, as it knows no captions
        with pytest.raises(openai.BadRequestError, match="Unknown model 'none'"):
            ask("none")
