"""Fitting: embeddings in, baselines out, of all recordings and of each group of them."""

import re
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.baselines.baseline import SELF, Baseline, Group, Vector, check_name
from emovox.errors import BaselineError
from emovox.models.fitted import DIGEST, FittedModel
from emovox.models.metadata import Metadata
from emovox.version import __version__

_STRANGE = re.compile(r"[^\w -]+")


class _Sum:
    """A sum of vectors that doesn't depend on their order.

    What each addition rounds away is added up too: the error-free transformation of Knuth, The Art of Computer
    Programming 2, section 4.2.2, theorem B.
    """

    def __init__(self, size: int) -> None:
        self._high, self._low = np.zeros(size), np.zeros(size)

    def add(self, row: Vector) -> None:
        total = self._high + row
        own = total - self._high
        self._low += (self._high - (total - own)) + (row - own)
        self._high = total

    @property
    def vector(self) -> Vector:
        return self._high + self._low


class Totals:
    """Of some recordings, which come one after the other: what a baseline stores.

    Attributes:
        count: how many.
    """

    def __init__(self, metadata: Metadata) -> None:
        """Begin; `metadata` is of the model whose embeddings will come."""
        self.count = 0
        self._metadata = metadata
        self._sum, self._squares = _Sum(metadata.embedding_size), _Sum(metadata.embedding_size)
        self._digests: set[str] | None = set()

    def add(self, embedding: NDArray[np.floating], sha256: str | None) -> None:
        """Add a recording: its embedding (D,), and its checksum if it is known."""
        row = embedding.astype(np.float64)
        self.count += 1
        self._sum.add(row)
        self._squares.add(np.square(row))
        if sha256 is None:
            self._digests = None
        elif self._digests is not None:
            self._digests.add(sha256[: 2 * DIGEST])

    def baseline(self, name: str, source: str, *, created_at: datetime | None = None) -> Baseline:
        """The baseline of them."""
        return Baseline(
            name=name,
            model=FittedModel.of(self._metadata),
            created_at=created_at or datetime.now(timezone.utc),
            emovox=__version__,
            source=source,
            count=self.count,
            sum=self._sum.vector,
            squares=self._squares.vector,
            recordings=None if self._digests is None else frozenset(self._digests),
        )


def in_group(baseline: Baseline, name: str, whole: Baseline, column: str, value: str) -> Baseline:
    """A baseline under this name that leans on that of the whole set: of the recordings that have this value."""
    group = Group(name=whole.name, column=column, value=value, count=whole.count, sum=whole.sum)
    return baseline.model_copy(update={"name": name, "group": group})


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

    def made(title: str, indices: Sequence[int]) -> Baseline:
        totals = Totals(metadata)
        for index in indices:
            totals.add(rows[index], sums[index])
        return totals.baseline(title, source)

    whole = made(name, chosen)
    if groups is None:
        return [whole]
    titles = member_names(name, sorted(set(values)))
    own = {value: [index for index in chosen if values[index] == value] for value in titles}
    return [
        whole,
        *(
            in_group(made(titles[value], indices), titles[value], whole, column, value)
            for value, indices in own.items()
            if indices
        ),
    ]


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
