"""One table of many recordings is the tables of each, one after the other, in either format."""

import io
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from emovox.exports import comma_separated, parquet
from emovox.exports.columns import ORIGIN
from emovox.exports.table import Rows, Source, Table, read, survey
from emovox.inference.frames import Frames
from emovox.inference.recognition import ReadoutResult, Recognition
from emovox.inference.stored_result import Part
from emovox.outputs import Outputs, read_result
from support.results import classes, curve, curves, frames, head, nothing, recognition, recording, segment, values

PARTS: list[Part] = ["segments", "frames"]


def headed(count: int, name: str, item: ReadoutResult) -> Frames:
    return frames(count).model_copy(update={"readouts": {name: curve(count, item)}})


def calls() -> list[Recognition]:
    """Of no head, of one, and of another with some of its classes, in another order; and one without anything.

    The last two are of models that don't give the nine: one of classes, whose name the first head has, and values.
    """
    one, two = head(calm=0.25, **{"upset, loud": 0.75}), head(bored=0.875, **{"upset, loud": 0.125})
    own, mood = classes(rabbia=0.5, label=0.25, calm=0.25), values((-1, 1), arousal=-0.5, valence=0.25)
    foreign = {"moods": own, "dimensions": mood}
    return [
        recognition(
            recording=recording(9, name="=1+1.wav"), segments=[segment(0, 1.5, "sad")], frames=frames(700)
        ),
        recognition(
            recording=recording(9, name="通话,b.wav"),
            readouts={"moods": one},
            segments=[segment(1, 2), segment(3, 4, channel=2)],
            frames=headed(20_000, "moods", one),
        ),
        recognition(
            recording=recording(9),
            readouts={"x": two},
            segments=[segment(5, 6, readouts={"x": two})],
            frames=headed(3, "x", two),
        ),
        recognition(recording=recording(9, name="none.wav")),
        recognition(
            recording=recording(9, name="foreign.wav"),
            **nothing(),
            readouts=foreign,
            segments=[segment(5, 6, **nothing(), readouts=foreign), segment(7, 8, **nothing())],
            frames=curves(5, **foreign),
        ),
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
    sources, layout = survey([Source(None, place) for place in places], part, never)
    text, binary = io.StringIO(), io.BytesIO()
    whole = Table(part, layout)
    whole.write_csv(read(sources, part, never), text)
    assert (whole.recordings, whole.empty) == (len(places), 1)
    Table(part, layout).write_parquet(read(sources, part, never), binary)
    assert "nan" not in text.getvalue()
    if part == "frames":  # of the first recording no class, of the others those of their heads
        assert pyarrow.parquet.read_table(binary)["x.bored"].null_count == 20_705
    return [pd.read_csv(io.StringIO(text.getvalue())), pd.read_parquet(binary)]


@pytest.mark.parametrize("part", PARTS)
def test_it_is_those_of_each_recording(places: list[Path], part: Part) -> None:
    for whole, names in zip(written(places, part), ["'=1+1.wav", "=1+1.wav"], strict=True):
        assert list(whole["path"].unique()) == [names, "通话,b.wav", "x.wav", "foreign.wav"]
        for place, item in zip(places, calls(), strict=True):
            alone = pd.read_csv(io.StringIO("".join(getattr(comma_separated, part)(item))))
            mine = whole[whole["outputs"] == str(place)].reset_index(drop=True)
            assert len(mine) == len(alone)
            others = [name for name in whole.columns if name not in {*ORIGIN, *alone.columns}]
            assert mine[others].isna().all(axis=None)
            for name in alone.columns if len(alone) else []:
                if name in {"emotion", "moods.label", "x.label"}:
                    assert list(map(str, mine[name])) == list(map(str, alone[name]))
                else:
                    np.testing.assert_allclose(mine[name].astype(float), alone[name], rtol=0, atol=6e-5)


def test_both_formats_have_the_columns_of_each_part(places: list[Path]) -> None:
    for part, own in {
        "segments": [
            "moods.label", "moods.confidence", "moods.calm", "moods.upset, loud", "moods.rabbia", "moods.label_",
            "x.label", "x.confidence", "x.bored", "x.upset, loud",
            "dimensions.arousal", "dimensions.valence",
        ],
        "frames": [
            "moods.calm", "moods.upset, loud", "moods.rabbia", "moods.label",
            "x.bored", "x.upset, loud", "dimensions.arousal", "dimensions.valence",
        ],
    }.items():  # fmt: skip
        one, other = written(places, part)  # type: ignore[arg-type]
        assert list(one.columns) == list(other.columns)
        assert list(one.columns)[:2] == ["path", "outputs"]
        assert list(one.columns)[-len(own) :] == own
        for table in (one, other):
            mine = table[table["path"] == "foreign.wav"]
            assert mine[["angry", "x.label" if part == "segments" else "logit_angry"]].isna().all(axis=None)
            assert mine["dimensions.arousal"].iloc[0] == -0.5
            if part == "segments":
                assert mine["moods.label"].iloc[0] == "rabbia"
                assert mine["moods.label_"].iloc[0] == 0.25
                assert mine.iloc[1][own].isna().all()


def test_frames_that_do_not_count_are_empty() -> None:
    some = curves(3, dimensions=values(arousal=0.5))
    some.readouts["dimensions"].numbers[1] = np.nan
    result = recognition(**nothing(), frames=some)
    text = "".join(comma_separated.frames(result))
    assert [line.split(",")[-1] for line in text.splitlines()] == [
        "dimensions.arousal",
        "0.500000",
        "",
        "0.500000",
    ]
    parquet.write_frames(result, file := io.BytesIO())
    assert pyarrow.parquet.read_table(file)["dimensions.arousal"].to_pylist() == [0.5, None, 0.5]


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
