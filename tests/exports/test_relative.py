"""Exports of what is relative to a baseline: they say so, and tables have the raw scores beside."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from emovox import exports
from emovox.emotions import NAMES
from emovox.exports import captions, comma_separated, table, textgrid, timeline
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Outputs
from support import tiny
from support.baselines import baseline, with_reference

NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)
CALLS = with_reference(tiny.CALLS, calm=0, angry=0.1, furious=0.3, happy=0.5)


def both(
    directory: Path, readout: object, speech: NDArray[np.float32], *, speech_only: bool = False
) -> list[Recognition]:
    """The same recording relative to a baseline, and without."""
    model = Recognizer(tiny.write(directory / "tiny.onnx", readouts=(readout, tiny.DIMENSIONS)))
    sound = np.concatenate([speech, np.zeros(16_000, np.float32), 0.5 * speech]), 16_000
    own = baseline(model.metadata, mean=0.2)
    return [
        model.recognize(
            sound, name="call.wav", segments=True, granularity="frame", baseline=item, speech_only=speech_only
        )
        for item in (own, None)
    ]


def rows(text: Iterable[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(text))))


@pytest.mark.parametrize("readout", [NINE, CALLS])
@pytest.mark.parametrize("speech_only", [False, True])
def test_tables_have_the_raw_scores_beside(
    readout: object, speech_only: bool, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    relative, plain = both(tmp_path, readout, speech, speech_only=speech_only)
    after, before = rows(comma_separated.segments(relative)), rows(comma_separated.segments(plain))
    assert [row["baseline"] for row in after] == ["line3"] * len(after)
    assert "baseline" not in before[0]
    beside = [name for name in after[0] if name.endswith("_without")]
    own = [f"{label}" for label in (["label", "confidence", *CALLS.labels] if readout is CALLS else [])]
    assert beside == [
        f"{name}_without" for name in ("emotion", "confidence", *NAMES, *(f"emotion.{label}" for label in own))
    ]
    for mine, theirs in zip(after, before, strict=True):
        assert [mine[name] for name in beside] == [theirs[name.removesuffix("_without")] for name in beside]
    assert any(mine["emotion.furious" if own else "sad"] != theirs["emotion.furious" if own else "sad"]
               for mine, theirs in zip(after, before, strict=True))  # fmt: skip
    curve, raw = rows(comma_separated.frames(relative)), rows(comma_separated.frames(plain))
    assert set(curve[0]) - set(raw[0]) == {name for name in beside if name.split(".")[-1] not in {
        "emotion_without", "confidence_without", "label_without"
    }}  # fmt: skip
    for mine, theirs in zip(curve, raw, strict=True):
        for name in set(curve[0]) - set(raw[0]):
            cell, expected = mine[name], theirs[name.removesuffix("_without")]
            assert (cell == "") == (expected == "")
            assert float(cell or 0) == pytest.approx(float(expected or 0), abs=2e-6)


def test_each_says_what_it_is_relative_to(speech: NDArray[np.float32], tmp_path: Path) -> None:
    relative, plain = both(tmp_path, NINE, speech)
    assert "\nNOTE relative to line3\n" in "".join(captions.vtt(relative, "en"))
    assert "NOTE" not in "".join(captions.vtt(plain, "en"))
    tiers = "".join(textgrid.pieces(relative, "zh"))
    assert '"emotion relative to line3"' in tiers
    assert '"confidence relative to line3"' in tiers
    assert '"dimensions.arousal"' in tiers
    assert '"emotion"' in "".join(textgrid.pieces(plain, "en"))
    figure = timeline.draw(relative, tmp_path / "none.wav", language="en")
    assert any("relative to line3" in text.get_text() for text in figure.texts)
    figure = timeline.draw(plain, tmp_path / "none.wav", language="en")
    assert not any("relative" in text.get_text() for text in figure.texts)


def test_parquet_says_it_in_its_metadata(speech: NDArray[np.float32], tmp_path: Path) -> None:
    relative, plain = both(tmp_path, NINE, speech)
    facts = relative.baseline
    assert facts is not None
    for result, directory in ((relative, tmp_path / "one"), (plain, tmp_path / "two")):
        directory.mkdir()
        exports.write(result, directory, ["parquet"])
    mine, theirs = (pq.read_table(tmp_path / name / "frames.parquet") for name in ("one", "two"))
    assert mine.schema.metadata[b"emovox.baseline.checksum"].decode() == facts.checksum
    assert b'"emotion"' in mine.schema.metadata[b"emovox.baseline.shift"]
    assert not any(b"baseline" in key for key in theirs.schema.metadata)
    np.testing.assert_allclose(mine["sad_without"].to_numpy(), theirs["sad"].to_numpy(), atol=1e-6)
    segments = pq.read_table(tmp_path / "one" / "segments.parquet").to_pylist()
    assert [row["baseline"] for row in segments] == ["line3"] * len(segments)


def test_one_table_of_recordings_with_and_without(speech: NDArray[np.float32], tmp_path: Path) -> None:
    results = both(tmp_path, NINE, speech)
    directories = []
    for result in results:
        with Outputs(tmp_path / "outputs").draft() as draft:
            draft.write(speech)
            directories.append(draft.publish(result))
    for part, first in (("segments", "path,outputs,start"), ("frames", "path,outputs,baseline,time")):
        sources = [table.Source(None, path) for path in directories]
        readable, layout = table.survey(sources, part, lambda path, reason: pytest.fail(reason))  # type: ignore[arg-type]
        text = io.StringIO()
        found = table.read(readable, part, lambda path, reason: pytest.fail(reason))  # type: ignore[arg-type]
        table.Table(part, layout).write_csv(found, text)  # type: ignore[arg-type]
        assert text.getvalue().startswith(first)
        lines = rows([text.getvalue()])
        for line in lines:
            mine = line["outputs"] == str(directories[0])
            assert (line["baseline"], line["sad_without"] != "") == ("line3" if mine else "", mine)
        assert {line["outputs"] for line in lines} == set(map(str, directories))
        file = io.BytesIO()
        table.Table(part, layout).write_parquet(table.read(readable, part, lambda *_: None), file)  # type: ignore[arg-type]
        assert pq.read_table(io.BytesIO(file.getvalue())).column_names == list(lines[0])
