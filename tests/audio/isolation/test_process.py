import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing import spawn
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from conftest import Encode

from emovox.audio.isolation.process import Process
from emovox.errors import BrokenDecoderError, DecoderError, UnreadableAudioError
from support import poison
from support.children import children

MEMORY = 2**31


def run(work: Callable[[Process], Awaitable[None]], *, stall: float = 3) -> None:
    async def main() -> None:
        process = await Process.start(memory=MEMORY, stall=stall)
        try:
            await work(process)
        finally:
            await process.kill()

    asyncio.run(main())


def count(source: Path) -> dict[str, Any]:
    return {"do": "count", "source": str(source), "name": None, "track": None, "max_bytes": 10**9}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (poison.CRASH, "broke the decoder"),
        (poison.KILL, "the system killed its decoder"),
        (poison.HANG, "no progress for 1 s"),
        (poison.EAT, "more memory than is allowed"),
    ],
)
def test_what_breaks_a_decoder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    poison.poison(monkeypatch, tmp_path)
    source = write(tmp_path / "x", content)

    async def work(process: Process) -> None:
        with pytest.raises(Exception, match=message):
            await process.ask(count(source))
        assert process.usable == (content == poison.EAT)

    run(work, stall=1)


@pytest.mark.parametrize(
    "words",
    [
        b"\xff\x00nonsense\n",
        b"half a line" * 300_000,
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b"{}\n",
        b'{"seconds": null}\n',
        b'{"block": 4000000000000}\n',
        b'{"block": 7}\n1234567',
        b'{"block": 4}\n1234',
        b'{"error": "__name__"}\n',
        b'{"error": [], "reason": "", "name": null}\n',
    ],
)
def test_nonsense_is_a_broken_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bytes) -> None:
    poison.poison(monkeypatch, tmp_path)
    source = write(tmp_path / "x", b"!say:" + words)

    async def work(process: Process) -> None:
        with pytest.raises(BrokenDecoderError, match="nonsense"):
            await process.ask(count(source))

    run(work)


@pytest.mark.parametrize("name", ["os", "EmovoxError", "__name__", "OutputsError"])
def test_an_error_is_one_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    poison.poison(monkeypatch, tmp_path)
    said = f'{{"error": "{name}", "reason": "because", "name": null}}\n'
    source = write(tmp_path / "x", b"!say:" + said.encode())

    async def work(process: Process) -> None:
        with pytest.raises(Exception, match="because") as caught:
            await process.ask(count(source))
        assert type(caught.value).__name__ == "UnreadableAudioError"

    run(work)


@pytest.mark.parametrize("turns", range(6))
def test_an_answer_that_is_given_up_as_it_comes_is_given_up(turns: int) -> None:
    """However many turns of the event loop lie between the two."""

    async def main() -> None:
        stdout = asyncio.StreamReader()
        process = Process(
            cast("asyncio.SubprocessTransport", None),
            cast("asyncio.subprocess.Process", SimpleNamespace(stdout=stdout)),
            stall=60,
        )
        receiving = asyncio.create_task(process.receive())
        await asyncio.sleep(0.01)
        stdout.feed_data(b"{}\n")
        for _ in range(turns):
            await asyncio.sleep(0)
        if receiving.cancel():
            with pytest.raises(asyncio.CancelledError):
                await receiving
        assert receiving.done()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("os._exit(3)", "ends at once, with code 3; .* -c .*may say why"),
        ("import time; time.sleep(1000)", "nothing that makes sense"),
        ("import time; print('hello', flush=True); time.sleep(1000)", "nothing that makes sense"),
    ],
)
def test_one_that_does_not_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    poison.poison(monkeypatch, tmp_path, at_start=line)
    monkeypatch.setattr("emovox.audio.isolation.process.START", 2.0)

    async def main() -> None:
        with pytest.raises(DecoderError, match=message):
            await Process.start(memory=MEMORY, stall=3)

    before = children()
    asyncio.run(main())
    assert children() <= before


def test_a_program_without_python_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a frozen program would start itself, again and again."""

    async def main(message: str) -> None:
        with pytest.raises(DecoderError, match=message):
            await Process.start(memory=MEMORY, stall=3)

    monkeypatch.setattr(sys, "frozen", True, raising=False)
    asyncio.run(main("multiprocessing.set_executable"))
    monkeypatch.setattr(spawn, "_python_exe", "/gone/python")
    asyncio.run(main("/gone/python: No such file"))


def test_nothing_is_imported_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    for name in ("av", "numpy", "soxr", "json", "sitecustomize"):
        write(tmp_path / f"{name}.py", b"open('run', 'w').close()")
    monkeypatch.chdir(tmp_path)

    async def work(process: Process) -> None:
        assert await process.ask(count(examples[0])) == {"channels": 1}

    run(work)
    assert not (tmp_path / "run").exists()


def test_a_pause_of_whoever_asks_is_not_the_decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-Z makes one."""
    poison.poison(monkeypatch, tmp_path)
    source = write(tmp_path / "x", b"no sound" + poison.WAIT)
    code = f"""
import asyncio
from emovox.audio.isolation.process import Process
async def main():
    process = await Process.start(memory=2**31, stall=4)
    await process.send({count(source)!r})
    print("asked", flush=True)
    try:
        await process.receive()
    except Exception as error:
        print(error, flush=True)
    await process.kill()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asked\n"
        asking.send_signal(signal.SIGSTOP)
        time.sleep(4.2)
        asking.send_signal(signal.SIGCONT)
        write(tmp_path / "x.go", b"")
        assert "not a recording in any format" in asking.stdout.read()


def test_asked_to_stop_it_goes_on_with_its_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd asks all processes of a service at once: the service decides what becomes of the recording."""
    poison.poison(monkeypatch, tmp_path)
    source = write(tmp_path / "x", b"no sound" + poison.WAIT)

    async def work(process: Process) -> None:
        await process.send(count(source))
        os.kill(process.pid, signal.SIGTERM)
        write(tmp_path / "x.go", b"")
        with pytest.raises(UnreadableAudioError, match="not a recording in any format"):
            await process.receive()
        assert process.usable

    run(work)


def test_one_that_is_full_of_what_nobody_reads_can_be_ended(tmp_path: Path, encode: Encode) -> None:
    long = encode(np.zeros((1, 16_000 * 200), np.float32), "long.wav", "pcm_s16le", sample_format="s16")
    request = {"do": "stream", "source": str(long), "name": None, "channel": None, "track": None}
    before = children()

    async def work(process: Process) -> None:
        await process.send({**request, "max_bytes": 10**9, "max_seconds": 10**6})
        while (seen := written(process.pid)) == 0 or seen != await asyncio.sleep(0.5, written(process.pid)):
            await asyncio.sleep(0.2)
        await asyncio.wait_for(process.kill(), 60)

    run(work)
    assert children() <= before


def written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))
