"""The filter: which records of the archive are meant, in words as a command's options, and in SQL."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from emovox.archive.record import clean
from emovox.archive.schema import recognitions, recordings, tags
from emovox.emotions import check_names
from emovox.errors import ArchiveError


@dataclass(frozen=True)
class Filter:
    """What must hold of a record, all of it.

    Attributes:
        emotion: the recognition's, or a segment's where segments are looked for.
        tag: of the recording.
        name: part of the recording's name, whatever its case.
        model: that recognised it.
        warning: a code among the recognition's warnings.
        since: recognised then or later; a time without a zone is local.
        until: recognised earlier.
    """

    emotion: str | None = None
    tag: str | None = None
    name: str | None = None
    model: str | None = None
    warning: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def parse(cls, words: Iterable[str]) -> "Filter":
        """Read words like `emotion=angry`, `tag=calls`, `since=2026-11-01`.

        Raises:
            ArchiveError: a word can't be read, or two have the same key.
            UnknownEmotionError: not one of the nine.
        """
        keys = [field.name for field in fields(cls)]
        values: dict[str, str | datetime] = {}
        for word in words:
            key, equals, value = clean(word).partition("=")
            if key not in keys or not equals or not value:
                raise ArchiveError(f"filter {word!r}: write {', '.join(f'{name}=…' for name in keys)}")
            if key in values:
                raise ArchiveError(f"filter {word!r}: {key} is given twice")
            if key == "emotion":
                (value,) = check_names([value.strip().lower()])
            values[key] = _time(value) if key in {"since", "until"} else value
        return cls(**values)  # type: ignore[arg-type]

    def conditions(self, emotion: ColumnElement[str] | None = None) -> list[ColumnElement[bool]]:
        """As SQL over recognitions; `emotion` is the column that the filter's is compared with."""
        conditions: list[ColumnElement[bool]] = []
        if self.emotion is not None:
            conditions.append((recognitions.c.emotion if emotion is None else emotion) == self.emotion)
        if self.tag is not None:
            query = select(tags.c.recording).where(tags.c.name == self.tag)
            conditions.append(recognitions.c.recording.in_(query))
        if self.name is not None:
            like = func.lower(recordings.c.name).contains(self.name.lower(), autoescape=True)
            conditions.append(recognitions.c.recording.in_(select(recordings.c.sha256).where(like)))
        if self.model is not None:
            conditions.append(recognitions.c.model == self.model)
        if self.warning is not None:
            padded = " " + recognitions.c.warnings + " "
            conditions.append(padded.contains(f" {self.warning} ", autoescape=True))
        if self.since is not None:
            conditions.append(recognitions.c.created >= self.since.timestamp())
        if self.until is not None:
            conditions.append(recognitions.c.created < self.until.timestamp())
        return conditions


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArchiveError(f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T14:30") from None
