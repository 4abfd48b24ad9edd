"""The filter: which records of the archive are meant, in words as a command's options, and in SQL."""

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, func, select

from emovox.archive import moments, readings
from emovox.archive.names import Name
from emovox.archive.readings import Comparison, Operator
from emovox.archive.record import clean
from emovox.archive.rule import Rule
from emovox.archive.schema import recognitions, recordings, tags
from emovox.emotions import check_names
from emovox.errors import FilterError, UnknownEmotionError
from emovox.policy import SIDES, Side, policy

_COMPARISON = re.compile(r"(.+?)(>=|<=|>|<|=)(.+)")
_NO_WORDS = frozenset({"comparisons", "names", "without", "rule", "moved"})  # fields that no word is for
_COLUMNS = ("model", "revision", "baseline", "side", "purpose", "consent")  # that must be equal


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
        comparisons: with numbers of readouts, or with the class that leads.
        names: those of all readings in the archive, where they are known: the comparisons need them.
        revision: of the model.
        baseline: the name of the one that it was recognised with.
        side: whose voice it is.
        purpose: what it was recognised for.
        consent: where the consent is kept.
        without: sides of which nothing is meant.
        rule: that may hold of a segment; whether it does for long enough is found out by `moments`.
        moved: whether the rule is of scores that a baseline will move.
    """

    emotion: str | None = None
    tag: str | None = None
    name: str | None = None
    model: str | None = None
    warning: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    comparisons: tuple[Comparison, ...] = ()
    names: tuple[Name, ...] | None = None
    revision: str | None = None
    baseline: str | None = None
    side: str | None = None
    purpose: str | None = None
    consent: str | None = None
    without: frozenset[Side] = frozenset()
    rule: Rule | None = None
    moved: bool = False

    @classmethod
    def parse(cls, words: Iterable[str]) -> "Filter":
        """Read words like `emotion=angry`, `tag=calls`, `since=2026-11-01`, `arousal>0.7`, `myhead=promoter`.

        Raises:
            FilterError: a word can't be read, or two have the same key.
        """
        keys = [field.name for field in fields(cls) if field.name not in _NO_WORDS]
        values: dict[str, Any] = {}
        comparisons: list[Comparison] = []
        for word in words:
            key, equals, value = clean(word).partition("=")
            if key not in keys:
                comparisons.append(_comparison(word, keys))
                continue
            if not equals or not value:
                raise _unreadable(word, keys)
            if key == "emotion":
                try:
                    (value,) = check_names([value.strip().lower()])
                except UnknownEmotionError:  # a class of the readout `emotion`, perhaps
                    comparisons.append(_comparison(word, keys))
                    continue
            if key == "side" and value not in SIDES:
                raise FilterError(f"filter {word!r}: choose {', '.join(SIDES)}")
            if key in values:
                raise FilterError(f"filter {word!r}: {key} is given twice")
            values[key] = _time(value) if key in {"since", "until"} else value
        return cls(**values, comparisons=tuple(comparisons))

    def resolved(self, connection: Connection) -> "Filter":
        """The same with the names that its comparisons and its rule need."""
        if self.names is not None or not (self.comparisons or (self.rule and not self.rule.is_of_nine)):
            return self
        if connection.execute(select(recognitions.c.id).limit(1)).first() is None:
            # Of an empty archive nobody can say that a name is wrong.
            return replace(self, comparisons=(), rule=None)
        return replace(self, names=tuple(readings.names(connection)))

    def allowed(self) -> "Filter":
        """The same without what was inferred, under another policy, of voices of which nothing may be inferred."""
        return replace(self, without=policy().withheld)

    def conditions(self, emotion: ColumnElement[str] | None = None) -> list[ColumnElement[bool]]:
        """As SQL over recognitions; `emotion` is the column that the filter's is compared with.

        Raises:
            FilterError: nothing in the archive is called as in a comparison.
            UnknownEmotionError: no class is.
        """
        conditions: list[ColumnElement[bool]] = []
        if self.emotion is not None:
            conditions.append((recognitions.c.emotion if emotion is None else emotion) == self.emotion)
        if self.tag is not None:
            query = select(tags.c.recording).where(tags.c.name == self.tag)
            conditions.append(recognitions.c.recording.in_(query))
        if self.name is not None:
            like = func.lower(recordings.c.name).contains(self.name.lower(), autoescape=True)
            conditions.append(recognitions.c.recording.in_(select(recordings.c.sha256).where(like)))
        same = {name: getattr(self, name) for name in _COLUMNS}
        conditions += [recognitions.c[name] == value for name, value in same.items() if value is not None]
        if self.without:
            conditions.append(recognitions.c.side.is_(None) | recognitions.c.side.not_in(sorted(self.without)))
        if self.warning is not None:
            padded = " " + recognitions.c.warnings + " "
            conditions.append(padded.contains(f" {self.warning} ", autoescape=True))
        if self.since is not None:
            conditions.append(recognitions.c.created >= self.since.timestamp())
        if self.until is not None:
            conditions.append(recognitions.c.created < self.until.timestamp())
        if self.rule is not None:
            conditions.append(moments.condition(self.rule, self.names or (), moved=self.moved))
        return conditions + [comparison.condition(self.names or ()) for comparison in self.comparisons]


def _comparison(word: str, keys: Iterable[str]) -> Comparison:
    match = _COMPARISON.fullmatch(clean(word))
    name, operator, text = (part.strip() for part in match.groups()) if match else ("", "", "")
    if name and text and operator == "=":
        return Comparison(name, "=", text)
    with suppress(ValueError):
        if name and math.isfinite(value := float(text)):
            return Comparison(name, cast("Operator", operator), value)
    raise _unreadable(word, keys)


def _unreadable(word: str, keys: Iterable[str]) -> FilterError:
    forms = ", ".join(f"{name}=…" for name in keys)
    return FilterError(
        f"filter {word!r}: write {forms}, a number's name with >, >=, < or <= and a number, as arousal>0.7, or "
        "READOUT=LABEL"
    )


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise FilterError(f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T14:30") from None
