"""The filter: what is looked for in the archive, in words, as a command's options and as SQL."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from emovox.archive.database import recognitions, recordings, tags
from emovox.archive.record import clean
from emovox.emotions import check_names
from emovox.errors import ArchiveError


@dataclass(frozen=True)
class Filter:
    """All that is given must hold.

    Attributes:
        emotion: the recognition's, or a segment's where segments are looked for.
        tag: the recording has it.
        name: part of the recording's name, whatever its case.
        model: which recognised it.
        warning: a code that the recognition has.
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
            ArchiveError: one can't be read, or two are of the same kind.
            UnknownEmotionError: none of the nine.
        """
        known = [field.name for field in fields(cls)]
        found: dict[str, str | datetime] = {}
        for word in words:
            key, equals, value = clean(word).partition("=")
            if key not in known or not equals or not value:
                raise ArchiveError(f"filter {word!r}: write {', '.join(f'{name}=…' for name in known)}")
            if key in found:
                raise ArchiveError(f"filter {word!r}: {key} was said before")
            if key == "emotion":
                (value,) = check_names([value.strip().lower()])
            found[key] = _moment(value) if key in {"since", "until"} else value
        return cls(**found)  # type: ignore[arg-type]

    def conditions(self, emotion: ColumnElement[str] | None = None) -> list[ColumnElement[bool]]:
        """As SQL over recognitions; `emotion` is compared with this column."""
        found: list[ColumnElement[bool]] = []
        if self.emotion is not None:
            found.append((recognitions.c.emotion if emotion is None else emotion) == self.emotion)
        if self.tag is not None:
            tagged = select(tags.c.recording).where(tags.c.name == self.tag)
            found.append(recognitions.c.recording.in_(tagged))
        if self.name is not None:
            like = func.lower(recordings.c.name).contains(self.name.lower(), autoescape=True)
            found.append(recognitions.c.recording.in_(select(recordings.c.sha256).where(like)))
        if self.model is not None:
            found.append(recognitions.c.model == self.model)
        if self.warning is not None:
            padded = " " + recognitions.c.warnings + " "
            found.append(padded.contains(f" {self.warning} ", autoescape=True))
        if self.since is not None:
            found.append(recognitions.c.created >= self.since.timestamp())
        if self.until is not None:
            found.append(recognitions.c.created < self.until.timestamp())
        return found


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArchiveError(f"{text!r} is no time: write 2026-11-23 or 2026-11-23T14:30") from None
