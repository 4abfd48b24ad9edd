import json
import pickle
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.errors import ExportError, FramesError
from emovox.inference import frames as module
from emovox.inference import npz
from emovox.inference.frames import FRAMES, FrameReadout, Frames
from emovox.inference.recognition import Recognition, json_schema
from emovox.models import head
from support import results


def read(frames: Frames, directory: Path) -> Frames:
    """The same, written and read back."""
    npz.save(directory / FRAMES, frames.arrays())
    described = frames.described().model_dump(mode="json")
    return Frames.model_validate(described, context={module.DIRECTORY: directory})


def test_three_lines_of_numpy(tmp_path: Path) -> None:
    frames = results.frames(50, readouts=results.random_curves(50))
    read(frames, tmp_path)
    with np.load(tmp_path / FRAMES) as file:
        assert file.files == [
            "centres", "labels", "logits", "scores", "dimensions.labels", "dimensions.values",
            "my head.v2.labels", "my head.v2.scores",
        ]  # fmt: skip
        np.testing.assert_array_equal(file["centres"], frames.times)  # float64: in float32 hours are off by 1 ms
        assert file["labels"].tolist() == list(NAMES)
        assert file["dimensions.labels"].tolist() == ["arousal", "valence"]
        for name in ("logits", "scores", "dimensions.values", "my head.v2.scores"):
            assert file[name].dtype == np.float32
        np.testing.assert_array_equal(file["scores"], frames.scores)
        assert np.isnan(file["dimensions.values"][3]).all()


def test_a_description_has_no_rows_and_keeps_the_schema() -> None:
    frames = results.frames(50, readouts=results.random_curves(50))
    result = results.recognition(granularity="frame", frames=frames)
    text = "".join(result.json_pieces(inline=False))
    data = json.loads(text)
    jsonschema.validate(data, json_schema())
    assert data["frames"] == {
        "file": "frames.npz", "count": 50, "hop": 0.02, "first_centre": 0.0125, "smoothing": 0.0,
        "labels": list(NAMES),
        "readouts": {
            "dimensions": {"kind": "pooled", "labels": ["arousal", "valence"], "range": [0.0, 1.0]},
            "my head.v2": {"kind": "linear", "labels": ["yes", "no", "perhaps"]},
        },
    }  # fmt: skip
    inline = json.loads(result.to_json())
    jsonschema.validate(inline, json_schema())
    assert len(inline["frames"]["readouts"]["dimensions"]["values"]) == 50
    assert inline == result.to_dict()
    alone = Recognition.from_json(text)
    assert alone.to_json() == text
    assert alone == Recognition.from_json(text)
    assert alone.frames is not None
    assert (len(alone.frames), alone.frames.times[0]) == (50, 0.0125)
    curve = alone.frames.readouts["dimensions"]
    for item, name in [(alone.frames, "scores"), (curve, "numbers"), (curve, "scores")]:
        with pytest.raises(FramesError, match="read_result"):
            getattr(item, name)
    with pytest.raises(AttributeError):
        alone.frames.score  # type: ignore[attr-defined]  # noqa: B018


READOUTS = st.tuples(
    st.sampled_from(["scores", "values"]), st.booleans(), st.lists(st.text(max_size=5), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 300),
    nine=st.booleans(),
    readouts=st.dictionaries(st.from_regex(head._NAME, fullmatch=True), READOUTS, max_size=3),
    data=st.data(),
)
def test_what_is_read_is_what_was_written_in_any_piece(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    nine: bool,
    readouts: dict[str, tuple[str, bool, list[str]]],
    data: st.DataObject,
) -> None:
    """Of readouts with any name that a trained head may have."""
    chance = np.random.default_rng(count)

    def rows(columns: int) -> np.ndarray:
        numbers = chance.random((count, columns)).astype(np.float32)
        numbers[chance.random(count) < 0.2] = np.nan
        return numbers

    curves = {
        name: FrameReadout(
            kind="linear",
            labels=labels,
            logits=rows(len(labels)) if logits else None,
            **{series: rows(len(labels))},
        )
        for name, (series, logits, labels) in readouts.items()
    }
    facts = dict(results.frames(count)) if nine else {"hop": 0.02, "first_centre": 0.01, "smoothing": 1.0}
    frames = Frames(**{**facts, "readouts": curves})
    directory = tmp_path_factory.mktemp("frames")
    back = read(frames, directory)
    assert back == frames
    assert back.inline() == frames
    assert "".join(back.inline().json_pieces()) == "".join(frames.json_pieces())
    assert pickle.loads(pickle.dumps(back)) == frames  # noqa: S301
    read(back, copy := tmp_path_factory.mktemp("copy"))
    assert (copy / FRAMES).read_bytes() == (directory / FRAMES).read_bytes()
    first = data.draw(st.integers(0, count))
    last = data.draw(st.integers(first, count))
    for name, curve in frames.readouts.items():
        np.testing.assert_array_equal(back.readouts[name].numbers[first:last], curve.numbers[first:last])
    with np.load(directory / FRAMES) as file:
        assert all(
            np.array_equal(file[name], array, equal_nan=array.dtype.kind == "f") for name, array in frames.arrays()
        )


def test_rows_that_are_not_as_described(tmp_path: Path) -> None:
    frames = results.frames(50, readouts=results.random_curves(50))
    arrays = dict(frames.arrays())
    described = frames.described().model_dump(mode="json")
    for name, wrong in [
        ("scores", arrays["scores"][:49]),
        ("scores", arrays["scores"].astype(np.float64)),
        ("scores", None),
        ("logits", arrays["logits"][:, :8]),
        ("dimensions.values", arrays["dimensions.values"][:, :1]),
        ("dimensions.values", None),
    ]:
        changed = {key: array for key, array in {**arrays, name: wrong}.items() if array is not None}
        (tmp_path / FRAMES).unlink(missing_ok=True)
        npz.save(tmp_path / FRAMES, changed.items())
        back = Frames.model_validate(described, context={module.DIRECTORY: tmp_path})
        with pytest.raises(FramesError, match=re.escape(FRAMES)):
            [*back.series(), *(item.numbers for item in back.readouts.values())]


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../frames.npz"},
        {"file": "other.npz"},
        {"count": None},
        {"count": -1},
        {"scores": [[1.0] + [0.0] * 8]},
        {"labels": ["calm"]},
        {"readouts": {"x": {"kind": "linear", "labels": ["a"], "scores": [[1.0]]}}},
        {"file": None},
    ],
)
def test_a_description_that_is_none(changes: dict[str, object]) -> None:
    described = results.frames(1).described().model_dump(mode="json")
    with pytest.raises(ValueError, match="validation error"):
        Frames.model_validate({**described, **changes})


def test_readouts_need_rows_without_a_file() -> None:
    facts = results.frames(3).model_dump()
    with pytest.raises(ValueError, match="scores or values"):
        Frames(**{**facts, "readouts": {"x": {"kind": "linear", "labels": ["a"]}}})


def test_how_many_go_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INLINE_LIMIT", 50)
    few, many = results.frames(50), results.frames(51)
    assert few.goes_inline(None, stored=False)
    assert not few.goes_inline(None, stored=True)
    for stored in (True, False):
        assert few.goes_inline("inline", stored=stored)
        assert not few.goes_inline("file", stored=True)
    assert not many.goes_inline(None, stored=True)
    for rows_in, stored in [("inline", True), ("inline", False), (None, False)]:
        with pytest.raises(ExportError, match=r"51 frames are too many .* frames\.npz .* csv or parquet"):
            many.goes_inline(rows_in, stored=stored)  # type: ignore[arg-type]
