"""The second pass of a batch relative to all its recordings: moves what the first one kept, and infers nothing.

Each shard of the first pass becomes one of the same name, which appears, or replaces an older one, in one step. So
a run that dies here leaves whole shards, and the next one makes those that are missing or relative to a baseline
that has changed since, as it does where recordings were added.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from emovox.baselines.baseline import SPEAKER
from emovox.baselines.corpus import Corpus, CorpusBaselines
from emovox.batch.config import BatchConfig
from emovox.batch.ledger import Ledger
from emovox.batch.schema import FIRST_PASS, RECOGNITIONS
from emovox.batch.status import Status
from emovox.batch.storage import Place
from emovox.batch.tables import Shards, to_row
from emovox.batch.tasks import Ready
from emovox.errors import BatchError
from emovox.exports import Language
from emovox.inference.recognition import Recognition
from emovox.inference.splitting import finish
from emovox.inference.state import RunState
from emovox.saving import Saving

if TYPE_CHECKING:
    from emovox.archive.archive import Archive
    from emovox.archive.record import ArchiveRecord
    from emovox.baselines.shift import Shift

SOURCE = "all recordings of a batch"
OUTPUTS = "outputs"
_TOLD = 0.2  # seconds between reports of progress
_COLUMNS = ["path", "baseline_checksum", "emotion", "readouts"]

Row = dict[str, Any]


@dataclass
class SecondPass:
    """What it needs of the run.

    Attributes:
        config: what is wanted.
        out: where the tables are.
        ready: what the workers said of the model.
        ledger: knows the speakers.
        archive: takes the outputs directories; None: there is none.
        status: is kept up to date.
        tell: is given it now and then.
        note: is given the rows of errors of what lacks exports, before the shard that has it is written.
    """

    config: BatchConfig
    out: Place
    ready: Ready
    ledger: Ledger
    archive: "Archive | None"
    status: Status
    tell: Callable[[Status], None]
    note: Callable[[list[tuple[str, str]]], None]
    sides: bool = False
    notes: bool = False

    def run(self) -> None:
        """Move all rows of the first pass.

        Raises:
            BaselineError: none of the recordings has speech.
            BatchError: the storage refuses, or a shard is damaged.
            OutputsError: an outputs directory can't be written.
        """
        wish = self.config
        self._first = Shards(self.out, FIRST_PASS, lambda rows, name: None)
        self._moved = Shards(
            self.out, RECOGNITIONS, lambda rows, name: None, baseline=True, sides=self.sides, notes=self.notes
        )
        self._outputs = Path(self.out.path, OUTPUTS)
        self._saving = Saving(
            formats=wish.formats,
            language=cast("Language", wish.labels),
            embeddings=wish.options.embedding,
            archive=None if self.archive is None else "later",
        )
        self._shifts: dict[str, Shift] = {}
        self._told = 0.0
        names = sorted(self._first.names())
        total = self._survey(names)
        self.status.second = (0, total)
        self._moved.sweep()
        older = set(self._moved.names())
        for name in older - set(names):  # of a shard that is gone: its recordings are in another
            (self._moved.place / name).delete()
        for name in names:
            if name not in older or not self._is_current(name):
                self._move(name)
            self._report()
        self._moved.conclude()
        self._report(last=True)

    def _survey(self, names: list[str]) -> int:
        """Make the baselines; gives how many rows there are."""
        corpus, latest, count = Corpus(self.ready.metadata), None, 0
        for name in names:
            for row in self._first.read(name, columns=["path", "sha256", "channel", "created_at", "speech"]):
                count += 1
                moment: datetime = row["created_at"]
                latest = moment if latest is None else max(latest, moment)
                if row["speech"] is not None:
                    corpus.add(
                        np.array(row["speech"], np.float32),
                        row["sha256"],
                        channel=row["channel"] if self.config.split_channels else None,
                        speaker=self._speaker(row["path"]),
                    )
            self._report()
        if count:
            self._baselines: CorpusBaselines = corpus.baselines(SOURCE, created_at=latest)
            self.status.corpus = self._baselines.whole.count
        return count

    def _speaker(self, path: str) -> str:
        return self.ledger.speaker(path) if self.config.options.baseline == SPEAKER else ""

    def _is_current(self, name: str) -> bool:
        """Whether the rows of a shard are relative to what they should be; they are counted if so."""
        rows = list(self._moved.read(name, columns=_COLUMNS))
        if any(
            row["baseline_checksum"] != self._baselines.of(self._speaker(row["path"])).checksum for row in rows
        ):
            return False
        self._count(rows)
        return True

    def _move(self, name: str) -> None:
        rows: list[Row] = []
        records: list[ArchiveRecord] = []
        problems: list[tuple[str, str]] = []
        for row in self._first.read(name):
            recognition = self._recognition(row)
            directory = None if row["outputs"] is None or row["same"] else self._outputs / row["outputs"]
            stored, record, problem = self._saving.replace(recognition, directory, link=row["link"])
            problems += [] if problem is None else [(row["path"], str(problem))]
            rows.append(to_row(row["path"], stored, row["outputs"]))
            records += [] if record is None or directory is None else [record]
            self._report()
        if self.archive is not None:
            self.archive.add_records(records)
        self.note(problems)
        self._moved.write(name, rows)
        self._count(rows)

    def _recognition(self, row: Row) -> Recognition:
        try:
            state = RunState.from_bytes(row["state"])
        except ValueError as error:
            raise BatchError(f"{self._first.place.address}: {row['path']}: {error}: remove its shard") from error
        options = self.config.options
        channel = row["channel"] if self.config.split_channels else None
        pass_options = replace(options, channel=channel, embedding=options.embedding or self.archive is not None)
        ready = self.ready
        shift = self._shift(self._speaker(row["path"]))
        return finish(
            state,
            pass_options,
            ready.metadata,
            ready.functions,
            ready.classes,
            ready.model,
            shift,
            self.config.policy,
        )

    def _shift(self, speaker: str) -> "Shift":
        if speaker not in self._shifts:
            assert self.ready.shifting is not None  # noqa: S101  there is a baseline
            self._shifts[speaker] = self.ready.shifting(self._baselines.of(speaker))
        return self._shifts[speaker]

    def _count(self, rows: list[Row]) -> None:
        self.status.count(rows)
        moved, total = self.status.second or (0, 0)
        self.status.second = moved + len(rows), total

    def _report(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._told > _TOLD:
            self._told = now
            self.tell(self.status)
