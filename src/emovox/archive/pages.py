"""Pages: where one ends and the next begins."""

from emovox.archive.record import ArchiveRecord
from emovox.errors import ArchiveError


def mark(record: ArchiveRecord) -> str:
    """`before` of the page that begins after a record."""
    return f"{record.created.timestamp()!r}:{record.id}"


def position(before: str) -> tuple[float, str]:
    """What a mark says of its record: when it was created, and its id.

    Raises:
        ArchiveError: no page gives such a mark.
    """
    created, _, id_ = before.partition(":")
    try:
        return float(created), id_
    except ValueError:
        raise ArchiveError("before: give what the previous page gave") from None
