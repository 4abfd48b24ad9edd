"""What is listed in a thread is given out once each, in order, and what goes wrong there isn't lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emovox.batch.ledger import Ledger
from emovox.batch.listing import TOGETHER, Listing
from emovox.batch.status import Status
from emovox.batch.tasks import Failed, Item
from emovox.errors import BatchError
from support.waiting import until


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def drained(listing: Listing) -> list[str]:
    paths = []
    while listing.more():
        if (item := listing.take()) is not None:
            paths.append(item.path)
    return paths


def test_each_once_and_in_order(ledger: Ledger) -> None:
    names = [f"{number:05}" for number in range(2 * TOGETHER + 7)]
    status = Status()
    with Listing(iter([Item(name) for name in [*names, *names]]), ledger, status) as listing:
        assert drained(listing) == names
        listing.check()
    assert status.listed == len(names)
    assert not status.listing


def test_what_cannot_be_used_is_told_once(ledger: Ledger) -> None:
    entries: list[Item | Failed] = [Item("a"), Failed("b", "no such file"), Failed("b", "no such file"), Item("c")]
    with Listing(iter(entries), ledger, Status()) as listing:
        assert drained(listing) == ["a", "c"]
        assert [failed.path for failed in listing.unusable()] == ["b"]
        assert list(listing.unusable()) == []


def test_one_that_is_put_back_comes_next(ledger: Ledger) -> None:
    with Listing(iter([Item("a"), Item("b")]), ledger, Status()) as listing:
        while (item := listing.take()) is None:
            assert listing.more()
        listing.put_back(item)
        assert drained(listing) == ["a", "b"]


def test_a_source_that_breaks_off_loses_nothing_of_before(ledger: Ledger) -> None:
    def entries() -> Iterator[Item]:
        yield Item("a")
        raise BatchError("list.csv: line 3")

    with Listing(entries(), ledger, Status()) as listing:
        assert drained(listing) == ["a"]
        with pytest.raises(BatchError, match="line 3"):
            listing.check()


def test_leaving_the_block_ends_an_endless_source(ledger: Ledger) -> None:
    def entries() -> Iterator[Item]:
        number = 0
        while True:
            yield Item(str(number := number + 1))

    status = Status()
    with Listing(entries(), ledger, status) as listing:
        until(lambda: listing.take() is not None)
    assert not status.listing
