import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import numpy as np
import pytest

from emovox import errors
from emovox.archive import Archive
from emovox.audio import microphone
from emovox.baselines.baseline import baseline_path
from emovox.cli.sources import FileSound
from emovox.inference.live import Live
from emovox.inference.recognition import json_schema
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Draft
from emovox.packages import install
from emovox.settings import settings
from support import poison
from support.baselines import baseline
from support.exporters import break_format

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def lite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_MODEL", "lite")


def saved(place: Path = Path("outputs")) -> tuple[dict[str, Any], np.ndarray]:
    [directory] = place.glob("outputs_*")
    assert {path.name for path in directory.iterdir()} == {"frames.npz", "processed_audio.wav", "result.json"}
    result: dict[str, Any] = json.loads((directory / "result.json").read_text())
    jsonschema.validate(result, json_schema())
    with wave.open(str(directory / "processed_audio.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(samples) == round(result["recording"]["duration"] * 16_000)
    return result, samples


def pcm(speech: np.ndarray) -> bytes:
    data: bytes = np.rint(speech * 32768).astype("<i2").tobytes()
    return data


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def expected(recognizer: Recognizer, speech: np.ndarray) -> list[dict[str, Any]]:
    live = recognizer.live()
    return [event.to_dict() for event in [*live.push(speech), *live.finish()]]


# Files and pipes


def test_a_file_is_heard_and_saved(
    run: Run, recognizer: Recognizer, examples: list[Path], speech: np.ndarray
) -> None:
    code, out, err = run("listen", examples[0], "--fast", "--jsonl")
    assert code == 0
    assert events_of(out) == expected(recognizer, speech)
    result, samples = saved()
    assert re.fullmatch(r"saved in outputs/outputs_\d{8}_\d{6}\n", err)
    assert result["recording"]["name"] == examples[0].name
    assert (result["granularity"], len(result["segments"])) == ("frame", 1)
    np.testing.assert_array_equal(samples, np.rint(speech * 32768))


def test_relative_to_a_baseline(
    run: Run, recognizer: Recognizer, examples: list[Path], speech: np.ndarray
) -> None:
    own = baseline(recognizer.metadata)
    own.write(baseline_path("line3"))
    arguments = ("--baseline", "line3", "--expect", "neutral=0.8")
    code, out, err = run("listen", examples[0], "--fast", "--jsonl", *arguments)
    assert code == 0, err
    live = recognizer.live(baseline=own, expect="neutral=0.8")
    assert live.baseline is not None
    facts = live.baseline.model_dump(mode="json")
    relation, *events = events_of(out)
    assert relation == {"type": "baseline", "baseline": facts}
    assert events == [event.to_dict() for event in [*live.push(speech), *live.finish()]]
    assert "scores_without" in out
    assert saved()[0]["baseline"] == facts
    _, _, err = run("listen", examples[0], "--fast", "--no-save", "--baseline", "line3")
    assert "with lite, relative to line3; Ctrl-C stops" in err
    code, _, err = run("listen", examples[0], "--baseline", "line4")
    assert (code, "no baseline 'line4'" in err) == (1, True)


def test_relative_to_itself(run: Run, recognizer: Recognizer, examples: list[Path], speech: np.ndarray) -> None:
    """The events are the library's, and what is saved is what `recognize` gives of the same sound."""
    code, out, err = run("listen", examples[0], "--fast", "--jsonl", "--baseline", "self")
    assert (code, events_of(out)) == (0, expected(recognizer, speech))
    assert "baseline_short: too little speech" in err
    assert "baseline_short" in saved()[0]["warnings"]
    short = np.concatenate([speech[:24_000], np.zeros(9_600, np.float32)])
    with wave.open("long.wav", "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm(np.tile(short, 10)))
    code, out, err = run("listen", "long.wav", "--fast", "--jsonl", "--baseline", "self", "--outputs", "long")
    assert (code, "baseline_short" in err) == (0, False)
    events = events_of(out)
    kinds = [event["type"] for event in events]
    assert kinds[0] != "baseline"
    counts = [event["baseline"]["count"] for event in events if event["type"] == "baseline"]
    assert counts == sorted({*counts}), "a line for each segment from the eighth on"
    assert counts[0] >= 8
    first = next(index for index, event in enumerate(events) if "scores_without" in event)
    assert "baseline" in kinds[:first]
    result, _ = saved(Path("long"))
    [audio] = Path("long").glob("outputs_*/processed_audio.wav")
    again = recognizer.recognize(audio, baseline="self", segments=True).to_dict()
    assert result["baseline"]["shift"] == again["baseline"]["shift"]
    assert (result["segments"], result["scores"]) == (again["segments"], again["scores"])


def test_lines_where_there_is_no_terminal(run: Run, examples: list[Path]) -> None:
    code, out, err = run("listen", examples[0], "--fast", "--labels", "zh", "--no-save")
    assert code == 0
    assert re.search(r"^ +0:0\d\.\d  \S+ 愤怒  \d+ %$", out, re.MULTILINE)
    assert err == f"listening to {examples[0].name} with lite; Ctrl-C stops\n"
    assert list(Path().iterdir()) == []


def test_a_duration_is_kept_to_the_sample(run: Run, examples: list[Path]) -> None:
    assert run("listen", examples[0], "--fast", "--duration", "1.1", "--outputs", "kept")[0] == 0
    assert len(saved(Path("kept"))[1]) == 17_600


def test_restricted_emotions(run: Run, examples: list[Path]) -> None:
    code, out, _ = run("listen", examples[0], "--fast", "--jsonl", "--emotions", "sad,Happy")
    assert code == 0
    assert {event["emotion"] for event in events_of(out)} <= {"sad", "happy"}
    assert saved()[0]["emotion"] in {"sad", "happy"}


def test_a_file_in_real_time(run: Run, recognizer: Recognizer, examples: list[Path], speech: np.ndarray) -> None:
    started = time.monotonic()
    code, out, _ = run("listen", examples[0], "--jsonl", "--duration", "1")
    assert code == 0
    assert time.monotonic() - started >= 1
    full = {event["time"]: event for event in expected(recognizer, speech) if event["type"] == "update"}
    told = [event for event in events_of(out) if event["type"] == "update"]
    assert told[-1]["time"] == 1
    assert all(event == full[event["time"]] for event in told), "late or not, what is heard is the same"
    assert len(saved()[1]) == 16_000


def test_a_played_file_is_given_whole(
    examples: list[Path], speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("emovox.cli.sources.time.monotonic", lambda: now[0])
    monkeypatch.setattr("emovox.cli.sources.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    sound = FileSound(examples[0], fast=False)
    pieces = []
    while (piece := sound.read()) is not None:
        pieces.append(piece)
    sound.close()
    np.testing.assert_array_equal(np.concatenate(pieces), speech)
    assert {len(piece) for piece in pieces[:-1]} <= {1599, 1600, 1601}


@pytest.mark.parametrize(("rate", "fast"), [(16_000, True), (16_000, False), (48_000, True)])
def test_a_pipe(tmp_path: Path, recognizer: Recognizer, speech: np.ndarray, rate: int, fast: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "emovox", "listen", "-", "--jsonl", "--rate", str(rate), *["--fast"] * fast],
        input=pcm(speech) + b"x",  # half a sample at the end is none
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    events = events_of(done.stdout.decode())
    result, samples = saved(tmp_path / "outputs")
    assert result["recording"]["name"] == "stdin"
    assert len(samples) == pytest.approx(len(speech) * 16_000 / rate, abs=1)
    assert [event["time"] for event in events if event["type"] == "update"][-1] == len(samples) // 4_000 / 4
    if fast and rate == 16_000:
        assert events == expected(recognizer, speech)


def test_nothing_heard_is_nothing_saved(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "emovox", "listen", "-"]
    for given, says in [(b"", "stops\n"), (b"xx" * 100, "stops\ntoo short to be saved\n")]:
        done = subprocess.run(command, input=given, capture_output=True, cwd=tmp_path, check=True)
        assert done.stderr.decode().endswith(says)
        assert list(tmp_path.glob("outputs/outputs_*")) == []
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m emovox listen - <&-"],
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"Error: standard input is closed\n")


def test_usage(run: Run, examples: list[Path]) -> None:
    for arguments, says in [
        ((examples[0], "--device", "1"), "not both"),
        (("--fast",), "--fast is for a file"),
        ((examples[0], "--emotions", "joy"), "the nine are"),
        ((examples[0], "--outputs", ""), "is a variable unset"),
        ((examples[0], "--duration", "0"), "x>0"),
        ((examples[0], "--model", "huge"), "auto, lite"),
        ((examples[0], "--export", "docx"), "choose srt, vtt"),
        ((examples[0], "--export", "srt", "--no-save"), "can't be used with --no-save"),
        ((examples[0], "--archive", "--no-save"), "can't be used with --no-save"),
        ((examples[0], "--baseline", "self", "--expect", "joy=1"), "expect 'joy'"),
    ]:
        code, _, err = run("listen", *arguments)
        assert (code, says in err) == (2, True)
    code, _, err = run("listen", "gone.wav", "--archive")
    assert (code, err) == (1, "Error: gone.wav: no such file\n")
    assert list(Path().iterdir()) == []


def test_a_file_that_breaks_off_is_saved_as_far_as_it_goes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read = FileSound.read
    rounds = iter(range(2))

    def breaks(sound: FileSound) -> np.ndarray | None:
        if next(rounds):
            raise errors.UnreadableAudioError("damaged")
        return read(sound)

    monkeypatch.setattr(FileSound, "read", breaks)
    with wave.open("long.wav", "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(320_000))
    code, _, err = run("listen", "long.wav", "--fast")
    assert code == 1
    assert err.splitlines()[-1] == "Error: damaged"
    assert len(saved()[1]) > 0


def test_a_disk_that_fills_up_keeps_what_was_written(
    run: Run, examples: list[Path], speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Draft.write
    rounds = iter(range(100))

    def full(draft: Draft, block: np.ndarray) -> None:
        if next(rounds) >= 2:
            raise errors.OutputsError("the disk is full")
        write(draft, block)

    monkeypatch.setattr(Draft, "write", full)
    monkeypatch.setattr(FileSound, "read", lambda _: speech[:16_000])
    code, _, err = run("listen", examples[0], "--fast")
    assert (code, err.splitlines()[-1]) == (1, "Error: the disk is full")
    assert len(saved()[1]) == 32_000


def test_the_longest_recording_is_the_limit(
    run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(sound: FileSound) -> np.ndarray:
        return np.zeros(1_000, np.float32)

    monkeypatch.setattr(FileSound, "read", whole)
    monkeypatch.setenv("EMOVOX_MAX_DURATION", "5")
    settings.cache_clear()
    code, _, err = run("listen", examples[0], "--fast")
    assert code == 0
    assert "stopped at the limit of 5 s (EMOVOX_MAX_DURATION)" in err
    assert len(saved()[1]) == 80_000


def test_what_was_heard_is_kept_when_it_cannot_be_recognised(
    run: Run, examples: list[Path], speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "recognize", fail)
    code, _, err = run("listen", examples[0], "--fast")
    assert code == 130
    [kept] = Path("outputs").glob("recording_*.wav")
    assert f"emovox recognize {kept}" in err
    with wave.open(str(kept)) as file:
        assert file.getnframes() == len(speech)
    assert list(Path("outputs").glob("outputs_*")) == []


@pytest.mark.parametrize("saved", [False, True])
def test_what_was_heard_is_kept_however_it_ends(
    run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    """Interrupted for good while the model still hears; and an archive that fails when all else is done."""

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    if saved:
        monkeypatch.setattr(Archive, "add_records", fail)
    else:
        monkeypatch.setattr(Live, "finish", fail)
    code, _, err = run("listen", examples[0], "--fast", "--archive")
    assert (code, "not recognised" in err) == (130, not saved)
    assert len(list(Path("outputs").glob("recording_*.wav"))) == (not saved)
    assert len(list(Path("outputs").glob("outputs_*"))) == saved


def test_exports_and_the_archive(run: Run, examples: list[Path]) -> None:
    code, _, err = run("listen", examples[0], "--fast", "--export", "srt,csv", "--archive", "--labels", "zh")
    [directory] = Path("outputs").glob("outputs_*")
    assert (code, err.splitlines()[-1]) == (0, f"saved in {directory}")
    assert {path.name for path in directory.iterdir()} == {
        "processed_audio.wav", "result.json", "frames.npz", "segments.srt", "segments.csv", "frames.csv",
    }  # fmt: skip
    assert "愤怒" in (directory / "segments.srt").read_text("utf-8")
    with Archive() as archive:
        (item,) = archive.all()
        assert (item.name, item.link, item.granularity) == (examples[0].name, None, "frame")
        assert item.outputs == directory.absolute()
        assert archive.embedding(item.id) is not None
        assert len(archive.segments(item.id)) == 1


def test_an_export_that_fails_costs_itself_alone(
    run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_format(monkeypatch, "srt", errors.ExportError("no pen"))
    code, _, err = run("listen", examples[0], "--fast", "--export", "srt,csv", "--archive")
    [directory] = Path("outputs").glob("outputs_*")
    assert (directory / "segments.csv").exists()
    assert code == 1
    assert f"saved in {directory}\nError: recognised, but not exported as srt: no pen" in err
    with Archive() as archive:
        assert [item.outputs for item in archive.all()] == [directory.absolute()]


def test_only_what_is_archived_has_an_archive(run: Run, examples: list[Path]) -> None:
    assert run("listen", examples[0], "--fast")[0] == 0
    assert [path.name for path in Path().iterdir()] == ["outputs"]


# Stopping


def listening(tmp_path: Path, speech: np.ndarray, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """A program that has heard two seconds, from a pipe that stays open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "emovox", "listen", "-", *arguments],
        stdin=subprocess.PIPE, cwd=tmp_path, stderr=subprocess.PIPE, **options,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(pcm(speech[:32_000]))
    process.stdin.flush()
    wav = "outputs/.emovox/*/processed_audio.wav"
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size >= 40_000 for path in tmp_path.glob(wav)):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.fixture
def hung_up() -> Iterator[None]:
    """Processes that are started may be hung up, also where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hung_up")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_and_all_is_saved(tmp_path: Path, speech: np.ndarray, number: int) -> None:
    process = listening(tmp_path, speech, stdout=subprocess.DEVNULL)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"saved in outputs/" in err) == (0, True)
    assert len(saved(tmp_path / "outputs")[1]) == 32_000


@pytest.mark.usefixtures("hung_up")
def test_a_terminal_that_is_closed_loses_nothing(tmp_path: Path, speech: np.ndarray) -> None:
    """The program has the terminal as its own, which the system hangs up when the other end closes."""
    terminal, end = pty.openpty()
    own = "import fcntl, os, termios; os.setsid(); fcntl.ioctl(1, termios.TIOCSCTTY, 0)"
    start = "import runpy; runpy.run_module('emovox', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{own}; {start}", "listen", "-"],
        stdin=subprocess.PIPE, stdout=end, stderr=end, cwd=tmp_path,
    )  # fmt: skip
    os.close(end)
    assert process.stdin is not None
    process.stdin.write(pcm(speech[:32_000]))
    process.stdin.flush()
    shown = ""
    while "0:02.0" not in shown or "surprised" not in shown:  # what is shown may come in pieces
        shown += os.read(terminal, 65_536).decode(errors="replace")
    os.close(terminal)
    process.wait(timeout=180)
    process.stdin.close()
    assert len(saved(tmp_path / "outputs")[1]) == 32_000
    for part in ("angry", "surprised", "😠", "speech", "█", "dBFS"):
        assert part in shown


def test_a_reader_that_leaves_early_loses_nothing(tmp_path: Path, examples: list[Path]) -> None:
    command = f"{sys.executable} -m emovox listen {examples[0]} --jsonl | head -n 1"
    subprocess.run(["/bin/sh", "-c", command], capture_output=True, cwd=tmp_path, check=True)
    saved(tmp_path / "outputs")


# The microphone. There is none where tests run: this is a fake of the driver's own interface, so these tests show
# what is done with what sounddevice promises, and not that a real device keeps it.


class PortAudioError(Exception):
    pass


class Status:
    def __init__(self, overflow: bool) -> None:
        self.input_overflow = overflow


class FakeStream:
    """Gives the blocks it is told as soon as it starts, out of one buffer, and then stops."""

    def __init__(self, driver: "FakeDriver", **options: Any) -> None:
        self.driver, self.options, self.active = driver, options, False
        driver.streams.append(self)

    def start(self) -> None:
        self.active = True
        buffer = np.empty((480, self.options["channels"]), np.float32)
        for number, first in enumerate(range(0, len(self.driver.sound), 480)):
            block = self.driver.sound[first : first + 480, np.newaxis]
            buffer[: len(block)] = block
            self.options["callback"](buffer[: len(block)], len(block), None, Status(number == 3))
            buffer[:] = 7
        self.active = self.driver.stays

    def close(self) -> None:
        self.active = False
        self.driver.closed += 1


class FakeDriver(ModuleType):
    """What Emovox uses of the module sounddevice."""

    PortAudioError = PortAudioError

    def __init__(self, *, devices: list[dict[str, Any]], sound: np.ndarray, mono: bool = True) -> None:
        super().__init__("sounddevice")
        self.devices, self.sound, self.mono, self.stays = devices, sound, mono, False
        self.streams: list[FakeStream] = []
        self.closed = 0
        self.default = type("default", (), {"device": [1, 0]})

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        inputs = [number for number, facts in enumerate(self.devices) if facts["max_input_channels"]]
        if not inputs or (isinstance(device, int) and device not in inputs):
            raise PortAudioError("Error querying device -1")
        if isinstance(device, str):
            inputs = [number for number in inputs if device.lower() in self.devices[number]["name"].lower()]
            if not inputs:
                raise ValueError(f"No input device matching {device!r}")
        return self.devices[device if isinstance(device, int) else inputs[0]]

    def check_input_settings(self, *, channels: int, **_: Any) -> None:
        if channels == 1 and not self.mono:
            raise PortAudioError("Invalid number of channels [PaErrorCode -9998]")

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        return FakeStream(self, **options)


DEVICES = [
    {"name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 44_100.0},
    {"name": "Headset", "max_input_channels": 2, "default_samplerate": 16_000.0},
    {"name": "Webcam", "max_input_channels": 1, "default_samplerate": 48_000.0},
]


@pytest.fixture
def driver(speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver(devices=DEVICES, sound=speech)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.mark.parametrize("mono", [True, False])
def test_a_fake_microphone_is_heard_and_saved(
    run: Run, recognizer: Recognizer, driver: FakeDriver, speech: np.ndarray, mono: bool
) -> None:
    driver.mono = mono
    code, out, err = run("listen", "--jsonl")
    assert code == 0, err
    [stream] = driver.streams
    assert stream.options["channels"] == (1 if mono else 2)
    assert (stream.options["samplerate"], driver.closed >= 1) == (16_000, True)
    result, samples = saved()
    np.testing.assert_array_equal(samples, np.rint(speech * 32768))
    assert result["recording"]["name"] == "Headset"
    full = {event["time"]: event for event in expected(recognizer, speech) if event["type"] == "update"}
    assert all(full[event["time"]] == event for event in events_of(out) if event["type"] == "update")


def test_what_the_driver_loses_is_counted(driver: FakeDriver, speech: np.ndarray) -> None:
    device = microphone.Microphone("web")
    assert (device.name, device.rate, device.overflows) == ("Webcam", 48_000, 1)
    samples = device.read()
    assert samples is not None
    np.testing.assert_array_equal(samples[:, 0], speech)
    assert device.read() is None, "it has stopped by itself"
    driver.stays = True
    device = microphone.Microphone("2")
    device.read()
    nothing = device.read()
    assert nothing is not None
    assert len(nothing) == 0
    device.close()
    assert device.read() is None


def test_fake_devices_are_listed(run: Run, driver: FakeDriver) -> None:
    assert run("listen", "--devices") == (0, "1: Headset *\n2: Webcam\n", "")
    for name in ("7", "Kazoo"):
        code, _, err = run("listen", "--device", name)
        assert code == 1
        assert f"the microphone '{name}' can't be opened" in err
        assert "available: 1: Headset *; 2: Webcam" in err


def test_without_a_microphone_or_what_drives_it(
    run: Run, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.devices = DEVICES[:1]
    assert run("listen") == (1, "", "Error: no microphone found\n")
    assert run("listen", "--devices")[1] == "no microphone found\n"
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, _, err = run("listen")
    assert (code, err) == (1, f"Error: listening to a microphone needs sounddevice: {install('sounddevice')}\n")
    monkeypatch.delitem(sys.modules, "sounddevice")
    Path("sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    code, _, err = run("listen", "--devices")
    assert code == 1
    assert "PortAudio library not found" in err
    assert "apt install libportaudio2" in err


def test_a_microphone_that_refuses(run: Run, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PortAudioError("Device unavailable\n[PaErrorCode -9985]")

    monkeypatch.setattr(driver, "InputStream", refuse)
    code, _, err = run("listen")
    assert code == 1
    assert "Device unavailable [PaErrorCode -9985]; choose another with --device: 1: Headset *; 2: Webcam" in err
    assert list(Path().iterdir()) == []


def test_a_file_that_kills_its_decoder_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison.poison(monkeypatch, tmp_path)
    Path("evil.wav").write_bytes(poison.CRASH)
    code, _, err = run("listen", "evil.wav", "--fast")
    assert (code, list(Path().iterdir())) == (1, [Path("evil.wav")])
    assert err.startswith("Error: evil.wav: decoding it broke the decoder")
