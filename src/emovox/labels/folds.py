"""Folds: whether the speakers of one speak in others too."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emovox.labels.label_list import Labelled
from emovox.labels.value_list import Rated

FOLDS = ("fold", "split")
"""Usual names of the column of folds."""


@dataclass(frozen=True)
class Folds:
    """The folds of a corpus.

    Attributes:
        corpus: its name, if the list has a column of corpora.
        column: the column of folds.
        count: how many folds there are.
        shared: how many have a speaker who is in another one too.
    """

    corpus: str | None
    column: str
    count: int
    shared: int


def find_folds(rows: Iterable[Labelled | Rated]) -> list[Folds]:
    """The folds of each corpus, of recordings that have both a speaker and a fold."""
    column, speakers = "", dict[str | None, dict[str, set[str]]]()
    for row in rows:
        groups = {key.casefold(): (key, value) for key, value in row.groups.items() if value}
        fold = next((groups[name] for name in FOLDS if name in groups), None)
        if fold is None or "speaker" not in groups:
            continue
        column = fold[0]
        corpus = groups["corpus"][1] if "corpus" in groups else None
        speakers.setdefault(corpus, {}).setdefault(fold[1], set()).add(groups["speaker"][1])
    return [
        Folds(corpus, column, len(folds), _shared(folds)) for corpus, folds in speakers.items() if len(folds) > 1
    ]


def _shared(folds: Mapping[str, set[str]]) -> int:
    return sum(
        any(speakers & others for other, others in folds.items() if other != fold)
        for fold, speakers in folds.items()
    )
