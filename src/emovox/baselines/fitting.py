"""Fitting: embeddings in, baselines out, of all recordings and of each group of them."""

import re
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.baselines.baseline import SELF, Baseline, Group, Vector, check_name, summand
from emovox.errors import BaselineError
from emovox.models.fitted import DIGEST, FittedModel
from emovox.models.metadata import Metadata
from emovox.policy import Side
from emovox.version import __version__

_STRANGE = re.compile(r"[^\w -]+")


class _Sum:
    """A sum of vectors that doesn't depend on their order.

    What each addition rounds away is added up too: the error-free transformation of Knuth, The Art of Computer
    Programming 2, section 4.2.2, theorem B.
    """

    def __init__(self, size: int) -> None:
        self._high, self._low = np.zeros(size), np.zeros(size)

    def add(self, rows: Vector) -> None:
        for row in rows:
            total = self._high + row
            own = total - self._high
            self._low += (self._high - (total - own)) + (row - own)
            self._high = total

    @property
    def vector(self) -> Vector:
        return self._high + self._low


class Totals:
    """Of some recordings: how many, the sums of embeddings and of their squares, and what is in them, if known.

    Attributes:
        count: how many.
    """

    def __init__(self, metadata: Metadata) -> None:
        """Begin; `metadata` is of the model whose embeddings will come."""
        self.count = 0
        self._metadata = metadata
        self._sum, self._squares = _Sum(metadata.embedding_size), _Sum(metadata.embedding_size)
        self._known: list[str] | None = []
        self._sides: set[Side | None] = set()

    def add(
        self,
        embeddings: NDArray[np.float32],
        sha256s: Sequence[str | None],
        sides: Sequence[Side | None] = (None,),
    ) -> None:
        """Add recordings: embeddings (n, D), checksums where they are known, and whose voices they are."""
        self._sides.update(sides)
        rows = embeddings.astype(np.float64)
        self.count += len(rows)
        self._sum.add(rows)
        self._squares.add(np.square(rows))
        known = [sha256 for sha256 in sha256s if sha256]
        if self._known is not None and len(known) == len(rows):
            self._known += map(summand, known, embeddings)
        else:
            self._known = None

    def baseline(
        self, name: str, source: str, group: Group | None = None, created_at: datetime | None = None
    ) -> Baseline:
        """The baseline of them; `created_at` is now unless something else is said."""
        known = self._known
        return Baseline(
            name=name,
            group=group,
            model=FittedModel.of(self._metadata),
            side=next(iter(self._sides)) if len(self._sides) == 1 else None,
            created_at=created_at or datetime.now(timezone.utc),
            emovox=__version__,
            source=source,
            count=self.count,
            sum=self._sum.vector,
            squares=self._squares.vector,
            recordings=None if known is None else frozenset(item[: 2 * DIGEST] for item in known),
            summands=None if known is None else tuple(sorted(known)),
        )

    def group(self, name: str, column: str, value: str) -> Group:
        """Of the baseline of those with a value, where these are the whole set under this name."""
        return Group(name=name, column=column, value=value, count=self.count, sum=self._sum.vector)


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
        self._everyone = Totals(metadata)
        self._groups: dict[str, Totals] = {}
        self._seen: set[tuple[str, int | None, str | None]] = set()  # by group; None: in the whole

    def add(
        self,
        embeddings: ArrayLike,
        sha256s: Sequence[str | None],
        groups: Sequence[str] | None = None,
        channels: Sequence[int | None] | None = None,
        sides: Sequence[Side | None] | None = None,
    ) -> None:
        """Add recordings; each counts once in the whole, and once in each of its groups.

        Each channel is a recording of its own, as it may be another voice.

        Args:
            embeddings: float (n, D), one of each recording.
            sha256s: of the recordings, None where it isn't known.
            groups: the one that each recording belongs to, "": none; in each call, or in no call.
            channels: of each, where it is one of them by itself; None: all together.
            sides: whose voice each is; a baseline has the side that all of its recordings have.

        Raises:
            BaselineError: an embedding isn't one of this model.
        """
        size = self._metadata.embedding_size
        rows = np.asarray(embeddings, np.float32)
        if rows.ndim != 2 or rows.shape[1] != size or not np.isfinite(rows).all():
            raise BaselineError(f"these aren't embeddings by {self._metadata.name}, which have {size} numbers")
        by_group: dict[str | None, list[int]] = {}
        contents = zip(sha256s, channels or [None] * len(rows), groups or [""] * len(rows), strict=True)
        for index, (sha256, channel, group) in enumerate(contents):
            values: tuple[str | None, ...] = (None,) if groups is None else (None, group)
            for value in values:
                key = None if sha256 is None else (sha256, channel, value)
                if key not in self._seen:
                    by_group.setdefault(value, []).append(index)
                if key is not None:
                    self._seen.add(key)
        for value, own in by_group.items():
            totals = self._everyone
            if value is not None:
                totals = self._groups.setdefault(value, Totals(self._metadata))
            voices = [None] if sides is None else [sides[index] for index in own]
            totals.add(rows[own], [sha256s[index] for index in own], voices)

    def baselines(self) -> list[Baseline]:
        """That of all, then those of the groups, sorted.

        Raises:
            BaselineError: a name isn't valid, or there is no recording.
        """
        whole = self._everyone
        if not whole.count:
            raise BaselineError("no recording: a baseline needs one at least, and is worth more with twelve")
        baselines = [whole.baseline(self._name, self._source)]
        for value, title in member_names(self._name, sorted(self._groups)).items():
            group = whole.group(self._name, self._column, value)
            baselines.append(self._groups[value].baseline(title, self._source, group))
        return baselines


def fit(
    name: str,
    embeddings: ArrayLike,
    metadata: Metadata,
    *,
    sha256s: Sequence[str | None] | None = None,
    channels: Sequence[int | None] | None = None,
    groups: Sequence[str] | None = None,
    sides: Sequence[Side | None] | None = None,
    column: str = "group",
    source: str = "",
) -> list[Baseline]:
    """Baselines of recordings: of all of them, and of each group.

    Args:
        name: of the first; a group's is called `NAME.GROUP`.
        embeddings: float (n, D), one of each recording, of its frames of speech.
        metadata: of the model whose embeddings they are.
        sha256s: of the recordings, None where it isn't known; the same recording counts once in a group.
        channels: as of `Fitting.add`.
        groups: the one that each recording belongs to; "": none.
        sides: as of `Fitting.add`.
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
        fitting.add(rows, [None] * len(rows) if sha256s is None else sha256s, groups, channels, sides)
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

    Who has no value, "", is in no group: they needn't be alike.

    Raises:
        BaselineError: two would have one name, or one none.
    """
    titles = {
        value: check_name(f"{name}.{_STRANGE.sub('-', value).strip(' -') or 'none'}") for value in values if value
    }
    by_title: dict[str, str] = {}
    for value, title in titles.items():
        if (other := by_title.setdefault(title.casefold(), value)) != value:
            raise BaselineError(f"the groups {other!r} and {value!r} would both be called {title}: rename one")
    return titles
