"""Recordings of a corpus that a model was trained on, which are no test for it."""

import re
from collections.abc import Iterable, Sequence

from emovox.labels.corpora import NAMED
from emovox.labels.label_list import Labelled
from emovox.labels.value_list import Rated


def trained_corpora(rows: Iterable[Labelled | Rated], corpora: Sequence[str]) -> list[str]:
    """Which of a model's corpora the recordings seem to be of.

    A corpus is known by the column `corpus` (or `dataset`), by the name of a directory, or by files that are named
    as its own are; one that was renamed in all of these isn't.

    Args:
        rows: of a list or a layout.
        corpora: what the model says that it was trained on.
    """
    by_key = {_key(corpus): corpus for corpus in corpora}
    shapes = {name: facts for name, facts in NAMED.items() if name in by_key}
    names: set[str] = set()
    for row in rows:
        columns = {name.casefold(): value for name, value in row.groups.items()}
        names.update(_key(name) for name in (columns.get("corpus", ""), columns.get("dataset", "")))
        names.update(_key(part) for part in row.path.parts[:-1])
        names.update(name for name, facts in shapes.items() if facts(row.path) is not None)
    return [corpus for key, corpus in by_key.items() if key in names]


def _key(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
