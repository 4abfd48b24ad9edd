from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.batch.ledger import Ledger
from emovox.batch.tasks import Item
from emovox.errors import OutputsError

PATHS = st.lists(st.text("abc/é", min_size=1, max_size=3), max_size=30)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger")) as ledger:
        yield ledger


@given(done=PATHS, listed=st.lists(PATHS, max_size=4), count=st.integers(1, 9))
def test_each_path_is_given_once_and_nothing_that_is_done(
    done: list[str], listed: list[list[str]], count: int
) -> None:
    with TemporaryDirectory() as directory, closing(Ledger(Path(directory, "ledger"))) as ledger:
        ledger.add_done([(path, None) for path in done], "x.parquet")
        assert ledger.done() == len(set(done))
        new = sum(ledger.add(map(Item, some)) for some in listed)
        given_out: list[str] = []
        while some := ledger.take(count):
            assert len(some) <= count
            given_out += [item.path for item in some]
        everything = {path for some in listed for path in some}
        assert len(given_out) == new
        assert sorted(given_out) == sorted(everything - set(done))
        assert [ledger.settle(path) for path in given_out] == [True] * new
        assert not any(ledger.settle(path) for path in [*given_out, *done, "never listed"])


def test_an_item_keeps_its_row(ledger: Ledger) -> None:
    item = Item("t.parquet#7", (1, 3), "audio.bytes")
    ledger.add([item])
    assert ledger.take(5) == [item]


def test_one_recording_of_a_content_is_heard(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path / "ledger"), Ledger(tmp_path / "ledger")  # as two processes have it
    assert one.claim("s", "a")
    assert not other.claim("s", "b")
    assert other.claim("s", "a")  # tried again elsewhere
    one.stored([("s", "a")], "shard")
    assert not other.claim("s", "b")
    other.add_done([("old", "t")], "before")
    assert not one.claim("t", "old")
    assert list(one.contents(1)) == [["s"], ["t"]]


def test_twins_wait_for_their_content(ledger: Ledger) -> None:
    for sha256, path in (("s", "a"), ("f", "c"), ("w", "e")):
        assert ledger.claim(sha256, path)
    for path, sha256 in (("b", "s"), ("b2", "s"), ("d", "f"), ("g", "w")):
        ledger.add_twin(path, sha256)
    assert list(ledger.twins(10)) == []
    ledger.stored([("s", "a")], "shard")
    ledger.failed("f", "c", "broken")
    assert sorted(map(repr, ledger.twins(1))) == sorted(
        map(repr, [("shard", None, [("b", "s")]), ("shard", None, [("b2", "s")]), (None, "broken", [("d", "f")])])
    )
    assert list(ledger.twins(10, all_of_them=True)) == [(None, None, [("g", "w")])]
    assert list(ledger.twins(10, all_of_them=True)) == []


def test_outputs_that_rows_name_are_kept(ledger: Ledger) -> None:
    ledger.keep(["outputs_1"])
    assert ledger.is_kept("outputs_1")
    assert not ledger.is_kept("outputs_2")


def test_a_full_disk_is_said_and_leaves_it_usable(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger._base.execute("PRAGMA max_page_count=20")
    with pytest.raises(OutputsError, match="full: set TMPDIR"):
        ledger.add(Item(f"{number:0500}.wav") for number in range(1000))
    assert ledger.add([Item("a.wav")]) == 1
    assert ledger.take(10) == [Item("a.wav")]
    ledger.close()
