"""Notes: what is declared of a recording in words: what it is recognised for, and where the consent is kept."""

from collections.abc import Mapping
from typing import Literal, TypedDict, cast

from emovox.errors import OptionsError, PolicyError

NOTE = 200
"""Characters of a purpose, or of a reference to a consent, at most."""


class Notes(TypedDict, total=False):
    """What was declared beside the side, as far as it was, by the names of options and columns."""

    purpose: str
    consent: str


NOTES: tuple[Literal["purpose", "consent"], ...] = ("purpose", "consent")


def note(value: str) -> str:
    """A purpose, or a reference to a consent, as it is kept: one line of 1 to 200 printable characters.

    Raises:
        OptionsError: it is another text.
    """
    text = " ".join(value.split())
    if not text or len(text) > NOTE or not text.isprintable():
        raise OptionsError(f"{text[:40]!r}: give 1 to {NOTE} printable characters")
    return text


def as_notes(purpose: str | None, consent: str | None) -> Notes:
    """What was declared; None: it wasn't."""
    return cast(
        "Notes", {key: text for key, text in zip(NOTES, (purpose, consent), strict=True) if text is not None}
    )


def joined_notes(first: Notes | None, second: Notes) -> Notes:
    """What two say, and where both do the second."""
    return cast("Notes", {**(first or {}), **second})


def is_of_notes(column: str) -> bool:
    """Whether a list's column says a purpose or a consent."""
    return column.strip().casefold() in NOTES


def listed_notes(row: Mapping[str, str]) -> Notes:
    """What a list says of a recording in its columns `purpose` and `consent`, where they aren't empty.

    Raises:
        PolicyError: a text can't be kept.
    """
    cells = {key.strip().casefold(): value for key, value in row.items() if is_of_notes(key) and value.strip()}
    try:
        return cast("Notes", {name: note(cells[name]) for name in NOTES if name in cells})
    except OptionsError as error:
        raise PolicyError(str(error)) from error
