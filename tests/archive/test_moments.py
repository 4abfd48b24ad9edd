from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from emovox.archive import Archive, Filter
from emovox.archive.moments import Moment, Stretch, joined
from emovox.archive.record import ArchiveRecord, SegmentRecord, from_recognition
from emovox.archive.rule import Rule
from emovox.archive.schema import segments as table
from emovox.archive.view import View
from emovox.emotions import NAMES
from emovox.errors import FilterError, PolicyError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.outputs import RESULT
from emovox.settings import settings
from support.records import record
from support.results import classes, recognition, segment, values

ANGRY = "angry >= 60% for 3s"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "a.db") as opened:
        yield opened


def spoken(number: int, *stretches: tuple[float, float, float], **changes: Any) -> ArchiveRecord:
    """A record with segments that are so angry, and else neutral."""
    segments = []
    for start, end, score in stretches:
        scores = {**dict.fromkeys(NAMES, 0.0), "angry": score, "neutral": 1 - score}
        emotion = max(scores, key=scores.__getitem__)
        segments.append(SegmentRecord(start, end, emotion, scores[emotion], scores))
    return record(number, segments=tuple(segments), **changes)


def found(view: View, rule: str) -> dict[str | None, list[tuple[float, float]]]:
    return {row.record.name: [(item.start, item.end) for item in row.moments] for row in view.moments(rule)}


def stretches(*numbers: tuple[float, float, float]) -> Sequence[Stretch]:
    return [Stretch(place, *item) for place, item in enumerate(numbers)]


def test_neighbours_are_one_moment_and_a_pause_or_another_segment_ends_it() -> None:
    rule = Rule.parse("angry >= 60%")
    assert joined(stretches((0, 2, 0.6), (3, 4, 0.9), (5.1, 6, 0.7), (6.2, 7, 0.1), (7, 8, 0.6)), rule) == (
        Moment(0, 4, 3, 0.9, 0.7),
        Moment(5.1, 6, 0.9, 0.7, 0.7),
        Moment(7, 8, 1, 0.6, 0.6),
    )
    assert joined((), rule) == ()


def test_it_holds_for_as_much_speech_as_is_asked_for() -> None:
    both = stretches((0, 2, 0.9), (2.9, 3.9, 0.9), (10, 12.9, 0.9))
    assert [item.start for item in joined(both, Rule.parse("angry > 0.5 for 3s"))] == [0]  # pauses don't count
    assert [item.start for item in joined(both, Rule.parse("angry > 0.5 for 2.9s"))] == [0, 10]
    assert joined(both, Rule.parse("angry > 0.5 for 3.01s")) == ()


def test_of_low_numbers_the_peak_is_the_lowest() -> None:
    [moment] = joined(stretches((0, 1, 0.3), (1, 2, -0.5)), Rule.parse("valence <= 0.3"))
    assert (moment.peak, moment.mean) == (-0.5, -0.1)


def test_moments_in_all_recordings(archive: Archive) -> None:
    archive.add_records([
        spoken(1, (0, 4, 0.7), (4.2, 5, 0.8), (5, 9, 0.2)),
        spoken(2, (0, 2, 0.9)),
        spoken(3, (0, 5, 0.59), (6, 9.5, 0.6), (20, 30, 0.61)),
        spoken(4, (0, 5, 0.9), side="customer"),
        record(5, segments=()),
    ])  # fmt: skip
    view = View(archive)
    assert found(view, ANGRY) == {"4.wav": [(0, 5)], "3.wav": [(6, 9.5), (20, 30)], "1.wav": [(0, 5)]}
    assert list(found(view, ANGRY)) == ["4.wav", "3.wav", "1.wav"]  # latest first
    assert found(view, f"{ANGRY} of customer") == {"4.wav": [(0, 5)]}
    assert found(View(archive, Filter(name="1")), ANGRY) == {"1.wav": [(0, 5)]}
    assert found(view, "angry >= 95%") == {}
    assert view.without_segments(ANGRY) == 1
    assert view.without_segments(f"{ANGRY} of customer") == 0


def test_pages(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.archive.view._TOGETHER", 2)
    archive.add_records(spoken(number, (0, 5, 0.9 if number % 3 else 0.1)) for number in range(10))
    view = View(archive)
    rows, before = view.find_moments(ANGRY, limit=4)
    assert [row.record.name for row in rows] == ["8.wav", "7.wav", "5.wav", "4.wav"]
    rest, end = view.find_moments(ANGRY, limit=4, before=before)
    assert ([row.record.name for row in rest], end) == (["2.wav", "1.wav"], None)
    # A page ends where much has been looked into, and the next goes on there.
    archive.add_records(spoken(number, (0, 1, 0.9)) for number in range(20, 30))
    monkeypatch.setattr("emovox.archive.view.LOOKED", 4)
    rows, before = view.find_moments(ANGRY, limit=4)
    assert (rows, before is None) == ([], False)
    assert len(list(view.moments(ANGRY))) == 6


def test_nothing_is_found_of_a_voice_of_which_nothing_may_be_inferred(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add_records([spoken(1, (0, 5, 0.9), side="worker"), spoken(2, (0, 5, 0.9), side="customer")])
    view = View(archive)
    assert set(found(view, ANGRY)) == {"1.wav", "2.wav"}
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    assert set(found(view, ANGRY)) == {"2.wav"}
    assert view.moments_of(list(archive.all()), Rule.parse(ANGRY)).keys() == {record(2).id}
    with pytest.raises(PolicyError, match="a flag can't be had of a worker's voice"):
        found(view, f"{ANGRY} of worker")


def test_relative_to_what_each_was_recognised_with(archive: Archive) -> None:
    """Raw scores are stored; a shift of the logits of anger by 3 turns a tenth into seven tenths."""
    facts = BaselineFacts(
        name="line", checksum="0" * 64, count=9, expectation={}, shift={"emotion": {"angry": 3.0}}, temperatures=[]
    )
    archive.add_records([spoken(1, (0, 5, 0.1), baseline=facts), spoken(2, (0, 5, 0.1))])
    assert found(View(archive), ANGRY) == {}
    assert found(View.of(archive, baseline="recognized"), ANGRY) == {"1.wav": [(0, 5)]}


def test_classes_of_a_models_own_are_read_from_the_outputs_and_values_are_in_the_archive(
    archive: Archive, tmp_path: Path
) -> None:
    whole = {"dimensions": values(arousal=0.5, valence=0.1), "calls": classes(shout=0.4, whisper=0.6)}
    parts = [
        segment(0, 2, readouts={"dimensions": values(arousal=0.9), "calls": classes(shout=0.8, whisper=0.2)}),
        segment(2, 4, readouts={"dimensions": values(arousal=0.4), "calls": classes(shout=0.7, whisper=0.3)}),
    ]
    directory = tmp_path / "outputs_20240104_223000"
    directory.mkdir()
    item = recognition(readouts=whole, segments=parts)
    (directory / RESULT).write_text(item.to_json(), encoding="utf-8")
    archive.add_records([from_recognition(item, outputs=directory), spoken(2, (0, 5, 0.9))])
    view = View(archive)
    assert found(view, "arousal >= 0.7 for 2s") == {"x.wav": [(0, 2)]}
    assert found(view, "dimensions.arousal < 0.5") == {"x.wav": [(2, 4)]}
    assert found(view, "shout > 60%") == {"x.wav": [(0, 4)]}
    with pytest.raises(FilterError, match="is a value, not a score"):
        found(view, "arousal >= 70%")
    with pytest.raises(FilterError, match=r"called 'anger'.*the emotion is called angry"):
        found(view, "anger > 60%")
    with archive.database.begin() as connection:
        connection.execute(update(table).values({"values": None}))  # as earlier versions left it
    assert found(view, "arousal >= 0.7 for 2s") == {"x.wav": [(0, 2)]}
    (directory / RESULT).unlink()
    assert found(view, "arousal >= 0.7") == {}
    archive.add_records([from_recognition(item, outputs=directory)])
    assert found(view, "arousal >= 0.7") == {"x.wav": [(0, 2)]}
    assert found(view, "shout > 60%") == {}


def test_an_empty_archive_has_none(archive: Archive) -> None:
    assert found(View(archive), "arousal >= 0.7") == {}


def test_records_that_changed_hands_have_their_own(archive: Archive) -> None:
    one = spoken(1, (0, 5, 0.9))
    archive.add_records([one, replace(spoken(2, (0, 9, 0.9)), sha256=one.sha256, channel=2)])
    assert [(row.record.channel, len(row.moments)) for row in View(archive).moments(ANGRY)] == [(2, 1), (None, 1)]
