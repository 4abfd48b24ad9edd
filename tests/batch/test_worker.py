import asyncio
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from emovox.audio.wav import WavWriter
from emovox.batch.tasks import Done, Item, Plan
from emovox.batch.worker import Worker
from emovox.inference.options import Options
from support import tiny


def test_relative_paths_are_seen_from_where_the_batch_was_started(
    tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "call.flac").write_bytes(examples[0].read_bytes())
    column = {"audio": [examples[1].read_bytes()], "id": [1]}
    pyarrow.parquet.write_table(pa.table(column), tmp_path / "calls.parquet")
    model = str(tiny.write(tmp_path / "tiny.onnx"))
    plan = Plan(
        model, "auto", "auto", Options(), False, (), "en", None, "", str(tmp_path), 900.0, directory=str(tmp_path)
    )

    async def answers() -> list[object]:
        worker = Worker(plan, tmp_path, lambda sha256, path: True, decoders=1)
        await worker.start()
        try:
            return [await worker.answer(item) for item in items]
        finally:
            await worker.close()

    items = [Item("call.flac"), Item("calls.parquet#0", (0, 0), "audio")]
    done = [answer for answer in asyncio.run(answers()) if isinstance(answer, Done)]
    assert [answer.rows[0]["path"] for answer in done] == ["call.flac", "calls.parquet#0"]


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
