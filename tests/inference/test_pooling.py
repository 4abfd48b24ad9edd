from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio.speech import Span
from emovox.inference.pooling import Pool, Segments
from emovox.models.runtime.engine import Output
from support import tiny

NO_FUNCTIONS: Mapping[str, Any] = {}


def outputs(counts: list[int], seed: int) -> tuple[np.ndarray, np.ndarray, list[Output]]:
    """Random frame logits and frames, and the same cut into windows of so many frames."""
    random = np.random.default_rng(seed)
    logits = random.standard_normal((sum(counts), 9)).astype(np.float32)
    frames = random.standard_normal((sum(counts), 5)).astype(np.float32)
    cuts = np.cumsum(counts)[:-1]
    windows = [
        Output(len(rows), {"emotion": rows.mean(axis=0)}, features.mean(axis=0), {"emotion": rows}, features)
        for rows, features in zip(np.split(logits, cuts), np.split(frames, cuts), strict=True)
    ]
    return logits, frames, windows


counts = st.lists(st.integers(1, 30), min_size=1, max_size=5)


@given(counts=counts, seed=st.integers(0, 99))
def test_pooling_windows_is_the_mean_over_all_frames(counts: list[int], seed: int) -> None:
    logits, frames, windows = outputs(counts, seed)
    pool = Pool(NO_FUNCTIONS)
    for window in windows:
        pool.add(window)
    np.testing.assert_allclose(pool.logits("emotion"), logits.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(pool.embedding, frames.mean(axis=0), atol=1e-6)


@given(
    counts=counts,
    lengths=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 6000)), max_size=8),
    seed=st.integers(0, 99),
)
def test_a_segment_is_the_mean_of_the_frames_centred_in_it_however_windows_fall(
    counts: list[int], lengths: list[tuple[int, int]], seed: int
) -> None:
    metadata = tiny.metadata()
    logits, frames, windows = outputs(counts, seed)
    spans, end = [], 0
    for pause, length in lengths:
        spans.append(Span(end + pause, end + pause + length))
        end = spans[-1].end
    segments, start = Segments(spans, metadata, NO_FUNCTIONS), 0
    speech = []
    for window in windows:
        speech.append(segments.add(window, start * 320))
        start += window.frame_count
    centres = 200 + 320 * np.arange(len(logits))
    expected = {span: (span.start <= centres) & (centres < span.end) for span in spans}
    pools = dict(segments.pools())
    assert set(pools) == {span for span, inside in expected.items() if inside.any()}
    for span, pool in pools.items():
        assert pool.frame_count == expected[span].sum()
        np.testing.assert_allclose(pool.logits("emotion"), logits[expected[span]].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(pool.embedding, frames[expected[span]].mean(axis=0), atol=1e-5)
    anywhere = np.any([*expected.values(), np.zeros(len(logits), bool)], axis=0)
    np.testing.assert_array_equal(np.concatenate(speech), anywhere)


def test_pools_join() -> None:
    logits, frames, windows = outputs([3, 7], 0)
    one, other = Pool(NO_FUNCTIONS), Pool(NO_FUNCTIONS)
    one.add(windows[0])
    other.add(windows[1])
    one.join(other)
    np.testing.assert_allclose(one.logits("emotion"), logits.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(one.embedding, frames.mean(axis=0), atol=1e-6)


def test_a_readout_of_a_window_sees_the_chosen_frames_of_each_and_counts_by_their_number() -> None:
    def largest(frames: np.ndarray, counts: np.ndarray) -> np.ndarray:
        assert counts.tolist() == [frames.shape[1]]
        return np.asarray(frames.max(axis=(1, 2))[:, np.newaxis])

    frames = np.arange(10, dtype=np.float32)[:, np.newaxis]
    pool = Pool({"peak": largest})
    for part, chosen in ((frames[:6], slice(1, 4)), (frames[6:], np.array([True, False, False, False]))):
        pool.add_frames(Output(len(part), {}, part.mean(axis=0), {}, part), chosen)
    assert pool.logits("peak").tolist() == [(3 * 3 + 6 * 1) / 4]
    pool.add_frames(Output(6, {}, frames[:6].mean(axis=0), {}, frames[:6]), slice(0, 0))  # and none is none
    assert pool.frame_count == 4
