"""Which records of the archive a request means: the same parameters for every route that lists or counts them."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from emovox.archive.filter import Filter
from emovox.notes import NOTE
from emovox.policy import Side
from emovox.server.http.date_times import DateTime
from emovox.server.http.problems import invalid
from emovox.server.routes.outputs import EmotionName

Emotion = Annotated[
    EmotionName | None, Query(description="only this emotion, without a baseline unless one is asked for")
]
Tag = Annotated[str | None, Query(max_length=100, description="only recordings with this tag")]
Comparisons = Annotated[
    list[str] | None,
    Query(
        alias="filter",
        max_length=20,
        description="comparisons with what readouts gave, as of the command: a value or score by its name, or the "
        "class that leads; all must hold",
        examples=[["arousal>0.7"], ["myhead=promoter"]],
    ),
]


async def _selection(
    emotion: Emotion = None,
    tag: Tag = None,
    name: Annotated[str | None, Query(max_length=400, description="part of the recording's name")] = None,
    model: Annotated[str | None, Query(max_length=200, description="only what this model recognised")] = None,
    revision: Annotated[
        str | None, Query(max_length=200, description="only what this revision of a model recognised")
    ] = None,
    since: Annotated[DateTime, Query(description="recognised then or later")] = None,
    until: Annotated[DateTime, Query(description="recognised earlier")] = None,
    side: Annotated[Side | None, Query(description="only the voices of this side")] = None,
    purpose: Annotated[str | None, Query(max_length=NOTE, description="what it was recognised for")] = None,
    consent: Annotated[str | None, Query(max_length=NOTE, description="where the consent is kept")] = None,
    comparisons: Comparisons = None,
) -> Filter:
    where = Filter(
        emotion,
        text_of(tag),
        text_of(name),
        text_of(model),
        since=since,
        until=until,
        revision=text_of(revision),
        side=side,
        purpose=text_of(purpose),
        consent=text_of(consent),
    )
    return compared(where, comparisons)


Selection = Annotated[Filter, Depends(_selection)]


def compared(filter_: Filter, words: list[str] | None) -> Filter:
    """A filter with comparisons.

    Raises:
        FilterError: a word is no comparison.
    """
    more = Filter.parse(words or ())
    if replace(more, comparisons=()) != Filter():
        raise invalid([{"field": "filter", "reason": "only comparisons: the rest has parameters of its own"}])
    return replace(filter_, comparisons=more.comparisons)


def text_of(value: str | None) -> str | None:
    """Without null bytes, which databases don't allow in text."""
    return None if value is None else value.replace("\0", "�")
