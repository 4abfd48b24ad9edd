"""The archive: recognitions in a database, to be found, counted, compared and drawn as a map.

    from emovox.archive import Archive

    with Archive() as archive:
        archive.add(recognition)
        archive.similar(recognition, k=5)

The packages that it needs are an extra.
"""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.archive.archive import Archive
    from emovox.archive.corrections import Correction
    from emovox.archive.filter import Filter
    from emovox.archive.record import ArchiveRecord
    from emovox.archive.similarity.search import Neighbour
    from emovox.archive.statistics import Stats

__all__ = ["Archive", "ArchiveRecord", "Correction", "Filter", "Neighbour", "Stats"]
__getattr__ = lazy.names(
    __name__,
    {
        "Archive": "archive",
        "ArchiveRecord": "record",
        "Correction": "corrections",
        "Filter": "filter",
        "Neighbour": "similarity.search",
        "Stats": "statistics",
    },
)
