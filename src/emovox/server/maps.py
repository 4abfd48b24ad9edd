"""Maps of the archive: one is laid out at a time, and the last few are kept."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from emovox.archive.map.projection import Method, place
from emovox.archive.record import ArchiveRecord, Floats
from emovox.server.http.problems import Problem

KEPT = 4  # maps
_PATIENCE = 60.0  # seconds that a request waits for the map of another


class Maps:
    """Positions of recordings, which are laid out anew only when others are asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: OrderedDict[tuple[str, ...], tuple[Floats, str]] = OrderedDict()

    def positions(self, records: Sequence[ArchiveRecord], vectors: Floats, method: Method) -> tuple[Floats, str]:
        """As `place`.

        Raises:
            ArchiveError: UMAP is asked for and not installed.
            Problem: 503, other maps are being laid out.
        """
        key = (method, *(record.id for record in records))
        if not self._lock.acquire(timeout=_PATIENCE):
            reason = "other maps are being laid out: try again in a minute"
            raise Problem(503, "busy", reason, headers={"Retry-After": "60"})
        try:
            if key not in self._maps:
                self._maps[key] = place(vectors, method=method)
                while len(self._maps) > KEPT:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(key)
            return self._maps[key]
        finally:
            self._lock.release()
