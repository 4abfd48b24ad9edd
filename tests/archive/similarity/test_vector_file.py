from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox.archive import Archive
from emovox.archive.record import Floats
from emovox.archive.similarity.vector_file import Ids, VectorFile
from emovox.archive.similarity.whitening import unit
from support.records import record, vector

WIDTH = 8


class Table:
    """A table of vectors, as a database would have it."""

    def __init__(self) -> None:
        self.vectors: dict[int, Floats] = {}
        self.next, self.deletions = 1, 0

    def add(self, count: int) -> None:
        for _ in range(count):
            self.vectors[self.next] = vector(self.next)
            self.next += 1

    def delete(self, id_: int) -> None:
        self.deletions += self.vectors.pop(id_, None) is not None

    def refresh(self, matrix: VectorFile, key: str = "a") -> None:
        matrix.refresh(
            key=key, width=WIDTH, last=max(self.vectors, default=0), deletions=self.deletions, alive=self.ids,
            read=self.read,
        )  # fmt: skip

    def ids(self) -> Ids:
        return np.array(sorted(self.vectors), np.int64)

    def read(self, above: int) -> Iterator[tuple[Ids, Floats]]:
        ids = [id_ for id_ in sorted(self.vectors) if id_ > above]
        for first in range(0, len(ids), 3):
            part = ids[first : first + 3]
            yield np.array(part, np.int64), unit(np.stack([self.vectors[id_] for id_ in part]))

    def check(self, matrix: VectorFile) -> None:
        ids, rows = matrix.rows()
        np.testing.assert_array_equal(ids, self.ids())
        for id_, row in zip(ids.tolist(), rows, strict=True):
            np.testing.assert_array_equal(row, unit(self.vectors[id_]).astype(np.float16))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 7)),
        st.tuples(st.just("delete"), st.integers(1, 20)),
        st.tuples(st.just("refresh"), st.integers(0, 1)),
        st.tuples(st.just("key"), st.integers(0, 2)),
    ),
    max_size=15,
)


@given(STEPS)
@hypothesis_settings(max_examples=60)
def test_it_equals_the_table_after_anything(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    place, table, key = tmp_path_factory.mktemp("matrix"), Table(), "a"
    matrices = [VectorFile(place, "m"), VectorFile(place, "m")]  # of two processes
    for step, number in [*steps, ("refresh", 0), ("refresh", 1)]:
        if step == "add":
            table.add(number)
        elif step == "delete":
            table.delete(number)
        elif step == "key":
            key = "abc"[number]
        else:
            table.refresh(matrices[number], key)
            table.check(matrices[number])
    assert len(list(place.glob("m.*.ids"))) == 1


def test_what_a_kill_leaves_is_no_part_of_it(tmp_path: Path) -> None:
    table, matrix = Table(), VectorFile(tmp_path, "m")
    table.add(5)
    table.refresh(matrix)
    (vectors,), (ids,) = tmp_path.glob("*.vectors"), tmp_path.glob("*.ids")
    with vectors.open("ab") as file:
        file.write(b"half a row")
    with ids.open("ab") as file:
        file.write(b"12345678123")
    (tmp_path / "m.9.vectors").write_bytes(b"")
    (tmp_path / "m.9.ids").write_bytes(b"")
    again = VectorFile(tmp_path, "m")
    table.refresh(again)
    table.check(again)
    table.add(2)
    table.refresh(again)
    table.check(again)
    assert vectors.stat().st_size == 7 * WIDTH * 2


@pytest.mark.parametrize("damage", ["no state", "bad state", "short"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: str) -> None:
    table = Table()
    table.add(5)
    table.refresh(VectorFile(tmp_path, "m"))
    if damage == "no state":
        (tmp_path / "m.json").unlink()
    elif damage == "bad state":
        (tmp_path / "m.json").write_text("[")
    else:
        next(tmp_path.glob("*.vectors")).write_bytes(b"")
    matrix = VectorFile(tmp_path, "m")
    table.refresh(matrix)
    table.check(matrix)


def test_new_rows_are_appended_and_nothing_is_read_twice(tmp_path: Path) -> None:
    table, matrix = Table(), VectorFile(tmp_path, "m")
    table.add(50)
    table.refresh(matrix)
    asked: list[int] = []
    read = table.read
    table.read = lambda above: (asked.append(above), read(above))[1]  # type: ignore[method-assign,func-returns-value]
    table.refresh(matrix)
    assert asked == []
    table.add(1)
    table.refresh(matrix)
    assert asked == [50]


def test_who_reads_goes_on_reading(tmp_path: Path) -> None:
    table, reader, writer = Table(), VectorFile(tmp_path, "m"), VectorFile(tmp_path, "m")
    table.add(20)
    table.refresh(reader)
    before = reader.rows()[1].copy()
    table.delete(3)
    table.refresh(writer)
    np.testing.assert_array_equal(reader.rows()[1], before)


def test_the_nearest_are_those_of_numpy(tmp_path: Path) -> None:
    table, matrix = Table(), VectorFile(tmp_path, "m")
    table.add(200)
    table.refresh(matrix)
    query = unit(vector(1000))
    ids, rows = matrix.rows()
    cosines = rows.astype(np.float32) @ query
    ranking = matrix.rank(query, without=np.array([3, 77, 5000]))
    open_ = [row for row in range(200) if ids[row] not in {3, 77}]
    for k in (25, 198, 1000):
        found = ranking.first(k)
        true = np.sort(cosines[open_])[::-1][:k]
        np.testing.assert_allclose([cosine for _, cosine in found], true, atol=1e-3)
        np.testing.assert_allclose([cosines[id_ - 1] for id_, _ in found], true, atol=1e-3)  # ids begin with 1
    assert {id_ for id_, _ in ranking.among(np.array([5, 9, 77])).first(5)} == {5, 9}


def test_nothing_is_near_in_an_empty_one(tmp_path: Path) -> None:
    table, matrix = Table(), VectorFile(tmp_path, "m")
    table.refresh(matrix)
    assert matrix.rank(unit(vector(1)), without=np.array([1])).first(5) == []


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 15), min_size=1, max_size=6)), max_size=5))
@hypothesis_settings(max_examples=8)
def test_an_archives_caches_equal_its_database(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, list[int]]]
) -> None:
    with Archive(tmp_path_factory.mktemp("archive") / "a.db") as archive:
        archive.add_records([record(100)])
        for add, numbers in steps:
            if add:
                archive.add_records(record(number) for number in numbers)
            else:
                archive.delete(record(number).sha256 for number in numbers)
            for raw in (False, True):
                near = archive.similar(record(100).id, k=100, raw=raw)
                assert {item.record.id for item in near} == {item.id for item in archive.all()} - {record(100).id}
                ids = np.concatenate([ids for ids, _ in archive.neighbours.vectors(raw=raw)])
                rows = np.concatenate([rows for _, rows in archive.neighbours.vectors(raw=raw)])
                cached = archive.neighbours._file(1, raw=raw).rows()
                np.testing.assert_array_equal(cached[0], ids)
                np.testing.assert_allclose(cached[1], unit(rows), atol=1e-3)
