from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emovox.archive import Archive, Filter
from emovox.archive.similarity.pgvector import PostgresIndex
from emovox.archive.similarity.whitening import unit
from emovox.errors import ArchiveError
from emovox.settings import settings
from support.records import record, vector
from support.results import recognition

WIDTH = 8


@pytest.fixture
def archive(database: str) -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def test_the_nearest_by_raw_cosine(archive: Archive) -> None:
    archive.add_records(record(number) for number in range(50))
    rows = unit(np.stack([vector(number) for number in range(50)]).astype(np.float16).astype(np.float32))
    cosines = rows @ rows[7]
    near = archive.similar(record(7).id, k=5, raw=True)
    wanted = [number for number in np.argsort(-cosines) if number != 7][:5]
    assert [item.record.name for item in near] == [f"{number}.wav" for number in wanted]
    np.testing.assert_allclose([item.cosine for item in near], cosines[wanted], atol=1e-4)
    np.testing.assert_allclose([item.similarity for item in near], cosines[wanted], atol=2e-3)


def test_the_nearest_after_whitening(archive: Archive) -> None:
    for number in range(60):  # so they are kept in this order
        archive.add_records([record(number)])
    near = archive.similar(record(7).id, k=5)
    rows = np.concatenate([rows for _, rows in archive.neighbours.vectors()])
    cosines = rows @ rows[7]
    wanted = [number for number in np.argsort(-cosines) if number != 7][:5]
    assert [item.record.name for item in near] == [f"{number}.wav" for number in wanted]
    np.testing.assert_allclose([item.similarity for item in near], cosines[wanted], atol=2e-3)
    assert min(item.cosine for item in near) > max(item.similarity for item in near)  # raw ones lie close together


def test_filters_and_segments(archive: Archive) -> None:
    archive.add_records(record(number) for number in range(400))
    archive.tag(record(390).sha256, "far")
    for raw in (False, True):
        for segments in (False, True):
            more = {"raw": raw, "segments": segments}
            near = archive.similar(record(0).id, k=7, where=Filter(emotion="sad"), **more)
            assert [item.record.emotion for item in near] == ["sad"] * 7
            assert [item.similarity for item in near] == sorted((item.similarity for item in near), reverse=True)
            (only,) = archive.similar(record(0).id, k=3, where=Filter(tag="far"), **more)
            assert only.record.name == "390.wav"
            assert (only.segment is not None) == segments
            everything = archive.similar(record(0).id, k=1000, **more)  # type: ignore[arg-type]
            assert (
                len(everything) == 399 if raw else len(everything) > 200
            )  # an index need not find the last of all
            assert archive.similar(record(0).id, where=Filter(name="nobody"), **more) == []


def test_a_recording_is_no_neighbour_of_its_own_nor_twice_one(archive: Archive) -> None:
    archive.add_records(record(number) for number in range(12))
    archive.add_records(record(3, id=f"{number:064x}") for number in range(30))
    near = archive.similar(record(1).id, k=11)
    assert sorted(item.record.name or "" for item in near) == sorted(f"{n}.wav" for n in range(12) if n != 1)
    assert "3.wav" not in {item.record.name for item in archive.similar(record(3).id, k=11)}


def test_models_are_never_mixed(archive: Archive) -> None:
    archive.add_records([record(number) for number in range(5)])
    archive.add_records([record(number, model="other") for number in range(5, 10)])
    archive.add_records([record(number, revision="2") for number in range(10, 15)])
    archive.add_records([record(number, embedding=vector(number, width=5)) for number in range(15, 20)])
    for first in (0, 5, 10, 15):
        near = archive.similar(record(first).id, k=50)
        assert {item.record.name for item in near} == {f"{number}.wav" for number in range(first + 1, first + 5)}
    with pytest.raises(ArchiveError, match=r"by the model new 1, only by other 1, tiny 1, tiny 2"):
        archive.similar(
            recognition(embedding=np.ones((1, WIDTH), np.float32)).model_copy(
                update={"model": recognition().model.model_copy(update={"name": "new"})}
            )
        )


def test_revisions_with_the_same_embeddings_are_one_space(archive: Archive) -> None:
    archive.add_records([record(number) for number in range(5)])
    archive.add_records([record(number, revision="1.1", embedding_revision="1") for number in range(5, 10)])
    archive.add_records([record(number, revision="2") for number in range(10, 15)])
    for first in (0, 5):
        for segments in (False, True):
            near = archive.similar(record(first).id, k=50, segments=segments)
            names = {f"{number}.wav" for number in range(10) if number != first}
            assert {item.record.name for item in near} == names
    newer = recognition().model.model_copy(update={"revision": "1.1", "embedding_revision": "1"})
    given = recognition(embedding=vector(3)[np.newaxis], model=newer)
    assert {item.record.name for item in archive.similar(given, k=50)} == {f"{number}.wav" for number in range(10)}
    found, vectors = archive.embedded()  # the latest of them, which is of the newer revision, comes first
    assert [item.revision for item in found] == ["1.1"] * 5 + ["1"] * 5
    assert vectors.shape == (10, WIDTH)


def test_what_has_no_embedding(archive: Archive) -> None:
    archive.add_records([record(1, embedding=None), record(2)])
    with pytest.raises(ArchiveError, match="no embedding of it"):
        archive.similar(record(1).id)
    with pytest.raises(ArchiveError, match="embedding=True"):
        archive.similar(recognition())
    with pytest.raises(ArchiveError, match="no embedding of it"):
        archive.similar("0" * 64)


def test_it_keeps_up(archive: Archive) -> None:
    archive.add_records(record(number) for number in range(20))
    assert len(archive.similar(record(0).id, k=99)) == 19
    archive.add_records(record(number) for number in range(20, 70))  # so it is fitted anew
    assert len(archive.similar(record(0).id, k=99)) == 69
    archive.add_records([record(70)])
    assert len(archive.similar(record(0).id, k=99)) == 70
    archive.delete(record(number).sha256 for number in range(1, 60))
    assert len(archive.similar(record(0).id, k=99)) == 11
    archive.add_records([record(1)])
    assert len(archive.similar(record(0).id, k=99)) == 12


def test_a_cache_of_another_database_is_none_of_this_ones(tmp_path: Path) -> None:
    for numbers in (range(10), range(10, 20)):
        with Archive(tmp_path / "a.db") as archive:
            archive.add_records(record(number) for number in numbers)
            assert len(archive.similar(record(numbers[0]).id, k=99)) == 9
            near = archive.similar(record(numbers[0]).id, k=99, raw=True)
            assert {item.record.name for item in near} == {f"{number}.wav" for number in numbers[1:]}
            for item in near:  # by the cache, and by the database
                assert item.similarity == pytest.approx(item.cosine, abs=5e-3)
        for file in tmp_path.glob("a.db*"):
            if file.is_file():
                file.unlink()


def test_postgresql_without_pgvector(
    postgres: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOVOX_DATABASE", postgres("bare"))
    settings.cache_clear()
    monkeypatch.setattr(PostgresIndex, "takes", lambda *_: False)
    with Archive() as archive:
        archive.add_records(record(number) for number in range(30))
        assert len(archive.similar(record(0).id, k=99)) == 29


def test_pgvector_finds_what_the_matrix_finds(
    postgres: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOVOX_DATABASE", postgres("both"))
    settings.cache_clear()
    with Archive() as archive:
        archive.add_records(record(number) for number in range(500))
        by_index = [[item.record.id for item in archive.similar(record(number).id)] for number in range(20)]
        with archive.database.connect() as connection:
            plan = connection.exec_driver_sql(
                "SELECT indexdef FROM pg_indexes WHERE tablename = 'nearest_1_1'"
            ).all()
        assert any("hnsw" in row[0] for row in plan)
    monkeypatch.setattr(PostgresIndex, "takes", lambda *_: False)
    with Archive() as archive:
        exactly = [[item.record.id for item in archive.similar(record(number).id)] for number in range(20)]
    shared = sum(len(set(one) & set(other)) for one, other in zip(by_index, exactly, strict=True))
    assert shared >= 0.95 * 200


@pytest.mark.slow
def test_one_recording_recognised_very_often(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.db") as archive:
        archive.add_records([record(number) for number in (1, 2)])
        archive.add_records(record(3, id=f"{number:064x}", segments=()) for number in range(40_000))
        near = archive.similar(record(1).id, k=100, where=Filter(model="tiny"), raw=True)
        assert sorted(item.record.name or "" for item in near) == ["2.wav", "3.wav"]
