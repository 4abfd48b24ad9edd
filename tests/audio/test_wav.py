import wave
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio.wav import WavWriter


def write(path: Path, *blocks: np.ndarray) -> np.ndarray:
    writer = WavWriter(path)
    for block in blocks:
        writer.write(block)
    writer.close()
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


@given(pcm=st.lists(st.integers(-32768, 32767), max_size=50))
def test_16_bit_samples_come_back_unchanged(tmp_path_factory: object, pcm: list[int]) -> None:
    path = tmp_path_factory.mktemp("wav") / "x.wav"  # type: ignore[attr-defined]
    assert write(path, (np.array(pcm) / 32768).astype(np.float32)).tolist() == pcm


def test_overshoot_is_held_and_blocks_follow_each_other(tmp_path: Path) -> None:
    blocks = np.array([0.5, 1.5], np.float32), np.array([], np.float32), np.array([-1.5], np.float32)
    assert write(tmp_path / "x.wav", *blocks).tolist() == [16384, 32767, -32768]
