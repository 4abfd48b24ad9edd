"""Labels, and what is stored of the recordings that they are about."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.archive.stretches import stretch_scores
from emovox.audio.files import EXTENSIONS
from emovox.errors import LabelsError
from emovox.labels.label_list import Labelled
from emovox.models.metadata import Metadata

DIGESTS = ("sha256", "digest")  # columns that name a recording for certain
_EXPORT = "_segments"  # what follows the name of a recording in that of a file that was downloaded of it
_Records = dict[str, dict[str, ArchiveRecord]]  # by what recordings may be called, and by their digests


class Match(NamedTuple):
    """A row, the record of its recording, and its nine scores without a baseline; None: nothing lies in it."""

    row: Labelled
    record: ArchiveRecord
    scores: Mapping[str, float] | None


class StoredRecordings:
    """The recordings of an archive that have scores of the nine, by what they may be called."""

    def __init__(self, archive: Archive, where: Filter) -> None:
        """Look through the archive; `where` must hold of its records."""
        self._archive = archive
        self._by_space: dict[tuple[str, str], _Records] = defaultdict(lambda: defaultdict(dict))
        self._by_stem: dict[str, dict[str, None]] = defaultdict(dict)
        self._names: set[str] = set()
        for record in archive.all(where):  # latest first
            if record.scores is None:
                continue
            keys = {"" if record.outputs is None else record.outputs.name}
            name = _base(record.name or "")
            if record.channel is None:
                keys |= {record.sha256, record.name or "", name}
                self._by_stem[_stem(name)].setdefault(name)
            else:
                keys.add(f"{_stem(name)}_channel{record.channel}")
            for key in keys - {""}:
                self._by_space[record.model, record.revision][key].setdefault(record.sha256, record)
                self._names.add(key)

    def recording_of(self, path: Path, media: Sequence[str]) -> str:
        """Which of them a file of labels is about: one that it names, or that has its name with another ending.

        A channel is called `call_channel1`, and what was downloaded of a recording `call_segments`. What isn't
        stored has a name all the same.

        Args:
            path: of the file, which is called as its author called it.
            media: what it says that its recording is called.

        Raises:
            LabelsError: there are several.
        """
        names = [*dict.fromkeys([*map(_base, media), path.stem, path.stem.removesuffix(_EXPORT)])]
        for name in names:
            if name in self._names:
                return name
        for name in names:
            some = list(self._by_stem.get(_stem(name), ()))
            if len(some) > 1:
                raise LabelsError(
                    f"{path}: both {some[0]} and {some[1]} are stored, so it isn't known which recording it is "
                    f"about: call it {some[0]}{path.suffix} or {some[1]}{path.suffix}"
                )
            if some:
                return some[0]
        return names[0]

    def match(self, rows: Sequence[Labelled], metadata: Callable[[str], Metadata | None]) -> list[Match]:
        """Rows with the latest record of their recording, all of the model and revision that has the most of them.

        A recording is known by a column of its sha256, by its name as the list has it, or by the name of its file
        if no other recording has that.

        Args:
            rows: of lists.
            metadata: of a model of this name, if it is installed.
        """
        most: list[tuple[Labelled, ArchiveRecord]] = []
        for records in self._by_space.values():
            pairs = [(row, record) for row in rows if (record := _one(row, records)) is not None]
            most = max(most, pairs, key=len)
        spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for row, record in most:
            if row.span is not None:
                spans[record.id].append(row.span)
        by_id = {record.id: record for _, record in most}
        scores = {
            id_: iter([*stretch_scores(by_id[id_], own, self._archive.segments(id_), _of(by_id[id_], metadata))])
            for id_, own in spans.items()
        }
        return [
            Match(row, record, record.scores if row.span is None else next(scores[record.id]))
            for row, record in most
        ]


def _of(record: ArchiveRecord, metadata: Callable[[str], Metadata | None]) -> Metadata | None:
    """The metadata of the very revision that a record is of, if that is installed."""
    item = metadata(record.model)
    return None if item is None or item.revision != record.revision else item


def _one(row: Labelled, records: _Records) -> ArchiveRecord | None:
    digest = next((row.groups[name].lower() for name in DIGESTS if row.groups.get(name)), None)
    name = row.name if row.span is None else row.name.rpartition("#t=")[0]
    for key in (name, _base(name)) if digest is None else (digest,):
        same = records.get(key, {})
        if len(same) == 1:
            return next(iter(same.values()))
    return None


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _stem(name: str) -> str:
    """A name without the ending of a recording, if it has one."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in EXTENSIONS else name
