import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from conftest import Encode

from emovox.audio.decoded import Decoded
from emovox.audio.isolation.decoders import Decoders, _Worker
from emovox.errors import AudioError, BrokenDecoderError, TooLargeError, UnreadableAudioError
from support.waiting import until

MEMORY = 2**31


def run(work: Callable[[Decoders], Awaitable[None]], *, memory: int = MEMORY) -> None:
    async def main() -> None:
        decoders = Decoders(1, memory=memory, stall=3)
        await decoders.start()
        try:
            await work(decoders)
        finally:
            await decoders.close()

    asyncio.run(main())


async def decode(decoders: Decoders, source: Path, target: Path, *, most: float = 60) -> Decoded:
    return await decoders.decode(source, target, name="x", channel=None, max_bytes=10**9, max_seconds=most)


def pid_of(decoders: Decoders) -> int:
    (worker,) = decoders._all
    return worker.process.pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_a_decoder_that_dies_or_hangs_costs_one_recording(
    tmp_path: Path, examples: list[Path], how: signal.Signals
) -> None:
    async def work(decoders: Decoders) -> None:
        first = pid_of(decoders)
        os.kill(first, how)
        with pytest.raises(UnreadableAudioError, match=r"decoder|progress"):
            await decode(decoders, examples[0], tmp_path / "a")
        assert (await decode(decoders, examples[0], tmp_path / "b")).duration == pytest.approx(2.18, abs=0.01)
        assert pid_of(decoders) != first

    run(work)


def test_a_request_that_is_given_up_leaves_no_answer_behind(tmp_path: Path, examples: list[Path]) -> None:
    async def work(decoders: Decoders) -> None:
        os.kill(pid_of(decoders), signal.SIGSTOP)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(decode(decoders, examples[0], tmp_path / "a"), 0.2)
        other = await decode(decoders, examples[3], tmp_path / "b")
        assert other.samples * 4 == (tmp_path / "b").stat().st_size
        assert other.duration > 3

    run(work)


@pytest.mark.parametrize("turns", range(6))
def test_a_request_that_is_given_up_as_its_answer_comes_is_given_up(turns: int) -> None:
    """However many turns of the event loop lie between the two."""

    async def main() -> None:
        stdout = asyncio.StreamReader()
        worker = _Worker(cast("asyncio.subprocess.Process", SimpleNamespace(stdout=stdout)))
        listening = asyncio.create_task(worker.listen(60))
        await asyncio.sleep(0.01)
        stdout.feed_data(b"{}\n")
        for _ in range(turns):
            await asyncio.sleep(0)
        if listening.cancel():
            with pytest.raises(asyncio.CancelledError):
                await listening
        assert listening.done()

    asyncio.run(main())


def test_memory_is_limited() -> None:
    code = (
        "import sys; from emovox.audio.isolation.worker import limit_memory; limit_memory(2**30); bytearray(2**31)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in process.stderr


def test_errors_are_the_librarys(tmp_path: Path, examples: list[Path]) -> None:
    (tmp_path / "x").write_bytes(b"nothing")

    async def work(decoders: Decoders) -> None:
        for source, kind in ((tmp_path / "x", "UnreadableAudioError"), (examples[0], "TooLargeError")):
            with pytest.raises(AudioError) as caught:
                await decode(decoders, source, tmp_path / "y", most=1)
            assert type(caught.value).__name__ == kind
            assert str(tmp_path) not in str(caught.value)

    run(work)


def test_channels_are_counted(tmp_path: Path, examples: list[Path], encode: Encode) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    six = encode(np.zeros((6, 4000), np.float32), "six.wav", "pcm_s16le", sample_format="s16")

    async def work(decoders: Decoders) -> None:
        async def count(source: Path, most: int = 10**9) -> int:
            return await decoders.channels(source, max_bytes=most)

        assert [await count(examples[0]), await count(six)] == [1, 6]
        with pytest.raises(UnreadableAudioError):
            await count(tmp_path / "x")
        with pytest.raises(TooLargeError):
            await count(examples[0], 10)
        os.kill(pid_of(decoders), signal.SIGSTOP)
        with pytest.raises(BrokenDecoderError, match="progress"):
            await count(examples[0])
        assert await count(examples[0]) == 1

    run(work)


def test_old_decoders_are_replaced(tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.audio.isolation.decoders.USES", 2)

    async def work(decoders: Decoders) -> None:
        pids = []
        for _ in range(3):
            pids.append(pid_of(decoders))
            await decode(decoders, examples[0], tmp_path / "a")
        assert pids[0] == pids[1] != pids[2]

    run(work)


def test_a_decoder_ends_with_the_service() -> None:
    code = """
import asyncio, os, signal
from emovox.audio.isolation.decoders import Decoders
async def main():
    decoders = Decoders(1, memory=2**31, stall=9)
    await decoders.start()
    (worker,) = decoders._all
    print(worker.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    def ended() -> bool:
        try:
            os.kill(int(process.stdout), 0)
        except ProcessLookupError:
            return True
        return False

    until(ended)
