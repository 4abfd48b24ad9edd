import asyncio
import time
from pathlib import Path

import numpy as np

from emovox.audio.wav import WavWriter
from emovox.batch.tasks import Done, Item, Plan
from emovox.batch.worker import Worker
from emovox.recognition.options import Options
from support import tiny


def test_what_recordings_take_is_no_more_than_passes(tmp_path: Path) -> None:
    """A recording is not charged with those that were decoded and heard before it."""
    draw = np.random.default_rng(0)
    for number in range(8):
        writer = WavWriter(tmp_path / f"{number}.wav")
        writer.write((0.1 * draw.standard_normal(16000)).astype(np.float32))
        writer.close()
    model = str(tiny.write(tmp_path / "tiny.onnx"))
    plan = Plan(model, "auto", "auto", Options(), False, (), "en", None, "", str(tmp_path), 900.0)

    async def answers() -> tuple[list[object], float]:
        worker = Worker(plan, tmp_path, lambda sha256, path: True, decoders=1)
        await worker.start()
        started = time.monotonic()
        try:
            items = [Item(str(tmp_path / f"{number}.wav")) for number in range(8)]
            return list(await asyncio.gather(*map(worker.answer, items))), time.monotonic() - started
        finally:
            await worker.close()

    found, passed = asyncio.run(answers())
    done = [answer for answer in found if isinstance(answer, Done)]
    assert len(done) == 8
    assert 0 < sum(answer.spent for answer in done) <= passed
