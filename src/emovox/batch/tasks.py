"""What a worker is asked, and what it answers."""

from dataclasses import dataclass
from typing import Any

from emovox.models.engine import Output
from emovox.models.loading import Wanted
from emovox.models.metadata import Metadata
from emovox.models.session import Device
from emovox.recognition.options import Options
from emovox.recognition.recognition import ModelFacts
from emovox.recognition.splitting import Piece, Survey


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


@dataclass(frozen=True)
class Share:
    """A piece of a long recording, one of those of a channel or of all of them together."""

    path: str
    part: int
    number: int
    piece: Piece


Task = Item | Share


@dataclass(frozen=True)
class Ready:
    """A worker has its model."""

    model: ModelFacts
    metadata: Metadata
    classes: tuple[str, ...]
    batches: bool


@dataclass(frozen=True)
class Done:
    """A recording was heard.

    Attributes:
        path: which.
        rows: of the table; several where its channels were heard by themselves.
        seconds: of sound.
        spent: seconds that it took.
    """

    path: str
    rows: tuple[dict[str, Any], ...]
    seconds: float
    spent: float


@dataclass(frozen=True)
class Failed:
    """A recording can't be used."""

    path: str
    reason: str


@dataclass(frozen=True)
class Same:
    """A recording whose content another one has, that is or was heard."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Surveyed:
    """A long recording, to be shared out.

    Attributes:
        path: which.
        parts: what was found and its pieces, for each channel that is heard by itself.
        files: of its waveforms, which go when it is done.
        spent: seconds that it took so far.
    """

    path: str
    parts: tuple[tuple[Survey, tuple[Piece, ...]], ...]
    files: tuple[str, ...]
    spent: float


@dataclass(frozen=True)
class Heard:
    """What the model gave for a piece."""

    share: Share
    outputs: tuple[Output, ...]
    spent: float


Answer = Done | Failed | Same | Surveyed | Heard
