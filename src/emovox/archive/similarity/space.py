"""Spaces: embeddings that can be compared.

Embeddings of different models are never compared: a space has one model, revision and number of dimensions. All
precisions share a space: they change an embedding less than the recording's noise does.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from emovox.archive import rows
from emovox.archive.schema import embeddings, spaces
from emovox.errors import ArchiveError


@dataclass(frozen=True)
class Space:
    """Embeddings that can be compared.

    Attributes:
        token: random, so that a cache of another database isn't taken for one of this.
        deletions: how many of its rows have been deleted so far.
        last: the highest id of its rows; 0: it has none.
    """

    id: int
    model: str
    revision: str
    dimensions: int
    kind: str
    token: str
    deletions: int
    last: int

    @property
    def label(self) -> str:
        """The model's name and revision."""
        return f"{self.model} {self.revision}".strip()


def find_space(connection: Connection, model: str, revision: str, dimensions: int, kind: str) -> Space:
    """The space of a model's embeddings.

    Raises:
        ArchiveError: the archive has no embeddings of that model, or of that kind.
    """
    candidates = [space for space in all_spaces(connection) if space.last]
    for space in candidates:
        if (space.model, space.revision, space.dimensions, space.kind) == (model, revision, dimensions, kind):
            return space
    labels = sorted({space.label for space in candidates if space.kind == kind})
    others = f"only by {', '.join(labels)}" if labels else "nor by any other"
    advice = rows.advice(model, ((item.model, item.revision) for item in candidates))
    raise ArchiveError(
        f"the archive has no embeddings of {kind}s by the model {f'{model} {revision}'.strip()}, {others}; "
        f"embeddings of different models can't be compared{advice}"
    )


def all_spaces(connection: Connection) -> list[Space]:
    """All of a database, in the order in which they were made."""
    last = select(func.max(embeddings.c.id)).where(embeddings.c.space == spaces.c.id).scalar_subquery()
    return [
        Space(row.id, row.model, row.revision, row.dimensions, row.kind, row.token, row.deletions, row.last or 0)
        for row in connection.execute(select(spaces, last.label("last")).order_by(spaces.c.id))
    ]
