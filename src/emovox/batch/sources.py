"""Sources: the recordings in a directory, a glob or a manifest, one after the other."""

import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

from emovox import directories
from emovox.audio import lists
from emovox.audio.files import EXTENSIONS, is_remote, local_path
from emovox.baselines.baseline import SPEAKER
from emovox.batch.storage import Place
from emovox.batch.tasks import Failed, Item
from emovox.errors import BatchError, LabelsError, PolicyError
from emovox.labels.readers import reader_of
from emovox.notes import Notes, is_of_notes, listed_notes
from emovox.policy import LEFT_OPEN, Policy, is_of_sides, listed_sides

MANIFESTS = (".csv", ".tsv", ".txt", *lists.JSON_LINES, ".parquet")
COLUMNS = (*lists.COLUMNS, "bytes")
"""The columns of a manifest that may name recordings, where none is chosen."""
BAD_NAME = "its name is not valid UTF-8, which the tables need: rename it"


def find(
    source: str, column: str | None = None, *, speakers: bool = False, policy: Policy | None = None
) -> Iterator[Item | Failed]:
    """The recordings of `source`; no more than one directory's names are held at a time.

    Args:
        source: a directory, a glob, a manifest (CSV, TSV, JSON lines, Parquet) or one recording; path or address.
        column: of a manifest, with paths, addresses or bytes; by default the first of `COLUMNS` that it has.
        speakers: read the manifest's column `speaker`, too.
        policy: will decide by the sides that a manifest's columns say; by default one that allows everything.

    Yields:
        Recordings; those of a directory in the order in which the storage lists them.

    Raises:
        BatchError: there are none, or a manifest lacks the column.
    """
    source = local_path(source)
    if not source:
        raise BatchError("the name is empty: is a variable unset?")
    place = Place.of(source)
    kind = place.kind()
    if kind == "file" and column is None:
        _refuse_annotations(source)
    if kind == "file" and (column is not None or place.path.lower().endswith(MANIFESTS)):
        return _manifest(place, column, policy or Policy(), speakers=speakers)
    if speakers and kind != "nothing":
        raise BatchError(
            f"{source}: --baseline speaker needs a manifest with a column speaker, and this isn't one"
        )
    if kind == "file":
        return iter([_item(place.address)])
    if column is not None:
        raise BatchError(f"{source}: --column is for a manifest, and this isn't one")
    if kind == "directory":
        _check_readable(place)
        return _walk(place)
    if re.search(r"[*?\[]", source):
        return _glob(source)
    reason = "no such file or directory"
    if place.local and os.path.islink(source):  # noqa: PTH114
        reason = "a broken link, or one that leads in a circle"
    raise BatchError(f"{source}: {reason}")


def _refuse_annotations(source: str) -> None:
    """Refuse what says something of stretches of recordings.

    Raises:
        BatchError: it does.
    """
    try:
        ending, reader = reader_of(Path(source))
    except LabelsError as error:  # of a plug-in
        raise BatchError(str(error)) from error
    if reader.intervals:
        instead = "one of its tables" if ending == "yaml" else "the recordings, or a list of them"
        raise BatchError(
            f"{source}: {reader.title}: it is about stretches of recordings, and a batch recognises all of each: "
            f"name {instead}. emovox evaluate and emovox head train read it"
        )


def _item(address: str, speaker: str = "", sides: str | None = None, notes: Notes | None = None) -> Item | Failed:
    try:
        address.encode()
    except UnicodeEncodeError:
        return Failed(address.encode(errors="backslashreplace").decode(), BAD_NAME)
    return Item(address, speaker=speaker.encode(errors="backslashreplace").decode(), sides=sides, notes=notes)


def _walk(place: Place) -> Iterator[Item | Failed]:
    """Recordings in a directory and below, without hidden files, links to directories and outputs directories."""
    names = directories.walk(lambda name: (place / name).entries(), enters=lambda name: _leads_on(place / name))
    for name in names:
        if isinstance(name, directories.Unreadable):
            yield _unreadable(place / name.name, name.error)
        elif name[name.rfind(".") :].lower() in EXTENSIONS:
            yield _item((place / name).address)


def _leads_on(place: Place) -> bool:
    """Whether to search a directory: not an outputs directory, nor one behind a link."""
    name = place.path.rpartition("/")[2]
    outputs = name.startswith("outputs_") and (place / "result.json").kind() == "file"
    return not outputs and not place.is_link()


def _unreadable(place: Place, error: Exception) -> Failed:
    """A directory that can't be read, as a failure that stops nothing else."""
    if not place.local:  # the storage is gone, not just a directory
        raise error
    reason = str(error).removeprefix(f"{place.address}: ")
    return Failed(place.address.encode(errors="backslashreplace").decode(), reason)


def _glob(pattern: str) -> Iterator[Item | Failed]:
    """Recordings that match a pattern: * and ? within a name, ** across directories."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    absolute = pattern.startswith("/")
    root = Place.of(fixed or ("/" if absolute else "."))
    _check_readable(root)
    if not fixed and not absolute:
        root = replace(root, address="")
    nothing = True
    for match in directories.match(
        [part for part in pattern[len(fixed) :].split("/") if part],
        lambda name: (root / name).entries(),
        enters=lambda name: _leads_on(root / name),
    ):
        nothing = False
        if isinstance(match, directories.Unreadable):
            yield _unreadable(root / match.name, match.error)
        elif match[1]:
            place = root / match[0]
            yield from _walk(place if place.address else replace(place, address="."))
        else:
            yield _item((root / match[0]).address)
    if nothing:
        raise BatchError(f"{pattern}: nothing matches this pattern")


def _check_readable(place: Place) -> None:
    """Refuse a directory that can't be searched at all, before a model is loaded for the rest."""
    if place.local:
        next(place.entries(), None)


def _manifest(place: Place, column: str | None, policy: Policy, *, speakers: bool) -> Iterator[Item | Failed]:
    if place.path.lower().endswith(".parquet"):
        yield from _parquet(place, column, policy, speakers=speakers)
        return
    speaker = ""
    with place.open() as raw, io.BufferedReader(_Raw(raw)) as file:
        try:
            for number, row in enumerate(lists.rows(file, place.address)):
                if not number:
                    column = _choose(place, list(row), column)
                    speaker = _speaker(place, list(row)) if speakers else ""
                if value := row.get(column or ""):
                    yield _declared(_resolved(place, value), row.get(speaker, ""), row, policy)
                else:
                    yield Failed(f"{place.address}#{number}", f"no path in the column {column}")
        except LabelsError as error:
            raise BatchError(str(error)) from error


def _declared(address: str, speaker: str, row: Mapping[str, str], policy: Policy) -> Item | Failed:
    """An entry, with what its columns declare."""
    try:
        sides, notes = listed_sides(row, policy), listed_notes(row)
    except PolicyError as error:
        return Failed(address.encode(errors="backslashreplace").decode(), str(error))
    has_column = any(map(is_of_sides, row))
    text = ",".join(side or LEFT_OPEN for side in sides or ()) if has_column else None
    return _item(address, speaker, text, notes if any(map(is_of_notes, row)) else None)


def _parquet(place: Place, column: str | None, policy: Policy, *, speakers: bool) -> Iterator[Item | Failed]:
    import pyarrow as pa  # noqa: PLC0415  an extra
    import pyarrow.parquet  # noqa: PLC0415  an extra

    with place.open() as file:
        try:
            table = pyarrow.parquet.ParquetFile(file)
        except pa.ArrowInvalid as error:
            raise BatchError(f"{place.address}: not a Parquet file: {error}") from error
        column = _choose(place, table.schema_arrow.names, column)
        column, kind = _inside(column, table.schema_arrow.field(column).type)
        names = _texts(table, _speaker(place, table.schema_arrow.names)) if speakers else repeat("")
        own = [name for name in table.schema_arrow.names if is_of_sides(name) or is_of_notes(name)]
        rows = zip(*(_texts(table, name) for name in own), strict=True) if own else repeat(())
        sides = (dict(zip(own, cells, strict=True)) for cells in rows)
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
        if not binary and not (
            pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        ):
            raise BatchError(f"{place.address}: the column {column} holds {kind}, neither text nor bytes")
        number = 0
        for group in range(table.num_row_groups):
            paths = _paths_instead(table.metadata.row_group(group), column) if binary else column
            if paths is None:
                for row in range(table.metadata.row_group(group).num_rows):
                    item = _declared(f"{place.address}#{number}", next(names), next(sides), policy)
                    yield item if isinstance(item, Failed) else replace(item, row=(group, row), column=column)
                    number += 1
                continue
            for batch in table.iter_batches(columns=[paths], row_groups=[group], batch_size=10_000):
                for value in (batch.flatten() if hasattr(batch, "flatten") else batch).column(0).to_pylist():
                    speaker, columns = next(names), next(sides)
                    inner = value.get("path") if isinstance(value, dict) else value
                    if inner:
                        yield _declared(_resolved(place, inner), speaker, columns, policy)
                    else:
                        yield Failed(f"{place.address}#{number}", f"no path in the column {paths}")
                    number += 1


def _inside(column: str, kind: Any) -> tuple[str, Any]:
    """Where in a column the bytes or paths are, and their type."""
    import pyarrow as pa  # noqa: PLC0415  an extra

    if pa.types.is_struct(kind):  # as in Hugging Face datasets: bytes, or a path
        for name in ("bytes", "path"):
            if kind.get_field_index(name) >= 0:
                return f"{column}.{name}", kind.field(name).type
    return column, kind.value_type if pa.types.is_dictionary(kind) else kind  # as pandas stores categories


def _paths_instead(group: Any, column: str) -> str | None:
    """The column of paths beside bytes of which a row group has none, as datasets write what lies in files."""
    columns = {part.path_in_schema: part for part in map(group.column, range(group.num_columns))}
    paths = f"{column.removesuffix('.bytes')}.path"
    statistics = columns[column].statistics if paths in columns else None
    return paths if statistics is not None and statistics.null_count == group.num_rows else None


def _choose(place: Place, names: list[str], column: str | None) -> str:
    try:
        return lists.column(names, column, COLUMNS, place.address)
    except LabelsError as error:
        raise BatchError(f"{error}: choose with --column") from error


def _speaker(place: Place, names: list[str]) -> str:
    try:
        return lists.column(names, SPEAKER, (), place.address)
    except LabelsError as error:
        raise BatchError(f"{error}: --baseline speaker needs one") from error


def _texts(table: Any, column: str) -> Iterator[str]:
    """The cells of a column as text; "" where there is none."""
    for batch in table.iter_batches(columns=[column], batch_size=10_000):
        yield from ("" if value is None else str(value).strip() for value in batch.column(0).to_pylist())


def _resolved(place: Place, value: str) -> str:
    """The address of a manifest's entry; paths are relative to the manifest."""
    if is_remote(value):
        return value
    if place.local:
        return str(lists.locate(Path(place.address).parent, value))
    folder = place.address.rpartition("/")[0]
    address = f"{folder}/{local_path(value)}"
    if "\\" in value and Place.of(address).kind() == "nothing":  # written on Windows
        return f"{folder}/{value}".replace("\\", "/")
    return address


class _Raw(io.RawIOBase):
    """One of Arrow's files, as a raw stream for Python's io."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class RowReader:
    """Reads the bytes of a Parquet table's rows in order; a jump back restarts the row group."""

    def __init__(self) -> None:
        self._key: tuple[str, str, int] | None = None
        self._rows: Iterator[bytes | None] = iter(())
        self._next = 0

    def read(self, item: Item) -> bytes | None:
        """The bytes of an item with a row.

        Raises:
            BatchError: the table can't be read.
        """
        assert item.row is not None  # noqa: S101  the caller has checked
        group, row = item.row
        key = (item.path.rpartition("#")[0], item.column or "", group)
        if key != self._key or row < self._next:
            self._key, self._rows, self._next = key, _rows(*key), 0
        for value in self._rows:
            self._next += 1
            if self._next > row:
                return value
        raise BatchError(f"{item.path}: the table no longer has this row")


def _rows(address: str, column: str, group: int) -> Iterator[bytes | None]:
    import pyarrow.parquet  # noqa: PLC0415  an extra

    with Place.of(address).open() as file:
        table = pyarrow.parquet.ParquetFile(file)
        for batch in table.iter_batches(columns=[column], row_groups=[group], batch_size=16):
            values = batch.column(0)
            for name in column.split(".")[1:]:
                values = values.field(name)
            yield from values.to_pylist()
