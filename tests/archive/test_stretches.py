"""What is stored of a stretch of a recording."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.archive.archive import Archive
from emovox.archive.record import ArchiveRecord, from_recognition
from emovox.archive.stretches import stretch_scores
from emovox.emotions import NAMES
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.models.readout import Readout
from emovox.models.scores import to_scores
from emovox.outputs import Outputs
from support import results, tiny

SEGMENTS = [results.segment(0, 2, "angry"), results.segment(3, 4, "sad")]


def stored(folder: Path, recognition: Recognition) -> tuple[ArchiveRecord, list[dict[str, Any]]]:
    with Outputs(folder).draft(sound=False) as draft:
        directory = draft.publish(recognition)
    with Archive(folder / "outputs.db") as archive:
        archive.add_records([from_recognition(recognition, outputs=directory)])
        [record] = archive.all()
        return record, archive.segments(record.id)


def recognised(seconds: float, *, frames: bool = True) -> Recognition:
    curve = results.frames(round(seconds * 50)) if frames else None
    granularity = "frame" if frames else "utterance"
    return results.recognition(
        recording=results.recording(seconds), segments=SEGMENTS, frames=curve, granularity=granularity
    )


def of_frames(recognition: Recognition, start: float, end: float) -> dict[str, float]:
    """The softmax of the mean logits of a stretch."""
    assert recognition.frames is not None
    times = recognition.frames.times
    logits = results.frame_logits(recognition.frames)[(times >= start) & (times < end)]
    scores = to_scores(logits.mean(axis=0, dtype=np.float64), NAMES)
    return dict(zip(NAMES, scores.tolist(), strict=True))


def test_segments_count_by_the_seconds_that_they_share(tmp_path: Path) -> None:
    record, segments = stored(tmp_path, recognised(10, frames=False))
    both, first, pause = stretch_scores(record, [(1, 3.5), (0.5, 1), (2.2, 2.9)], segments)
    assert first == pytest.approx(results.nine(SEGMENTS[0]))
    assert pause is None
    angry, sad = map(results.nine, SEGMENTS)
    assert both == pytest.approx({name: (2 * angry[name] + sad[name]) / 3 for name in NAMES})


def test_frames_of_a_long_recording_count(tmp_path: Path) -> None:
    recognition = recognised(40)
    record, segments = stored(tmp_path, recognition)
    scores, beyond = stretch_scores(record, [(1, 3.5), (50, 60)], segments)
    assert scores == pytest.approx(of_frames(recognition, 1, 3.5))
    assert beyond is None


def test_frames_of_a_short_one_count_where_nothing_else_does(tmp_path: Path) -> None:
    recognition = recognised(10)
    record, segments = stored(tmp_path, recognition)
    by_segment, whole, pause = stretch_scores(record, [(0.5, 1), (0, 9.5), (2.2, 2.9)], segments)
    assert by_segment == pytest.approx(results.nine(SEGMENTS[0]))
    assert whole == pytest.approx(of_frames(recognition, 0, 9.5))
    assert pause == pytest.approx(of_frames(recognition, 2.2, 2.9))


def test_a_curve_that_is_gone_leaves_the_segments(tmp_path: Path) -> None:
    record, segments = stored(tmp_path, recognised(40))
    assert record.outputs is not None
    (record.outputs / "frames.npz").unlink()
    first, pause = stretch_scores(record, [(0.5, 1), (2.2, 2.9)], segments)
    assert first == pytest.approx(results.nine(SEGMENTS[0]))
    assert pause is None


def test_nothing_is_stored_of_silence(tmp_path: Path) -> None:
    record, segments = stored(tmp_path, recognised(40))
    assert list(stretch_scores(replace(record, warnings=("silence",)), [(0, 1)], segments)) == [None]


def test_so_short_a_stretch_is_as_sure_as_it_may_be(tmp_path: Path, recognizer: Recognizer) -> None:
    recognition = recognised(40)
    record, segments = stored(tmp_path, recognition)
    assert recognition.frames is not None
    scores, pause = stretch_scores(record, [(1, 3.5), (5, 9)], segments, recognizer.metadata)
    times = recognition.frames.times
    for given, start, end, seconds in ((scores, 1, 3.5, 1.5), (pause, 5, 9, 4)):  # of speech, if there is any
        inside = (times >= start) & (times < end)
        verdict = results.verdict(recognition.frames, recognizer.metadata, seconds, inside)
        assert list((given or {}).values()) == pytest.approx(verdict)


@pytest.mark.parametrize("readout", [tiny.EMOTIONS, tiny.CALLS])  # the nine, and what follows from others
def test_all_of_a_recording_is_what_it_is(tmp_path: Path, readout: Readout, speech: np.ndarray) -> None:
    model = Recognizer(tiny.write(tmp_path / "tiny.onnx", scale=30, readouts=(readout,)))
    sound = np.concatenate([speech + shift for shift in np.linspace(-0.1, 0.2, 16)]).astype(np.float32)
    recognition = model.recognize((sound, 16_000), granularity="frame", segments=True, smoothing=0)
    assert recognition.recording.duration > 30
    record, segments = stored(tmp_path, recognition)
    [scores] = stretch_scores(record, [(0, recognition.recording.duration)], segments, model.metadata)
    assert scores == pytest.approx(results.nine(recognition), abs=1e-3)
