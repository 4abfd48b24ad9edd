"""One table of many recordings is the tables of each, one after the other, in either format."""

import io
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from emovox.exports import comma_separated
from emovox.exports.columns import ORIGIN
from emovox.exports.table import Rows, Source, Table, read, survey
from emovox.inference.recognition import Frames, HeadScores, HeadVerdict, Recognition
from emovox.inference.stored_result import Part
from emovox.outputs import Outputs, read_result
from support.results import frames, recognition, recording, segment

PARTS: list[Part] = ["segments", "frames"]


def headed(count: int, classes: dict[str, float]) -> Frames:
    scores = np.tile(np.array(list(classes.values()), np.float32), (count, 1))
    return frames(count).model_copy(update={"head_labels": list(classes), "head_scores": scores})


def verdict(name: str, classes: dict[str, float]) -> HeadVerdict:
    label = max(classes, key=lambda item: classes[item])
    facts = {"label": label, "confidence": classes[label], "scores": classes}
    return HeadVerdict.model_validate({"name": name, "created_at": "2024-01-04T00:00:00Z", **facts})


def calls() -> list[Recognition]:
    """Of no head, of one, and of another with some of its classes, in another order; and one without anything."""
    one, two = {"calm": 0.25, "upset, loud": 0.75}, {"bored": 0.875, "upset, loud": 0.125}
    own = HeadScores(label="bored", confidence=0.875, scores=two)
    return [
        recognition(
            recording=recording(9, name="=1+1.wav"), segments=[segment(0, 1.5, "sad")], frames=frames(700)
        ),
        recognition(
            recording=recording(9, name="通话,b.wav"),
            head=verdict("moods", one),
            segments=[segment(1, 2), segment(3, 4, channel=2)],
            frames=headed(20_000, one),
        ),
        recognition(
            recording=recording(9),
            head=verdict("x", two),
            segments=[segment(5, 6, head=own)],
            frames=headed(3, two),
        ),
        recognition(recording=recording(9, name="none.wav")),
    ]


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    outputs = Outputs(tmp_path / "outputs")
    directories = []
    for item in calls():
        with outputs.draft() as draft:
            directories.append(draft.publish(item))
    return directories


def never(path: Path, reason: str) -> None:
    raise AssertionError(f"{path}: {reason}")


def written(places: list[Path], part: Part) -> list[Any]:
    sources, labels = survey([Source(None, place) for place in places], part, never)
    text, binary = io.StringIO(), io.BytesIO()
    whole = Table(part, labels)
    whole.write_csv(read(sources, part, never), text)
    assert (whole.recordings, whole.empty) == (len(places), 1)
    Table(part, labels).write_parquet(read(sources, part, never), binary)
    assert "nan" not in text.getvalue()
    if part == "frames":  # of the first recording no class, of the others those of their heads
        assert pyarrow.parquet.read_table(binary)["head_bored"].null_count == 20_700
    return [pd.read_csv(io.StringIO(text.getvalue())), pd.read_parquet(binary)]


@pytest.mark.parametrize("part", PARTS)
def test_it_is_those_of_each_recording(places: list[Path], part: Part) -> None:
    for whole, names in zip(written(places, part), ["'=1+1.wav", "=1+1.wav"], strict=True):
        assert list(whole["path"].unique()) == [names, "通话,b.wav", "x.wav"]
        for place, item in zip(places, calls(), strict=True):
            alone = pd.read_csv(io.StringIO("".join(getattr(comma_separated, part)(item))))
            mine = whole[whole["outputs"] == str(place)].reset_index(drop=True)
            assert len(mine) == len(alone)
            others = [name for name in whole.columns if name not in {*ORIGIN, *alone.columns}]
            assert mine[others].isna().all(axis=None)
            for name in alone.columns if len(alone) else []:
                if name in {"emotion", "head_label"}:
                    assert list(map(str, mine[name])) == list(map(str, alone[name]))
                else:
                    np.testing.assert_allclose(mine[name].astype(float), alone[name], rtol=0, atol=6e-5)


def test_both_formats_have_the_columns_of_each_part(places: list[Path]) -> None:
    for part, own in {
        "segments": ["head_label", "head_confidence"],
        "frames": ["head_calm", "head_upset, loud", "head_bored"],
    }.items():
        one, other = written(places, part)  # type: ignore[arg-type]
        assert list(one.columns) == list(other.columns)
        assert list(one.columns)[:2] == ["path", "outputs"]
        assert list(one.columns)[-len(own) :] == own


def test_small_recordings_share_a_group_of_rows_and_long_ones_are_split() -> None:
    file = io.BytesIO()
    short = [Rows(f"{number}.wav", None, [segment(0, 1)] * 100) for number in range(400)]
    Table("segments").write_parquet(short, file)
    assert pyarrow.parquet.ParquetFile(file).metadata.num_row_groups == 3
    Table("frames").write_parquet([Rows("long.wav", None, frames=frames(40_000))], file := io.BytesIO())
    assert pyarrow.parquet.ParquetFile(file).metadata.num_row_groups == 3


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_one_recording_is_in_memory_at_a_time(
    places: list[Path], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    alive: list[weakref.ref[Frames]] = []
    most = 0

    def watched(directory: Path, part: Part) -> Recognition:
        nonlocal most
        result = read_result(directory, part)
        assert result.frames is not None
        alive.append(weakref.ref(result.frames))
        most = max(most, sum(one() is not None for one in alive))
        return result

    monkeypatch.setattr("emovox.exports.table.read_result", watched)
    sources = [Source(None, places[1])] * 5
    file: Any = io.StringIO() if form == "csv" else io.BytesIO()
    getattr(Table("frames"), f"write_{form}")(read(sources, "frames", never), file)
    assert most == 2  # the one before goes when the next one is read


def test_what_cannot_be_read_is_told_and_the_rest_is_there(places: list[Path]) -> None:
    (places[0] / "result.json").write_text("{")
    sources = [Source(None, place) for place in (*places, places[0] / "none")]
    failures: list[str] = []
    readable, _ = survey(sources, "segments", lambda path, reason: failures.append(f"{path.name}: {reason}"))
    assert [source.directory for source in readable] == places[1:]
    assert [reason.partition(": ")[0] for reason in failures] == [places[0].name, "none"]
    (places[1] / "result.json").unlink()  # meanwhile
    rows = read(readable, "segments", lambda path, reason: failures.append(reason))
    assert [item.outputs for item in rows] == [str(place) for place in places[2:]]
    assert failures[2].startswith("not an outputs directory: it has no result.json")
    assert [item.outputs for item in read([Source("away.wav", None)], "frames", never)] == [None]


def test_results_that_are_laid_out_by_others(places: list[Path]) -> None:
    for place, item in zip(places, calls(), strict=True):
        (place / "result.json").write_text("".join(item.to_json().split("\n")))
    for part in PARTS:
        test_it_is_those_of_each_recording(places, part)
