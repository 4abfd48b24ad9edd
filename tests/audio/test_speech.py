import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio import speech as module
from emovox.audio.speech import CHUNK, LEAST_PAUSE, LONGEST, MARGIN, SHORTEST, Span, SpeechFinder, VoiceActivity

SECOND = 16_000


def find(*blocks: np.ndarray) -> list[Span]:
    finder = SpeechFinder()
    for block in blocks:
        finder.push(block)
    finder.finish()
    return finder.spans


def room(seconds: float, level: float = 1e-3, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(int(seconds * SECOND))).astype(np.float32)


def test_speech_between_silences_is_found(speech: np.ndarray) -> None:
    [span] = find(np.concatenate([room(2), speech, room(1.5)]))
    start, end = span.seconds
    assert start == pytest.approx(2, abs=0.2)
    assert end == pytest.approx(2 + len(speech) / SECOND, abs=0.3)


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-2, 0.3])
def test_noise_is_no_speech(level: float) -> None:
    assert find(room(8, level)) == []


@pytest.mark.parametrize("level", [0.02, 0.1, 1.0, 50.0])
def test_level_hardly_matters(speech: np.ndarray, level: float) -> None:
    loud = np.concatenate([np.zeros(SECOND, np.float32), speech * np.float32(level / np.abs(speech).max())])
    spans = find(loud)
    assert spans
    assert spans[0].start == pytest.approx(SECOND, abs=0.2 * SECOND)


@given(cuts=st.lists(st.integers(0, 6 * SECOND), max_size=12))
def test_blocks_make_no_difference(speech: np.ndarray, cuts: list[int]) -> None:
    waveform = np.concatenate([room(0.7), speech, room(0.9), speech[: 2 * SECOND]])
    whole = VoiceActivity()
    expected = np.concatenate([whole.push(waveform), whole.finish()])
    assert len(expected) == -(-len(waveform) // CHUNK)
    pieces = np.split(waveform, sorted(min(cut, len(waveform)) for cut in cuts))
    parts = VoiceActivity()
    found = np.concatenate([*(parts.push(piece) for piece in pieces), parts.finish()])
    np.testing.assert_array_equal(found, expected)
    assert find(*pieces) == find(waveform)


class Scripted(VoiceActivity):
    """Gives the probabilities it is told, one for each chunk of any sound."""

    script: list[float] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._told = 0

    def _run(self, samples: np.ndarray) -> np.ndarray:
        chunks = len(samples) // CHUNK
        self._told += chunks
        return np.array(self.script[self._told - chunks : self._told], np.float32)


scripts = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.6, 1.0]), st.integers(1, 700)), max_size=12)


@given(script=scripts, step=st.integers(100, 40_000))
def test_spans_keep_the_rules(script: list[tuple[float, int]], step: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "VoiceActivity", Scripted)
        patch.setattr(Scripted, "script", [value for value, count in script for _ in range(count)])
        size = len(Scripted.script) * CHUNK
        finder = SpeechFinder()
        for start in range(0, size, step):
            before, known = list(finder.spans), finder.known
            finder.push(np.zeros(min(step, size - start), np.float32))
            assert finder.spans[: len(before)] == before, "what was found stays"
            assert all(span.start >= known for span in finder.spans[len(before) :]), "all before was known"
            assert known <= finder.known
        finder.finish()
    assert finder.known == size
    for span in finder.spans:
        assert 0 <= span.start < span.end <= size
        assert SHORTEST <= span.end - span.start <= LONGEST + 2 * MARGIN
    for one, other in zip(finder.spans, finder.spans[1:], strict=False):
        gap = other.start - one.end
        assert gap == 0 or gap >= LEAST_PAUSE - 2 * MARGIN - CHUNK, "parted by a pause, or cut for length"
    for index, value in enumerate(Scripted.script):
        middle = index * CHUNK + CHUNK // 2
        if any(span.start + MARGIN <= middle < span.end - MARGIN for span in finder.spans):
            continue
        near = Scripted.script[max(0, index - SHORTEST // CHUNK) : index + SHORTEST // CHUNK + 1]
        assert value < 1 or min(near) < 0.35 or len(near) < 2 * (SHORTEST // CHUNK) + 1, "long speech is kept"


def scripted(script: list[tuple[float, int]], monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Spans, in chunks, that so many chunks of these probabilities make."""
    monkeypatch.setattr(module, "VoiceActivity", Scripted)
    monkeypatch.setattr(Scripted, "script", [value for value, count in script for _ in range(count)])
    spans = find(np.zeros(len(Scripted.script) * CHUNK, np.float32))
    return [(round((span.start + MARGIN) / CHUNK), round((span.end - MARGIN) / CHUNK)) for span in spans]


def test_what_ends_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scripted([(0, 20), (1, 40), (0, 8), (1, 40), (0, 20)], monkeypatch) == [(20, 108)], "a breath doesn't"
    assert scripted([(0, 20), (1, 40), (0, 10), (1, 40), (0, 20)], monkeypatch) == [(20, 60), (70, 110)]
    assert scripted([(0, 20), (1, 40), (0.4, 30), (1, 40), (0, 20)], monkeypatch) == [(20, 130)], "doubt doesn't"
    assert scripted([(0, 20), (1, 7), (0, 20)], monkeypatch) == [], "a click is none"


def test_a_span_without_pauses_is_cut_where_speech_is_least_probable(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = scripted([(0, 20), (1, 300), (0.6, 1), (1, 300), (0, 20)], monkeypatch)
    middle = round((20 + 300) + MARGIN / CHUNK)
    assert spans[0][0] == 20
    assert abs(spans[0][1] - middle) <= 2 * round(MARGIN / CHUNK) + 1
    assert len(spans) == 2
