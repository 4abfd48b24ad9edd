import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio.windows import LONGEST, WHOLE, cut

HOP, OVERLAP = 320, 80
SECOND = 16_000


def windows_of(size: int, blocks: int = SECOND, hop: int = HOP, overlap: int = OVERLAP) -> list[np.ndarray]:
    waveform = np.arange(size, dtype=np.float32)
    pieces = (waveform[start : start + blocks] for start in range(0, size, blocks))
    return list(cut(pieces, hop=hop, overlap=overlap))


def test_nothing_gives_nothing() -> None:
    assert windows_of(0) == []


@pytest.mark.parametrize("size", [1, 400, WHOLE - 1, WHOLE])
def test_up_to_30_s_is_one_window(size: int) -> None:
    [window] = windows_of(size)
    assert len(window) == size


@given(
    size=st.integers(WHOLE + 1, 130 * SECOND),
    blocks=st.integers(1_000, 50 * SECOND),
    hop=st.sampled_from([160, 320, 321]),
    overlap=st.sampled_from([0, 80, 240]),
)
def test_windows_tile_the_recording_on_one_grid_of_frames(size: int, blocks: int, hop: int, overlap: int) -> None:
    windows = windows_of(size, blocks, hop, overlap)
    least = hop + overlap
    frames = [1 + (len(window) - least) // hop for window in windows]
    assert sum(frames) == 1 + (size - least) // hop, "as many frames as the whole recording has"
    start = 0
    for window, count in zip(windows, frames, strict=True):
        assert window[0] == start, "each window starts where the last one's frames end"
        assert 10 * SECOND - hop <= len(window) <= LONGEST + overlap
        start += count * hop


def test_blocks_make_no_difference() -> None:
    reference = windows_of(100 * SECOND, 100 * SECOND)
    for blocks in (7_777, SECOND, 33 * SECOND):
        for window, other in zip(windows_of(100 * SECOND, blocks), reference, strict=True):
            np.testing.assert_array_equal(window, other)
