"""Vectors: the embeddings of whole recordings as they are stored, for baselines to be made of, and rid of them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from emovox.archive import rows
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.record import Floats
from emovox.archive.schema import embeddings, recognitions, recordings, spaces
from emovox.errors import ArchiveError
from emovox.heads import embedding_cache
from emovox.inference.recognition import NO_SPEECH
from emovox.outputs import EMBEDDING
from emovox.policy import Side
from emovox.speech_embeddings import SILENCE

_BLOCK = 1000


@dataclass(frozen=True)
class Block:
    """Some recognitions with their embeddings.

    Attributes:
        sha256s: of the recordings.
        channels: that were recognised alone, from 1; None: all together.
        links: where the recordings were.
        tags: of the recordings.
        vectors: float32 (n, D), rounded to float16.
        sides: whose voices they are; None: nobody said.
    """

    sha256s: list[str]
    channels: list[int | None]
    links: list[str | None]
    tags: list[tuple[str, ...]]
    vectors: Floats
    sides: list[Side | None]


def stored_embeddings(archive: Archive, sha256: str) -> Iterator[Floats]:
    """All embeddings (D,) that are stored of a recording, by any model: what a baseline may have summed.

    In the archive, in the outputs directories that it knows, and in the cache of embeddings.
    """
    query = select(recognitions.c.outputs, embeddings.c.vector).outerjoin(
        embeddings, (embeddings.c.recognition == recognitions.c.id) & (embeddings.c.segment == rows.WHOLE)
    )
    with archive.database.connect() as connection:
        items = connection.execute(query.where(recognitions.c.recording == sha256)).all()
    for text, content in items:
        if content is not None:
            yield rows.unpacked(content)
        if text is not None:
            with suppress(OSError, ValueError):
                values = np.load(archive.directories.resolved(text) / EMBEDDING, allow_pickle=False)
                yield np.atleast_2d(np.asarray(values, np.float32)).mean(axis=0)
    yield from embedding_cache.stored(sha256)


def blocks(archive: Archive, where: Filter, *, model: str, revision: str, size: int) -> Iterator[Block]:
    """The embeddings of all recordings with speech that a filter selects, by one model, latest first, in blocks.

    Args:
        archive: that has them.
        where: what must hold.
        model: its name.
        revision: whose embeddings they are.
        size: D.

    Raises:
        ArchiveError: it has none by this model.
        FilterError: nothing in the archive is called as the filter says.
    """
    own = (spaces.c.model == model, spaces.c.revision == revision, spaces.c.dimensions == size)
    columns = (
        recognitions.c.recording,
        recognitions.c.channel,
        recordings.c.link,
        embeddings.c.id,
        recognitions.c.side,
    )
    padded = " " + recognitions.c.warnings + " "
    spoken = [~padded.contains(f" {warning} ", autoescape=True) for warning in (NO_SPEECH, SILENCE)]
    joined = embeddings.join(spaces).join(recognitions).join(recordings)
    query = select(*columns).select_from(joined).where(embeddings.c.segment == rows.WHOLE, *own, *spoken)
    query = query.order_by(recognitions.c.created.desc(), recognitions.c.id.desc())
    nothing = True
    with archive.database.connect() as connection, archive.database.connect() as other:
        query = query.where(*where.allowed().resolved(connection).conditions())
        options = {"stream_results": True, "yield_per": _BLOCK}
        for page in connection.execute(query, execution_options=options).partitions():
            vectors = _vectors(other, [row[3] for row in page])
            part = [row for row in page if row[3] in vectors]  # the others were deleted meanwhile
            if not part:
                continue
            nothing = False
            names = rows.tags_of(other, {row[0] for row in part})
            yield Block(
                [row[0] for row in part],
                [row[1] for row in part],
                [row[2] for row in part],
                [names.get(row[0], ()) for row in part],
                np.stack([rows.unpacked(vectors[row[3]]) for row in part]),
                [row[4] for row in part],
            )
        if nothing:
            raise ArchiveError(
                f"the archive has no embeddings of these recordings by {model} {revision}{_others(other, model)}"
            )


def _vectors(connection: Connection, ids: list[int]) -> dict[int, bytes]:
    """By id; not in the query of all, which would sort them."""
    vectors: dict[int, bytes] = {}
    for first in range(0, len(ids), _BLOCK // 2):
        query = select(embeddings.c.id, embeddings.c.vector).where(
            embeddings.c.id.in_(ids[first : first + _BLOCK // 2])
        )
        vectors |= {row.id: row.vector for row in connection.execute(query)}
    return vectors


def _others(connection: Connection, model: str) -> str:
    query = select(spaces.c.model, spaces.c.revision).where(spaces.c.kind == rows.RECORDING)
    keys = [(row.model, row.revision) for row in connection.execute(query)]
    labels = sorted({f"{name} {revision}".strip() for name, revision in keys})
    return (
        f"; it has those by {', '.join(labels)}: choose with --model{rows.advice(model, keys)}"
        if labels
        else ": recognise them with --archive"
    )
