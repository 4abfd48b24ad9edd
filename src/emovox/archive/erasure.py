"""Erasure: everything of recordings goes, and a report says what went and what couldn't.

Baselines come first, as what they summed is subtracted while it is there; then outputs directories, and the
archive's rows last: whatever is killed halfway is still found by them, and the same erasure goes on with it.
"""

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select

from emovox import outputs as outputs_directories
from emovox.archive import rows
from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.outputs_directory import possible_ids
from emovox.archive.record import ArchiveRecord
from emovox.archive.schema import corrections, embeddings, recognitions
from emovox.archive.vectors import stored_embeddings
from emovox.baselines.removal import Removal, take_out
from emovox.errors import HeadError, OutputsError
from emovox.models import head as heads
from emovox.models.head import Head
from emovox.policy import Policy

Remove = Callable[[Path], None]
"""Deletes an outputs directory, and all that is kept because of it; raises OutputsError."""


@dataclass(frozen=True)
class Left:
    """What is still there of a recording: where, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class TrainedHead:
    """A head that was trained on a recording, or may have been: nothing can be taken out of it.

    Attributes:
        name: of the head.
        certain: False: it doesn't know what it was trained on, or can't be read.
        command: that trains it again, once its list is without the recording.
    """

    name: str
    certain: bool
    command: str


@dataclass
class Erasure:
    """What went, and what couldn't.

    Attributes:
        recordings: checksums of those of which nothing is left.
        recognitions: how many went from the archive.
        embeddings: likewise, of recordings and segments.
        corrections: likewise.
        outputs: the directories that were deleted.
        baselines: what became of those that were made of them.
        heads: that were trained on them.
        left: outputs directories that are still there.
        own: the recordings themselves, where they still are: they are their owner's to delete.
    """

    recordings: list[str] = field(default_factory=list)
    recognitions: int = 0
    embeddings: int = 0
    corrections: int = 0
    outputs: list[Path] = field(default_factory=list)
    baselines: list[Removal] = field(default_factory=list)
    heads: list[TrainedHead] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is left, so far as is known."""
        return not (self.left or self.own or self.heads or any(item.reason for item in self.baselines))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "outputs": list(map(str, self.outputs)), "complete": self.complete}


def erase(
    archive: Archive,
    records: Iterable[ArchiveRecord],
    *,
    remove: Remove = outputs_directories.remove,
    baselines: bool = True,
    outputs: bool = True,
) -> Erasure:
    """Erase recognitions, and recordings of which there is no other with all that is of them.

    That is: the archive's rows with embeddings, tags and corrections, the files made of them to search in, outputs
    directories, cached embeddings, and what baselines have of them.

    Args:
        archive: that has them.
        records: the recognitions.
        remove: deletes an outputs directory.
        baselines: whether recordings are taken out of baselines; they stay in heads.
        outputs: whether outputs directories are deleted.

    Raises:
        BaselineError: a baseline can't be written; nothing else was deleted.
        sqlalchemy.exc.SQLAlchemyError: the database can't be read or written.
    """
    records = list(records)
    ids = {record.id for record in records}
    whole = _whole(archive, ids, {record.sha256 for record in records})
    erasure = Erasure(recordings=sorted(whole), recognitions=len(ids))
    erasure.embeddings, erasure.corrections = _counts(archive, ids, whole)
    if baselines:
        erasure.baselines = take_out(whole, lambda sha256: stored_embeddings(archive, sha256))
    if outputs:
        _remove_outputs(archive, records, remove, erasure)
    archive.delete(whole)
    _delete_rows(archive, ids)
    erasure.heads = list(trained_on(whole))
    links = {record.link for record in records if record.link is not None and record.sha256 in whole}
    erasure.own = sorted(filter(os.path.lexists, links))
    return erasure


def trained_on(sha256s: Collection[str]) -> Iterator[TrainedHead]:
    """The user's heads that were trained on one of these recordings, or may have been, by their names."""
    for name in heads.names() if sha256s else ():
        try:
            training = Head.find(str(heads.head_path(name))).training
        except HeadError:
            yield TrainedHead(name, certain=False, command=f"emovox head remove {shlex.quote(name)}")
            continue
        certain = any(map(training.knows, sha256s))
        if certain or training.recordings is None:
            source = "--corrections" if training.corrections else shlex.quote(training.labels_file or "LABELS")
            yield TrainedHead(name, certain, f"emovox head train {source} --name {shlex.quote(name)}")


def expired(archive: Archive, policy: Policy, now: datetime | None = None) -> list[ArchiveRecord]:
    """The recognitions that are older than the policy keeps those of their purpose.

    Args:
        archive: that has them.
        policy: with a retention; without one nothing expires.
        now: instead of this moment.
    """
    moment = now or datetime.now(timezone.utc)
    limits = {purpose: moment - timedelta(days=days) for purpose, days in policy.retention}
    default = limits.pop("default", None)
    records = [
        record for purpose, limit in limits.items() for record in archive.all(Filter(purpose=purpose, until=limit))
    ]
    if default is not None:
        others = archive.all(Filter(until=default))
        records += [record for record in others if record.purpose not in limits]
    return records


def _whole(archive: Archive, ids: Collection[str], sha256s: Collection[str]) -> set[str]:
    """The recordings of which there is no other recognition."""
    others = set[str]()
    with archive.database.connect() as connection:
        for part in rows.parts(sha256s):
            query = select(recognitions.c.recording, recognitions.c.id).where(recognitions.c.recording.in_(part))
            others |= {row.recording for row in connection.execute(query) if row.id not in ids}
    return set(sha256s) - others


def _counts(archive: Archive, ids: Collection[str], sha256s: Collection[str]) -> tuple[int, int]:
    embedding_count = correction_count = 0
    with archive.database.connect() as connection:
        for part in rows.parts(ids):
            query = select(func.count()).select_from(embeddings).where(embeddings.c.recognition.in_(part))
            embedding_count += connection.execute(query).scalar_one()
        for part in rows.parts(sha256s):
            query = select(func.count()).select_from(corrections).where(corrections.c.recording.in_(part))
            correction_count += connection.execute(query).scalar_one()
    return embedding_count, correction_count


def _remove_outputs(archive: Archive, records: list[ArchiveRecord], remove: Remove, erasure: Erasure) -> None:
    copies = archive.directories.of(record.id for record in records)
    for record in records:
        paths = {*copies.get(record.id, ()), *([] if record.outputs is None else [record.outputs])}
        for path in sorted(paths):
            if not os.path.isdir(path):  # noqa: PTH112  what is too deep raises no error here
                continue
            try:
                if record.id not in possible_ids(path):
                    erasure.left.append(Left(str(path), "it holds another result now"))
                    continue
                remove(path)
                erasure.outputs.append(path)
            except (OSError, OutputsError) as error:
                erasure.left.append(Left(str(path), f"it can't be deleted: {error}"))


def _delete_rows(archive: Archive, ids: Collection[str]) -> None:
    """Delete recognitions whose recordings stay."""
    with archive.database.begin() as connection:
        for part in rows.parts(ids):
            rows.count_deletions(connection, part)
            connection.execute(delete(recognitions).where(recognitions.c.id.in_(part)))
    archive.neighbours.forget()
