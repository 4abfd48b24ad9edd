"""Lines of text with the emotion over each."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.errors import OptionsError
from emovox.inference.abstention import abstained
from emovox.inference.recognition import Line, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.stored_result import read
from emovox.policy import Policy
from emovox.words import Cue
from support import results
from support.tiny import DIMENSIONS, EMOTIONS, PEAK, write

RATE = 16_000


@pytest.fixture(scope="module")
def call(examples: list[Path], recognizer: Recognizer) -> tuple[NDArray[np.float32], list[Recognition]]:
    """Two recordings one after the other, with a pause of two seconds, and each by itself."""
    waveforms = []
    for path in (examples[0], examples[3]):
        pieces: list[NDArray[np.float32]] = []
        recognizer.recognize(path, sink=pieces.append)
        waveforms.append(np.concatenate(pieces))
    pause = np.zeros(2 * RATE, np.float32)
    alone = [recognizer.recognize((waveform, RATE), segments=True) for waveform in waveforms]
    return np.concatenate([waveforms[0], pause, waveforms[1]]), alone


def test_a_line_over_a_segment_has_its_emotion(
    call: tuple[NDArray[np.float32], list[Recognition]], recognizer: Recognizer
) -> None:
    plain = recognizer.recognize((call[0], RATE), segments=True)
    assert plain.segments
    assert len(plain.segments) > 1
    assert plain.lines is None
    words = [Cue(item.start, item.end, f"line {number}") for number, item in enumerate(plain.segments)]
    both = recognizer.recognize((call[0], RATE), segments=True, words=words)
    assert both.segments == plain.segments
    assert both.scores == plain.scores
    for line, segment in zip(both.lines or [], plain.segments, strict=True):
        assert (line.emotion, line.confidence, line.unsure) == (
            segment.emotion,
            segment.confidence,
            segment.unsure,
        )
        assert line.scores == segment.scores
    lines = recognizer.recognize((call[0], RATE), words=words).lines
    assert lines == both.lines


def test_pauses_in_a_line_do_not_count_and_where_nobody_speaks_nothing_is_said(
    call: tuple[NDArray[np.float32], list[Recognition]], recognizer: Recognizer
) -> None:
    first, second, *_ = recognizer.recognize((call[0], RATE), segments=True).segments or []
    end = (first.end + second.start) / 2
    words = [
        Cue(first.start, first.end, "alone"),
        Cue(0, end, "and the pause"),
        Cue(first.end + 0.01, end, "silence"),
    ]
    alone, both, silence = recognizer.recognize((call[0], RATE), words=words).lines or []
    assert alone.scores == both.scores
    assert silence == Line(start=first.end + 0.01, end=end, text="silence")
    assert silence.model_dump(mode="json", exclude={"start", "end"}) == {"text": "silence", "readouts": {}}


def test_lines_may_overlap_and_come_in_any_order(
    call: tuple[NDArray[np.float32], list[Recognition]], recognizer: Recognizer
) -> None:
    seconds = len(call[0]) / RATE
    words = [Cue(3, 9, "later"), Cue(0, seconds, "all"), Cue(0.2, 1.8, "first"), Cue(0.3, 1.7, "in it"),
             Cue(seconds + 5, seconds + 6, "behind the end")]  # fmt: skip
    together = recognizer.recognize((call[0], RATE), words=words).lines or []
    assert [line.text for line in together] == [cue.text for cue in words]
    for cue, line in zip(words, together, strict=True):
        assert recognizer.recognize((call[0], RATE), words=[cue]).lines == [line]
    assert together[-1].emotion is None


def test_a_long_recording_of_several_windows(speech: NDArray[np.float32], recognizer: Recognizer) -> None:
    sound = np.tile(np.concatenate([speech, np.zeros(RATE, np.float32)]), 20)
    result = recognizer.recognize(
        (sound, RATE), segments=True, words=[Cue(0, len(sound) / RATE, "all"), Cue(40, 45, "x")]
    )
    [whole, some] = result.lines or []
    assert whole.scores is not None
    counts = np.array([item.end - item.start for item in result.segments or []])
    assert len(counts) >= 20
    assert whole.emotion == some.emotion == "angry"


def test_a_word_has_what_the_curve_has_about_it(
    call: tuple[NDArray[np.float32], list[Recognition]], recognizer: Recognizer
) -> None:
    word, wide = (Cue(0.9, 1.1, "word"), Cue(0.5, 1.5, "the second about it"))
    lines = recognizer.recognize((call[0], RATE), words=[word, wide]).lines or []
    assert lines[0].scores == lines[1].scores
    narrow = recognizer.recognize((call[0], RATE), words=[word, wide], smoothing=0).lines or []
    assert narrow[0].scores != narrow[1].scores


def test_values_and_nothing_else_where_the_model_gives_values(tmp_path: Path, speech: NDArray[np.float32]) -> None:
    path = write(tmp_path / "tiny.onnx", readouts=(DIMENSIONS,))
    [line] = Recognizer(path).recognize((speech, RATE), words=[Cue(0, 1.5, "x")]).lines or []
    assert line.emotion is None
    assert line.scores is None
    assert set(line.readouts["dimensions"].values or {}) == set(DIMENSIONS.labels)


@pytest.mark.parametrize("readout", [EMOTIONS, PEAK])
def test_readouts_of_every_kind(tmp_path: Path, speech: NDArray[np.float32], readout: object) -> None:
    path = write(tmp_path / "tiny.onnx", readouts=(readout,))
    recognizer = Recognizer(path)
    [segment] = recognizer.recognize((speech, RATE), segments=True).segments or []
    [line] = recognizer.recognize((speech, RATE), words=[Cue(segment.start, segment.end, "x")]).lines or []
    assert (line.emotion, line.scores, line.readouts) == (segment.emotion, segment.scores, segment.readouts)


def test_result_json_has_them_and_gives_them_back(
    call: tuple[NDArray[np.float32], list[Recognition]], recognizer: Recognizer, tmp_path: Path
) -> None:
    words = [{"start": 0, "end": 2, "text": 'sagt "ja"\n--> du'}, {"start": 2, "end": 4, "text": "  ]"}]
    result = recognizer.recognize((call[0], RATE), words=words, segments=True, granularity="frame")
    assert Recognition.from_json(result.to_json()).lines == result.lines
    assert json.loads(result.to_json())["lines"][0]["text"] == 'sagt "ja" --> du'
    path = tmp_path / "result.json"
    path.write_text("".join(result.json_pieces(inline=False)), encoding="utf-8")
    assert read(path, "segments").lines == result.lines
    assert read(path, "segments").segments == result.segments
    assert "lines" not in recognizer.recognize((call[0], RATE)).to_dict()
    assert recognizer.recognize((call[0], RATE), words=[]).to_dict()["lines"] == []


def test_a_policy_leaves_the_words_alone(call: tuple[NDArray[np.float32], list[Recognition]]) -> None:
    words = [Cue(0, 2, "a line")]
    eu = Recognizer("lite", policy=Policy("eu"))
    result = eu.recognize((call[0], RATE), words=words, side="worker")
    assert result.lines == [Line(start=0, end=2, text="a line")]


def test_where_a_policy_abstains_what_is_unsure_is_not_given() -> None:
    facts = results.segment(0, 1, "angry").model_dump(include={"emotion", "confidence", "scores"})
    unsure = Line(start=0, end=1, text="perhaps", unsure=True, **facts)
    sure = Line(start=1, end=2, text="surely", unsure=False, **facts)
    first, second = abstained(results.recognition(lines=[unsure, sure])).lines or []
    assert (first.emotion, first.confidence, first.text, first.is_abstained) == ("unknown", 1, "perhaps", True)
    assert second == sure


def test_a_file_is_read(
    call: tuple[NDArray[np.float32], list[Recognition]], recognizer: Recognizer, tmp_path: Path
) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nWas\n")
    [line] = recognizer.recognize((call[0], RATE), words=path).lines or []
    assert (line.text, line.emotion) == ("Was", "angry")
    with pytest.raises(OptionsError, match="no words with times"):
        recognizer.recognize((call[0], RATE), words=_empty(tmp_path))


def _empty(directory: Path) -> Path:
    path = directory / "empty.vtt"
    path.write_text("WEBVTT\n")
    return path
