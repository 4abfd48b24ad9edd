"""The selection: which records an upgrade is of, and which heads and baselines."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import ColumnElement, func, select

from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.archive.rows import RecordMapper, joined
from emovox.archive.schema import recognitions, recordings
from emovox.baselines.baseline import Baseline
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, EmovoxError
from emovox.models.fitted import Fitted, FittedModel
from emovox.models.head import Head
from emovox.models.metadata import Metadata
from emovox.policy import policy
from emovox.upgrade.material import Material, material_of

Kind = TypeVar("Kind", bound=Fitted)

_PAGE = 100
OF_RUN = "they were recognised relative to all recordings of a run: do that again with `emovox batch`"


class Selection:
    """Records that another revision of a model recognised, and what was fitted to its embeddings.

    Attributes:
        archive: that has them.
        metadata: of the model, of the revision that is to be.
        filtered: whether only some are chosen.
    """

    def __init__(self, archive: Archive, metadata: Metadata, where: Filter) -> None:
        """Select.

        Args:
            archive: that has them.
            metadata: of the model.
            where: which records; heads and baselines are then only those that they were recognised with.

        Raises:
            ArchiveError: the filter is of another model.
        """
        if where.model not in {None, metadata.name}:
            raise ArchiveError(
                f"the filter is of the model {where.model}, and this upgrades to {metadata.name}: choose that "
                "with --model"
            )
        self.archive, self.metadata = archive, metadata
        self.filtered = where != Filter()
        self._where = replace(where, model=metadata.name)
        self._known: dict[str, list[str]] = {}

    def materials(self) -> Iterator[Material]:
        """Of all records, latest first."""
        records = self._records()
        while page := list(islice(records, _PAGE)):
            yield from material_of(self.archive, page)

    def _records(self) -> Iterator[ArchiveRecord]:
        for record in self.archive.all(self._where):
            own = record.emovox is not None  # another program's result stays its own
            withheld = record.policy is not None and not record.policy.inferred  # of talk time no model knows more
            if own and not withheld and record.revision != self.metadata.revision:
                yield record

    def by_ids(self, ids: Iterable[str]) -> list[Material]:
        """Of records by their ids, as far as they are there."""
        return material_of(self.archive, self._query(recognitions.c.id.in_(list(ids))))

    def of_recording(self, digest: str) -> list[ArchiveRecord]:
        """The records by any revision of the model, of a recording by the beginning of its checksum."""
        begins = (recordings.c.sha256 >= digest, recordings.c.sha256 < f"{digest}g")
        return self._query(*begins, recognitions.c.model == self.metadata.name)

    def _query(self, *conditions: ColumnElement[bool]) -> list[ArchiveRecord]:
        database = self.archive.database
        with database.connect() as connection:
            return RecordMapper(database).records(connection, joined().where(*conditions))

    def fitted(self, kind: type[Kind]) -> list[Kind]:
        """Heads or baselines on embeddings of another revision: all, or those that the chosen records have."""
        items = []
        for name in kind.names():
            item = self.own(kind, name)
            if item is not None and item.model != FittedModel.of(self.metadata):
                items.append(item)
        if not self.filtered or not items:
            return items
        used = {name for material in self.materials() for name in (material.head, material.baseline_name) if name}
        wholes = {group_of(item) for item in items if item.name in used}
        return [item for item in items if group_of(item) in wholes]

    def own(self, kind: type[Kind], name: str) -> Kind | None:
        """The user's head or baseline of that name, if it is of any revision of this model."""
        with suppress(EmovoxError):
            item = kind.read(kind.path_of(name))
            if item.model.name == self.metadata.name:
                return item
        return None

    def current(self, kind: type[Kind], name: str | None, made: Path) -> Kind | None:
        """The head or baseline to recognise with: made in this directory, or the user's own of this revision."""
        if name is None:
            return None
        if (made / f"{name}.json").is_file():
            return kind.read(made / f"{name}.json")
        item = self.own(kind, name)
        return item if item is not None and item.model == FittedModel.of(self.metadata) else None

    def gone(self, material: Material) -> list[str]:
        """The head and baseline that it was recognised with, as far as they aren't among the user's any more."""
        gone = []
        if material.head is not None and self.own(Head, material.head) is None:
            gone.append(f"head {material.head}")
        name = material.baseline_name
        if name is not None and self.own(Baseline, name) is None:
            gone.append(f"baseline {name}")
        return gone

    def known(self, revision: str) -> list[str]:
        """The emotions that a revision gave to any recording."""
        if revision not in self._known:
            query = select(*(func.max(recognitions.c[name]).label(name) for name in NAMES)).where(
                recognitions.c.model == self.metadata.name, recognitions.c.revision == revision
            )
            with self.archive.database.connect() as connection:
                most = connection.execute(query).mappings().one()
            self._known[revision] = [name for name in NAMES if most[name]]
        return self._known[revision]


def waiting(material: Material, heads: Mapping[str, str], baselines: Mapping[str, str]) -> str:
    """Why a recognition can't be made again yet; empty: nothing says so.

    Args:
        material: of it.
        heads: that stay as they are, by name, with why.
        baselines: likewise.
    """
    if (side := material.record.side) in policy().withheld:
        return f"the policy allows nothing but the talk time of a {side}'s voice"
    if material.of_run:
        return OF_RUN
    if material.head is not None and heads.get(material.head):
        return f"they were recognised with the head {material.head}, which stays as it is"
    name = material.baseline_name
    if name is not None and baselines.get(name):
        return f"they were recognised with the baseline {name}, which stays as it is"
    return ""


def group_of(item: Fitted) -> str:
    """The name of the baseline of the whole set of one, or its own."""
    return item.group.name if isinstance(item, Baseline) and item.group is not None else item.name
