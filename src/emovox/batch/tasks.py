"""The tasks of workers, and their answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emovox.archive.record import ArchiveRecord
from emovox.baselines.shift import Shifting
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts
from emovox.inference.splitting import Outline
from emovox.models.loading import PrecisionChoice
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Output
from emovox.models.runtime.readout_function import Functions
from emovox.models.runtime.session import Device
from emovox.notes import Notes
from emovox.policy import Policy


@dataclass(frozen=True)
class Item:
    """A recording to recognise.

    Attributes:
        path: its path or address, as in the tables.
        row: where its bytes are, if they are in a Parquet table: row group, and row within it.
        column: of the bytes in that table.
        speaker: whose it is, by the list; "": it doesn't say, or nobody asked.
        sides: whose voices its channels are, by the list, between commas; "": it doesn't say; None: it has no such
            column.
        notes: purpose and consent by these names, as the list says; None: it has no such column.
    """

    path: str
    row: tuple[int, int] | None = None
    column: str | None = None
    speaker: str = ""
    sides: str | None = None
    notes: Notes | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Plan:
    """What every worker needs to know.

    Attributes:
        model: a name or path.
        mapping: which of the nine labels of the model are, by label; whatever the settings of a worker say.
        policy: decides of whose voice anything is inferred; likewise.
        precision: of the arithmetic.
        device: where.
        options: of the recognition.
        split_channels: whether each channel is recognised separately.
        formats: exports that go into each outputs directory.
        labels: language of the exports.
        outputs: where outputs directories go; None: there are none.
        ledger: path of the claims.
        scratch: a directory for waveforms.
        longest: seconds; a longer recording is split.
        directory: what paths are relative to, as workers may run elsewhere; "": where each worker runs.
        archive: whether outputs directories are archived; the run does that.
        sound: whether they keep processed_audio.wav.
    """

    model: str
    precision: PrecisionChoice
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
    mapping: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    sound: bool = True


@dataclass(frozen=True, eq=False)
class Share:
    """A piece of a long recording.

    Attributes:
        path: of the recording.
        part: which of the separate channels, from 0.
        number: which piece of it, from 0.
        piece: a `Piece`; on a cluster, a reference to it.
    """

    path: str
    part: int
    number: int
    piece: Any


Task = Item | Share


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its model.

    Attributes:
        shifting: what it makes of baselines; None: there is none.
    """

    model: ModelFacts
    metadata: Metadata
    functions: Functions
    classes: tuple[str, ...]
    batches: bool
    shifting: Shifting | None = None


@dataclass(frozen=True)
class Begun:
    """A worker has begun a task; an answer follows, or its death."""


@dataclass(frozen=True)
class Done:
    """A recording was recognised.

    Attributes:
        path: which.
        rows: of the table; several where its channels are separate.
        seconds: of sound.
        spent: seconds of the worker's time.
        records: of what was published, to be archived.
        problem: which exports are missing, and why; "": none.
    """

    path: str
    rows: tuple[dict[str, Any], ...]
    seconds: float
    spent: float
    records: tuple[ArchiveRecord, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Failed:
    """A recording can't be used; it has a checksum if it could be read."""

    path: str
    reason: str
    sha256: str | None = None


@dataclass(frozen=True)
class Same:
    """A recording with the same content as one that is being or was recognised."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Outlined:
    """A long recording, to be split among the workers.

    Attributes:
        item: which.
        parts: an outline and its pieces, or where these are, for each separate channel.
        files: of its waveforms, deleted when it is done.
        spent: seconds of worker time so far.
    """

    item: Item
    parts: tuple[tuple[Outline, tuple[Any, ...]], ...]
    files: tuple[str, ...]
    spent: float


@dataclass(frozen=True)
class Inferred:
    """The model's outputs for a piece."""

    share: Share
    outputs: tuple[Output, ...]
    spent: float


@dataclass(frozen=True)
class Again:
    """The pieces of a long recording were lost: it must be read again."""

    path: str


Answer = Done | Failed | Same | Outlined | Inferred | Again
