"""Every kind of file, whole, cut off, and with a hole in it: what is said of it is true."""

from pathlib import Path

import numpy as np
import pytest

from support.zoo import decoded, likeness

CUT = [
    "x.wav", "ima.wav", "x.aiff", "x.au", "x.caf", "x.w64", "x.voc", "x.flac", "flac.oga", "x.ogg", "x.opus",
    "x.mka", "x.webm", "live.webm", "x.mp3", "bare.mp3", "x.mp2", "x.aac", "x.ac3", "x.dts", "fast.m4a", "x.ts",
    "x.flv", "x.avi", "x.wma", "x.tta", "x.wv", "x.rm",
]  # fmt: skip
HOLES = ["flac.oga", "x.ogg", "x.opus", "x.flac", "x.aac", "bare.mp3", "x.ts"]


def test_what_is_whole_is_called_whole(zoo: dict[str, Path], speech: np.ndarray) -> None:
    twice = np.tile(speech, 2)
    for name, path in zoo.items():
        waveform, decoding = decoded(path)
        assert decoding.warnings == (), name
        assert abs(len(waveform) - len(twice)) < 0.1 * 16_000, name
        assert likeness(waveform, twice) > 0.8, name


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("lost", [0.4, 0.07])
def test_what_was_cut_off_is_called_truncated(
    zoo: dict[str, Path], tmp_path: Path, name: str, lost: float
) -> None:
    data = zoo[name].read_bytes()
    whole, _ = decoded(zoo[name])
    path = tmp_path / name
    path.write_bytes(data[: -int(lost * len(data)) - 7])  # 7: not at the end of a frame by chance
    waveform, decoding = decoded(path)
    assert decoding.warnings == ("truncated",)
    assert (1 - lost) - 0.25 < len(waveform) / len(whole) < 1 + 1e-9


@pytest.mark.parametrize("name", HOLES)
def test_what_has_a_hole_is_called_damaged(zoo: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = zoo[name].read_bytes()
    half = len(data) // 2
    path = tmp_path / name
    path.write_bytes(data[:half] + data[half + 1_500 :])
    waveform, decoding = decoded(path)
    assert decoding.warnings == ("damaged",)
    assert len(waveform) > 3 * 16_000


def test_an_index_is_no_sound(zoo: dict[str, Path], tmp_path: Path) -> None:
    """What is cut off of these is their index: all of the sound is there."""
    for name in ("x.mka", "x.webm", "x.avi"):
        whole, _ = decoded(zoo[name])
        (path := tmp_path / name).write_bytes(zoo[name].read_bytes()[:-10])
        waveform, decoding = decoded(path)
        np.testing.assert_array_equal(waveform, whole)
        assert decoding.warnings == (), name


def test_an_element_that_is_none_is_damage(zoo: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(zoo["x.mka"].read_bytes())
    place = data.index(b"\x1f\x43\xb6\x75", data.index(b"\x1f\x43\xb6\x75") + 1)
    data[place : place + 4] = b"none"
    (path := tmp_path / "x.mka").write_bytes(data)
    _, decoding = decoded(path)
    assert decoding.warnings == ("damaged",)
