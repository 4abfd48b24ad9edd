import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.audio.decoded import Decoded
from emovox.audio.waveform import Waveform
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.scheduler import Scheduler
from emovox.inference.splitting import outline, pieces
from emovox.models.runtime.engine import Output
from support.results import nine
from support.waiting import until


def models(recognizer: Any, **changes: Any) -> ModelPool:
    return ModelPool(most=2, idle=100, load=lambda _: recognizer, **changes)


def test_each_gets_its_own_whether_alone_or_together(
    recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [Options(), Options(segments=True), Options(granularity="frame"), Options(emotions=["sad", "happy"])]
    requests = [Request(path, each) for path in examples for each in options]
    alone = [recognizer.recognize_together([request])[0] for request in requests]
    sizes: list[int] = []
    recognize_together = recognizer.recognize_together

    def counting(batch: list[Request]) -> Any:
        sizes.append(len(batch))
        return recognize_together(batch)

    monkeypatch.setattr(recognizer, "recognize_together", counting)
    monkeypatch.setattr(recognizer._engine, "batches", True)

    async def main() -> list[Recognition]:
        scheduler = Scheduler(models(recognizer), threads=1)
        try:
            return await asyncio.gather(*(scheduler.recognize(ModelChoice("x"), request) for request in requests))
        finally:
            await asyncio.to_thread(scheduler.close)

    for one, other in zip(alone, asyncio.run(main()), strict=True):
        assert isinstance(one, Recognition)
        assert (one.recording, one.emotion) == (other.recording, other.emotion)
        assert nine(one) == pytest.approx(nine(other), abs=2e-3)
        assert (one.frames is None, one.segments is None) == (other.frames is None, other.segments is None)
    assert max(sizes) > 8


def test_the_pace_is_that_of_recordings(
    recognizer: Recognizer, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    """It is measured in the model; loading the model doesn't count."""

    def load(_: ModelChoice) -> Recognizer:
        time.sleep(0.5)
        return recognizer

    def decoded(seconds: float) -> Decoded:
        samples = np.resize(speech, round(16_000 * seconds))
        (path := tmp_path / f"{seconds}").write_bytes(samples.tobytes())
        return Decoded(path, None, "0" * 64, 16_000, 1, None, None, len(samples), ())

    async def main() -> None:
        scheduler = Scheduler(ModelPool(most=2, idle=100, load=load), threads=1)
        try:
            for seconds in (0.5, 2.0, 1.0):
                await scheduler.recognize(ModelChoice("x"), Request(decoded(seconds)))
            until(lambda: scheduler.sound_seconds == 3.5)  # noted a moment after the last answer
            recordings, sound, work = scheduler._totals
            assert (recordings, sound) == pytest.approx((2.71, 0.5 * 0.81 + 2 * 0.9 + 1))
            assert 0 < work < scheduler.busy_seconds - 0.4
            assert scheduler.pace == pytest.approx((work / sound, work / recordings))
        finally:
            await asyncio.to_thread(scheduler.close)

    asyncio.run(main())


def test_failures_reach_whoever_waits_and_nobody_else(recognizer: Recognizer, examples: list[Path]) -> None:
    class Failing:
        batches = False

        def recognize_together(self, requests: list[Request]) -> list[Any]:
            if requests[0].name == "bad":
                raise ZeroDivisionError
            return recognizer.recognize_together(requests)

    async def main() -> None:
        scheduler = Scheduler(models(Failing()), threads=1)
        with pytest.raises(ZeroDivisionError):
            await scheduler.recognize(ModelChoice("x"), Request(examples[0], name="bad"))
        assert (await scheduler.recognize(ModelChoice("x"), Request(examples[0]))).emotion == "angry"
        await asyncio.to_thread(scheduler.close)

    asyncio.run(main())


def test_recordings_and_pieces(
    recognizer: Recognizer, examples: list[Path], speech: Waveform, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(speech.tobytes())
    whole = Decoded(tmp_path / "x", "x", "0" * 64, 16_000, 1, None, "flac", len(speech), ())
    (piece,) = pieces(outline(whole, recognizer.metadata, Options()), whole.path)

    async def main() -> tuple[Recognition, list[Output]]:
        scheduler = Scheduler(ModelPool(most=1, idle=9, load=lambda _: recognizer), threads=1)
        try:
            recognition, outputs = await asyncio.gather(
                scheduler.recognize(ModelChoice("x"), Request(examples[0])),
                scheduler.infer_piece(ModelChoice("x"), piece),
            )
        finally:
            await asyncio.to_thread(scheduler.close)
        assert scheduler.sound_seconds == piece.seconds
        return recognition, outputs

    recognition, (output,) = asyncio.run(main())
    assert recognition.emotion == "angry"
    assert int(np.argmax(output.logits["emotion"])) == 0
