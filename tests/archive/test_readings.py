from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from sqlalchemy import func, select

from emovox.archive import Archive, Filter
from emovox.archive.names import Name
from emovox.archive.readings import readings
from emovox.errors import ArchiveError, FilterError, UnknownEmotionError
from emovox.inference.recognition import ReadoutResult
from support.records import record, without_nine
from support.results import recognition

MOOD = ReadoutResult(kind="window", label="tired", confidence=0.9, scores={"bored": 0.8, "tired": 0.9})
PROMOTER = ReadoutResult(
    kind="linear", label="promoter", confidence=0.75, scores={"promoter": 0.75, "critic": 0.25},
    created_at=datetime(2024, 1, 4, 14, 30, 0, 123456, tzinfo=timezone.utc),
)  # fmt: skip


@pytest.fixture
def archive(database: str) -> Iterator[Archive]:
    """Ten without the nine, numbered from 0, and two with them: one has the verdict of a trained head."""
    with Archive() as archive:
        archive.add_records(without_nine(number) for number in range(10))
        archive.add_records([record(10), record(11, readouts={"my-head": PROMOTER})])
        yield archive


def numbers(archive: Archive, *words: str) -> list[int]:
    return sorted(int(item.name[:-4]) for item in archive.all(Filter.parse(words)) if item.name)


def test_they_come_back_as_they_were_in_their_order(archive: Archive) -> None:
    given = without_nine(20, readouts={**without_nine(20).readouts, "mood": MOOD, "my-head": PROMOTER})
    archive.add_records([given, given])
    (item,) = archive.lookup(given.id)
    assert item == replace(given, embedding=None, segments=())
    assert list(item.readouts) == ["emotion", "dimensions", "mood", "my-head"]
    assert list(item.readouts["emotion"].scores or {}) == ["rabbia", "gioia", "paura", "calma", "noia"]
    assert item.readouts["my-head"].created_at == PROMOTER.created_at
    facts = item.to_dict()
    assert (facts["emotion"], facts["confidence"], facts["scores"]) == (None, None, None)
    assert facts["readouts"]["dimensions"] == {
        "kind": "pooled", "values": {"arousal": 2.0, "valence": 0.5}, "range": [0, 1],
    }  # fmt: skip
    (segment,) = archive.segments(given.id)
    assert (segment["emotion"], segment["happy"]) == (None, None)


def test_they_go_with_their_recording(archive: Archive) -> None:
    archive.delete(without_nine(number).sha256 for number in range(10))
    with archive.database.connect() as connection:
        left = connection.scalars(select(readings.c.readout).distinct()).all()
        assert connection.scalar(select(func.count()).select_from(readings)) == 2
    assert left == ["my-head"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["arousal>0.7"], [8, 9]),
        (["arousal>=0.7"], [7, 8, 9]),
        (["dimensions.arousal < 0.2"], [0, 1]),
        (["dimensions.arousal<=0.2"], [0, 1, 2]),
        (["arousal>0.3", "arousal<0.6"], [4, 5]),
        (["emotion.rabbia>=0.5", "arousal<0.5"], [0, 2, 4]),
        (["rabbia>0.3"], [0, 2, 4, 6, 8]),
        (["emotion=calma"], [1, 3, 5, 7, 9]),
        (["emotion.label=calma", "arousal>0.4"], [5, 7, 9]),
        (["emotion=gioia"], []),
        (["emotion.confidence>0.6"], []),
        (["emotion.confidence>=0.5"], list(range(10))),
        (["my-head=promoter"], [11]),
        (["my-head=critic"], []),
        (["my-head.promoter>0.7"], [11]),
        (["fearful>=1"], [11]),  # of the nine
        (["confidence>0.5"], [10, 11]),
        (["model=foreign", "name=3.wav", "arousal>0"], [3]),
        (["arousal>-1e3"], list(range(10))),
    ],
)
def test_filters(archive: Archive, words: list[str], expected: list[int]) -> None:
    assert numbers(archive, *words) == expected
    assert archive.stats(Filter.parse(words)).recognitions == len(expected)


def test_names_that_several_readouts_have(archive: Archive) -> None:
    archive.add_records([record(12, readouts={"other": ReadoutResult(kind="pooled", values={"arousal": 3.0})})])
    for _ in archive.all(Filter.parse(["dimensions.arousal>0"])):
        pass
    with pytest.raises(
        FilterError, match=r"^arousal is of several readouts: write dimensions.arousal or other.arousal$"
    ):
        archive.find(Filter.parse(["arousal>0.7"]))
    assert numbers(archive, "other.arousal>2") == [12]


def test_names_that_nothing_has(archive: Archive) -> None:
    known = (
        "dimensions.arousal, dimensions.valence, emotion.calma, emotion.gioia, emotion.noia, emotion.paura, "
        "emotion.rabbia, my-head.critic, my-head.promoter, angry, disgusted"
    )
    with pytest.raises(FilterError, match=f"no number in the archive is called 'anger': it has {known}"):
        archive.find(Filter.parse(["anger>0.7"]))
    with pytest.raises(
        FilterError, match=r"no readout of classes in the archive is called 'dimensions': it has emotion, my-head$"
    ):
        archive.stats(Filter.parse(["dimensions=arousal"]))
    with pytest.raises(FilterError, match="no class of emotion is called 'bored': it has calma, gioia, noia"):
        list(archive.all(Filter.parse(["emotion=bored"])))
    with pytest.raises(FilterError):
        archive.similar(record(10).id, where=Filter.parse(["anger>0.7"]))
    archive.delete(without_nine(number).sha256 for number in range(10))
    with pytest.raises(UnknownEmotionError, match="unknown emotion 'bored'"):
        archive.find(Filter.parse(["emotion=bored"]))


def test_an_empty_archive_has_nothing_whatever_is_asked(database: str) -> None:
    with Archive() as archive:
        assert archive.find(Filter.parse(["arousal>0.7", "myhead=promoter", "emotion=calma"])) == ([], None)
        assert archive.stats(Filter.parse(["arousal>0.7"])).readouts == {}
        assert archive.reading_names() == []


def test_filters_of_similarity(archive: Archive) -> None:
    for segments in (False, True):
        near = archive.similar(
            without_nine(0).id, where=Filter.parse(["arousal>0.6", "emotion=calma"]), segments=segments
        )
        assert sorted(item.record.name or "" for item in near) == ["7.wav", "9.wav"]
        assert [item.segment and item.segment["emotion"] for item in near] == [None, None]


def test_names(archive: Archive) -> None:
    names = archive.reading_names()
    assert [str(name) for name in names[:3]] == ["dimensions.arousal", "dimensions.valence", "emotion.calma"]
    assert [name.value for name in names] == [True] * 2 + [False] * 7
    assert archive.reading_names(Filter.parse(["my-head=promoter"])) == [
        Name("my-head", "critic", False), Name("my-head", "promoter", False),
    ]  # fmt: skip
    assert archive.reading_names(Filter(name="10.wav")) == []


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        (ReadoutResult(kind="pooled", values={"arousal": float("nan")}), "holds NaN or infinity"),
        (ReadoutResult(kind="pooled", values={"arousal": float("inf")}), "holds NaN or infinity"),
        (ReadoutResult(kind="pooled", values={"a" * 201: 0.5}), "at most 200 characters"),
    ],
)
def test_readouts_that_are_none(archive: Archive, readout: ReadoutResult, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        archive.add(recognition(readouts={"dimensions": readout}))


def test_labels_of_any_characters(archive: Archive) -> None:
    scores = {"生气/angry": 0.75, "a\0\udcc4": 0.25, "x" * 200: 0.0}
    archive.add_records([record(20, readouts={"emotion": ReadoutResult(kind="linear", scores=scores)})])
    assert numbers(archive, "emotion.生气/angry>0.7") == [20]
    assert numbers(archive, "emotion=生气/angry") == [20]
    (item,) = archive.lookup(record(20).id)
    assert list(item.readouts["emotion"].scores or {}) == ["生气/angry", "a��", "x" * 200]
