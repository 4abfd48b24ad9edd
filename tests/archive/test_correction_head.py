"""The head of corrections: what it is trained on, what is held out, and when there is too little."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emovox.archive import Archive
from emovox.archive import correction_head as heads
from emovox.archive.correction_head import check_enough, cut_out, sounds, train_on_corrections
from emovox.errors import AudioError, LabelsError
from emovox.inference.recognizer import Recognizer
from emovox.outputs import AUDIO, Outputs, read_result
from emovox.saving import Saving
from emovox.settings import settings


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    settings.cache_clear()
    with Archive() as archive:
        yield archive


def recognise(archive: Archive, recognizer: Recognizer, path: Path, **options: object) -> Path:
    """Store a recording's recognition; gives its outputs directory."""
    with Saving(Outputs(settings().outputs), archive=archive).begin() as save:
        result = recognizer.recognize(path, segments=True, embedding=True, sink=save.sink, **options)  # type: ignore[arg-type]
        save.commit(result)
    assert save.directory is not None
    return save.directory


def correct(archive: Archive, directory: Path, label: str) -> None:
    record = archive.by_outputs(directory)
    assert record is not None
    for segment in read_result(directory).segments or []:
        archive.corrections.put(record, segment, label)


def test_a_head_is_fitted_to_the_embeddings_of_the_segments_and_whole_recordings_are_held_out(
    archive: Archive, recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, path in enumerate(examples[:4]):
        correct(archive, recognise(archive, recognizer, path), "loud" if number % 2 else "calm")
    steps: list[tuple[int, int]] = []
    monkeypatch.setattr(heads, "cut_out", None)  # the archive has all
    trained = train_on_corrections(archive, "own", recognizer, begin=lambda *done: steps.append(done))
    facts = trained.head.training
    count = len(list(archive.corrections.all()))
    assert steps == [(number, count) for number in range(count + 1)]
    assert (facts.group, facts.groups, facts.corrections, facts.labels_file) == ("recording", 4, True, None)
    assert facts.folds == 4
    assert sum(facts.clips.values()) == count
    assert set(facts.intervals) == set(facts.recalls) == {"calm", "loud"}
    assert all(low <= facts.recalls[name] <= high for name, (low, high) in facts.intervals.items())
    # No fold has a part of a recording that another has.
    by_recording: dict[str, set[int]] = {}
    from emovox.heads.fitting import deal  # noqa: PLC0415

    held_out = trained.fit.held_out
    assert held_out.groups is not None
    for group, fold in zip(held_out.groups, deal(held_out, np.random.default_rng(0)), strict=True):
        by_recording.setdefault(group, set()).add(int(fold))
    assert all(len(folds) == 1 for folds in by_recording.values())


def test_speakers_are_held_out_where_tags_tell_them(
    archive: Archive, recognizer: Recognizer, examples: list[Path]
) -> None:
    for number, path in enumerate(examples[:4]):
        directory = recognise(archive, recognizer, path)
        correct(archive, directory, "loud" if number % 2 else "calm")
        record = archive.by_outputs(directory)
        assert record is not None
        archive.tag(record.sha256, f"speaker:{'anna' if number < 2 else 'bert'}")
    facts = train_on_corrections(archive, "own", recognizer).head.training
    assert (facts.group, facts.groups, facts.folds) == ("speaker", 2, 2)


def test_what_another_model_would_have_to_be_run_for_is_inferred_from_the_stored_sound(
    archive: Archive, recognizer: Recognizer, examples: list[Path]
) -> None:
    directory = recognise(archive, recognizer, examples[0])
    correct(archive, directory, "calm")
    [item, *_] = archive.corrections.all()
    stored = heads._stored(archive, [item], recognizer)[item.id]
    sound = sounds(archive, [item])[item.sha256, item.channel]
    again = heads._Inferred(recognizer).embedding(item, sound)
    assert np.allclose(stored, again, atol=2e-3 * np.abs(again).max())
    shutil.rmtree(directory)
    assert sounds(archive, [item]) == {}
    with pytest.raises(AudioError, match="its sound isn't stored: recognise it again"):
        heads._Inferred(recognizer).embedding(item, None)


def test_a_stretch_is_cut_out_of_the_stored_sound(
    archive: Archive, recognizer: Recognizer, examples: list[Path]
) -> None:
    sound = recognise(archive, recognizer, examples[0]) / AUDIO
    whole = cut_out(sound, 0, 100)
    assert np.array_equal(cut_out(sound, 0.5, 1.25), whole[8000:20000])
    with pytest.raises(AudioError, match="ends before it"):
        cut_out(sound, 99, 100)


def test_too_few_are_refused_in_words_that_say_what_is_missing() -> None:
    check_enough({"angry": 2, "sad": 2})
    with pytest.raises(LabelsError, match=r"sad needs 1 more. There are angry [(]7[)], sad [(]1[)]"):
        check_enough({"angry": 7, "sad": 1})
    with pytest.raises(LabelsError, match=r"two classes or more.*there are angry [(]7[)]"):
        check_enough({"angry": 7})
    with pytest.raises(LabelsError, match="there are none"):
        check_enough({})


def test_a_class_can_be_left_out_and_what_cannot_be_used_is_told(
    archive: Archive, recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = [recognise(archive, recognizer, path) for path in examples[:5]]
    for directory, label in zip(directories, ("calm", "loud", "calm", "loud", "odd"), strict=True):
        correct(archive, directory, label)
    with pytest.raises(LabelsError, match="odd needs 1 more"):
        train_on_corrections(archive, "own", recognizer)
    assert train_on_corrections(archive, "own", recognizer, without=["odd"]).head.classes == ("calm", "loud")
    monkeypatch.setattr(heads, "_stored", lambda *_: {})  # another model's are of no use
    shutil.rmtree(directories[0])
    with pytest.raises(LabelsError, match=r"calm needs 1 more.*1 can't be used; .*isn't stored"):
        train_on_corrections(archive, "own", recognizer, without=["odd"])
