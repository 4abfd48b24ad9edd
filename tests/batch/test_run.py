import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from emovox.archive import Archive
from emovox.audio.wav import WavWriter
from emovox.batch.config import BatchConfig
from emovox.batch.engine import DIED, Died, Member
from emovox.batch.schema import Version, schema
from emovox.batch.tables import Shards
from emovox.batch.tasks import Item, Share
from emovox.batch.worker import MADE
from emovox.errors import BatchError, DecoderError, ExportError, ModelError, OutputsError
from emovox.files import DRAFT
from emovox.inference.options import Options
from emovox.inference.recognition import Granularity, Recognition, Segment
from emovox.inference.recognizer import Recognizer
from emovox.outputs import AUDIO, RESULT, Outputs
from support import heads, tiny
from support.batches import StopError, run, table
from support.depths import too_deep
from support.exporters import break_format
from support.zoo import film, wav

Encode = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(tiny.write(tmp_path / "tiny.onnx"))


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Twelve recordings, two of them the same, and two that are none."""
    place = tmp_path / "calls"
    place.mkdir()
    draw = np.random.default_rng(0)
    for number in range(11):
        writer = WavWriter(place / f"{number:02d}.wav")
        writer.write((0.1 * draw.standard_normal(4000 + 500 * number)).astype(np.float32))
        writer.close()
    shutil.copy(place / "03.wav", place / "zz.wav")
    (place / "empty.wav").touch()
    (place / "text.wav").write_text("this is no sound")
    return place


def test_all_is_in_the_tables_once(calls: Path, model: str, tmp_path: Path) -> None:
    status, engine = run(BatchConfig(str(calls), str(tmp_path / "out"), model=model))
    rows = table(tmp_path / "out")
    assert [Path(row["path"]).name for row in rows] == [*(f"{number:02d}.wav" for number in range(11)), "zz.wav"]
    assert [Path(row["path"]).name for row in table(tmp_path / "out", "errors")] == ["empty.wav", "text.wav"]
    assert {**rows[3], "path": ""} == {**rows[11], "path": ""}
    assert (status.done, status.same, status.failed, status.listed) == (12, 1, 2, 14)
    assert sum(status.emotions.values()) == 12
    assert len(engine.answered) == 14


def test_rows_are_what_the_recognizer_gives(examples: list[Path], tmp_path: Path) -> None:
    options = Options(embedding=True, segments=True)
    (tmp_path / "list.csv").write_text("path\n" + "\n".join(map(str, examples[:2])))
    run(BatchConfig(str(tmp_path / "list.csv"), str(tmp_path / "out"), model="lite", options=options))
    recognizer = Recognizer("lite")
    for row, path in zip(table(tmp_path / "out"), examples, strict=False):
        alone = recognizer.recognize(path, embedding=True, segments=True)
        assert row["path"] == str(path)
        assert (row["emotion"], row["confidence"]) == (alone.emotion, alone.confidence)
        assert {name: row[name] for name in alone.scores or {}} == alone.scores
        assert row["readouts"] == []
        assert (row["sha256"], row["duration"]) == (alone.recording.sha256, alone.recording.duration)
        assert (row["model"], row["model_checksum"]) == ("lite", alone.model.checksum)
        assert alone.embedding is not None
        assert np.array_equal(np.float32(row["embedding"]), alone.embedding[0])
        assert alone.segments
        assert [(item["start"], item["end"], item["emotion"]) for item in row["segments"]] == [
            (item.start, item.end, item.emotion) for item in alone.segments
        ]


def test_the_curve_is_there(calls: Path, model: str, tmp_path: Path) -> None:
    options = Options(granularity="frame", embedding=True)
    run(BatchConfig(str(calls / "0[01].wav"), str(tmp_path / "out"), model=model, options=options))
    alone = Recognizer(model).recognize(calls / "00.wav", granularity="frame", embedding=True)
    row = table(tmp_path / "out")[0]
    assert alone.frames is not None
    assert alone.frames.scores is not None
    assert alone.frames.logits is not None
    assert alone.embedding is not None
    assert np.array_equal(np.float32(row["frames"]["scores"]), alone.frames.scores)
    assert np.array_equal(np.float32(row["frames"]["logits"]), alone.frames.logits)
    assert np.array_equal(np.float32(row["frame_embeddings"]), alone.embedding)
    assert row["embedding"] is None


def test_readouts_of_every_kind_are_in_the_rows(calls: Path, tmp_path: Path) -> None:
    readouts = (tiny.FOREIGN, tiny.MOODS, tiny.DIMENSIONS, tiny.PEAK)
    model = str(tiny.write(tmp_path / "many.onnx", readouts=readouts))
    options = Options(granularity="frame", segments=True)
    status, _ = run(BatchConfig(str(calls / "0[01].wav"), str(tmp_path / "out"), model=model, options=options))
    alone = Recognizer(model).recognize(calls / "00.wav", granularity="frame", segments=True)
    assert alone.frames is not None
    row = table(tmp_path / "out")[0]
    assert (row["emotion"], row["angry"], row["frames"]["scores"]) == (None, None, None)
    assert [name for name, _ in row["readouts"]] == [readout.name for readout in readouts]
    pairs: list[tuple[Any, Recognition | Segment]] = [(row, alone)]
    pairs += zip(row["segments"], alone.segments or [], strict=True)
    for items, expected in pairs:
        for name, item in items["readouts"]:
            one = expected.readouts[name]
            assert (item["kind"], item["label"], item["confidence"]) == (one.kind, one.label, one.confidence)
            assert item["range"] == (one.range and list(one.range))
            for series in ("scores", "values"):
                assert (item[series] and dict(item[series])) == getattr(one, series)
    for name, item in row["frames"]["readouts"]:
        curve = alone.frames.readouts[name]
        assert (item["kind"], item["labels"]) == (curve.kind, curve.labels)
        for series in ("logits", "scores", "values"):
            numbers = getattr(curve, series)
            assert (item[series] is None) == (numbers is None)
            assert numbers is None or np.array_equal(np.float32(item[series]), numbers)
    assert sum(status.labels.values()) == 2
    assert set(status.labels) <= set(tiny.FOREIGN.labels)
    assert not status.emotions
    assert {name: count for name, (_, count) in status.values.items()} == dict.fromkeys(tiny.DIMENSIONS.labels, 2)
    again, _ = run(BatchConfig(str(calls / "0[01].wav"), str(tmp_path / "out"), model=model, options=options))
    assert (again.labels, again.values, again.done) == (status.labels, status.values, 0)


@pytest.mark.parametrize("since", ["0.1", "0.2"])
def test_a_batch_that_an_earlier_version_began_goes_on(
    calls: Path, model: str, tmp_path: Path, since: Version
) -> None:
    run(BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model, options=Options(segments=True)))
    (shard,) = (tmp_path / "out/recognitions").iterdir()
    rows = pq.read_table(shard).to_pylist()
    old = pa.Table.from_pylist(rows, schema("recognitions", since=since))
    pq.write_table(old, shard)
    status, _ = run(BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=Options(segments=True)))
    assert (status.before, sum(status.emotions.values())) == (1, 12)
    frame = pd.read_parquet(tmp_path / "out/recognitions")
    assert sorted(frame["emotion"]) == sorted(row["emotion"] for row in table(tmp_path / "out"))


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_what_breaks_off_goes_on(
    calls: Path, model: str, tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.batch.tables.ROWS", rows)
    run(BatchConfig(str(calls), str(tmp_path / "whole"), model=model))
    broken = BatchConfig(str(calls), str(tmp_path / "broken"), model=model)
    answered = 0
    for stop in (0, 1, 5, 3):
        with pytest.raises(StopError):
            run(broken, stop=stop)
        safe = len(table(tmp_path / "broken")) + len(table(tmp_path / "broken", "errors"))
        assert safe >= answered
        answered = safe
    assert answered > 0
    draft = tmp_path / "broken" / "recognitions" / f".killed.parquet.0123abcd{DRAFT}"
    draft.write_bytes(b"half")
    status, engine = run(broken)
    assert not draft.exists()
    for name in ("recognitions", "errors"):
        assert table(tmp_path / "broken", name) == table(tmp_path / "whole", name)
    assert status.before + status.failed_before == answered
    assert len(engine.answered) == 14 - answered
    assert sum(status.emotions.values()) == 12
    _, engine = run(broken)
    assert engine.answered == []


def test_an_interrupt_keeps_what_is_heard(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.batches.StopError", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        run(BatchConfig(str(calls / "0*.wav"), str(tmp_path / "out"), model=model), stop=5)
    assert len(table(tmp_path / "out")) == 5


def test_new_recordings_are_added(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls), str(tmp_path / "out"), model=model)
    run(wish)
    shutil.copy(calls / "05.wav", calls / "new-same.wav")
    writer = WavWriter(calls / "new.wav")
    writer.write(np.full(5000, 0.5, np.float32))
    writer.close()
    status, engine = run(wish)
    assert (status.before, status.done, status.same, status.failed_before) == (12, 2, 1, 2)
    assert {task.path for task in engine.answered} == {f"{calls}/new.wav", f"{calls}/new-same.wav"}
    rows = {Path(row["path"]).name: row for row in table(tmp_path / "out")}
    assert len(rows) == 14
    assert rows["new-same.wav"]["confidence"] == rows["05.wav"]["confidence"]


def test_failures_are_tried_again_when_asked(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls), str(tmp_path / "out"), model=model)
    run(wish)
    shutil.copy(calls / "02.wav", calls / "empty.wav")
    status, _ = run(wish)
    assert (status.done, status.failed_before) == (0, 2)
    status, _ = run(BatchConfig(str(calls), str(tmp_path / "out"), model=model, retry_failed=True))
    assert (status.done, status.same, status.failed) == (1, 1, 1)
    assert len(table(tmp_path / "out")) == 13
    assert [Path(row["path"]).name for row in table(tmp_path / "out", "errors")] == ["text.wav"]


def test_the_twin_of_what_fails_fails(calls: Path, model: str, tmp_path: Path) -> None:
    shutil.copy(calls / "text.wav", calls / "twin.wav")
    status, _ = run(BatchConfig(str(calls), str(tmp_path / "out"), model=model))
    assert status.failed == 3
    errors = {Path(row["path"]).name: row["reason"] for row in table(tmp_path / "out", "errors")}
    assert errors["twin.wav"] == errors["text.wav"]


def test_a_directory_that_can_not_be_read_is_an_error_among_others(
    calls: Path, model: str, tmp_path: Path
) -> None:
    last = too_deep(calls)
    before, _ = run(BatchConfig(str(calls), str(tmp_path / "out"), model=model))
    errors = {row["path"]: row["reason"] for row in table(tmp_path / "out", "errors")}
    assert errors[str(last)] == "File name too long"
    assert before.done == len(table(tmp_path / "out", "recognitions"))


def test_other_options_are_refused(calls: Path, model: str, tmp_path: Path) -> None:
    run(BatchConfig(str(calls), str(tmp_path / "out"), model=model))
    with pytest.raises(BatchError, match="choose another --out"):
        run(BatchConfig(str(calls), str(tmp_path / "out"), model=model, options=Options(segments=True)))
    other = str(tiny.write(tmp_path / "other.onnx", name="other"))
    with pytest.raises(BatchError, match="differs in model"):
        run(BatchConfig(str(calls), str(tmp_path / "out"), model=other))


def test_what_differs_is_named(calls: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(BatchConfig(str(calls / "00.wav"), str(out), model=model))
    other = BatchConfig(
        str(calls / "00.wav"), str(out), model=model, options=Options(embedding=True, segments=True)
    )
    with pytest.raises(BatchError, match=r"differs in options \(embedding, segments\)"):
        run(other)


def test_what_is_damaged_is_named(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model)
    run(wish)
    (shard,) = (tmp_path / "out/recognitions").iterdir()
    for content in (b"", shard.read_bytes()[:-9]):
        shard.write_bytes(content)
        with pytest.raises(BatchError, match="damaged: delete it"):
            run(wish)
    pq.write_table(pa.table({"path": ["a"]}), shard)
    with pytest.raises(BatchError, match="not a shard of this table"):
        run(wish)
    shard.unlink()
    assert run(wish)[0].done == 1
    (tmp_path / "out/batch.json").write_text("[1]")
    with pytest.raises(BatchError, match="not written by a batch"):
        run(wish)


def test_workers_that_never_get_ready_end_the_run(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.batches.Inline._spawn", lambda self, index: Member(index, ready=False))
    monkeypatch.setattr("support.batches.Inline._wait", lambda self, _: iter([(self._members[0], 0, Died())]))
    with pytest.raises(ModelError, match="die while loading the model"):
        run(BatchConfig(str(calls), str(tmp_path / "out"), model=model))


def test_bad_input_costs_nothing(calls: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    for source, reason in (("nothing", "no audio or video file"), ("no", "no such file")):
        with pytest.raises(BatchError, match=reason):
            run(BatchConfig(str(tmp_path / source), str(tmp_path / "out"), model=model))
    assert not (tmp_path / "out").exists()
    with FileLock(tmp_path / ".lock"), pytest.raises(BatchError, match="another batch is writing to this output"):
        run(BatchConfig(str(calls), str(tmp_path), model=model))


def test_a_manifest_that_breaks_in_the_middle_costs_what_follows(calls: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"path": "calls/00.wav"}\n{"path": "calls/01.wav"}\nnothing\n')
    with pytest.raises(BatchError, match="line 3 is not valid JSON"):
        run(BatchConfig(str(tmp_path / "list.jsonl"), str(tmp_path / "out"), model=model))
    assert len(table(tmp_path / "out")) == 2


def test_channels_by_themselves(encode: Encode, speech: np.ndarray, model: str, tmp_path: Path) -> None:
    encode(np.stack([speech, 0.5 * speech[::-1]]), "stereo.flac", "flac", sample_format="s16")
    run(BatchConfig(str(tmp_path / "*.flac"), str(tmp_path / "out"), model=model, split_channels=True))
    one, other = table(tmp_path / "out")
    assert (one["channel"], other["channel"], one["channels"]) == (1, 2, 2)
    assert one["confidence"] != other["confidence"]
    whole = Options(speech_only=False)
    again = BatchConfig(
        str(tmp_path / "*.flac"), str(tmp_path / "out"), model=model, split_channels=True, options=whole
    )
    with pytest.raises(BatchError, match=r"differs in options \(speech_only\)"):
        run(again)


@pytest.mark.parametrize("longest", [0.5, 600.0])
def test_tracks_and_channels_that_cancel(speech: np.ndarray, model: str, tmp_path: Path, longest: float) -> None:
    """Long recordings, which are shared out, and short ones."""
    (folder := tmp_path / "calls").mkdir()
    film(folder, speech, [0.0, 1.0])
    for path in folder.glob("track*.wav"):
        path.unlink()
    stereo = np.rint(np.stack([0.9 * speech, -speech], axis=1) * 32767).astype(np.int16)
    (folder / "wires.wav").write_bytes(wav(stereo, 16_000))
    run(BatchConfig(str(folder), str(tmp_path / "out"), model=model, longest=longest))
    first, second = table(tmp_path / "out")
    assert (first["warnings"], first["channel"]) == (["silent_track"], None)
    assert (second["warnings"], second["channel"]) == (["channels_cancel"], 2)
    options = Options(track=1)
    run(BatchConfig(str(folder), str(tmp_path / "first"), model=model, options=options, longest=longest))
    first, second = table(tmp_path / "first")
    assert (first["warnings"], second["warnings"]) == (["silence"], ["channels_cancel"])


def test_a_batch_from_before_there_was_an_option_goes_on(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model)
    run(wish)
    facts = json.loads((tmp_path / "out/batch.json").read_text())
    del facts["options"]["track"]
    (tmp_path / "out/batch.json").write_text(json.dumps(facts))
    assert run(wish)[0].before == 1
    with pytest.raises(BatchError, match=r"differs in options \(track\)"):
        run(replace(wish, options=Options(track=2)))


def test_a_batch_from_before_it_could_archive_goes_on(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model)
    run(wish)
    facts = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert facts.pop("archive") is False
    (tmp_path / "out" / "batch.json").write_text(json.dumps(facts))
    assert run(wish)[0].before == 1


def test_bytes_from_a_table(calls: Path, model: str, tmp_path: Path) -> None:
    data = [(calls / name).read_bytes() for name in ("00.wav", "01.wav", "00.wav")] + [b"", None]
    pq.write_table(pa.table({"audio": pa.array(data, pa.binary())}), tmp_path / "x.parquet")
    run(BatchConfig(str(tmp_path / "x.parquet"), str(tmp_path / "out"), model=model))
    rows = table(tmp_path / "out")
    assert [row["path"] for row in rows] == [f"{tmp_path}/x.parquet#{number}" for number in range(3)]
    assert rows[0]["sha256"] == rows[2]["sha256"] != rows[1]["sha256"]
    assert [row["reason"] for row in table(tmp_path / "out", "errors")] == ["this row has no bytes"] * 2


@pytest.mark.parametrize("split_channels", [False, True])
def test_long_recordings_are_shared_out(
    encode: Encode,
    speech: np.ndarray,
    model: str,
    tmp_path: Path,
    split_channels: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emovox.batch.reader.PIECE", 30 * 16_000)
    long = np.tile(np.concatenate([speech, np.zeros(9000, np.float32)]), 40)
    encode(np.stack([long, long[::-1]]), "long.flac", "flac", sample_format="s16")
    options = Options(segments=True, embedding=True, granularity="frame")
    made = {}
    for name, longest in (("whole", 1e9), ("shared", 20.0)):
        wish = BatchConfig(
            str(tmp_path / "long.flac"), str(tmp_path / name), model=model, options=options, longest=longest,
            split_channels=split_channels,
        )  # fmt: skip
        _, engine = run(wish)
        made[name] = sum(isinstance(task, Share) for task in engine.answered)
    assert made["whole"] == 0
    assert made["shared"] >= 3
    assert table(tmp_path / "shared") == table(tmp_path / "whole")


def test_outputs_directories(calls: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    wish = BatchConfig(
        str(calls / "0*.wav"), str(out), model=model, outputs_dirs=True, formats=("srt",),
        options=Options(segments=True),
    )  # fmt: skip
    with pytest.raises(StopError):
        run(wish, stop=4)
    assert len(list((out / "outputs").glob("outputs_*"))) == 4  # and no shard yet
    run(wish)
    rows = table(out)
    directories = sorted(path.name for path in (out / "outputs").glob("outputs_*"))
    assert sorted(row["outputs"] for row in rows) == directories
    for row in rows:
        place = out / "outputs" / row["outputs"]
        assert {path.name for path in place.iterdir()} == {AUDIO, RESULT, "segments.srt", MADE}
        assert Recognition.from_json((place / RESULT).read_text("utf-8")).recording.sha256 == row["sha256"]
    with pytest.raises(BatchError, match="only be made on this machine"):
        run(BatchConfig(str(calls), "s3://bucket/out", model=model, outputs_dirs=True))


@pytest.mark.parametrize("granularity", ["utterance", "frame"])
def test_what_is_published_is_archived(
    examples: list[Path], model: str, tmp_path: Path, granularity: Granularity
) -> None:
    out, source = tmp_path / "out", str(examples[0].parent / "*.flac")
    options = Options(granularity=granularity, segments=True)
    run(BatchConfig(source, str(out), model=model, outputs_dirs=True, archive=True, options=options))
    rows = {row["outputs"]: row for row in table(out)}
    assert len(rows) == len(examples)
    assert not list((out / "outputs").glob("*/*.npy"))  # nobody asked for embeddings
    with Archive(out / "outputs.db") as archive:
        for item in archive.all():
            row = rows.pop(item.outputs.name)  # type: ignore[union-attr]
            assert (item.sha256, item.link, item.speech) == (row["sha256"], row["path"], row["speech"])
            assert (row["embedding"], row["frame_embeddings"], row["segments"][0]["embedding"]) == (None,) * 3
            expected = Recognizer(model).recognize(row["path"], embedding=True).embedding
            np.testing.assert_allclose(archive.embedding(item.id), expected[0], rtol=2e-3, atol=1e-4)  # type: ignore
            assert len(archive.segments(item.id)) == len(row["segments"])
            assert archive.similar(item, k=1, segments=True)
    assert rows == {}


def test_embeddings_that_are_asked_for_are_in_rows_and_files_and_archive(
    examples: list[Path], model: str, tmp_path: Path
) -> None:
    out, options = tmp_path / "out", Options(granularity="frame", embedding=True)
    run(BatchConfig(str(examples[0]), str(out), model=model, outputs_dirs=True, archive=True, options=options))
    ((row,), (place,)) = table(out), (out / "outputs").glob("outputs_*")
    frames = np.load(place / "embedding.npy")
    np.testing.assert_array_equal(np.float32(row["frame_embeddings"]), frames)
    with Archive(out / "outputs.db") as archive:
        (item,) = archive.all()
        np.testing.assert_allclose(archive.embedding(item.id), frames.mean(axis=0), rtol=2e-3, atol=1e-4)  # type: ignore[arg-type]


def test_the_archive_has_what_the_tables_have_however_often_it_breaks_off(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emovox.batch.tables.ROWS", 2)
    out = tmp_path / "out"
    wish = BatchConfig(str(calls / "0*.wav"), str(out), model=model, outputs_dirs=True, archive=True)
    write = Shards.write

    def dies(shards: Shards, name: str, rows: list[dict[str, Any]]) -> None:
        raise StopError

    for stop in (1, 3):
        with pytest.raises(StopError):
            run(wish, stop=stop)
    monkeypatch.setattr(Shards, "write", dies)  # after the records, before their rows
    with pytest.raises(StopError):
        run(wish)
    monkeypatch.setattr(Shards, "write", write)
    with Archive(out / "outputs.db") as archive:
        assert len({item.id for item in archive.all()}) > len(table(out))
    run(wish)
    with Archive(out / "outputs.db") as archive:
        found = [item.outputs.name for item in archive.all() if item.outputs is not None]
        assert all(archive.embedding(item.id) is not None for item in archive.all())
    directories = [path.name for path in (out / "outputs").glob("outputs_*")]
    assert sorted(found) == sorted(row["outputs"] for row in table(out)) == sorted(directories)
    with pytest.raises(BatchError, match="differs in archive"):
        run(replace(wish, archive=False))


def test_outputs_directories_of_others_stay(calls: Path, model: str, tmp_path: Path) -> None:
    """`--out .` makes its directories where `emovox recognize` makes them too."""
    recognition = Recognizer(model).recognize(calls / "00.wav")
    with Outputs(tmp_path / "outputs").draft() as draft:
        draft.write(np.zeros(100, np.float32))
        place = draft.publish(recognition)
    run(BatchConfig(str(calls / "01.wav"), str(tmp_path), model=model, outputs_dirs=True))
    assert (place / RESULT).exists()


def test_a_table_without_rows_is_there_to_be_read(calls: Path, model: str, tmp_path: Path) -> None:
    sound, text = (
        BatchConfig(str(calls / name), str(tmp_path / "out"), model=model) for name in ("0*.wav", "text.wav")
    )
    for _ in range(2):  # an empty table is no reason for another
        run(sound)
        assert pq.read_table(tmp_path / "out" / "errors").column_names == ["path", "reason"]
        assert len(list((tmp_path / "out" / "errors").iterdir())) == 1
    assert run(text)[0].failed == 1
    assert pq.read_table(tmp_path / "out" / "errors").num_rows == 1
    assert run(replace(text, retry_failed=True))[0].failed == 1
    assert pq.read_table(tmp_path / "out" / "errors").num_rows == 1

    run(replace(text, out=str(tmp_path / "none")))
    assert pq.read_table(tmp_path / "none" / "recognitions").num_rows == 0


def test_an_export_that_fails_costs_itself_alone(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (calls / "text.wav").unlink()
    out = tmp_path / "out"
    wish = BatchConfig(
        str(calls), str(out), model=model, options=Options(segments=True), outputs_dirs=True,
        archive=True, formats=("csv", "vtt"),
    )  # fmt: skip
    with monkeypatch.context() as patch:
        break_format(patch, "vtt", ExportError("no pen"))
        for number in range(2):  # the second run finds what the first one left
            status, _ = run(wish)
            assert (status.done, status.before) == ((12, 0), (0, 12))[number]
            assert (status.incomplete, status.failed + status.failed_before) == (11, 1)
            rows, errors = table(out), table(out, "errors")
            assert [row["emotion"] is not None for row in rows] == [True] * 12
            assert sum(row["reason"] == "recognised, but not exported as vtt: no pen" for row in errors) == 11
            assert len({row["path"] for row in errors}) == len(errors) == 12
        for row in rows:
            assert {path.suffix for path in (out / "outputs" / row["outputs"]).glob("segments.*")} == {".csv"}
        with Archive(out / "outputs.db") as archive:
            assert len(list(archive.all())) == 11
        status, _ = run(replace(wish, retry_failed=True))
        assert (status.done, status.failed, status.incomplete) == (0, 1, 11)
        assert len(table(out, "errors")) == 12
    status, _ = run(replace(wish, retry_failed=True))
    assert (status.done, status.failed, status.incomplete) == (0, 1, 0)
    assert [Path(row["path"]).name for row in table(out, "errors")] == ["empty.wav"]
    for row in rows:
        assert (out / "outputs" / row["outputs"] / "segments.vtt").exists()
    assert table(out) == rows


def test_an_error_of_what_has_a_row_is_never_written_before_the_row(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (calls / "empty.wav").unlink()
    (calls / "text.wav").unlink()
    break_format(monkeypatch, "vtt", ExportError("no pen"))
    wish = BatchConfig(
        str(calls), str(tmp_path / "out"), model=model, options=Options(segments=True), outputs_dirs=True,
        formats=("vtt",),
    )  # fmt: skip
    written: list[str] = []
    add, write = Shards.add, Shards.write

    def add_and_flush(self: Shards, rows: Any) -> None:
        add(self, rows)
        if self.place.address.endswith("errors"):
            self.flush()

    def note(self: Shards, name: str, rows: list[dict[str, Any]]) -> None:
        written.append(self.place.address.rpartition("/")[2])
        write(self, name, rows)

    monkeypatch.setattr(Shards, "add", add_and_flush)
    monkeypatch.setattr(Shards, "write", note)
    run(wish)
    assert written[:4] == ["recognitions", "errors"] * 2


def test_a_full_disk_is_no_fault_of_the_recordings(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputsError("the disk is full")

    monkeypatch.setattr("emovox.outputs.Draft.publish", full)
    wish = BatchConfig(str(calls / "0*.wav"), str(tmp_path / "out"), model=model, outputs_dirs=True)
    with pytest.raises(OutputsError, match="the disk is full"):
        run(wish)
    assert table(tmp_path / "out", "errors") == []


def test_a_full_scratch_is_no_fault_of_the_recordings(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = BatchConfig(str(calls / "0*.wav"), str(tmp_path / "out"), model=model)
    with monkeypatch.context() as patch:
        # The device that is always full stands for it; the decoding process writes to it and says so.
        patch.setattr("emovox.batch.reader.secrets.token_hex", lambda _: "full")
        patch.setattr("emovox.batch.run.scratch", lambda: _full(tmp_path))
        with pytest.raises(DecoderError, match="No space left"):
            run(wish)
    assert table(tmp_path / "out", "errors") == []
    assert run(wish)[0].done == 10


@contextmanager
def _full(place: Path) -> Iterator[Path]:
    (place / "full").symlink_to("/dev/full")
    yield place


def test_a_listing_that_fails_twice_ends(
    calls: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputsError("the disk is full")

    monkeypatch.setattr("emovox.batch.ledger.Ledger.add", full)
    with pytest.raises(OutputsError, match="the disk is full"):
        run(BatchConfig(str(calls), str(tmp_path / "out"), model=model))


def test_a_worker_that_dies_is_replaced(calls: Path, model: str, tmp_path: Path) -> None:
    once: set[str] = set()

    def dies(task: Any) -> bool:
        assert isinstance(task, Item)
        name = Path(task.path).name
        if name == "06.wav" or (name == "02.wav" and name not in once):
            once.add(name)
            return True
        return False

    (tmp_path / "list.csv").write_text("path\n" + "\n".join(f"calls/{number:02d}.wav" for number in range(11)))
    status, _ = run(BatchConfig(str(tmp_path / "list.csv"), str(tmp_path / "out"), model=model), dies=dies)
    assert (status.done, status.failed) == (10, 1)
    errors = {Path(row["path"]).name: row["reason"] for row in table(tmp_path / "out", "errors")}
    assert errors["06.wav"] == DIED
    assert os.path.basename(table(tmp_path / "out")[2]["path"]) == "02.wav"  # noqa: PTH119


def test_a_trained_head_is_asked(calls: Path, model: str, tmp_path: Path) -> None:
    recognizer = Recognizer(model)
    own = heads.head(recognizer.metadata)
    options = Options(granularity="frame", segments=True, head=own)
    wish = BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model, options=options)
    run(wish)
    alone = recognizer.recognize(calls / "00.wav", granularity="frame", head=own)
    (row,) = table(tmp_path / "out")
    verdict = alone.readouts[own.name]
    said, curve = dict(row["readouts"])[own.name], dict(row["frames"]["readouts"])[own.name]
    assert (said["label"], dict(said["scores"])) == (verdict.label, verdict.scores)
    assert (curve["labels"], len(curve["scores"])) == (list(own.classes), len(row["frames"]["scores"]))
    other = Options(granularity="frame", segments=True, head=heads.head(recognizer.metadata, name="other"))
    with pytest.raises(BatchError, match="differs in options"):
        run(BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model, options=other))


def test_what_labels_are_is_told_to_the_workers(calls: Path, tmp_path: Path) -> None:
    model = str(tiny.write(tmp_path / "foreign.onnx", readouts=(tiny.FOREIGN,)))
    mapping = dict.fromkeys(tiny.FOREIGN.labels, "sad")
    wish = BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model, mapping=mapping)
    run(wish)
    assert [row["emotion"] for row in table(tmp_path / "out")] == ["sad"]
    with pytest.raises(BatchError, match=rf"differs in map \({', '.join(mapping)}\)"):
        run(replace(wish, mapping={}))


def test_a_batch_from_before_there_were_maps_goes_on(calls: Path, model: str, tmp_path: Path) -> None:
    wish = BatchConfig(str(calls / "00.wav"), str(tmp_path / "out"), model=model)
    run(wish)
    facts = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert facts.pop("map") == {}
    (tmp_path / "out" / "batch.json").write_text(json.dumps(facts))
    assert run(wish)[0].before == 1
