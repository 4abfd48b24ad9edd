import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emovox.models.engine import Output
from emovox.recognition.pooling import Pool


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_pooling_windows_is_the_mean_over_all_frames(counts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    frame_logits = random.standard_normal((sum(counts), 9)).astype(np.float32)
    frames = random.standard_normal((sum(counts), 5)).astype(np.float32)
    pool = Pool()
    for rows, features in zip(
        np.split(frame_logits, np.cumsum(counts)[:-1]), np.split(frames, np.cumsum(counts)[:-1]), strict=True
    ):
        pool.add(Output(len(rows), rows.mean(axis=0), features.mean(axis=0), rows, features))
    np.testing.assert_allclose(pool.logits, frame_logits.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(pool.embedding, frames.mean(axis=0, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(pool.frame_logits, frame_logits)
    np.testing.assert_array_equal(pool.frames, frames)
