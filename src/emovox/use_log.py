"""The log of use: who had what inferred, read, exported or deleted, and when; never what came out.

A file of JSON lines that is only ever appended to (setting `use_log`; by default there is none). Each line has the
checksum of the one before, so that a line which is changed, taken out or put in breaks the chain from there on.
Lines cut off at the end leave a shorter chain that is whole: whoever wants to notice that too notes the last
checksum somewhere else, and asks later whether it is still in the chain.

While it can't be written nothing is recognised and no result given; what a service changed before it answers
stays.
"""

import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock

from emovox import private
from emovox.errors import UseLogError
from emovox.settings import settings

Action = Literal["requested", "recognized", "read", "exported", "corrected", "trained", "deleted", "refused"]
ACTIONS: tuple[Action, ...] = get_args(Action)
MOST_IDS = 100
"""Of one entry: of more things their number is logged."""
_FIRST = "0" * 64
_TAIL = 65_536  # bytes in which the last line is looked for: entries are shorter

_who: ContextVar[str | None] = ContextVar("emovox_who", default=None)


@contextmanager
def by(who: str | None) -> Iterator[None]:
    """A block in which this is who does it: a key's id, for example. By default it is the account."""
    token = _who.set(who)
    try:
        yield
    finally:
        _who.reset(token)


def log(
    action: Action,
    *,
    recordings: Sequence[str] = (),
    outputs: Sequence[str] = (),
    **facts: str | int | None,
) -> None:
    """Append an entry, if there is a log.

    Args:
        action: what was done.
        recordings: sha256 of the recordings that it is about.
        outputs: names of outputs directories, or ids of archive records.
        facts: `model`, `policy`, `side`, `outcome`, `command`, `route`, `job`; those that are None are left out.

    Raises:
        UseLogError: it can't be written: then what it is about must not be done.
    """
    path = settings().use_log
    if path is None:
        return
    entry = {
        "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "who": _who.get() or _account(),
        "action": action,
        **_ids("recordings", recordings),
        **_ids("outputs", outputs),
        **{name: value for name, value in facts.items() if value is not None},
    }
    try:
        _append(path, entry)
    except OSError as error:
        raise UseLogError(
            f"the log of use can't be written, so nothing is given: {path}: {error.strerror}"
        ) from error


def _ids(name: str, ids: Sequence[str]) -> dict[str, Any]:
    if not ids:
        return {}
    return {name: list(ids)} if len(ids) <= MOST_IDS else {f"{name}_count": len(ids)}


def _account() -> str:
    with suppress(OSError, KeyError, ImportError):  # there need not be a name in a container
        return f"account {getpass.getuser()}"
    return f"account {os.getuid()}" if hasattr(os, "getuid") else "account"


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    private.make_directory(path.absolute().parent)
    private.touch(path)
    with FileLock(f"{path}.lock", mode=0o600), path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        lines = file.read().split(b"\n")
        number, previous = _last(lines)
        line = json.dumps(chained(entry, number + 1, previous), ensure_ascii=False).encode() + b"\n"
        file.seek(0, os.SEEK_END)
        file.write(line if lines[-1] == b"" else b"\n" + line)  # a line that broke off stays as it is
        file.flush()
        os.fsync(file.fileno())


def _last(lines: Sequence[bytes]) -> tuple[int, str]:
    """Number and checksum of the last entry that is whole."""
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            return int(entry["number"]), str(entry["sha256"])
    return 0, _FIRST


def chained(entry: Mapping[str, Any], number: int, previous: str) -> dict[str, Any]:
    """An entry as it is logged: with its number, the checksum of the one before, and its own over all of it."""
    body = {"number": number, **entry, "previous": previous}
    return {**body, "sha256": _checksum(body)}


def _checksum(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Verification:
    """What a look at the whole chain gave.

    Attributes:
        count: entries that are whole and in order.
        head: checksum of the last entry.
        faults: what is wrong, a sentence each.
        contains: whether the checksum that was asked for is in the chain; None: none was asked for.
    """

    count: int
    head: str
    faults: tuple[str, ...]
    contains: bool | None = None


def entries(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each line with its number; None: it is no entry.

    Raises:
        UseLogError: the file can't be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                yield number, entry if isinstance(entry, dict) else None
    except OSError as error:
        raise UseLogError(f"the log of use can't be read: {path}: {error.strerror}") from error


def verify(path: Path, checksum: str | None = None) -> Verification:
    """Recompute the chain.

    Args:
        path: of the log.
        checksum: of an entry that was noted before, which must still be in the chain.

    Raises:
        UseLogError: the file can't be read.
    """
    count, previous, faults, contains = 0, _FIRST, [], False
    for line, entry in entries(path):
        if entry is None:
            faults.append(f"line {line} is no entry: it broke off while it was written, or was changed")
            continue
        body = {name: value for name, value in entry.items() if name != "sha256"}
        if entry.get("sha256") != _checksum(body):
            faults.append(f"line {line} was changed: its checksum isn't that of its content")
        elif entry.get("previous") != previous or entry.get("number") != count + 1:
            faults.append(f"line {line} doesn't follow the one before: entries were taken out, put in or moved")
        count, previous = int(entry.get("number") or count + 1), str(entry.get("sha256"))
        contains = contains or previous == checksum
    return Verification(count, previous, tuple(faults), None if checksum is None else contains)
