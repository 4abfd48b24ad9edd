"""Directories: all that lies below one, or what a pattern matches; one that can't be read costs itself alone.

Walks are loops, so that no depth is too great for them but for the system, and they hold few directories open.
What is below is named relative to where a walk began: the same walk goes through directories of this machine and
through object storage (`emovox.batch.storage`).
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from emovox.errors import EmovoxError

Entries = Callable[[str], Iterator[tuple[str, bool]]]
"""Names in a directory, and whether each is a directory; given its own name, "" where the walk began."""
Failed = Callable[[Path, str], None]
"""Is told of a directory that can't be read, and why."""

MAGIC = re.compile(r"[*?\[]")
_OPEN = 64  # directories that a walk holds open; the names of those below are read at once


@dataclass(frozen=True)
class Unreadable:
    """A directory that can't be listed; what is in it is missing."""

    name: str
    error: Exception

    @property
    def reason(self) -> str:
        """Why, in a few words."""
        return getattr(self.error, "strerror", None) or " ".join(str(self.error).split())


def scan(path: str | Path) -> Iterator[tuple[str, bool]]:
    """Names in a directory as the system gives them, never all at once, and whether each is a directory.

    There are none where there is no such directory.

    Raises:
        OSError: it can't be listed.
    """
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                yield entry.name, _is_directory(entry)
    except (FileNotFoundError, NotADirectoryError):
        return


def walk(entries: Entries, *, enters: Callable[[str], bool]) -> Iterator[str | Unreadable]:
    """All files in a directory and below, without hidden ones, in the order in which `entries` gives them."""
    for entry in _search((), entries, enters):
        yield entry if isinstance(entry, Unreadable) else entry[0]


def match(
    parts: Sequence[str], entries: Entries, *, enters: Callable[[str], bool]
) -> Iterator[tuple[str, bool] | Unreadable]:
    """What a pattern matches, and whether that is a directory; some may come twice.

    Args:
        parts: of the pattern: * and ? within a name, ** across directories; hidden names must be asked for.
        entries: lists directories.
        enters: whether ** leads into one.
    """
    pairs = zip(parts, ("", *parts), strict=False)
    plain = tuple(part for part, before in pairs if not part == before == "**")
    if plain == ("**",):
        yield "", True
    else:
        yield from _search(plain, entries, enters)


def files(root: Path, failed: Failed, *, enters: Callable[[Path], bool] = lambda _: True) -> Iterator[Path]:
    """All files in a directory of this machine and below, sorted, without hidden ones; links lead nowhere.

    Args:
        root: where to begin.
        failed: is told of what can't be read.
        enters: whether to go on in one.
    """
    for entry in walk(_sorted(root), enters=_within(root, enters)):
        if isinstance(entry, Unreadable):
            failed(root / entry.name, entry.reason)
        else:
            yield root / entry


def glob(
    pattern: str | Path, failed: Failed, *, enters: Callable[[Path], bool] = lambda _: True
) -> list[tuple[Path, bool]]:
    """What a pattern matches on this machine, sorted, and whether each is a directory.

    Args:
        pattern: as `match` has it, with a path in front.
        failed: is told of what can't be read.
        enters: whether ** leads into one; where links lead it never does.
    """
    parts = Path(pattern).parts
    first = next((number for number, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    root, matches = Path(*parts[:first]), set()
    for entry in match(parts[first:], _sorted(root), enters=_within(root, enters)):
        if isinstance(entry, Unreadable):
            failed(root / entry.name, entry.reason)
        else:
            matches.add((root / entry[0], entry[1]))
    return sorted(matches)


def _search(
    parts: Sequence[str], entries: Entries, enters: Callable[[str], bool]
) -> Iterator[tuple[str, bool] | Unreadable]:
    """What `parts` match below; where there are none, all files."""
    ways = [("", tuple(parts), entries(""))]
    while ways:
        folder, parts, names = ways[-1]
        try:
            name, directory = next(names)
        except StopIteration:
            ways.pop()
            continue
        except (OSError, EmovoxError) as error:
            ways.pop()
            yield Unreadable(folder, error)
            continue
        path = f"{folder}/{name}" if folder else name
        if name.startswith(".") and not (parts and parts[0].startswith(".")):
            continue
        if _matches(parts, name, directory):
            yield path, directory
        try:
            following = list(_following(parts, name, directory, lambda path=path: enters(path)))  # type: ignore[misc]
        except (OSError, EmovoxError) as error:
            yield Unreadable(path, error)
            continue
        for rest in following:
            if rest == ("**",):
                yield path, True
            else:
                ways.append((path, rest, entries(path) if len(ways) < _OPEN else _at_once(entries(path))))


def _matches(parts: Sequence[str], name: str, directory: bool) -> bool:
    """Whether a name is what is looked for."""
    if not parts:
        return not directory
    return len(parts) == (2 if parts[0] == "**" else 1) and fnmatch(name, parts[-1])


def _following(
    parts: tuple[str, ...], name: str, directory: bool, enters: Callable[[], bool]
) -> Iterator[tuple[str, ...]]:
    """What is to be looked for in a directory."""
    if not directory:
        return
    if (not parts or parts[0] == "**") and enters():
        yield parts
    rest = parts[1:] if parts and parts[0] == "**" else parts
    if len(rest) > 1 and fnmatch(name, rest[0]):
        yield rest[1:]


def _at_once(names: Iterator[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    yield from list(names)


def _sorted(root: Path) -> Entries:
    """Lists directories of this machine, files before directories."""

    def entries(name: str) -> Iterator[tuple[str, bool]]:
        yield from sorted(scan(root / name), key=lambda entry: (entry[1], entry[0]))

    return entries


def _within(root: Path, enters: Callable[[Path], bool]) -> Callable[[str], bool]:
    return lambda name: not is_link(root / name) and enters(root / name)


def is_link(path: str | Path) -> bool:
    """Whether a path is a link to a directory, which may lead back to where one came from."""
    return os.path.islink(path) and os.path.isdir(path)  # noqa: PTH112, PTH114  which raise no error


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or to where nobody may look: only its name says what it was meant to be
        return not Path(entry.name).suffix
