"""CSV and Parquet hold the same, and pandas reads both."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.exports import comma_separated, parquet
from emovox.inference.recognition import Recognition
from support.results import frames, recognition, recording, segment

SEGMENT_COLUMNS = ["start", "end", "emotion", "confidence", *NAMES, "channel"]
FRAME_COLUMNS = ["time", *NAMES, *(f"logit_{name}" for name in NAMES)]


def call() -> Recognition:
    segments = [segment(0, 1.5, "angry", channel=2), segment(7100.0625, 7199.5, "unknown", channel=2)]
    return recognition(
        recording=recording(7200, name="通话 😊.mp3", channel=2), segments=segments, frames=frames(20_000)
    )


def as_csv(result: Recognition, part: str) -> Any:
    return pd.read_csv(io.StringIO("".join(getattr(comma_separated, part)(result))))


def as_parquet(result: Recognition, part: str) -> Any:
    file = io.BytesIO()
    getattr(parquet, f"write_{part}")(result, file)
    return pd.read_parquet(file)


def test_segments() -> None:
    result = call()
    for table in (as_csv(result, "segments"), as_parquet(result, "segments")):
        assert list(table.columns) == SEGMENT_COLUMNS
        assert table["start"].tolist() == [0, 7100.0625]
        assert table["end"].tolist() == [1.5, 7199.5]
        assert table["emotion"].tolist() == ["angry", "unknown"]
        assert table["channel"].tolist() == [2, 2]
        np.testing.assert_allclose(table["confidence"], [0.75, 0.75])
        assert result.segments is not None
        expected = [[(item.scores or {})[name] for name in NAMES] for item in result.segments]
        np.testing.assert_allclose(table[list(NAMES)], expected, atol=5e-7)


def test_frames() -> None:
    result = call()
    assert result.frames is not None
    assert result.frames.scores is not None
    assert result.frames.logits is not None
    for table, score_error, logit_error in [(as_csv, 5.1e-7, 5.1e-5), (as_parquet, 0, 0)]:
        read = table(result, "frames")
        assert list(read.columns) == FRAME_COLUMNS
        np.testing.assert_allclose(read["time"], result.frames.times, rtol=0, atol=1e-9)
        np.testing.assert_allclose(read[list(NAMES)], result.frames.scores, rtol=0, atol=score_error)
        logits = read[[f"logit_{name}" for name in NAMES]]
        np.testing.assert_allclose(logits, result.frames.logits, rtol=0, atol=logit_error)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(1e-6, 1e3), st.sampled_from(NAMES)), max_size=20))
def test_both_hold_the_same(items: list[tuple[float, float, str]]) -> None:
    result = recognition(segments=[segment(start, start + length, name) for start, length, name in items])
    one, other = as_csv(result, "segments"), as_parquet(result, "segments")
    assert one["emotion"].tolist() == other["emotion"].tolist()
    assert one["channel"].isna().all()
    assert other["channel"].isna().all()
    for name in ("start", "end", "confidence", *NAMES):
        np.testing.assert_allclose(one[name].astype(float), other[name], rtol=0, atol=6e-7)  # of none: object


@pytest.mark.parametrize("count", [0, 1, 16_383, 16_384, 16_385])
def test_any_number_of_frames(count: int) -> None:
    result = recognition(frames=frames(count))
    assert len(as_csv(result, "frames")) == len(as_parquet(result, "frames")) == count
    empty = Recognition.from_json(result.to_json())
    assert len(as_csv(empty, "frames")) == count


def test_csv_is_ascii_and_numbers_have_no_exponent() -> None:
    result = call()
    text = "".join([*comma_separated.segments(result), *comma_separated.frames(result)])
    assert text.isascii()
    assert "\r" not in text
    assert "e-" not in text


def test_parquet_has_types_row_groups_and_its_origin() -> None:
    for part, rows in (("segments", 2), ("frames", 20_000)):
        file = io.BytesIO()
        getattr(parquet, f"write_{part}")(call(), file)
        read = pyarrow.parquet.ParquetFile(file)
        types = {field.name: str(field.type) for field in read.schema_arrow}
        times = ["start", "end"] if part == "segments" else ["time"]
        assert {types.pop(name) for name in times} == {"double"}
        if part == "segments":
            assert (types.pop("emotion"), types.pop("channel")) == ("string", "int32")
        assert set(types.values()) == {"float"}
        assert read.metadata.num_rows == rows
        assert read.metadata.num_row_groups == (2 if part == "frames" else 1)
        origin = {key.decode(): value.decode() for key, value in read.schema_arrow.metadata.items()}
        assert origin["emovox.recording.name"] == "通话 😊.mp3"
        assert origin["emovox.recording.sha256"] == "0" * 64
        assert origin["emovox.recording.channel"] == "2"
        assert (origin["emovox.model.name"], origin["emovox.model.precision"]) == ("tiny", "fp32")


MEMORY = """
import json, resource, struct, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from emovox import exports
from support.results import frames, recognition, recording, segment

def write(seconds, formats):
    place = Path({place!r}) / str(seconds)
    place.mkdir()
    size = 32_000 * seconds
    with (place / "processed_audio.wav").open("wb") as file:  # sparse: silence
        sizes = (36 + size, b"WAVEfmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", size)
        file.write(struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", *sizes))
        file.truncate(44 + size)
    segments = [segment(start, start + 2) for start in range(0, seconds, 4)]
    result = recognition(recording=recording(seconds), segments=segments, frames=frames(50 * seconds))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    exports.write(result, place, formats)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

formats = {formats!r}
write(8, formats)  # libraries and fonts
print(json.dumps(write(7200, formats)))
"""


@pytest.mark.parametrize(
    "formats",
    [
        ["csv"],
        pytest.param(["parquet"], marks=pytest.mark.slow),
        pytest.param(["srt", "vtt", "textgrid", "audacity"], marks=pytest.mark.slow),
        pytest.param(["png", "svg"], marks=pytest.mark.slow),
    ],
)
def test_two_hours_take_little_memory(formats: list[str], tmp_path: Path) -> None:
    code = MEMORY.format(tests=str(Path(__file__).parents[1]), place=str(tmp_path), formats=formats)
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert json.loads(done.stdout) < 40  # MB; all frames as Python's lists take over 300
    if "csv" in formats:
        with (tmp_path / "7200" / "frames.csv").open() as file:
            assert sum(1 for _ in file) == 360_001
