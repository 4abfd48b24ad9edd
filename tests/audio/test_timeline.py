from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.audio.timeline import Timeline
from support.zoo import decoded, ffmpeg, likeness, make, wav

Sound = NDArray[np.float32]


def place(timeline: Timeline, *times: float | None) -> list[float]:
    return [round(timeline.place(time, 1.0), 6) for time in times]


def test_a_pause_and_a_late_beginning_are_silence() -> None:
    timeline = Timeline(10.0, 60.0, jumps=False)
    assert place(timeline, 13.0, 14.05, None, 20.0) == [3.0, 0.0, 0.0, 4.0]
    assert timeline.given == timeline.reached == pytest.approx(11.0)


def test_a_time_beyond_the_end_is_damage() -> None:
    assert place(Timeline(0.0, 5.0, jumps=False), 0.0, 3_600.0, 2.0) == [0.0, 0.0, 0.0]


def test_a_clock_that_jumps_is_no_silence() -> None:
    timeline = Timeline(0.0, 1e9, jumps=True)
    assert place(timeline, 0.0, 3_600.0, 3_601.0, 3_604.0, 95_443.7, 0.0, 3.0) == [0, 0, 0, 2, 0, 0, 2]


def test_what_runs_on_beside_it_is_time() -> None:
    timeline = Timeline(100.0, 1e9, jumps=True)
    for second in range(100, 121):
        timeline.see(second)
    timeline.see(None)
    timeline.see(9_000.0)
    assert place(timeline, 120.0) == [20.0]


def test_a_clock_that_goes_back_begins_anew_in_any_container() -> None:
    timeline = Timeline(0.0, 60.0, jumps=False)
    assert place(timeline, 0.0, 1.0, 0.0, 1.0, 3.0) == [0, 0, 0, 0, 1.0]


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory, speech: Sound) -> dict[str, bytes]:
    """Captures of a broadcast that begin at several times: radio, a film, and a film in a program stream."""
    folder = tmp_path_factory.mktemp("captures")
    source = folder / "source.wav"
    source.write_bytes(wav(np.rint(32767 * np.tile(speech, 2)).astype(np.int16)[:, np.newaxis], 16_000))
    found = {}
    for hour in (0, 1, 26.5):
        offset = ["-output_ts_offset", str(round(3600 * hour))]
        film = ["-f", "lavfi", "-t", "4.3", "-i", "testsrc=s=64x64:r=25", "-i", source, "-c:v", "mpeg2video"]
        ffmpeg("-i", source, "-c:a", "aac", *offset, path := folder / f"radio{hour}.ts")
        found[path.name] = path.read_bytes()
        for name in (f"film{hour}.ts", f"film{hour}.vob"):
            ffmpeg(*film, "-ar", "48000", "-c:a", "mp2", *offset, path := folder / name)
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("kind", ["radio{}.ts", "film{}.ts", "film{}.vob"])
@pytest.mark.parametrize("hours", [(0, 1), (1, 0), (0, 0), (0, 1, 0), (26.5, 0), (1, 26.5)])
def test_captures_that_were_joined(captures: dict[str, bytes], kind: str, hours: tuple[float, ...]) -> None:
    whole, _ = decoded(captures[kind.format(0)])
    waveform, decoding = decoded(b"".join(captures[kind.format(hour)] for hour in hours))
    assert decoding.warnings == ()
    assert len(waveform) == pytest.approx(len(hours) * len(whole), abs=0.1 * 16_000)
    assert likeness(waveform[-len(whole) // 2 :], whole[len(whole) // 2 :]) > 0.9


@pytest.mark.parametrize("kind", ["late.ts", "late.vob", "late.mkv"])
def test_a_track_that_begins_late_keeps_its_place(tmp_path: Path, speech: Sound, kind: str) -> None:
    (source := tmp_path / "source.wav").write_bytes(
        wav(np.rint(32767 * speech).astype(np.int16)[:, np.newaxis], 16_000)
    )
    film = ["-f", "lavfi", "-t", "12", "-i", "testsrc=s=64x64:r=25", "-itsoffset", "8.5", "-i", source]
    ffmpeg(*film, "-c:v", "mpeg2video", "-ar", "48000", "-c:a", "mp2", tmp_path / kind)
    waveform, _ = decoded(tmp_path / kind)
    assert not waveform[: 8 * 16_000].any()
    assert likeness(waveform[round(8.4 * 16_000) :], speech) > 0.9


def test_the_delay_of_a_decoder_is_no_pause(tmp_path: Path, speech: Sound) -> None:
    """WMA at 32 kHz: two packets of 64 ms go in before a frame comes out, which has the time of the third."""
    (source := tmp_path / "source.wav").write_bytes(
        wav(np.rint(32767 * speech).astype(np.int16)[:, np.newaxis], 16_000)
    )
    path = make(source, {"x.wma": "-ar 32000 -c:a wmav2"})["x.wma"]
    waveform, decoding = decoded(path)
    assert decoding.warnings == ()
    assert len(waveform) <= len(speech) + 1_024
    assert np.abs(waveform[:1_600]).max() > 0
