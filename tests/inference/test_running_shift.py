from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio.speech import Span
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import of_itself
from emovox.baselines.shift import Shift, shift
from emovox.inference.run import SEGMENTS
from emovox.inference.running_shift import BLEND, RunningShift
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import read_metadata
from support import tiny
from support.baselines import with_reference

STEP = 4_000
NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Metadata:
    return read_metadata(tiny.write(tmp_path_factory.mktemp("model") / "tiny.onnx", readouts=(NINE,)))


def rule(metadata: Metadata) -> Callable[[Baseline], Shift]:
    weights = np.arange(1, 6, dtype=np.float32)[:, np.newaxis]
    return lambda baseline: shift(baseline, metadata, weights)


def segment(running: RunningShift, start: int, updates: list[float]) -> int:
    """Add a segment of so many updates, and end it; returns where the next may begin."""
    end = start + len(updates) * STEP
    for number, value in enumerate(updates):
        running.update(start + (number + 1) * STEP, np.array([value], np.float32))
    running.finder.spans.append(Span(start, end))
    return end + 2 * STEP


def settle(running: RunningShift, start: int, updates: int) -> list[np.ndarray]:
    """The vectors of so many updates of a segment that doesn't end."""
    shifts = [running.update(start + (number + 1) * STEP, np.zeros(1, np.float32)) for number in range(updates)]
    return [np.zeros(5) if item is None else item.vector for item in shifts]


values = st.floats(-3, 3, width=32)


@given(segments=st.lists(st.lists(values, min_size=1, max_size=30), min_size=SEGMENTS, max_size=20))
def test_it_is_that_of_the_segments_and_comes_by_little_steps(
    metadata: Metadata, segments: list[list[float]]
) -> None:
    running = RunningShift(rule(metadata), metadata, step=STEP)
    start = 0
    for number, updates in enumerate(segments):
        assert (running.target is None) == (number <= SEGMENTS), "known by the next update"
        start = segment(running, start, updates)
    vectors = settle(running, start, 1000)
    assert len(running.finder.spans) == 1
    means = [[np.mean(np.array(updates, np.float32))] for updates in segments]
    expected = rule(metadata)(of_itself(means, metadata))
    assert running.target is not None
    assert running.target.baseline.count == len(segments)
    np.testing.assert_allclose(running.target.vector, expected.vector, atol=1e-6)
    np.testing.assert_array_equal(vectors[-1], running.target.vector)
    assert np.ptp(np.diff(vectors, axis=0), axis=1).max() <= BLEND + 1e-9


def test_from_nothing_it_comes_by_little_steps(metadata: Metadata) -> None:
    running, start = RunningShift(rule(metadata), metadata, step=STEP), 0
    for _ in range(SEGMENTS):
        start = segment(running, start, [3.0])
    vectors = [np.zeros(5), *settle(running, start, 20)]
    np.testing.assert_allclose(np.ptp(np.diff(vectors, axis=0), axis=1), BLEND)
    assert len(running._updates) == 20, "those of segments that were counted are gone"


def test_what_is_between_segments_or_was_never_heard_counts_nowhere(metadata: Metadata) -> None:
    running, start = RunningShift(rule(metadata), metadata, step=STEP), 0
    for number in range(SEGMENTS):
        running.update(start + STEP, np.array([100.0], np.float32))  # a click before it
        running.finder.spans.append(Span(start + 40 * STEP, start + 50 * STEP))  # nobody was in time
        assert running.target is None
        start = segment(running, start + 60 * STEP, [number / 10])
    running.finish(np.zeros(0, np.float32))
    assert running.target is not None
    assert running.target.baseline.mean == pytest.approx([0.35])
