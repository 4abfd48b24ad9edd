import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from emovox.inference import stored_result as stored
from emovox.inference.recognition import Recognition
from support import results


def written(place: Path, recognition: Recognition) -> Path:
    path = place / "result.json"
    path.write_text(recognition.to_json(), encoding="utf-8")
    return path


@settings(max_examples=50, deadline=None)
@given(
    block=st.sampled_from([700, 1_500, 4_000, 2**20]),
    frames=st.one_of(st.none(), st.integers(1, 300)),
    segments=st.one_of(st.none(), st.integers(0, 40)),
    name=st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=30)),
)
def test_piece_by_piece_is_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    block: int,
    frames: int | None,
    segments: int | None,
    name: str | None,
) -> None:
    recognition = results.recognition(
        frames=None if frames is None else results.frames(frames),
        segments=None if segments is None else [results.segment(at, at + 0.5) for at in range(segments)],
        recording=results.recording(3.0, name=name),
    )
    path = written(tmp_path_factory.mktemp("stored"), recognition)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "BLOCK", block)
        patch.setattr(Recognition, "from_json", None)  # which would be the whole
        back = stored.read(path)
    assert back.to_json() == recognition.to_json()
    if back.frames is not None:
        whole = Recognition.model_validate_json(path.read_bytes()).frames
        assert whole is not None
        assert np.array_equal(back.frames.logits, whole.logits)
        assert np.array_equal(back.frames.scores, whole.scores)


def test_laid_out_by_others(tmp_path: Path) -> None:
    recognition = results.recognition(frames=results.frames(5), segments=[results.segment(0, 1)])
    path = tmp_path / "result.json"
    for layout in ({"indent": 2}, {"indent": 4}, {}):
        path.write_text(json.dumps(recognition.to_dict(), **layout))  # type: ignore[arg-type]
        assert stored.read(path).to_json() == recognition.to_json()


@pytest.mark.parametrize("frames", [None, 5])
@pytest.mark.parametrize("segments", [None, 0, 2])
def test_whether_there_are_segments(tmp_path: Path, frames: int | None, segments: int | None) -> None:
    recognition = results.recognition(
        frames=None if frames is None else results.frames(frames),
        segments=None if segments is None else [results.segment(at, at + 0.5) for at in range(segments)],
    )
    path = written(tmp_path, recognition)
    assert stored.has_segments(path) is (segments is not None)
    for layout in ({"indent": 2}, {"indent": 4}, {}):
        path.write_text(json.dumps(recognition.to_dict(), **layout))  # type: ignore[arg-type]
        assert stored.has_segments(path) is (segments is not None)


def test_damaged(tmp_path: Path) -> None:
    path = written(tmp_path, results.recognition(frames=results.frames(50), segments=[results.segment(0, 1)]))
    text = path.read_text()
    for end in range(0, len(text) - 2, 37):
        path.write_text(text[:end])
        with pytest.raises(ValidationError):
            stored.read(path)
    path.write_text(text.replace('"hop"', '"hip"'))
    with pytest.raises(ValidationError):
        stored.read(path)
