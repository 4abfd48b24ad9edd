import csv
import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from emovox.archive import Archive, Filter, schema, table
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, UnknownEmotionError
from emovox.exports.columns import Layout
from emovox.heads.embedding_cache import EmbeddingCache
from emovox.settings import settings
from support.records import START, record, vector
from support.results import recognition, recording, segment

TABLES = ("recordings", "recognitions", "segments", "tags", "embeddings")


@pytest.fixture
def archive(database: str) -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def counts(archive: Archive) -> list[int]:
    with archive.database.connect() as connection:
        return [
            connection.scalar(select(func.count()).select_from(schema.metadata.tables[name])) or 0
            for name in TABLES
        ]


def test_a_recognition_is_kept_whole_and_once(archive: Archive, tmp_path: Path) -> None:
    given = recognition(
        emotion="sad",
        confidence=0.75,
        scores={**dict.fromkeys(NAMES, 0.0), "sad": 0.75, "angry": 0.25},
        warnings=["quiet", "short"],
        embedding=np.arange(4, dtype=np.float32)[np.newaxis],
        segments=[segment(0, 0.5, embedding=np.full(4, 2, np.float32)), segment(0.5, 1, "sad")],
    )
    place = tmp_path / "outputs/outputs_20240104_223000"
    assert archive.add(given, link="/calls/x.wav", outputs=place)
    assert not archive.add(given, link="/calls/x.wav", outputs=place)
    (found,), following = archive.find()
    assert following is None
    assert (found.name, found.emotion, found.confidence, found.link) == ("x.wav", "sad", 0.75, "/calls/x.wav")
    assert found.scores == given.scores
    assert (found.model, found.revision, found.warnings) == ("tiny", "1", ("quiet", "short"))
    assert (found.created, found.outputs) == (given.created_at, place)
    assert archive.by_outputs(place) == found
    assert archive.known_outputs() == {place}
    np.testing.assert_array_equal(archive.embedding(found.id), [0, 1, 2, 3])
    kept = archive.segments(found.id)
    assert [(item["start"], item["end"], item["emotion"], item["sad"]) for item in kept] == [
        (0.0, 0.5, "happy", 0.0),
        (0.5, 1.0, "sad", 0.75),
    ]
    assert counts(archive) == [1, 1, 2, 0, 2]


def test_channels_of_one_recording_have_speech_of_their_own(archive: Archive, tmp_path: Path) -> None:
    for channel, speech in ((1, 7.5), (2, 0.5)):
        facts = recording(10.0, channels=2, channel=channel, speech=speech)
        assert archive.add(recognition(recording=facts, emotion="sad" if channel == 1 else "happy"))
    assert {item.channel: (item.duration, item.speech) for item in archive.all()} == {1: (10, 7.5), 2: (10, 0.5)}
    assert {item.channel: item.to_dict()["speech"] for item in archive.all()} == {1: 7.5, 2: 0.5}
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table.write_csv(archive.all(), file, Layout())
    with (tmp_path / "a.csv").open(newline="") as file:
        assert sorted(row["speech"] for row in csv.DictReader(file)) == ["0.5", "7.5"]
    with (tmp_path / "a.parquet").open("wb") as binary:
        table.write_parquet(archive.all(), binary, Layout())
    assert sorted(pyarrow.parquet.read_table(tmp_path / "a.parquet")["speech"].to_pylist()) == [0.5, 7.5]


def test_frames_are_kept_as_their_mean(archive: Archive) -> None:
    frames = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    archive.add(recognition(embedding=frames))
    (found,), _ = archive.find()
    np.testing.assert_allclose(archive.embedding(found.id), frames.mean(axis=0), atol=1e-3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "embedding", [np.full((1, 4), np.nan), np.full(4, 1e6), np.zeros((2, 2, 2)), np.array(["x"])]
)
def test_no_embedding_that_is_none(
    archive: Archive, embedding: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> None:
    with pytest.raises(ArchiveError, match="embedding"):
        archive.add(recognition(), embedding=embedding)
    assert counts(archive) == [0] * 5


def test_pages_and_filters(archive: Archive) -> None:
    records = [record(number, warnings=("quiet",) if number == 3 else ()) for number in range(20)]
    assert archive.add_records(records) == 20
    first, before = archive.find(limit=12)
    rest, following = archive.find(limit=12, before=before)
    assert [item.id for item in (*first, *rest)] == [item.id for item in reversed(records)]
    assert following is None
    assert [item.id for item in archive.all()] == [item.id for item in reversed(records)]

    def names(*words: str) -> list[str | None]:
        return [item.name for item in archive.find(Filter.parse(words))[0]]

    assert names("emotion=angry") == ["18.wav", "9.wav", "0.wav"]
    assert names("name=7.W") == ["17.wav", "7.wav"]
    assert names("name=%") == []
    archive.add_records([record(20, name="Ärger.wav", created=START)])
    assert names("name=Ärger") == names("name=äRG") == ["Ärger.wav"]
    archive.delete([record(20).sha256])
    assert names("warning=quiet") == ["3.wav"]
    assert names("warning=quie") == []
    assert names("model=other") == []
    assert names(f"since={records[18].created.isoformat()}") == ["19.wav", "18.wav"]
    assert names(f"until={records[1].created.isoformat()}") == ["0.wav"]
    archive.tag(records[5].sha256, "a tag")
    archive.tag(records[5].sha256, "a tag")
    assert names("tag=a tag") == ["5.wav"]
    assert archive.find(Filter(tag="a tag"))[0][0].tags == ("a tag",)
    assert archive.untag(records[5].sha256, "a tag")
    assert not archive.untag(records[5].sha256, "a tag")
    assert names("tag=a tag") == []


@pytest.mark.parametrize("word", ["emotion", "emotion=", "since=yesterday"])
def test_filters_that_mean_nothing(word: str) -> None:
    with pytest.raises(ArchiveError, match="write"):
        Filter.parse([word])
    with pytest.raises(ArchiveError, match="given twice"):
        Filter.parse(["name=a", "name=b"])


def test_filters_of_what_the_archive_has_not(archive: Archive) -> None:
    archive.add_records([record(1)])
    with pytest.raises(UnknownEmotionError):
        archive.find(Filter.parse(["emotion=bored"]))
    with pytest.raises(ArchiveError, match="no readout of classes in the archive is called 'colour': it has none"):
        archive.find(Filter.parse(["colour=red"]))


def test_counts(archive: Archive) -> None:
    archive.add_records(record(number) for number in range(30))
    archive.add_records([record(0, id="f" * 64)])  # heard once more
    archive.tag(record(0).sha256, "x")
    stats = archive.stats()
    assert (stats.recordings, stats.recognitions, stats.seconds) == (30, 31, 45.0)
    assert stats.by_emotion["angry"] == 5
    assert sum(stats.by_day.values()) == 31
    assert min(stats.by_day) == START.astimezone().strftime("%Y-%m-%d")
    assert (stats.by_tag, stats.by_model) == ({"x": 2}, {"tiny": 31})
    assert archive.stats(Filter(tag="x")).recordings == 1


def test_what_a_person_means(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "outputs" / "outputs_20240104_223000"
    one = record(1, outputs=place)
    archive.add_records([one, record(2)])
    monkeypatch.chdir(tmp_path)
    for words in (
        one.id,
        one.id[:8],
        one.sha256,
        one.sha256[:12],
        str(place),
        "outputs/outputs_20240104_223000",
        place.name,
    ):
        assert [item.id for item in archive.lookup(words)] == [one.id], words
    for words in (one.id[:7], "", "%%%%%%%%", "nothing"):
        assert archive.lookup(words) == []


def test_deleting_leaves_nothing_of_a_recording(archive: Archive) -> None:
    archive.add_records([record(1), record(1, id="f" * 64), record(2)])
    archive.tag(record(1).sha256, "x")
    assert archive.delete([record(1).sha256, "nobody"]) == 1
    assert counts(archive) == [1, 1, 1, 0, 2]
    assert archive.delete([record(1).sha256]) == 0
    assert [item.name for item in archive.all()] == ["2.wav"]


def test_what_was_deleted_is_not_in_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.db"
    with Archive(file) as archive:
        archive.add_records([record(number, name=f"the call of person {number}") for number in range(40)])
        archive.similar(record(1).id)
        archive.similar(record(1).id, raw=True)
        secret = archive.embedding(record(7).id)
        assert secret is not None
        traces = [b"the call of person 7", secret.astype("<f2").tobytes()]

        def everything() -> bytes:
            return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

        assert all(trace in everything() for trace in traces)
        unit = secret / np.linalg.norm(secret)
        assert unit.astype("<f2").tobytes() in everything()
        archive.delete([record(7).sha256])
        assert not any(trace in everything() for trace in (*traces, unit.astype("<f2").tobytes()))
        assert b"the call of person 8" in everything()


def test_what_was_deleted_is_not_in_the_cache_of_training(archive: Archive, tmp_path: Path) -> None:
    places = [tmp_path / f"outputs_2024010{number}_000000" for number in range(3)]
    archive.add_records([record(number, outputs=places[number]) for number in range(3)])
    archive.add_records([record(9, sha256=record(2).sha256)])  # heard once more
    with closing(EmbeddingCache("tiny")) as cache:
        for number in range(3):
            cache.put(record(number).sha256, vector(number))
        archive.delete([record(0).sha256])
        archive.forget_outputs(places[1:])
        assert [cache.get(record(number).sha256) is None for number in range(3)] == [True, True, False]
    files = b"".join(path.read_bytes() for path in settings().cache.glob("embeddings*"))
    assert vector(2).tobytes() in files
    assert vector(0).tobytes() not in files
    assert vector(1).tobytes() not in files


def test_a_fit_of_what_was_deleted_goes(archive: Archive) -> None:
    archive.add_records([record(number) for number in range(8)])
    archive.similar(record(1).id)
    fitted = select(func.count()).select_from(schema.fits)
    with archive.database.connect() as connection:
        assert connection.scalar(fitted) == 1
        archive.delete([record(number).sha256 for number in range(3)])
        connection.rollback()
        assert connection.scalar(fitted) == 1
        archive.delete([record(3).sha256])
        connection.rollback()
        assert connection.scalar(fitted) == 0
    assert len(archive.similar(record(4).id)) == 3


def test_forgetting_outputs(archive: Archive, tmp_path: Path) -> None:
    places = [tmp_path / f"outputs_2024010{number}_000000" for number in range(3)]
    archive.add_records(
        [record(1, outputs=places[0]), record(1, id="f" * 64, outputs=places[1]), record(2, outputs=places[2])]
    )
    assert archive.forget_outputs([places[0], tmp_path / "none"]) == 1
    assert counts(archive)[:2] == [2, 2]  # the recording was heard twice
    assert archive.forget_outputs([places[1]]) == 1
    assert counts(archive)[:2] == [1, 1]


def test_it_moves_with_its_outputs(tmp_path: Path) -> None:
    place = tmp_path / "here" / "outputs" / "outputs_20240104_223000"
    with Archive(tmp_path / "here" / "outputs.db") as archive:
        archive.add_records(
            [record(1, outputs=place), record(2, outputs=Path("/elsewhere/outputs_20240104_223000"))]
        )
    shutil.move(tmp_path / "here", tmp_path / "there")
    with Archive(tmp_path / "there" / "outputs.db") as archive:
        assert archive.known_outputs() == {
            tmp_path / "there" / "outputs" / place.name,
            Path("/elsewhere/outputs_20240104_223000"),
        }


def test_a_directory_that_was_moved_is_found_again(archive: Archive, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    archive.add_records([record(1, outputs=old)])
    archive.add_records([record(1, outputs=new)])  # a copy
    assert archive.known_outputs() == {old}
    old.rmdir()
    archive.add_records([record(1, outputs=new)])
    assert archive.known_outputs() == {new}


def test_an_embedding_that_comes_later_is_kept(archive: Archive) -> None:
    archive.add_records([record(1, embedding=None, segments=())])
    assert archive.embedding(record(1).id) is None
    assert archive.add_records([record(1)]) == 0
    np.testing.assert_allclose(archive.embedding(record(1).id), vector(1), rtol=1e-3)  # type: ignore[arg-type]


def test_a_link_that_comes_later_is_kept(archive: Archive) -> None:
    for id_, link in ("1" * 64, None), ("2" * 64, "/calls/1.wav"), ("3" * 64, "/moved/1.wav"):
        archive.add_records([record(1, id=id_, link=link)])
    assert {item.link for item in archive.all()} == {"/calls/1.wav"}


def test_names_that_no_column_takes(archive: Archive) -> None:
    archive.add_records([record(1, name="a\0b", link="c\0\udcc4")])
    assert [(item.name, item.link) for item in archive.all()] == [("a�b", "c��")]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\0"])
def test_tags_that_are_none(archive: Archive, name: str) -> None:
    archive.add_records([record(1)])
    with pytest.raises(ArchiveError, match="1 to 100"):
        archive.tag(record(1).sha256, name)
    with pytest.raises(ArchiveError, match="no such recording"):
        archive.tag("0" * 64, "x")


@given(st.lists(st.integers(0, 12), max_size=20), st.lists(st.integers(0, 12), max_size=20))
@hypothesis_settings(max_examples=25)
def test_twice_is_once_and_nothing_stays_of_what_is_deleted(
    tmp_path_factory: pytest.TempPathFactory, added: list[int], deleted: list[int]
) -> None:
    with Archive(tmp_path_factory.mktemp("archive") / "a.db") as archive:
        assert archive.add_records(record(number) for number in added) == len(set(added))
        once = counts(archive)
        assert archive.add_records(record(number) for number in added) == 0
        assert counts(archive) == once
        archive.delete(record(number).sha256 for number in deleted)
        left = set(added) - set(deleted)
        assert {item.name for item in archive.all()} == {f"{number}.wav" for number in left}
        assert counts(archive) == [len(left), len(left), len(left), 0, 2 * len(left)]


def test_entries_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        record(1).name = "x"  # type: ignore[misc]
