import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Encode

from emovox.audio.decoded import Decoded
from emovox.audio.isolation.decoders import Decoders
from emovox.errors import AudioError, BrokenDecoderError, DecoderError, TooLargeError, UnreadableAudioError
from support import poison
from support.children import children, running
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
    (process,) = decoders._all
    return process.pid


@pytest.mark.parametrize("how", [poison.CRASH, poison.KILL, poison.HANG])
def test_a_decoder_that_dies_or_hangs_costs_one_recording(
    tmp_path: Path, examples: list[Path], how: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    (tmp_path / "x").write_bytes(how)
    before = children()

    async def work(decoders: Decoders) -> None:
        first = pid_of(decoders)
        with pytest.raises(BrokenDecoderError, match=r"decoder|progress"):
            await decode(decoders, tmp_path / "x", tmp_path / "a")
        assert (await decode(decoders, examples[0], tmp_path / "b")).duration == pytest.approx(2.18, abs=0.01)
        assert pid_of(decoders) != first

    run(work)
    assert children() <= before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_decoder_that_dies_while_it_has_nothing_to_do_costs_none(
    tmp_path: Path, examples: list[Path], how: signal.Signals
) -> None:
    async def work(decoders: Decoders) -> None:
        (process,) = decoders._all
        os.kill(process.pid, how)
        for _ in range(1000):
            if process.usable:
                await asyncio.sleep(0.01)
        assert (await decode(decoders, examples[0], tmp_path / "b")).duration == pytest.approx(2.18, abs=0.01)

    run(work)


def test_decoders_that_never_start_are_said_once_for_each_request(
    tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = tmp_path / "starts"
    poison.poison(monkeypatch, tmp_path, at_start=f"open({str(starts)!r}, 'a').write('x'); os._exit(1)")

    async def work() -> None:
        decoders = Decoders(2, memory=MEMORY, stall=3)
        with pytest.raises(DecoderError, match="ends at once"):
            await decoders.start()
        begun = starts.stat().st_size
        for _ in range(3):
            with pytest.raises(DecoderError, match="ends at once"):
                await decode(decoders, examples[0], tmp_path / "a")
        assert starts.stat().st_size == begun + 3
        monkeypatch.delenv("PYTHONPATH")
        await decode(decoders, examples[0], tmp_path / "a")
        await decoders.close()

    before = children()
    asyncio.run(work())
    assert children() <= before


def test_a_request_that_is_given_up_leaves_no_answer_behind(tmp_path: Path, examples: list[Path]) -> None:
    async def work(decoders: Decoders) -> None:
        os.kill(pid_of(decoders), signal.SIGSTOP)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(decode(decoders, examples[0], tmp_path / "a"), 0.2)
        other = await decode(decoders, examples[3], tmp_path / "b")
        assert other.samples * 4 == (tmp_path / "b").stat().st_size
        assert other.duration > 3

    run(work)


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
    monkeypatch.setattr("emovox.audio.isolation.process.USES", 2)

    async def work(decoders: Decoders) -> None:
        pids = []
        for _ in range(3):
            process = await decoders.take()
            pids.append(process.pid)
            await decoders.give_back(process)
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
    (process,) = decoders._all
    print(process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    until(lambda: not running(int(process.stdout)))
