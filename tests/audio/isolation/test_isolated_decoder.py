import asyncio
import gc
import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import Encode
from numpy.typing import NDArray

from emovox.audio.decoding import decode
from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
from emovox.audio.recording import Source, open_recording
from emovox.errors import AudioError, BrokenDecoderError, DecoderError
from emovox.settings import settings
from support import poison
from support.children import children, running
from support.waiting import until

Waveform = NDArray[np.float32]


def isolated(
    decoder: IsolatedDecoder, source: Source, channel: int | None = None
) -> tuple[Waveform, tuple[object, ...]]:
    with decoder.open(source, channel=channel) as decoding:
        waveform = np.concatenate(list(decoding.blocks()))
        facts = (decoding.name, decoding.sha256, decoding.sample_rate, decoding.channels, decoding.codec)
        return waveform, (*facts, decoding.samples, decoding.warnings)


def own(source: Source) -> tuple[Waveform, tuple[object, ...]]:
    with open_recording(source, max_bytes=10**9) as recording, decode(recording, max_seconds=10**5) as decoding:
        waveform = np.concatenate(list(decoding.blocks()))
        facts = (recording.name, recording.sha256, decoding.sample_rate, decoding.channels, decoding.codec)
        return waveform, (*facts, decoding.samples, decoding.warnings)


@pytest.fixture
def decoder() -> IsolatedDecoder:
    return IsolatedDecoder()


def file_object(path: Path) -> Source:
    return io.BytesIO(path.read_bytes())


@pytest.mark.parametrize("kind", [str, Path, Path.read_bytes, file_object])
def test_it_is_what_this_process_would_decode(
    decoder: IsolatedDecoder, encode: Encode, kind: Callable[[Path], Source]
) -> None:
    noise = np.random.default_rng(0).standard_normal((2, 250_001)).astype(np.float32)
    path = encode(noise, "x.flac", "flac", sample_format="s16", rate=44_100)
    waveform, facts = isolated(decoder, kind(path))
    expected, expected_facts = own(kind(path))
    assert np.array_equal(waveform, expected)
    assert facts == expected_facts


def test_one_channel(decoder: IsolatedDecoder, encode: Encode, speech: Waveform) -> None:
    path = encode(np.stack([speech, np.zeros_like(speech)]), "x.wav", "pcm_s16le", sample_format="s16")
    assert np.abs(isolated(decoder, path, channel=1)[0]).max() > 0.1
    assert not isolated(decoder, path, channel=2)[0].any()


@pytest.mark.parametrize("source", ["gone.wav", "text.wav", ".", "empty.wav", "a\0b", b"no sound", b"", 7])
def test_errors_are_those_of_this_process(
    decoder: IsolatedDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("no sound, only words")
    Path("empty.wav").touch()
    with pytest.raises(AudioError) as expected:
        own(source)
    with pytest.raises(AudioError) as caught:
        isolated(decoder, source)
    assert repr(caught.value) == repr(expected.value)
    assert caught.value.name == expected.value.name


@pytest.mark.parametrize(
    ("name", "value", "message"), [("MAX_FILE_SIZE", "100", "larger than"), ("MAX_DURATION", "1", "longer than")]
)
def test_limits(
    monkeypatch: pytest.MonkeyPatch, examples: list[Path], name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"EMOVOX_{name}", value)
    settings.cache_clear()
    decoder = IsolatedDecoder()
    for source in (examples[0], examples[0].read_bytes()):
        with pytest.raises(AudioError, match=f"{message} the limit"):
            isolated(decoder, source)


@pytest.mark.parametrize("content", [poison.CRASH, poison.HANG, poison.LATE])
@pytest.mark.parametrize("how", [Path, Path.read_bytes])
def test_what_breaks_a_decoder_costs_itself(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encode: Encode,
    examples: list[Path],
    content: bytes,
    how: Callable[[Path], Source],
) -> None:
    poison.poison(monkeypatch, tmp_path)
    path = encode(np.zeros((1, 16_000), np.float32), "x.wav", "pcm_s16le", sample_format="s16")
    path.write_bytes(path.read_bytes() + content)
    monkeypatch.setenv("EMOVOX_DECODE_STALL", "1")
    settings.cache_clear()
    decoder = IsolatedDecoder()
    with pytest.raises(BrokenDecoderError, match="damaged, or made to do that") as caught:
        isolated(decoder, how(path))
    assert caught.value.name == ("x.wav" if how is Path else None)
    assert isolated(decoder, examples[0])[1] == own(examples[0])[1]


def test_a_recording_that_is_left_half_read_leaves_nothing_behind(
    decoder: IsolatedDecoder, encode: Encode, examples: list[Path]
) -> None:
    long = encode(np.zeros((1, 16_000 * 200), np.float32), "long.wav", "pcm_s16le", sample_format="s16")
    for _ in range(2):
        with decoder.open(long) as decoding:
            next(decoding.blocks())
        assert isolated(decoder, examples[0])[1] == own(examples[0])[1]


def test_a_file_is_found_whatever_happened_to_the_directory(
    decoder: IsolatedDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    """The process was started in another one, and has another standard input."""
    monkeypatch.chdir(tmp_path)
    Path("x.flac").symlink_to(examples[0])
    assert isolated(decoder, "x.flac")[1][0] == "x.flac"
    with examples[0].open("rb") as file:
        assert isolated(decoder, f"/dev/fd/{file.fileno()}")[1][1:] == own(examples[0])[1][1:]


def test_beside_a_running_event_loop_and_in_threads(decoder: IsolatedDecoder, examples: list[Path]) -> None:
    async def notebook() -> object:
        return isolated(decoder, examples[0])[1]

    assert asyncio.run(notebook()) == own(examples[0])[1]
    with ThreadPoolExecutor(4) as threads:
        for path, (waveform, _) in zip(
            examples * 3, threads.map(lambda path: isolated(decoder, path), examples * 3), strict=True
        ):
            assert np.array_equal(waveform, own(path)[0])


def test_within_another(decoder: IsolatedDecoder, examples: list[Path]) -> None:
    """As a sink may do that recognises something itself."""
    with decoder.open(examples[0]) as decoding:
        assert isolated(decoder, examples[1])[1] == own(examples[1])[1]
        assert sum(map(len, decoding.blocks())) == own(examples[0])[1][5]


def test_in_a_fork(decoder: IsolatedDecoder, examples: list[Path]) -> None:
    code = f"""
import os, sys
from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
decoder = IsolatedDecoder()
def samples():
    with decoder.open({str(examples[0])!r}) as decoding:
        return sum(map(len, decoding.blocks()))
print(samples(), flush=True)
if not (pid := os.fork()):
    print(samples(), flush=True)
    sys.exit()
print(os.waitpid(pid, 0)[1], samples())
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    number = own(examples[0])[1][5]
    assert (done.stdout, done.stderr) == (f"{number}\n{number}\n0 {number}\n", "")


@pytest.mark.parametrize(
    "end", ["", "os._exit(0)", "os.kill(os.getpid(), 9)", "1 / 0", "iterator = decoding.blocks()"]
)
def test_the_processes_end_with_the_program(examples: list[Path], end: str) -> None:
    code = f"""
import os
from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
decoder = IsolatedDecoder()
opened = decoder.open({str(examples[0])!r})
decoding = opened.__enter__()
print(*(process.pid for process in decoder._background._decoders._all), flush=True)
{end}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    [pid] = done.stdout.split()
    until(lambda: not running(pid))
    assert done.stderr.endswith("division by zero\n" if "/" in end else "")
    assert ("Traceback" in done.stderr) == ("/" in end)


def test_the_processes_end_with_the_decoder(examples: list[Path]) -> None:
    before = children()
    decoder = IsolatedDecoder()
    isolated(decoder, examples[0])
    assert children() - before
    del decoder
    gc.collect()
    assert children() <= before
    IsolatedDecoder()  # one that is ended while its process starts
    gc.collect()
    assert children() <= before


def test_one_that_can_not_be_started_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    with monkeypatch.context() as patch:
        poison.poison(patch, tmp_path, at_start="os._exit(1)")
        decoder = IsolatedDecoder()
        for _ in range(2):
            with pytest.raises(DecoderError, match="no decoding process can be started"):
                isolated(decoder, examples[0])
    assert isolated(decoder, examples[0])[1] == own(examples[0])[1]


def pids(decoder: IsolatedDecoder) -> set[int]:
    return {process.pid for process in decoder._background._decoders._all}


def test_what_is_expected_is_decoded_ahead(decoder: IsolatedDecoder, examples: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "x.flac"
    copy.write_bytes(examples[1].read_bytes())
    decoder.expect(copy)
    assert isolated(decoder, examples[0])[1] == own(examples[0])[1]
    [process] = decoder._background._decoders._all
    until(lambda: len(process._stdout._buffer) > 10_000)  # type: ignore[attr-defined]
    copy.unlink()
    assert isolated(decoder, copy)[1][1:] == own(examples[1])[1][1:]
    assert pids(decoder) == {process.pid}


def test_what_is_expected_and_breaks_its_decoder_is_said_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    poison.poison(monkeypatch, tmp_path)
    (tmp_path / "x").write_bytes(poison.CRASH)
    decoder = IsolatedDecoder()
    decoder.expect(tmp_path / "x")
    assert isolated(decoder, examples[0])[1] == own(examples[0])[1]
    decoder.expect(examples[1])
    with pytest.raises(BrokenDecoderError, match=r"^x: "):
        isolated(decoder, tmp_path / "x")
    assert isolated(decoder, examples[1])[1] == own(examples[1])[1]


def test_what_is_expected_in_vain_is_given_up(
    decoder: IsolatedDecoder, examples: list[Path], encode: Encode
) -> None:
    long = encode(np.zeros((1, 16_000 * 200), np.float32), "long.wav", "pcm_s16le", sample_format="s16")
    for _ in range(2):
        decoder.expect(long)
        decoder.expect(long, channel=1)
        for path in examples[:2]:
            assert isolated(decoder, path)[1] == own(path)[1]
    until(lambda: len(pids(decoder)) <= 1)
