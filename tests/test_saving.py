import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.archive import Archive
from emovox.archive.outputs_directory import read_directory
from emovox.errors import AudioError, ExportError, OutputsError
from emovox.inference.frames import FRAMES
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS, Outputs
from emovox.saving import Save, Saving
from support.exporters import break_format
from support.results import recognition, segment


def recognized(save: Save, recognizer: Recognizer, path: Path, **options: Any) -> Any:
    """What the recognizer gives by the options and sinks of a save."""
    wanted = vars(save.options(Options(**options)))
    return recognizer.recognize(path, sink=save.sink, embedding_sink=save.embedding_sink, **wanted)


def test_nowhere(recognizer: Recognizer, examples: list[Path]) -> None:
    with Saving().begin() as save:
        assert (save.sink, save.embedding_sink) == (None, None)
        found = recognized(save, recognizer, examples[0])
        assert save.commit(found) == found
        assert (found.embedding, save.directory, save.record(), save.rescue()) == (None, None, None, None)


def test_all_of_it(recognizer: Recognizer, examples: list[Path], tmp_path: Path) -> None:
    claims: list[tuple[str, bool]] = []
    with Archive(tmp_path / "a.db") as archive:
        saving = Saving(Outputs(tmp_path / "outputs"), ("srt",), "zh", (".mine",), archive=archive)
        with saving.begin(link="/calls/a.flac") as save:
            assert save.directory is None
            found = recognized(save, recognizer, examples[0], segments=True)
            stored = save.commit(found, claim=lambda name, result: claims.append((name, result.is_file())))
        (item,) = archive.all()
        vector = archive.embedding(item.id)
    assert save.directory is not None
    assert claims == [(save.directory.name, True)]
    assert {path.name for path in save.directory.iterdir()} == {AUDIO, RESULT, "segments.srt", ".mine"}
    assert "愤怒" in (save.directory / "segments.srt").read_text("utf-8")
    assert (item.outputs, item.link, item.speech) == (save.directory, "/calls/a.flac", found.recording.speech)
    assert item.id == read_directory(save.directory).id
    np.testing.assert_allclose(vector, found.embedding[0], rtol=2e-3, atol=1e-4)
    assert stored.embedding is None
    assert [segment.embedding for segment in stored.segments or []] == [None]


@pytest.mark.parametrize("archived", [True, False])
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("granularity", ["utterance", "frame"])
def test_embeddings_are_in_files_where_they_are_asked_for(
    recognizer: Recognizer, examples: list[Path], tmp_path: Path, asked: bool, archived: bool, granularity: str
) -> None:
    options: dict[str, Any] = {"granularity": granularity, "segments": True, "embedding": asked}
    saving = Saving(Outputs(tmp_path), embeddings=asked, archive="later" if archived else None)
    with saving.begin() as save:
        found = recognized(save, recognizer, examples[0], **options)
        assert granularity == "utterance" or found.embedding is None  # hours of them are never in memory
        save.commit(found)
    record, directory = save.record(), save.directory
    assert directory is not None
    files = {path.name for path in directory.iterdir()} - {AUDIO, RESULT}
    assert files - {FRAMES} == ({EMBEDDING, SEGMENT_EMBEDDINGS} if asked else set())
    assert (FRAMES in files) is (granularity == "frame")
    assert (record is not None) == archived
    if record is not None:
        assert record.embedding is not None
        assert [segment.embedding is not None for segment in record.segments] == [True]
    if record is not None and asked:
        again = read_directory(directory)
        assert again.id == record.id
        np.testing.assert_allclose(again.embedding, record.embedding, rtol=1e-3, atol=1e-4)  # type: ignore[arg-type]


def test_later_is_not_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive(tmp_path / "a.db") as archive:
        for where, count in (("later", 0), (archive, 1)):
            with Saving(Outputs(tmp_path / "outputs"), archive=where).begin() as save:  # type: ignore[arg-type]
                assert save.record() is None  # nothing is recognised yet
                save.commit(recognition())
                assert save.record() is not None
            assert len(list(archive.all())) == count


def test_what_fails_leaves_nothing_but_what_is_rescued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech: np.ndarray
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutputsError("the disk is full")

    monkeypatch.setattr("emovox.exports.write", fail)
    root = tmp_path / "outputs"
    with Archive(tmp_path / "a.db") as archive:
        saving = Saving(Outputs(root), ("srt",), archive=archive)
        for rescued in (False, True):
            with saving.begin() as save:
                assert save.sink is not None
                save.sink(speech)
                with pytest.raises(OutputsError, match="disk is full"):
                    save.commit(recognition())
                path = save.rescue() if rescued else None
            assert [item for item in root.iterdir() if item.name != ".emovox"] == ([path] if rescued else [])
        assert archive.is_empty()
    assert path is not None
    assert path.stat().st_size == 44 + 2 * len(speech)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ExportError("no pen"), "bad: no pen"),
        (
            ZeroDivisionError("so it goes"),
            r"bad: writing segments\.bad failed: ZeroDivisionError: so it goes \(exporters\.py",
        ),
        (FileNotFoundError(2, "No such file", "/x/template"), "FileNotFoundError: No such file: template"),
        (MemoryError(), r"segments\.bad failed: MemoryError \("),
        (SystemExit(3), r"segments\.bad failed: SystemExit: 3 \("),
        (AudioError("its own"), "AudioError: its own"),
    ],
)
def test_an_export_that_fails_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech: np.ndarray, error: BaseException, words: str
) -> None:
    break_format(monkeypatch, "bad", error)
    found = recognition(segments=[segment(0, 1)])
    with Archive(tmp_path / "a.db") as archive:
        saving = Saving(Outputs(tmp_path / "outputs"), ("srt", "bad", "csv", "plane"), archive=archive)
        with saving.begin() as save:
            assert save.sink is not None
            save.sink(speech)
            assert save.problem is None
            claims: list[ExportError | None] = []
            save.commit(found, claim=lambda *_: claims.append(save.problem))
        assert [item.outputs for item in archive.all()] == [save.directory]
    assert save.directory is not None
    assert {path.name for path in save.directory.iterdir()} == {AUDIO, RESULT, "segments.srt", "segments.csv"}
    assert claims == [save.problem]
    assert re.match(f"recognised, but not exported as bad: .*{words.removeprefix('bad: ')}", str(save.problem))
    assert str(save.problem).count("bad: ") == 1
    stored, _, problem = Saving(formats=("bad", "vtt")).replace(found, save.directory, link=None)
    assert (str(problem), stored.emotion) == (str(save.problem), found.emotion)
    assert (save.directory / "segments.vtt").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
@pytest.mark.parametrize("wrapped", [False, True])
def test_want_of_room_is_no_fault_of_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, wrapped: bool
) -> None:
    error: Exception = OSError(code, os.strerror(code))
    if wrapped:
        error, error.__cause__ = RuntimeError("its own words"), error
    break_format(monkeypatch, "bad", error)
    saving = Saving(Outputs(tmp_path), ("bad",))
    with pytest.raises(OutputsError, match=r"segments\.bad: "), saving.begin() as save:
        save.commit(recognition(segments=[segment(0, 1)]))
    assert [path.name for path in tmp_path.iterdir()] == [".emovox"]


def test_there_is_nothing_to_rescue_of_what_is_published_or_was_never_heard(tmp_path: Path) -> None:
    with Saving(Outputs(tmp_path)).begin() as save:
        assert save.rescue() is None
    assert list(tmp_path.iterdir()) == []
    with Saving(Outputs(tmp_path)).begin() as save:
        save.commit(recognition())
        assert save.rescue() is None
    assert save.directory is not None
    assert save.directory.is_dir()
