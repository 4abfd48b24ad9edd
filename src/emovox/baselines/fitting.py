"""Fitting: embeddings in, baselines out, of all recordings and of each group of them."""

import re
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.baselines.baseline import SELF, Baseline, Group, check_name, summand
from emovox.errors import BaselineError
from emovox.models.fitted import DIGEST, FittedModel
from emovox.models.metadata import Metadata
from emovox.version import __version__

_STRANGE = re.compile(r"[^\w -]+")


class _Totals:
    """Of some recordings: how many, the sums of embeddings and of their squares, and what is in them, if known."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.sum, self.squares = np.zeros(size), np.zeros(size)
        self._known: list[str] | None = []

    def add(self, embeddings: NDArray[np.float32], sha256s: Sequence[str | None]) -> None:
        rows = embeddings.astype(np.float64)
        self.count += len(rows)
        self.sum += rows.sum(axis=0)
        self.squares += np.square(rows).sum(axis=0)
        known = [sha256 for sha256 in sha256s if sha256]
        if self._known is not None and len(known) == len(rows):
            self._known += map(summand, known, embeddings)
        else:
            self._known = None

    @property
    def summands(self) -> tuple[str, ...] | None:
        return None if self._known is None else tuple(sorted(self._known))

    @property
    def digests(self) -> frozenset[str] | None:
        return None if self._known is None else frozenset(item[: 2 * DIGEST] for item in self._known)


class Fitting:
    """Baselines in the making: of all recordings, and of each group of them; embeddings aren't kept."""

    def __init__(self, name: str, metadata: Metadata, *, column: str = "group", source: str = "") -> None:
        """Begin.

        Args:
            name: of the first; a group's is called `NAME.GROUP`.
            metadata: of the model whose embeddings they are.
            column: what they are told apart by, for what the baselines say of themselves.
            source: what the recordings are, in words.
        """
        self._name, self._metadata, self._column, self._source = name, metadata, column, source
        self._everyone = _Totals(metadata.embedding_size)
        self._groups: dict[str, _Totals] = {}
        self._seen: set[tuple[str, str]] = set()

    def add(
        self, embeddings: ArrayLike, sha256s: Sequence[str | None], groups: Sequence[str] | None = None
    ) -> None:
        """Add recordings; one that was added already, in the same group, isn't added again.

        Args:
            embeddings: float (n, D), one of each recording.
            sha256s: of the recordings, None where it isn't known.
            groups: the one that each recording belongs to: in each call, or in none.

        Raises:
            BaselineError: an embedding isn't one of this model.
        """
        size = self._metadata.embedding_size
        rows = np.asarray(embeddings, np.float32)
        if rows.ndim != 2 or rows.shape[1] != size or not np.isfinite(rows).all():
            raise BaselineError(f"these aren't embeddings by {self._metadata.name}, which have {size} numbers")
        by_group: dict[str, list[int]] = {}
        for index, (sha256, value) in enumerate(zip(sha256s, groups or [""] * len(rows), strict=True)):
            key = None if sha256 is None else (sha256, value)
            if key not in self._seen:
                by_group.setdefault(value, []).append(index)
            if key is not None:
                self._seen.add(key)
        chosen = sorted(index for own in by_group.values() for index in own)
        self._everyone.add(rows[chosen], [sha256s[index] for index in chosen])
        for value, own in by_group.items() if groups is not None else ():
            totals = self._groups.setdefault(value, _Totals(size))
            totals.add(rows[own], [sha256s[index] for index in own])

    def baselines(self) -> list[Baseline]:
        """That of all, then those of the groups, sorted.

        Raises:
            BaselineError: a name isn't valid, or there is no recording.
        """
        whole = self._everyone
        if not whole.count:
            raise BaselineError("no recording: a baseline needs one at least, and is worth more with twelve")
        baselines = [self._baseline(self._name, whole, None)]
        for value, title in member_names(self._name, sorted(self._groups)).items():
            group = Group(name=self._name, column=self._column, value=value, count=whole.count, sum=whole.sum)
            baselines.append(self._baseline(title, self._groups[value], group))
        return baselines

    def _baseline(self, name: str, totals: _Totals, group: Group | None) -> Baseline:
        return Baseline(
            name=name,
            group=group,
            model=FittedModel.of(self._metadata),
            created_at=datetime.now(timezone.utc),
            emovox=__version__,
            source=self._source,
            count=totals.count,
            sum=totals.sum,
            squares=totals.squares,
            recordings=totals.digests,
            summands=totals.summands,
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
    fitting = Fitting(name, metadata, column=column, source=source)
    rows = np.atleast_2d(np.asarray(embeddings, np.float32))
    if rows.size:
        fitting.add(rows, [None] * len(rows) if sha256s is None else sha256s, groups)
    return fitting.baselines()


def of_itself(embeddings: ArrayLike, metadata: Metadata, before: Baseline | None = None) -> Baseline:
    """The baseline of one recording, by its segments' embeddings (n, D).

    Args:
        embeddings: of the segments.
        metadata: of the model.
        before: that of the segments before these, if there are any.
    """
    rows = np.atleast_2d(np.asarray(embeddings, np.float32))
    fitting = Fitting(SELF, metadata, column="", source="its own segments")
    fitting.add(rows, [None] * len(rows))
    own = fitting.baselines()[0]
    if before is None:
        return own
    totals = {name: getattr(before, name) + getattr(own, name) for name in ("count", "sum", "squares")}
    return Baseline(**{**dict(own), **totals})


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
