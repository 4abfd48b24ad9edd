"""A batch relative to all its recordings: what two passes give, however often they break off."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from emovox.archive import Archive
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit
from emovox.batch.config import BatchConfig
from emovox.batch.schema import RECOGNITIONS
from emovox.batch.tables import Shards
from emovox.errors import BaselineError, BatchError, ExportError
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer
from emovox.outputs import RESULT, read_result
from support import tiny
from support.baselines import with_reference
from support.batches import Row, StopError, run, table
from support.exporters import break_format
from support.zoo import wav

NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)
OWN = ("baseline", "baseline_checksum")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("model")
    return str(tiny.write(directory / "tiny.onnx", readouts=(NINE, tiny.MOODS, tiny.DIMENSIONS)))


@pytest.fixture
def calls(tmp_path: Path, examples: list[Path]) -> Path:
    place = tmp_path / "calls"
    place.mkdir()
    for path in examples[:5]:
        shutil.copy(path, place)
    shutil.copy(examples[0], place / "zz.flac")
    return place


@pytest.fixture
def paused(calls: Path, speech: NDArray[np.float32]) -> Path:
    """The same, one of them with a long pause."""
    with_pause = np.concatenate([speech, np.zeros(32_000, np.float32), 0.3 * speech])
    (calls / "paused.wav").write_bytes(wav((32_767 * with_pause[:, np.newaxis]).astype(np.int16), 16_000))
    return calls


def listed(path: Path, rows: Sequence[tuple[Path, str]]) -> str:
    path.write_text("path,speaker\n" + "".join(f"{file},{speaker}\n" for file, speaker in rows))
    return str(path)


def fitted(model: str, paths: Sequence[Path]) -> Baseline:
    """As `emovox baseline fit` would."""
    recognizer = Recognizer(model)
    results = [recognizer.recognize(path, embedding=True, speech_only=True) for path in paths]
    embeddings = [result.embedding[0] for result in results if result.embedding is not None]
    return fit("line3", embeddings, recognizer.metadata, sha256s=[item.recording.sha256 for item in results])[0]


def without(rows: Sequence[Row], *columns: str) -> list[Row]:
    return [{key: value for key, value in row.items() if key not in columns} for row in rows]


@pytest.mark.parametrize(
    ("options", "longest"),
    [
        (Options(), 900),
        (Options(granularity="frame", segments=True, merge=True, embedding=True), 900),
        (Options(segments=True, speech_only=True), 900),
        (Options(granularity="frame", segments=True, merge=True), 1),
    ],
)
def test_two_passes_give_to_the_last_bit_what_one_does(
    options: Options, longest: float, paused: Path, model: str, tmp_path: Path
) -> None:
    calls = paused
    wish = BatchConfig(str(calls), str(tmp_path / "two"), model=model, longest=longest)
    status, _ = run(replace(wish, options=replace(options, baseline="corpus")))
    own = fitted(model, sorted(calls.iterdir()))
    run(replace(wish, out=str(tmp_path / "one"), options=replace(options, baseline=own)))
    two, one = table(tmp_path / "two"), table(tmp_path / "one")
    assert without(two, *OWN) == without(one, *OWN)
    assert len(two) == 7
    assert {row["baseline"] for row in two} == {"corpus"}
    assert {(row["baseline"], row["baseline_checksum"]) for row in one} == {("line3", own.checksum)}
    assert any(row["angry"] != row["angry_without"] for row in two)
    assert status.second == (7, 7)
    assert sum(status.emotions.values()) == 7


def test_raw_scores_stand_beside_the_relative_ones(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls), str(tmp_path / "raw"), model=model, options=Options(segments=True))
    run(wish)
    relative = replace(wish.options, baseline="corpus")
    run(replace(wish, out=str(tmp_path / "relative"), options=relative))
    for raw, moved in zip(table(tmp_path / "raw"), table(tmp_path / "relative"), strict=True):
        pairs = [(raw, moved), *zip(raw["segments"], moved["segments"], strict=True)]
        for before, after in pairs:
            assert [before[name] for name in ("emotion", "confidence", "sad")] == [
                after[f"{name}_without"] for name in ("emotion", "confidence", "sad")
            ]
        assert dict(moved["baseline_shift"]).keys() == set(NINE.labels)


def test_the_order_of_recordings_does_not_matter(examples: list[Path], model: str, tmp_path: Path) -> None:
    rows = [(path, "anna" if index % 2 else "") for index, path in enumerate(examples[:5])]
    tables = []
    for name, order in (("there", rows), ("back", rows[::-1])):
        source = listed(tmp_path / f"{name}.csv", order)
        options = Options(segments=True, baseline="speaker")
        run(BatchConfig(source, str(tmp_path / name), model=model, options=options))
        tables.append(table(tmp_path / name))
    assert without(tables[0], "baseline_checksum") == without(tables[1], "baseline_checksum")
    assert sorted(row["baseline"] for row in tables[0]) == ["corpus"] * 3 + ["speaker anna"] * 2


def test_a_batch_that_dies_in_either_pass_goes_on(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.batch.tables.ROWS", 2)
    options = Options(segments=True, baseline="corpus")
    wish = BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=options)
    with pytest.raises(StopError):
        run(wish, stop=3)
    assert not (tmp_path / "out" / RECOGNITIONS).exists()
    written: list[str] = []
    write = Shards.write

    def dies(shards: Shards, name: str, rows: list[dict[str, Any]]) -> None:
        if shards.place.address.endswith(RECOGNITIONS):
            if written:
                raise StopError
            written.append(name)
        write(shards, name, rows)

    monkeypatch.setattr(Shards, "write", dies)
    with pytest.raises(StopError):
        run(wish)
    some = table(tmp_path / "out")
    assert 0 < len(some) < 6
    monkeypatch.setattr(Shards, "write", write)
    _, engine = run(wish)
    assert engine.answered == []  # nothing is inferred again
    rows = table(tmp_path / "out")
    assert len(rows) == 6
    assert [row for row in rows if row["path"] in {item["path"] for item in some}] == some
    monkeypatch.setattr("emovox.batch.tables.ROWS", 5000)
    run(replace(wish, out=str(tmp_path / "at_once")))
    assert without(rows, "baseline_checksum") == without(table(tmp_path / "at_once"), "baseline_checksum")


def test_where_recordings_are_added_all_are_relative_to_all(
    calls: Path, examples: list[Path], model: str, tmp_path: Path
) -> None:
    wish = BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=Options(baseline="corpus"))
    run(wish)
    before = table(tmp_path / "out")
    shutil.copy(examples[5], calls)
    status, engine = run(wish)
    after = table(tmp_path / "out")
    assert len(engine.answered) == 1
    assert (len(before), len(after)) == (6, 7)
    assert len({row["baseline_checksum"] for row in after}) == 1
    assert before[0]["baseline_checksum"] != after[0]["baseline_checksum"]
    assert before[0]["angry"] != after[0]["angry"]
    assert status.second == (7, 7)
    with pytest.raises(BatchError, match=r"differs in options \(expect\)"):
        run(replace(wish, options=Options(baseline="corpus", expect={"neutral": 0.8})))
    with pytest.raises(BatchError, match=r"differs in options \(baseline\)"):
        run(replace(wish, options=Options()))


def test_a_content_counts_once_whoever_lists_it_twice(calls: Path, model: str, tmp_path: Path) -> None:
    options = Options(baseline="corpus")
    run(BatchConfig(str(calls), str(tmp_path / "twice"), model=model, options=options))
    (calls / "zz.flac").unlink()
    run(BatchConfig(str(calls), str(tmp_path / "once"), model=model, options=options))
    twice, once = table(tmp_path / "twice"), table(tmp_path / "once")
    assert twice[0]["baseline_shift"] == once[0]["baseline_shift"]
    assert {**twice[0], "path": ""} == {**twice[-1], "path": ""}


def test_outputs_directories_and_the_archive_say_what_the_tables_say(
    calls: Path, model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = Options(segments=True, merge=True, granularity="frame", baseline="corpus")
    wish = BatchConfig(str(calls), str(out), model=model, options=options, outputs_dirs=True, archive=True)
    run(replace(wish, formats=("csv",)))
    for row in table(out):
        directory = out / "outputs" / row["outputs"]
        result = json.loads((directory / RESULT).read_text())
        assert result["baseline"]["checksum"] == row["baseline_checksum"]
        assert result["scores_without"]["sad"] == row["sad_without"]
        assert [item["emotion"] for item in result["segments"]] == [item["emotion"] for item in row["segments"]]
        frames = read_result(directory).frames
        assert frames is not None
        assert frames.scores is not None
        assert frames.scores.tolist() == row["frames"]["scores"]
        assert (directory / "segments.csv").exists()
        assert not list(directory.glob(".*.json*"))
    with Archive(out / "outputs.db") as archive:
        records = list(archive.all())
        assert all(archive.embedding(item.id) is not None for item in records)
    assert len(records) == 5


def test_an_export_that_fails_costs_itself_alone(
    calls: Path, examples: list[Path], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options = Options(segments=True, baseline="corpus")
    wish = BatchConfig(str(calls), str(out), model=model, options=options, outputs_dirs=True, archive=True)
    wish = replace(wish, formats=("csv", "vtt"))
    with monkeypatch.context() as patch:
        break_format(patch, "vtt", ExportError("no pen"))
        for _ in range(2):
            status, _engine = run(wish)
            errors = table(out, "errors")
            assert [Path(row["path"]).name for row in errors] == sorted(path.name for path in examples[:5])
            assert {row["reason"] for row in errors} == {"recognised, but not exported as vtt: no pen"}
            assert status.incomplete == 5
            for name in list((out / "recognitions").iterdir()):  # as a kill before it is written would
                name.unlink()
    with Archive(out / "outputs.db") as archive:
        assert len(list(archive.all())) == 5
    status, _engine = run(replace(wish, retry_failed=True))
    assert (status.incomplete, table(out, "errors")) == (0, [])
    for row in table(out):
        assert (out / "outputs" / row["outputs"] / "segments.vtt").exists()


def test_a_directory_of_two_recordings_is_that_of_the_first(
    examples: list[Path], model: str, tmp_path: Path
) -> None:
    shutil.copy(examples[0], tmp_path / "zz.flac")
    rows = [(examples[0], "anna"), (examples[1], "anna"), (examples[2], "ben"), (tmp_path / "zz.flac", "ben")]
    source, options = listed(tmp_path / "list.csv", rows), Options(baseline="speaker")
    run(BatchConfig(source, str(tmp_path / "out"), model=model, options=options, outputs_dirs=True))
    by_path = {row["path"]: row for row in table(tmp_path / "out")}
    first, second = by_path[str(examples[0])], by_path[str(tmp_path / "zz.flac")]
    assert first["outputs"] == second["outputs"]
    assert (first["baseline"], second["baseline"]) == ("speaker anna", "speaker ben")
    result = json.loads((tmp_path / "out" / "outputs" / first["outputs"] / RESULT).read_text())
    assert result["baseline"]["name"] == "speaker anna"


def test_a_speaker_needs_a_column(calls: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"path,agent\n{calls / 'zz.flac'},anna\n")
    options = Options(baseline="speaker")
    with pytest.raises(BatchError, match="no column 'speaker'; it has path, agent"):
        run(BatchConfig(str(tmp_path / "list.csv"), str(tmp_path / "out"), model=model, options=options))
    with pytest.raises(BatchError, match="needs a manifest with a column speaker"):
        run(BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=options))


def test_speakers_of_a_parquet_list(examples: list[Path], model: str, tmp_path: Path) -> None:
    texts = pa.table({"speaker": [1, None], "path": [str(path) for path in examples[:2]]})
    sounds = pa.table({"speaker": [1, None], "audio": [path.read_bytes() for path in examples[:2]]})
    for name, content in (("texts", texts), ("sounds", sounds)):
        pq.write_table(content, tmp_path / f"{name}.parquet")
        options = Options(baseline="speaker")
        run(BatchConfig(str(tmp_path / f"{name}.parquet"), str(tmp_path / name), model=model, options=options))
        assert [row["baseline"] for row in table(tmp_path / name)] == ["speaker 1", "corpus"]


def test_where_nobody_speaks_there_is_nothing_to_be_relative_to(model: str, tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "quiet.wav").write_bytes(wav(np.zeros((16_000, 1), np.int16), 16_000))
    wish = BatchConfig(str(tmp_path / "calls"), str(tmp_path / "out"), model=model)
    with pytest.raises(BaselineError, match="none of the recordings has speech"):
        run(replace(wish, options=Options(baseline="corpus")))


def test_a_model_that_cannot_be_moved_is_refused_at_once(calls: Path, tmp_path: Path) -> None:
    model = str(tiny.write(tmp_path / "moods.onnx", readouts=(tiny.MOODS,)))
    with pytest.raises(BaselineError, match="doesn't give the nine"):
        run(BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=Options(baseline="corpus")))
