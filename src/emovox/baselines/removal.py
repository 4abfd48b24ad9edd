"""Removal: taking recordings out of baselines when they are deleted.

Sums are kept unshrunk, so that a recording's embedding can be subtracted as if it had never been added. It must be
the very one that was added, which a baseline knows by its checksum. Where that is not to be had the baseline stays
as it is, and the result says so: whoever deletes has to fit it again, or to delete it too.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from emovox import private
from emovox.baselines.baseline import Baseline, Group, baseline_path, names, summand
from emovox.errors import BaselineError
from emovox.models.fitted import DIGEST
from emovox.settings import settings

Stored = Callable[[str], Iterable[NDArray[np.floating]]]
"""The embeddings (D,) that are stored of a recording, by its checksum: of any model, made in any way."""


@dataclass(frozen=True)
class Holder:
    """A baseline that has a recording in its sums, or its group's.

    Attributes:
        name: of the baseline.
        certain: False: it may have it, but doesn't know all its recordings, or can't be read.
    """

    name: str
    certain: bool


@dataclass(frozen=True)
class Removal:
    """What became of a baseline from which recordings were to be taken.

    Attributes:
        name: of the baseline.
        count: recordings that it has now; 0: there was no other, and it was deleted.
        left: recordings that are still in it, or may be; how many of those that were to be taken out.
        reason: why they are, and how to fit it again; empty: none is.
        source: then what it was made from, in words, for its owner alone.
    """

    name: str
    count: int
    left: int = 0
    reason: str = ""
    source: str = ""


def holders(sha256s: Collection[str]) -> list[Holder]:
    """The user's baselines that have one of these recordings, or may have one; by their names."""
    baselines, unreadable = _read()
    wholes = _wholes(baselines, sha256s, lambda _: ())
    result = [Holder(name, certain=False) for name in unreadable if sha256s]
    for name, baseline in baselines.items():
        held = {_holds(baseline, wholes, sha256) for sha256 in sha256s}
        if held & {True, None}:
            result.append(Holder(name, certain=True in held))
    return sorted(result, key=lambda item: item.name)


def take_out(sha256s: Collection[str], stored: Stored) -> list[Removal]:
    """Take recordings out of all of the user's baselines that have them; before the recordings are deleted.

    The result is the baseline that would have been fitted without them, up to rounding. A baseline of a group is
    also moved by the sum of its whole set, so it changes with that. What is killed halfway goes on when the same
    is asked for again.

    Args:
        sha256s: of the recordings.
        stored: the embeddings that there still are of one.

    Returns:
        What became of each baseline that `holders` names, by its name.

    Raises:
        BaselineError: a file can't be written; those before it are.
    """
    if not names():
        return []
    with locked():
        baselines, unreadable = _read()
        wholes = _wholes(baselines, sha256s, stored)
        plans = {name: _plan(item, wholes, sha256s, stored) for name, item in baselines.items()}
        # Groups come first: as long as their whole set has a recording they are known to have it, too.
        for name in sorted(plans, key=lambda name: baselines[name].group is None):
            after = plans[name].after
            if after is None:
                _unlink(baseline_path(name))
            elif after is not baselines[name]:
                after.write(baseline_path(name))
    results = [plan.removal(name) for name, plan in plans.items() if plan.concerned]
    for name in unreadable if sha256s else ():
        reason = f"it can't be read: delete it with `emovox baseline remove {name}`"
        results.append(Removal(name, 0, len(sha256s), reason))
    return sorted(results, key=lambda item: item.name)


def without(baseline: Baseline, sha256s: Iterable[str], stored: Stored) -> tuple[Baseline | None, set[str]]:
    """A baseline without recordings that it knows.

    Args:
        baseline: whose own sums are changed, not its group's.
        sha256s: of the recordings; others than its own change nothing.
        stored: the embeddings that there are of one.

    Returns:
        The baseline without those of which all that was summed is there (None: it has no other), and the
        recordings that are still in it, as what was summed isn't.
    """
    summands, taken, left = list(baseline.summands or ()), list[NDArray[np.float64]](), set[str]()
    gone = set[str]()
    for sha256 in sha256s:
        if not baseline.knows(sha256):
            continue
        digest = sha256[: 2 * DIGEST]
        vectors = {summand(sha256, vector): vector.astype(np.float64) for vector in stored(sha256)}
        items = [item for item in summands if item.startswith(digest)]
        if not items or not vectors.keys() >= set(items):
            left.add(sha256)
            continue
        taken += [vectors[item] for item in items]
        summands = [item for item in summands if not item.startswith(digest)]
        gone.add(digest)
    if not taken:
        return baseline, left
    if len(taken) == baseline.count:
        return None, left
    rows = np.stack(taken)
    changes = {
        "count": baseline.count - len(rows),
        "sum": baseline.sum - rows.sum(axis=0),
        "squares": baseline.squares - np.square(rows).sum(axis=0),
        "recordings": (baseline.recordings or frozenset()) - gone,
        "summands": tuple(summands),
    }
    return _changed(baseline, changes), left


def locked() -> FileLock:
    """Held while baselines are read and written again, so that nobody else's change is lost."""
    private.make_directory(settings().baselines)
    path = settings().baselines / ".lock"
    return FileLock(path, mode=private.lock_mode(path))


@dataclass(frozen=True)
class _Whole:
    """A set that groups lean on, as it is, as it will be, and the recordings that are still in it then."""

    before: Baseline
    after: Baseline | None
    left: set[str]


@dataclass(frozen=True)
class _Plan:
    """What is to become of a baseline; `concerned`: it has one of the recordings, or may have."""

    before: Baseline
    after: Baseline | None
    left: int
    unknown: bool
    concerned: bool

    def removal(self, name: str) -> Removal:
        count = 0 if self.after is None else self.after.count
        if not self.left:
            return Removal(name, count)
        why = (
            "not all of its recordings are known, so they may be in it"
            if self.unknown
            else "the embeddings that were summed aren't stored any more"
        )
        group = self.before.group
        again = f"--name {name}" if group is None else f"--name {group.name} --group {group.column}"
        reason = f"{why}: fit it again with `emovox baseline fit RECORDINGS {again}`"
        return Removal(name, count, self.left, reason, self.before.source)


def _wholes(baselines: dict[str, Baseline], sha256s: Collection[str], stored: Stored) -> dict[str, _Whole]:
    group_names = {baseline.group.name for baseline in baselines.values() if baseline.group is not None}
    return {
        name: _Whole(baselines[name], *without(baselines[name], sha256s, stored))
        for name in group_names & baselines.keys()
    }


def _plan(baseline: Baseline, wholes: dict[str, _Whole], sha256s: Collection[str], stored: Stored) -> _Plan:
    held = {sha256: _holds(baseline, wholes, sha256) for sha256 in sha256s}
    if not set(held.values()) & {True, None}:
        return _Plan(baseline, baseline, 0, unknown=False, concerned=False)
    unknown = {sha256 for sha256, value in held.items() if value is None}
    after, left = without(baseline, sha256s, stored)
    group = baseline.group
    if after is not None and group is not None and (whole := wholes.get(group.name)) is not None:
        left = left | whole.left
        if whole.after not in (None, whole.before) and _is_of(group, whole.before):
            facts = {"count": whole.after.count, "sum": whole.after.sum}
            after = _changed(after, {"group": group.model_copy(update=facts)})
    return _Plan(baseline, after, len(left | unknown), unknown=bool(unknown), concerned=True)


def _holds(baseline: Baseline, wholes: dict[str, _Whole], sha256: str) -> bool | None:
    """Whether a recording is in a baseline's sums, or its group's; None: nobody knows."""
    if baseline.knows(sha256):
        return True
    if baseline.recordings is None:
        return None
    return False if baseline.group is None else _group_holds(baseline.group, wholes, sha256)


def _group_holds(group: Group, wholes: dict[str, _Whole], sha256: str) -> bool | None:
    whole = wholes.get(group.name)
    if whole is None or whole.before.recordings is None:
        return None
    if _is_of(group, whole.before):
        return whole.before.knows(sha256)
    if whole.after is not None and _is_of(group, whole.after):  # it was killed before it came to the whole set
        return sha256 in whole.left
    return None


def _is_of(group: Group, whole: Baseline) -> bool:
    """Whether the whole set is still the one that a group leans on."""
    return group.count == whole.count and np.array_equal(group.sum, whole.sum)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BaselineError(f"{path}: can't be removed: {error.strerror or error}") from error


def _read() -> tuple[dict[str, Baseline], list[str]]:
    """All of the user's by name, and the names of those that can't be read."""
    baselines, unreadable = {}, []
    for name in names():
        try:
            baselines[name] = Baseline.read(baseline_path(name))
        except BaselineError:
            with suppress(FileNotFoundError):  # it was deleted meanwhile
                baseline_path(name).stat()
                unreadable.append(name)
    return baselines, unreadable


def _changed(baseline: Baseline, changes: dict[str, object]) -> Baseline:
    facts = {name: getattr(baseline, name) for name in Baseline.model_fields}
    return Baseline.model_validate({**facts, **changes})
