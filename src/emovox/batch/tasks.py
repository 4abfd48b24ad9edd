"""What a worker is asked, and what it answers."""

from dataclasses import dataclass
from typing import Any

from emovox.archive.record import ArchiveRecord
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts
from emovox.inference.splitting import Outline
from emovox.models.loading import Wanted
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Output
from emovox.models.runtime.session import Device


@dataclass(frozen=True)
class Item:
    """A recording to hear.

    Attributes:
        path: its path or address, as it stands in the tables.
        row: where its bytes are, when they stand in a table of Parquet: row group and row in that.
        column: of the bytes in that table.
    """

    path: str
    row: tuple[int, int] | None = None
    column: str | None = None


@dataclass(frozen=True)
class Plan:
    """What every worker must know.

    Attributes:
        model: a name or path.
        precision: of the arithmetic.
        device: where.
        options: of the recognition.
        split_channels: whether each channel is heard by itself.
        formats: exports that go into each outputs directory.
        labels: language of the exports.
        outputs: where outputs directories go; None: there are none.
        ledger: where the claims are kept.
        scratch: a directory for what is decoded.
        longest: seconds; a longer recording is shared out.
        directory: where relative paths are seen from; workers may run elsewhere. "": where each worker runs.
        archive: whether outputs directories are archived; the run does that.
    """

    model: str
    precision: Wanted
    device: Device
    options: Options
    split_channels: bool
    formats: tuple[str, ...]
    labels: str
    outputs: str | None
    ledger: str
    scratch: str
    longest: float
    directory: str = ""
    archive: bool = False


@dataclass(frozen=True, eq=False)
class Share:
    """A piece of a long recording.

    Attributes:
        path: of the recording.
        part: which of the channels that are heard by themselves, from 0.
        number: which piece of that, from 0.
        piece: a `Piece`; on a cluster, where it is.
    """

    path: str
    part: int
    number: int
    piece: Any


Task = Item | Share


@dataclass(frozen=True)
class Ready:
    """A worker has its model."""

    model: ModelFacts
    metadata: Metadata
    classes: tuple[str, ...]
    batches: bool


@dataclass(frozen=True)
class Begun:
    """A worker begins a task; an answer follows, or its end."""


@dataclass(frozen=True)
class Done:
    """A recording was heard.

    Attributes:
        path: which.
        rows: of the table; several where its channels were heard by themselves.
        seconds: of sound.
        spent: seconds that it took its worker.
        records: of what was published, to be archived.
    """

    path: str
    rows: tuple[dict[str, Any], ...]
    seconds: float
    spent: float
    records: tuple[ArchiveRecord, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A recording can't be used; its checksum is there where it could be read."""

    path: str
    reason: str
    sha256: str | None = None


@dataclass(frozen=True)
class Same:
    """A recording whose content another one has, that is or was heard."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Surveyed:
    """A long recording, to be shared out.

    Attributes:
        item: which.
        parts: an outline and its pieces, or where these are, for each channel that is heard by itself.
        files: of its waveforms, which go when it is done.
        spent: seconds that it took so far.
    """

    item: Item
    parts: tuple[tuple[Outline, tuple[Any, ...]], ...]
    files: tuple[str, ...]
    spent: float


@dataclass(frozen=True)
class Inferred:
    """What the model gave for a piece."""

    share: Share
    outputs: tuple[Output, ...]
    spent: float


@dataclass(frozen=True)
class Again:
    """The pieces of a long recording are lost: it must be read again."""

    path: str


Answer = Done | Failed | Same | Surveyed | Inferred | Again
