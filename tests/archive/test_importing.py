import json
import os
import shutil
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from emovox.archive import Archive, Filter
from emovox.archive.importing import import_directories
from emovox.archive.outputs_directory import possible_ids, read_directory, read_readouts
from emovox.archive.watching import Watch
from emovox.errors import ArchiveError, OutputsError
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.recognition import ReadoutResult
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Outputs, find_directories
from support.depths import too_deep
from support.records import classic
from support.results import frames, recognition, recording, segment

FUNASR = ["生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "其他/other", "难过/sad",
          "吃惊/surprised", "<unk>"]  # fmt: skip


def publish(root: Path, **changes: Any) -> Path:
    with Outputs(root).draft() as draft:
        draft.write(np.zeros(16_000, np.float32))
        return draft.publish(recognition(**changes))


def test_our_own_directories_are_what_was_archived_before(tmp_path: Path) -> None:
    facts = recording(4.0, sha256="a" * 64, name="x.mp3")
    found = recognition(
        recording=facts, embedding=np.ones((1, 5), np.float32), granularity="frame", frames=frames(200),
        segments=[segment(0, 1, embedding=np.full(5, 2, np.float32)), segment(2, 3, "sad")],
    )  # fmt: skip
    with Outputs(tmp_path / "outputs").draft() as draft:
        draft.write(np.zeros(16_000, np.float32))
        place = draft.publish(found.model_copy(update={"segments": [found.segments[0]]}))  # type: ignore[index]
    found = found.model_copy(update={"segments": found.segments[:1]})  # type: ignore[index]
    with Archive(tmp_path / "a.db") as archive:
        assert archive.add(found, outputs=place)
        assert import_directories(archive, [place, place]) == 0
        (kept,) = archive.all()
    with Archive(tmp_path / "b.db") as archive:
        assert import_directories(archive, [place]) == 1
        (read,) = archive.all()
        assert read == kept
        assert len(archive.segments(read.id)) == 1
        np.testing.assert_array_equal(archive.embedding(read.id), np.ones(5))
        assert archive.stats().by_model == {"tiny": 1}


def test_directories_of_revisions_with_the_same_embeddings_are_compared(tmp_path: Path) -> None:
    model = recognition().model
    newer = model.model_copy(update={"revision": "1.1", "embedding_revision": "1"})
    places = []
    for number, facts in enumerate((model, newer)):
        place = publish(
            tmp_path, model=facts, recording=recording(1.0, sha256=f"{number:064x}", name=f"{number}.mp3")
        )
        np.save(place / "embedding.npy", np.random.default_rng(number).random((1, 5), np.float32))
        places.append(place)
    assert "embedding_revision" not in (places[0] / "result.json").read_text()  # as it was written before
    assert json.loads((places[1] / "result.json").read_text())["model"]["embedding_revision"] == "1"
    with Archive(tmp_path / "a.db") as archive:
        assert import_directories(archive, places) == 2
        for one, other in ((0, 1), (1, 0)):
            kept = archive.by_outputs(places[one])
            assert kept is not None
            [near] = archive.similar(kept)
            assert near.record.name == f"{other}.mp3"


def test_what_readouts_gave_is_imported(tmp_path: Path) -> None:
    values = ReadoutResult(kind="pooled", values={"arousal": 0.75, "valence": 0.25}, range=(0, 1))
    scores = {"rabbia": 0.25, "calma": 0.75}
    classes = ReadoutResult(kind="linear", label="calma", confidence=0.75, scores=scores)
    readouts = {"dimensions": values, "emotion": classes}
    nothing: dict[str, Any] = {"emotion": None, "confidence": None, "scores": None}
    piece = segment(0, 1, **nothing, readouts={"emotion": classes})
    directory = publish(tmp_path / "outputs", readouts=readouts, segments=[piece], **nothing)
    with Archive(tmp_path / "a.db") as archive:
        assert import_directories(archive, [directory]) == 1
        (item,) = archive.all(Filter.parse(["arousal>0.7", "emotion=calma"]))
    assert (item.emotion, item.readouts) == (None, readouts)
    assert read_readouts(directory) == readouts
    assert read_readouts(tmp_path) == {}


def test_a_trained_head_of_older_directories_is_imported(tmp_path: Path) -> None:
    directory = publish(tmp_path / "outputs", segments=[segment(0, 1)])
    content = json.loads((directory / "result.json").read_text())
    del content["readouts"]
    head = {"label": "promoter", "confidence": 0.75, "scores": {"promoter": 0.75, "critic": 0.25}}
    content |= {"schema": 1, "head": {"name": "calls", "created_at": "2024-01-04T14:30:00Z", **head}}
    (directory / "result.json").write_text(json.dumps(content))
    with Archive(tmp_path / "a.db") as archive:
        assert import_directories(archive, [directory]) == 1
        (item,) = archive.all(Filter.parse(["calls=promoter", "calls.promoter>0.7"]))
    assert item.readouts["calls"].scores == head["scores"]
    assert item.emotion == "happy"
    assert list(read_readouts(directory)) == ["calls"]


def test_frames_that_do_not_count_are_known_without_the_nine_too(tmp_path: Path) -> None:
    values = np.full((4, 1), 0.5, np.float32)
    values[1:3] = np.nan
    curve = FrameReadout(kind="pooled", labels=["arousal"], values=values)
    frames = Frames(hop=0.02, first_centre=0.0125, smoothing=0.5, readouts={"dimensions": curve})
    readouts = {"dimensions": ReadoutResult(kind="pooled", values={"arousal": 0.5})}
    nothing = {"emotion": None, "confidence": None, "scores": None}
    facts = {"frames": frames, "granularity": "frame", "speech_only": True, "readouts": readouts}
    directory = publish(tmp_path, **nothing, **facts)
    result = directory / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text())))  # the frames are read with all else
    np.save(directory / "embedding.npy", np.array([[1], [8], [8], [3]], np.float32))
    embedding = read_directory(directory).embedding
    assert embedding is not None
    assert embedding.tolist() == [2]


@pytest.mark.parametrize("shape", [(6,), (1, 6), (40, 6)])
def test_other_programs_directories(tmp_path: Path, shape: tuple[int, ...]) -> None:
    embedding = np.random.default_rng(0).standard_normal(shape).astype(np.float64)
    record = read_directory(classic(tmp_path / "outputs_20240104_223000", embedding))
    assert (record.emotion, record.confidence, record.model) == ("happy", 0.9, "unknown")
    assert record.to_dict()["scores"]["sad"] == 0.1
    assert record.created.strftime("%Y-%m-%d %H:%M:%S") == "2024-01-04 22:30:00"
    assert record.embedding is not None
    np.testing.assert_allclose(record.embedding, np.atleast_2d(embedding).mean(axis=0), rtol=1e-6)
    assert read_directory(tmp_path / "outputs_20240104_223000", model="big@v1").revision == "v1"


def test_only_a_checksum_is_taken_for_one(tmp_path: Path) -> None:
    digest = "0123456789abcdef" * 4
    first = read_directory(classic(tmp_path / "1", recording={"sha256": digest.upper()}))
    others = [
        read_directory(classic(tmp_path / f"other {number}", key=f"{number}", recording={"sha256": "recording"}))
        for number in range(2)
    ]
    assert first.sha256 == digest
    assert [record.sha256 == record.id for record in others] == [True, True]  # and they aren't one recording


def sounding(place: Path, level: int) -> Path:
    """Another program's directory with a result of silence, and a sound of its own."""
    with wave.open(
        str(classic(place, scores={"<unk>": 1}, emotion="unknown") / "processed_audio.wav"), "wb"
    ) as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.full(1600, level, np.int16).tobytes())
    return place


def test_equal_results_of_two_recordings_are_two(tmp_path: Path) -> None:
    one, other = (sounding(tmp_path / name, level) for name, level in (("a", 0), ("b", 1)))
    assert (one / "result.json").read_bytes() == (other / "result.json").read_bytes()
    shutil.copytree(one, copy := tmp_path / "c")
    with Archive(tmp_path / "a.db") as archive:
        assert import_directories(archive, [other, one]) == 2
        assert import_directories(archive, [copy, one, other]) == 0
        assert {item.outputs for item in archive.all()} == {one, other}
        assert archive.stats().recordings == 2
        for item in archive.all():
            assert item.outputs is not None
            assert item.id in possible_ids(item.outputs)
        one.rename(moved := tmp_path / "d")
        assert import_directories(archive, [moved]) == 0
        assert {item.outputs for item in archive.all()} == {moved, other}


def test_what_earlier_versions_archived_is_known(tmp_path: Path) -> None:
    """By its result.json alone, whatever its sound was: that is one of them, and the other was lost."""
    one, other = (sounding(tmp_path / name, level) for name, level in (("a", 0), ("b", 1)))
    np.save(one / "embedding.npy", np.ones(3))
    record = read_directory(one)
    assert record.earlier_id is not None
    with Archive(tmp_path / "a.db") as archive:
        archive.add_records([replace(record, id=record.earlier_id, earlier_id=None, embedding=None)])
        assert import_directories(archive, [one, one]) == 0
        [kept] = archive.all()
        assert (kept.id, kept.id in possible_ids(one)) == (record.earlier_id, True)
        assert archive.embedding(kept.id) is not None
        assert import_directories(archive, [other, one]) == 1
        assert import_directories(archive, [one, other]) == 0
        assert {item.outputs for item in archive.all()} == {one, other}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("by_frame", [False, True])
def test_what_funasr_gives(tmp_path: Path, wrapped: bool, by_frame: bool) -> None:
    scores = [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0]
    content: Any = {"key": "call_1", "labels": FUNASR, "scores": [scores] * 3 if by_frame else scores}
    place = tmp_path / "outputs_20240104_223000"
    place.mkdir()
    (place / "result.json").write_text(json.dumps([content] if wrapped else content), encoding="utf-8")
    record = read_directory(place)
    assert (record.name, record.emotion) == ("call_1", "sad")
    assert record.confidence == pytest.approx(0.9)
    assert record.created.strftime("%Y%m%d_%H%M%S") == "20240104_223000"


def test_labels_in_chinese_and_classes_never_taught(tmp_path: Path) -> None:
    record = read_directory(
        classic(tmp_path / "a", scores={"难过": 0.5, "愤怒": 0.4, "unuse_0": 0.1}, emotion="?")
    )
    assert (record.emotion, record.to_dict()["scores"]["angry"]) == ("sad", 0.4)


def test_our_own_result_with_invalid_scores(tmp_path: Path) -> None:
    place = publish(tmp_path, segments=[segment(0, 1)])
    text = (place / "result.json").read_text()
    for damage, reason in (
        (text.replace('"happy": 1.0', '"happy": 0.0'), "result.json has scores that sum to 0 instead of 1"),
        (text.replace('"happy": 1.0', '"happy": NaN'), "result.json has scores that aren't all between 0 and 1"),
        (text.replace('"happy": 0.75', '"happy": 0.0'), "scores that sum to 0.25 instead of 1"),
    ):
        assert damage != text
        (place / "result.json").write_text(damage)
        with pytest.raises(ArchiveError, match=reason):
            read_directory(place)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "can't be read"),
        ("[]", "holds no result"),
        ("{}", "no scores"),
        ('{"scores": {"bored": 1}}', "'bored', which is not one of the nine"),
        ('{"scores": {"sad": "x"}}', "can't be read"),
        ('{"scores": {"sad": NaN}}', "aren't all between 0 and 1"),
        ('{"scores": {"sad": 70}}', "aren't all between 0 and 1"),
        ('{"scores": {"sad": -1, "angry": 1}}', "aren't all between 0 and 1"),
        ('{"scores": {"sad": 0, "angry": 0}}', "scores that sum to 0 instead of 1"),
        ('{"scores": {"sad": 0.4, "angry": 0.3}}', "scores that sum to 0.7 instead of 1"),
        ('{"scores": {"sad": 0, "unuse_0": 1}}', "no emotion with a score above 0"),
        ('{"labels": ["a/sad", "b/angry"], "scores": [[1, 0], [0, 0]]}', "scores that sum to 0 instead"),
        ('{"scores": {"sad": 1' + 400 * "0" + "}}", "can't be read"),
        (100_000 * "[", "can't be read"),
        ('{"labels": ["a/sad"], "scores": [1, 2]}', "can't be read"),
    ],
)
def test_a_bad_directory_is_named_and_skipped(tmp_path: Path, content: str, reason: str) -> None:
    good = [classic(tmp_path / "outputs" / name, np.ones(3), key=name) for name in ("a", "c")]
    (classic(tmp_path / "outputs" / "b") / "result.json").write_text(content)
    classic(tmp_path / "outputs" / "d", np.ones((2, 2, 2)))
    (classic(tmp_path / "outputs" / "e") / "embedding.npy").write_bytes(b"\x93NUMPY and nothing")
    (classic(tmp_path / "outputs" / "f") / "embedding.npy").write_bytes(b"PK\x03\x04 and nothing")
    failures: list[tuple[Path, str]] = []
    with Archive(tmp_path / "a.db") as archive:
        directories = find_directories(tmp_path / "outputs")
        assert len(directories) == 6
        for new in (2, 0):
            failures.clear()
            ended = Mock()
            found = import_directories(
                archive, directories, failed=lambda *failure: failures.append(failure), done=ended
            )
            assert (found, ended.call_count) == (new, 6)
            assert [path.name for path, _ in failures] == list("bdef")
            assert reason in failures[0][1]
        assert {item.outputs for item in archive.all()} == set(good)


def test_a_directory_whose_name_isn_t_text_is_named(tmp_path: Path) -> None:
    good, bad = classic(tmp_path / "outputs_1"), tmp_path / "\udcc4rger"
    (good / "result.json").write_text('{"scores": {"sad": 1}, "key": "no \\ud800 character"}')
    try:
        classic(bad)
    except OSError:
        pytest.skip("no such names on this system")
    failures: list[tuple[Path, str]] = []
    with Archive(tmp_path / "a.db") as archive:
        directories = find_directories(tmp_path)
        assert import_directories(archive, directories, failed=lambda *told: failures.append(told)) == 1
        assert [item.name for item in archive.all()] == ["no � character"]
        assert archive.lookup(str(bad)) == []
        assert [item.outputs for item in archive.all(Filter.parse(["name=\udcc4"]))] == [good]
    assert [(path, "isn't valid text" in reason) for path, reason in failures] == [(bad, True)]


def test_where_there_are_none(tmp_path: Path) -> None:
    classic(tmp_path / ".emovox" / "draft")  # nobody's yet
    with pytest.raises(OutputsError, match="no outputs directories in it"):
        find_directories(tmp_path)
    with pytest.raises(OutputsError, match="no such directory"):
        find_directories(tmp_path / "none")
    with pytest.raises(ArchiveError, match=r"it has no result\.json"):
        read_directory(tmp_path)


def test_directories_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    place = classic(tmp_path / "outputs_1")
    last = too_deep(tmp_path)
    failures: list[tuple[Path, str]] = []
    assert find_directories(tmp_path, failed=lambda *told: failures.append(told)) == [place]
    assert failures == [(last, "File name too long")]
    assert find_directories(last, failed=lambda *_: None) == []
    with pytest.raises(OutputsError, match="d: File name too long"):
        find_directories(tmp_path)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    place = classic(tmp_path / "a")
    np.save(place / "embedding.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArchiveError, match="can't be read"):
        read_directory(place)


def test_the_classic_scripts_run_on_our_directories(
    tmp_path: Path, recognizer: Recognizer, examples: list[Path]
) -> None:
    """What people wrote for the programs before, unchanged."""
    outputs = Outputs(tmp_path / "outputs")
    for path, granularity in ((examples[0], "utterance"), (examples[0], "frame"), (examples[3], "frame")):
        with outputs.draft() as draft:
            sink = draft.write_embedding if granularity == "frame" else None
            found = recognizer.recognize(
                path, granularity=granularity, embedding=True, sink=draft.write, embedding_sink=sink  # type: ignore[arg-type]
            )  # fmt: skip
            draft.publish(found)

    from sklearn.metrics.pairwise import cosine_similarity  # noqa: PLC0415

    results = []
    for name in sorted(os.listdir(tmp_path / "outputs")):  # noqa: PTH208
        directory = os.path.join(tmp_path, "outputs", name)  # noqa: PTH118
        if not name.startswith("outputs_"):
            continue
        with open(os.path.join(directory, "result.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            result = json.load(file)
        embedding = np.load(os.path.join(directory, "embedding.npy"))  # noqa: PTH118
        results.append((result["emotion"], result["scores"][result["emotion"]], embedding.mean(axis=0)))
    similarity = cosine_similarity([embedding for _, _, embedding in results])
    assert [emotion for emotion, _, _ in results] == ["angry", "angry", "sad"]
    assert similarity[0, 1] > 0.999  # one recording, by utterance and by frame
    assert similarity[0, 2] < 0.9


def test_watching_sees_what_is_completed(tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    watch = Watch(root)
    assert list(watch.look()) == []
    first = publish(root)
    (record,) = watch.look()
    assert not isinstance(record, ArchiveError)
    assert record.outputs == first
    assert list(watch.look()) == []
    slow = root / "outputs_20240105_000000"  # another program's, which is written bit by bit
    slow.mkdir()
    assert list(watch.look()) == []
    (slow / "result.json").write_text('{"scores": {"sad"')
    assert list(watch.look()) == []
    (slow / "result.json").write_text('{"scores": {"sad": 1}}')
    (record,) = watch.look()
    assert not isinstance(record, ArchiveError)
    assert (record.outputs, record.emotion) == (slow, "sad")
    assert list(watch.look()) == []


def test_watching_gives_up_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.archive.watching.PATIENCE", 0.0)
    (tmp_path / "no outputs").mkdir()
    bad = classic(tmp_path / "outputs_20240105_000000", scores={})
    (error,) = Watch(tmp_path).look()
    assert isinstance(error, ArchiveError)
    assert str(error).startswith(str(bad))


def test_watching_what_can_not_be_read_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", Mock(side_effect=PermissionError(13, "Permission denied")))
    watch = Watch(tmp_path)
    (error,) = watch.look()
    assert str(error) == f"{tmp_path}: Permission denied"
    assert list(watch.look()) == []
    monkeypatch.setattr("os.scandir", scandir)
    classic(tmp_path / "outputs_1")
    assert len(list(watch.look())) == 1


def test_watching_leaves_out_what_is_known(tmp_path: Path) -> None:
    known = classic(tmp_path / "outputs_20240105_000000")
    assert list(Watch(tmp_path, known=lambda _: [known.name]).look()) == []


def test_frames_whose_file_is_gone(tmp_path: Path) -> None:
    """They are needed only where the mean of embeddings leaves silence out."""
    for name, embedding in (("a", None), ("b", np.ones((5, 3), np.float32))):
        with Outputs(tmp_path / name).draft() as draft:
            draft.write(np.zeros(1600, np.float32))
            result = recognition(granularity="frame", speech_only=True, frames=frames(5), embedding=embedding)
            place = draft.publish(result)
        (place / "frames.npz").unlink()
        if embedding is None:
            assert read_directory(place).emotion == "happy"
        else:
            with pytest.raises(ArchiveError, match=r"frames\.npz: it is gone"):
                read_directory(place)
