"""Emotions beside a real transcriber: Whisper base, asked through the service by OpenAI's own client."""

from pathlib import Path
from typing import Any

import openai
import pytest

from emovox.emotions import NAMES
from support.service import serving
from support.transcribers import needs_whisper, transcribing, whisper_base


@needs_whisper
def test_whisper_base_with_emotions(tmp_path: Path, examples: list[Path]) -> None:
    (tmp_path / "whisper").mkdir()
    sad = next(path for path in examples if "sad" in path.name)
    with (
        transcribing(whisper_base(tmp_path / "whisper")) as transcriber,
        serving(tmp_path / "outputs", transcriber=transcriber.url) as service,
        openai.OpenAI(base_url=f"{service.base_url}/v1", api_key="none", max_retries=0) as client,
    ):

        def ask(**options: Any) -> Any:
            return client.audio.transcriptions.create(file=sad, model="whisper-1", **options)

        answer = ask(response_format="verbose_json").to_dict()
        assert "Blatt" in answer["text"]
        assert answer["duration"] == pytest.approx(5.36, abs=0.01)
        assert [item["emotion"] for item in answer["segments"]] == ["sad"]
        assert {item["emotion"] for item in answer["words"]} <= set(NAMES)
        *words, done = ask(stream=True)
        assert "Blatt" in "".join(event.delta for event in words if event.type == "transcript.text.delta")
        assert (done.type, done.emotion) == ("emovox.done", "sad")
