"""Fitting: embeddings in, baselines out, of all recordings and of each group of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.baselines.baseline import SELF, Baseline, Group, Vector, check_name, summand
from emovox.errors import BaselineError
from emovox.models.fitted import DIGEST, FittedModel
from emovox.models.metadata import Metadata
from emovox.version import __version__

_STRANGE = re.compile(r"[^\w -]+")


@dataclass(frozen=True)
class _Totals:
    """Of some recordings: how many, the sums of embeddings and of their squares, and what is in them, if known."""

    count: int
    sum: Vector
    squares: Vector
    digests: frozenset[str] | None
    summands: tuple[str, ...] | None

    @classmethod
    def of(cls, embeddings: NDArray[np.floating], sha256s: Sequence[str | None]) -> "_Totals":
        rows = embeddings.astype(np.float64)
        known = [sha256 for sha256 in sha256s if sha256]
        all_known = len(known) == len(rows)
        return cls(
            len(rows),
            rows.sum(axis=0),
            np.square(rows).sum(axis=0),
            frozenset(sha256[: 2 * DIGEST] for sha256 in known) if all_known else None,
            tuple(sorted(map(summand, known, embeddings))) if all_known else None,
        )


def fit(
    name: str,
    embeddings: ArrayLike,
    metadata: Metadata,
    *,
    sha256s: Sequence[str | None] | None = None,
    groups: Sequence[str] | None = None,
    column: str = "group",
    source: str = "",
) -> list[Baseline]:
    """Baselines of recordings: of all of them, and of each group.

    Args:
        name: of the first; a group's is called `NAME.GROUP`.
        embeddings: float (n, D), one of each recording, of its frames of speech.
        metadata: of the model whose embeddings they are.
        sha256s: of the recordings, None where it isn't known; the same recording counts once in a group.
        groups: the one that each recording belongs to.
        column: what they are told apart by, for what the baselines say of themselves.
        source: what the recordings are, in words.

    Returns:
        That of all, then those of the groups, sorted.

    Raises:
        BaselineError: a name isn't valid, there is no recording, or an embedding isn't one of this model.
    """
    check_name(name)
    return _fit(name, embeddings, metadata, sha256s, groups, column, source)


def of_itself(embeddings: ArrayLike, metadata: Metadata) -> Baseline:
    """The baseline of one recording, by its segments' embeddings (n, D)."""
    return _fit(SELF, embeddings, metadata, None, None, "", "its own segments")[0]


def _fit(
    name: str,
    embeddings: ArrayLike,
    metadata: Metadata,
    sha256s: Sequence[str | None] | None,
    groups: Sequence[str] | None,
    column: str,
    source: str,
) -> list[Baseline]:
    rows = np.atleast_2d(np.asarray(embeddings, np.float32))
    if not rows.size:
        raise BaselineError("no recording: a baseline needs one at least, and is worth more with twelve")
    if rows.ndim != 2 or rows.shape[1] != metadata.embedding_size or not np.isfinite(rows).all():
        raise BaselineError(
            f"these aren't embeddings by {metadata.name}, which have {metadata.embedding_size} numbers"
        )
    sums = [None] * len(rows) if sha256s is None else list(sha256s)
    values = [""] * len(rows) if groups is None else list(groups)
    keys = [(sha256 or index, value) for index, (sha256, value) in enumerate(zip(sums, values, strict=True))]
    once = {key: len(rows) - 1 - index for index, key in enumerate(reversed(keys))}
    chosen = sorted(once.values())
    everyone = _Totals.of(rows[chosen], [sums[index] for index in chosen])

    def made(title: str, totals: _Totals, group: Group | None) -> Baseline:
        return Baseline(
            name=title,
            group=group,
            model=FittedModel.of(metadata),
            created_at=datetime.now(timezone.utc),
            emovox=__version__,
            source=source,
            count=totals.count,
            sum=totals.sum,
            squares=totals.squares,
            recordings=totals.digests,
            summands=totals.summands,
        )

    baselines = [made(name, everyone, None)]
    if groups is None:
        return baselines
    titles = member_names(name, sorted(set(values)))
    for value, title in titles.items():
        own = [index for index in chosen if values[index] == value]
        if own:
            group = Group(name=name, column=column, value=value, count=everyone.count, sum=everyone.sum)
            baselines.append(made(title, _Totals.of(rows[own], [sums[index] for index in own]), group))
    return baselines


def member_names(name: str, values: Sequence[str]) -> dict[str, str]:
    """The name of the baseline of each group, by its value: `NAME.VALUE`, without what can't stand in a name.

    Raises:
        BaselineError: two would have one name, or one none.
    """
    titles = {value: check_name(f"{name}.{_STRANGE.sub('-', value).strip(' -') or 'none'}") for value in values}
    by_title: dict[str, str] = {}
    for value, title in titles.items():
        if (other := by_title.setdefault(title.casefold(), value)) != value:
            raise BaselineError(f"the groups {other!r} and {value!r} would both be called {title}: rename one")
    return titles
