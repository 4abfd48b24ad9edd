"""The tables: recognitions and errors, as Parquet shards that appear complete or not at all."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.batch.schema import VERSIONS, schema
from emovox.batch.storage import Place
from emovox.emotions import NAMES
from emovox.errors import BatchError
from emovox.files import DRAFT
from emovox.inference.frames import Frames
from emovox.inference.raw import WITHOUT, Whole, raw
from emovox.inference.recognition import Line, ReadoutResult, Recognition, Segment

ROWS = 5000  # in a shard, at most
AGE = 10.0  # seconds after which a shard is written, however few its rows: what an interruption may cost
SIZE = 64 * 2**20  # approximate bytes after which it is, too: curves and embeddings of frames are large


def to_row(path: str, recognition: Recognition, outputs: str | None = None) -> dict[str, Any]:
    """A recognition as a row of `RECOGNITIONS`.

    Args:
        path: of the recording.
        recognition: what was recognised.
        outputs: its outputs directory's name.
    """
    recording, model = recognition.recording, recognition.model
    by_frame = recognition.granularity == "frame"
    features = recognition.embedding
    return {
        "path": path,
        "sha256": recording.sha256,
        "duration": recording.duration,
        "speech": recording.speech,
        "sample_rate": recording.sample_rate,
        "channels": recording.channels,
        "channel": recording.channel,
        "codec": recording.codec,
        **_verdict(recognition),
        "warnings": recognition.warnings,
        "model": model.name,
        "model_revision": model.revision,
        "precision": model.precision,
        "model_checksum": model.checksum,
        "embedding": None if features is None or by_frame else features[0],
        "segments": None if recognition.segments is None else [_segment(item) for item in recognition.segments],
        "frames": None if recognition.frames is None else _frames(recognition.frames),
        "frame_embeddings": None if features is None or not by_frame else list(features),
        "outputs": outputs,
        "readouts": _readouts(recognition),
        **_baseline(recognition),
        "side": recording.side,
        "policy": None if recognition.policy is None else recognition.policy.profile,
        "purpose": recording.purpose,
        "consent": recording.consent,
    }


class Shards:
    """The shards of a table: rows are buffered and written together.

    Attributes:
        place: the directory.
        sides: whether rows say whose voice it is.
        notes: whether they say purpose and consent.
        written: rows in the shards written so far.
    """

    def __init__(
        self,
        out: Place,
        table: str,
        wrote: Callable[[list[dict[str, Any]], str], None],
        *,
        before: Callable[[], None] = lambda: None,
        baseline: bool = False,
        sides: bool = False,
        notes: bool = False,
    ) -> None:
        """Begin.

        Args:
            out: the batch's output.
            table: `RECOGNITIONS`, `ERRORS` or `FIRST_PASS`.
            wrote: is given the rows and the name of every shard that was written.
            before: is called before each is written.
            baseline: whether rows are relative to one.
            sides: whether they say whose voice it is.
            notes: whether they say purpose and consent.
        """
        self.place = out / table
        self.written = 0
        self._table, self._wrote, self._before, self._baseline = table, wrote, before, baseline
        self.sides, self.notes = sides, notes
        self._rows: list[dict[str, Any]] = []
        self._name, self._size, self._since = "", 0, 0.0

    def names(self) -> Iterator[str]:
        """The names of the existing shards."""
        for name, directory in self.place.entries():
            if name.endswith(".parquet") and not name.startswith(".") and not directory:
                yield name

    def sweep(self) -> None:
        """Remove the drafts that a killed run left on this machine.

        Raises:
            BatchError: the storage refuses.
        """
        if self.place.local:
            for name in [name for name, _ in self.place.entries()]:
                if name.startswith(".") and name.endswith(DRAFT):
                    (self.place / name).delete()

    def clear(self) -> None:
        """Remove all shards.

        Raises:
            BatchError: the storage refuses.
        """
        for name in list(self.names()):
            (self.place / name).delete()

    def read(self, name: str, columns: list[str] | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """The rows of one shard whose columns have one of the values in `filters`.

        Raises:
            BatchError: it is damaged, isn't a shard of this table, or can't be read.
        """
        import pyarrow as pa  # noqa: PLC0415  an extra
        import pyarrow.compute as pc  # noqa: PLC0415  an extra
        import pyarrow.parquet  # noqa: PLC0415  an extra

        shard = self.place / name
        with shard.open() as file:
            try:
                table = pyarrow.parquet.ParquetFile(file)
                if not any(
                    table.schema_arrow.equals(
                        schema(self._table, since=since, baseline=self._baseline, sides=sides, notes=notes)
                    )
                    for since, sides, notes in product(VERSIONS, (True, False), (True, False))
                ):
                    raise BatchError(f"{shard.address}: not a shard of this table: remove it and run again")
                for batch in table.iter_batches(columns=columns):
                    rows = batch
                    for column, values in filters.items():
                        rows = rows.filter(pc.is_in(rows[column], pa.array(values, pa.string())))
                    yield from rows.to_pylist()
            except (pa.ArrowInvalid, OSError) as error:
                raise BatchError(
                    f"{shard.address}: damaged: delete it and run the batch again, which recognises its "
                    f"recordings again ({' '.join(str(error).split())})"
                ) from error

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows that belong together, in one shard.

        Raises:
            BatchError: the storage refuses.
        """
        if not self._rows:
            # Named once: a flush that is interrupted and repeated must not leave two shards of the same rows.
            self._name = _name()
            self._since = time.monotonic()
        rows = list(rows)
        self._rows += rows  # in one step: an interrupt must not leave a recording with half of its channels
        for row in rows:
            self._size += (
                1000
                + len(row.get("state", b""))
                + 4
                * sum(
                    len(values) * (len(values[0]) if key != "embedding" else 1)
                    for key in ("embedding", "frame_embeddings")
                    if (values := row.get(key)) is not None and len(values)
                )
            )
            if (frames := row.get("frames")) is not None:
                curves = [frames, *(readout for _, readout in frames.get("readouts") or [])]
                series = [curve.get(name) or [] for curve in curves for name in ("logits", "scores", "values")]
                self._size += sum(4 * len(rows) * len(rows[0]) for rows in series if len(rows))
        if len(self._rows) >= ROWS or self._size >= SIZE:
            self.flush()

    def tick(self) -> None:
        """Write rows that have waited long enough.

        Raises:
            BatchError: the storage refuses.
        """
        if self._rows and time.monotonic() - self._since >= AGE:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows.

        Raises:
            BatchError: the storage refuses.
        """
        if not self._rows:
            return
        name = self._name
        self._before()
        self.write(name, self._rows)
        rows, self._rows, self._size = self._rows, [], 0
        self.written += len(rows)
        self._wrote(rows, name)

    def conclude(self) -> None:
        """Write the buffered rows, and an empty shard if there is none: readers expect a table.

        Raises:
            BatchError: the storage refuses.
        """
        self.flush()
        if next(self.names(), None) is None:
            self.write(_name(), [])

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write a shard, or replace it.

        Raises:
            BatchError: the storage refuses.
        """
        import pyarrow as pa  # noqa: PLC0415  an extra
        import pyarrow.parquet  # noqa: PLC0415  an extra

        buffer = pa.BufferOutputStream()
        columns = schema(self._table, baseline=self._baseline, sides=self.sides, notes=self.notes)
        table = pa.Table.from_pylist(rows, schema=columns)
        pyarrow.parquet.write_table(table, buffer, compression="zstd")
        (self.place / name).write(buffer.getvalue())


def _name() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(8)}.parquet"


def _verdict(item: Recognition | Segment | Line) -> dict[str, Any]:
    scores = item.scores or {}
    return {"emotion": item.emotion, "confidence": item.confidence, **{name: scores.get(name) for name in NAMES}}


def _without(item: Whole) -> dict[str, Any]:
    """What `_verdict` would be without the baseline."""
    return {f"{name}{WITHOUT}": value for name, value in _verdict(raw(item)).items()}


def _baseline(item: Recognition) -> dict[str, Any]:
    facts = item.baseline
    if facts is None:
        return {}
    shift = [pair for logits in facts.shift.values() for pair in logits.items()]
    return {
        **_without(item),
        "baseline": facts.name,
        "baseline_checksum": facts.checksum,
        "baseline_shift": shift,
    }


def _segment(item: Segment) -> dict[str, Any]:
    return {
        "start": item.start,
        "end": item.end,
        **_verdict(item),
        "embedding": item.embedding,
        "readouts": _readouts(item),
        **({} if item.scores_without is None else _without(item)),
    }


def _frames(frames: Frames) -> dict[str, Any]:
    return {
        "hop": frames.hop,
        "first_centre": frames.first_centre,
        "smoothing": frames.smoothing,
        "logits": _rows(frames.logits),
        "scores": _rows(frames.scores),
        "readouts": [
            (
                name,
                {
                    "kind": item.kind,
                    "labels": item.labels,
                    "range": item.range,
                    "logits": _rows(item.logits),
                    "scores": _rows(item.scores),
                    "values": _rows(item.values),
                },
            )
            for name, item in frames.readouts.items()
        ],
    }


def _rows(numbers: NDArray[np.float32] | None) -> list[NDArray[np.float32]] | None:
    return None if numbers is None else list(numbers)


def _readouts(item: Recognition | Segment) -> list[tuple[str, dict[str, Any]]]:
    """As Arrow has a map: pairs of name and result."""
    return [
        (
            name,
            {
                "kind": readout.kind,
                **_own(readout),
                "values": _map(readout.values),
                "range": readout.range,
                f"scores{WITHOUT}": _map(readout.scores_without),
            },
        )
        for name, readout in item.readouts.items()
    ]


def _own(item: ReadoutResult) -> dict[str, Any]:
    return {"label": item.label, "confidence": item.confidence, "scores": _map(item.scores)}


def _map(numbers: dict[str, float] | None) -> list[tuple[str, float]] | None:
    return None if numbers is None else list(numbers.items())
