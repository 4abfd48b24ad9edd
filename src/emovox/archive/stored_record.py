"""What is found in the archive: rows as a person or a program wants them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from emovox.archive.database import HIDDEN, recognitions, recordings, tags
from emovox.archive.record import clean
from emovox.emotions import NAMES

_MANY = 500  # values in one IN


@dataclass(frozen=True)
class Found:
    """A recognition in the archive.

    Attributes:
        id: as `Entry.id`.
        sha256: of the recording.
        speech: seconds of it in what was heard; None: it was archived before that was kept.
        outputs: its outputs directory, which may be gone.
        tags: of the recording.
    """

    id: str
    sha256: str
    name: str | None
    link: str | None
    duration: float | None
    speech: float | None
    created: datetime
    emotion: str
    confidence: float
    scores: dict[str, float]
    model: str
    revision: str
    precision: str | None
    granularity: str
    channel: int | None
    warnings: tuple[str, ...]
    outputs: Path | None
    tags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        data = dict(vars(self))
        data["created"] = self.created.isoformat()
        data["outputs"] = None if self.outputs is None else str(self.outputs)
        return {**data, "warnings": list(self.warnings), "tags": list(self.tags)}


class RecordReader:
    """Reads rows of a database, in which paths are kept relative to its place where they can be."""

    def __init__(self, database: Engine) -> None:
        file = database.url.database if database.dialect.name == "sqlite" else None
        place = None if file is None else Path(file).absolute().parent
        self._base = place.parent if place is not None and place.name == HIDDEN else place

    def read(self, connection: Connection, found: Sequence[Row[Any]]) -> list[Found]:
        """What rows of `joined` say, with the tags of their recordings."""
        tagged: dict[str, list[str]] = {}
        for part in parts({row.sha256 for row in found}):
            query = select(tags).where(tags.c.recording.in_(part)).order_by(tags.c.name)
            for row in connection.execute(query):
                tagged.setdefault(row.recording, []).append(row.name)
        return [
            Found(
                id=row.id,
                sha256=row.sha256,
                name=row.name,
                link=row.link,
                duration=row.duration,
                speech=row.speech,
                created=datetime.fromtimestamp(row.created).astimezone(),
                emotion=row.emotion,
                confidence=row.confidence,
                scores={name: getattr(row, name) for name in NAMES},
                model=row.model,
                revision=row.revision,
                precision=row.precision,
                granularity=row.granularity,
                channel=row.channel,
                warnings=tuple(row.warnings.split()),
                outputs=None if row.outputs is None else self.resolved(row.outputs),
                tags=tuple(tagged.get(row.sha256, ())),
            )
            for row in found
        ]

    def stored(self, path: Path) -> str:
        """A path as it is kept: relative to where an SQLite file is, so that both can be moved together."""
        whole = Path(clean(os.path.abspath(path)))  # noqa: PTH100  links stay as they are
        if self._base is not None and whole.is_relative_to(self._base):
            return whole.relative_to(self._base).as_posix()
        return str(whole)

    def resolved(self, text: str) -> Path:
        """The path that was kept so."""
        return Path(text) if self._base is None else self._base / text


def joined() -> Any:
    """The query of all recognitions with their recordings."""
    return select(
        recordings.c.sha256, recordings.c.name, recordings.c.link, recordings.c.duration, *recognitions.c
    ).select_from(recognitions.join(recordings))


def parts(values: Iterable[str]) -> Iterator[list[str]]:
    """Values, sorted, as many at once as a query takes."""
    waiting = iter(sorted(values))
    while part := list(islice(waiting, _MANY)):
        yield part
