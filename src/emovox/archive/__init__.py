"""The archive: every recognition that was kept, searched, counted, compared and drawn as a map.

    from emovox.archive import Archive

    with Archive() as archive:
        archive.add(recognition)
        archive.similar(recognition, k=5)

Its packages are an extra.
"""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.archive.archive import Archive
    from emovox.archive.filter import Filter
    from emovox.archive.similarity.search import Neighbour
    from emovox.archive.statistics import Stats
    from emovox.archive.stored_record import Found

__all__ = ["Archive", "Filter", "Found", "Neighbour", "Stats"]
__getattr__ = lazy.names(
    __name__,
    {
        "Archive": "archive",
        "Filter": "filter",
        "Found": "stored_record",
        "Neighbour": "similarity.search",
        "Stats": "statistics",
    },
)
