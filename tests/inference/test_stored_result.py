import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from emovox.errors import FramesError
from emovox.inference import npz
from emovox.inference import stored_result as stored
from emovox.inference.frames import DIRECTORY, FRAMES
from emovox.inference.recognition import Recognition
from support import results


def written(place: Path, recognition: Recognition) -> Path:
    """As an outputs directory has it."""
    path = place / "result.json"
    path.write_text("".join(recognition.json_pieces(inline=False)), encoding="utf-8")
    if recognition.frames is not None:
        npz.save(place / FRAMES, recognition.frames.arrays())
    return path


def old(recognition: Recognition, head: list[list[float]] | None) -> str:
    """As 0.1 wrote it, with all rows: those of a trained head, `calls`, behind the others."""
    data = recognition.to_dict()
    data["schema"] = 1
    del data["readouts"]
    if head is not None:
        verdict = {"name": "calls", "label": "yes", "confidence": 1.0, "scores": {"yes": 1.0, "no": 0.0}}
        data["head"] = {**verdict, "created_at": "2024-01-04T14:30:00Z"}
    segments, frames = data.pop("segments", None), data.pop("frames", None)
    text = json.dumps(data, ensure_ascii=False, indent=2).removesuffix("\n}")
    if segments is not None:
        lines = [json.dumps({key: value for key, value in item.items() if key != "readouts"}) for item in segments]
        text += ',\n  "segments": [' + ",".join(f"\n    {line}" for line in lines) + ("\n  ]" if lines else "]")
    if frames is not None:
        series = {name: frames.pop(name) for name in ("logits", "scores")}
        del frames["readouts"]
        if head is not None:
            frames["head_labels"], series["head_scores"] = ["yes", "no"], head
        text += ',\n  "frames": ' + json.dumps({**frames, **series})
    return text + "\n}\n"


parts = given(
    block=st.sampled_from([700, 1_500, 4_000, 2**20]),
    frames=st.one_of(st.none(), st.integers(1, 300)),
    segments=st.one_of(st.none(), st.integers(0, 40)),
    name=st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=30)),
    more=st.booleans(),
)


@settings(max_examples=50, deadline=None)
@parts
def test_piece_by_piece_is_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    block: int,
    frames: int | None,
    segments: int | None,
    name: str | None,
    more: bool,
) -> None:
    recognition = results.recognition(
        frames=None
        if frames is None
        else results.frames(frames, readouts=results.random_curves(frames) if more else {}),
        segments=None if segments is None else [results.segment(at, at + 0.5) for at in range(segments)],
        recording=results.recording(3.0, name=name),
    )
    path = written(tmp_path_factory.mktemp("stored"), recognition)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "BLOCK", block)
        patch.setattr(Recognition, "model_validate_json", None)  # which would be the whole
        back = stored.read(path)
        assert stored.read_frames(path) == recognition.frames
        assert "frames" not in stored.read_head(path) or "scores" not in stored.read_head(path)["frames"]
    assert back == recognition
    assert back.to_json() == recognition.to_json()
    assert Recognition.model_validate_json(path.read_bytes(), context={DIRECTORY: path.parent}) == recognition
    for part, absent in (("segments", "frames"), ("frames", "segments")):
        only = stored.read(path, part)  # type: ignore[arg-type]
        assert (getattr(only, part), getattr(only, absent)) == (getattr(recognition, part), None)


@settings(max_examples=50, deadline=None)
@parts
def test_rows_in_a_file_of_old_piece_by_piece(
    tmp_path_factory: pytest.TempPathFactory,
    block: int,
    frames: int | None,
    segments: int | None,
    name: str | None,
    more: bool,
) -> None:
    recognition = results.recognition(
        frames=None if frames is None else results.frames(frames),
        segments=None if segments is None else [results.segment(at, at + 0.5) for at in range(segments)],
        recording=results.recording(3.0, name=name),
    )
    head = np.random.default_rng(0).dirichlet([1, 1], frames or 0).round(6).tolist() if more else None
    path = tmp_path_factory.mktemp("stored") / "result.json"
    path.write_text(old(recognition, head), encoding="utf-8")
    whole = Recognition.from_json(path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "BLOCK", block)
        patch.setattr(Recognition, "model_validate_json", None)
        back = stored.read(path)
        assert "frames" not in stored.read_head(path)
    assert back == whole
    if frames is not None:
        assert back.frames is not None
        assert (back.frames.file, len(back.frames)) == (None, frames)
        np.testing.assert_allclose(
            results.frame_scores(back.frames), results.frame_scores(results.frames(frames)), atol=1e-6
        )
        assert list(back.frames.readouts) == (["calls"] if more else [])
        if head is not None:
            np.testing.assert_allclose(back.frames.readouts["calls"].numbers, head, atol=1e-6)


def test_rows_of_readouts_in_the_file(tmp_path: Path) -> None:
    """As answers have them, and versions between 0.1 and 0.2."""
    recognition = results.recognition(
        segments=[results.segment(0, 1)], frames=results.frames(50, readouts=results.random_curves(50))
    )
    path = tmp_path / "result.json"
    for result in (recognition, recognition.model_copy(update={"segments": None})):
        path.write_text(result.to_json(), encoding="utf-8")
        assert stored.read(path) == Recognition.from_json(result.to_json())
        assert stored.read(path).to_json() == result.to_json()
        assert stored.read_frames(path) == Recognition.from_json(result.to_json()).frames


def test_the_file_of_the_rows_is_gone_or_damaged(tmp_path: Path) -> None:
    recognition = results.recognition(frames=results.frames(50), segments=[results.segment(0, 1)])
    path = written(tmp_path, recognition)
    content = (tmp_path / FRAMES).read_bytes()
    for damage in (content[:-1000], b"", None):
        (tmp_path / FRAMES).unlink()
        if damage is not None:
            (tmp_path / FRAMES).write_bytes(damage)
        back = stored.read(path)
        assert (back.scores, back.segments) == (recognition.scores, recognition.segments)
        assert back.frames is not None
        assert len(back.frames) == 50
        with pytest.raises(FramesError, match=r"frames\.npz: (it is gone|damaged).*again"):
            back.frames.scores  # noqa: B018
        with pytest.raises(FramesError):
            back.to_json()
        (tmp_path / FRAMES).touch()
    (tmp_path / FRAMES).write_bytes(content)
    assert stored.read(path) == recognition


def test_laid_out_by_others(tmp_path: Path) -> None:
    recognition = results.recognition(frames=results.frames(5), segments=[results.segment(0, 1)])
    path = written(tmp_path, recognition)
    described = json.loads(path.read_text())
    for layout in ({"indent": 2}, {"indent": 4}, {}):
        for data in (recognition.to_dict(), described):
            path.write_text(json.dumps(data, **layout))  # type: ignore[arg-type]
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
