"""Folds of a list: whether those who speak in one of them speak in others too."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emovox.labels.label_list import Labelled

FOLDS = ("fold", "split")
"""Columns that say which part of a list a recording is in."""


@dataclass(frozen=True)
class Folds:
    """The folds of a corpus.

    Attributes:
        corpus: its name, where the list has a column of corpora.
        column: that says the folds.
        count: how many there are.
        shared: how many have a speaker who is in another one too.
    """

    corpus: str | None
    column: str
    count: int
    shared: int


def find_folds(rows: Iterable[Labelled]) -> list[Folds]:
    """The folds of each corpus in a list that has a column of speakers and one of folds; recordings that lack
    either don't count.
    """  # noqa: D205
    column, spoken = "", dict[str | None, dict[str, set[str]]]()
    for row in rows:
        named = {key.casefold(): (key, value) for key, value in row.groups.items() if value}
        fold = next((named[name] for name in FOLDS if name in named), None)
        if fold is None or "speaker" not in named:
            continue
        column = fold[0]
        corpus = named["corpus"][1] if "corpus" in named else None
        spoken.setdefault(corpus, {}).setdefault(fold[1], set()).add(named["speaker"][1])
    return [
        Folds(corpus, column, len(folds), _shared(folds)) for corpus, folds in spoken.items() if len(folds) > 1
    ]


def _shared(folds: Mapping[str, set[str]]) -> int:
    return sum(
        any(speakers & others for other, others in folds.items() if other != fold)
        for fold, speakers in folds.items()
    )
