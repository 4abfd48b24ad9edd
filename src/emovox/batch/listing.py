"""The listing: a thread lists the recordings into the ledger, while those already there are given out."""

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from emovox.batch.ledger import Ledger
from emovox.batch.status import Status
from emovox.batch.tasks import Failed, Item

TOGETHER = 1000  # recordings listed or taken at a time


class Listing:
    """The recordings of a run that have no row yet. In a `with` block: its thread ends with the block."""

    def __init__(self, entries: Iterator[Item | Failed], ledger: Ledger, status: Status) -> None:
        """Begin to list.

        Args:
            entries: recordings, and what of the source can't be used.
            ledger: where they are listed, each path once.
            status: told how many there are.
        """
        self._entries, self._ledger, self._status = entries, ledger, status
        self._buffer: deque[Item] = deque()
        self._unusable: deque[Failed] = deque()
        self._complete = threading.Event()
        self._closed = threading.Event()
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._list, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Listing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def take(self) -> Item | None:
        """The next recording; None: there is none now."""
        if not self._buffer:
            self._buffer.extend(self._ledger.take(TOGETHER))
        return self._buffer.popleft() if self._buffer else None

    def put_back(self, item: Item) -> None:
        """Give out a recording once more, next."""
        self._buffer.appendleft(item)

    def more(self) -> bool:
        """Whether there are recordings, or may still be."""
        if not self._complete.is_set():
            return True
        if not self._buffer:
            self._buffer.extend(self._ledger.take(TOGETHER))
        return bool(self._buffer)

    def unusable(self) -> Iterator[Failed]:
        """What of the source can't be used, and wasn't told yet."""
        while self._unusable:
            yield self._unusable.popleft()

    def check(self) -> None:
        """Raise what ended the listing early, if anything did."""
        if self._trouble is not None:
            raise self._trouble

    def _list(self) -> None:
        entries: list[Item | Failed] = []
        try:
            try:
                for entry in self._entries:
                    entries.append(entry)
                    if len(entries) >= TOGETHER:
                        self._add(entries)
                        entries = []
                    if self._closed.is_set():
                        return
            finally:
                self._add(entries)
        except Exception as error:
            self._trouble = error
        finally:
            self._status.listing = False
            self._complete.set()

    def _add(self, entries: list[Item | Failed]) -> None:
        self._status.listed += self._ledger.add(entry for entry in entries if isinstance(entry, Item))
        for entry in entries:
            if isinstance(entry, Failed) and self._ledger.add([Item(entry.path)], queued=False):
                self._status.listed += 1
                self._unusable.append(entry)
