"""The baselines that clients may use: by name alone, each read once until its file changes."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from emovox.baselines.baseline import Baseline, baseline_path, names
from emovox.errors import BaselineError


def find_baseline(name: str) -> Baseline:
    """The baseline of that name.

    Raises:
        BaselineError: there is none, or it can't be read. The message may have a path of this machine in it.
    """
    path = baseline_path(name)
    try:
        facts = path.stat()
    except OSError as error:
        raise BaselineError(f"no baseline {name!r}") from error
    return _read(path, (facts.st_ino, facts.st_mtime_ns, facts.st_size))


def all_baselines() -> Iterator[tuple[str, Baseline]]:
    """Those that can be read, with the names by which they are asked for, sorted."""
    for name in names():
        with suppress(BaselineError):
            yield name, find_baseline(name)


# Reading one takes a millisecond, and with a thousand recordings ten: as long as recognising a clip.
@lru_cache(maxsize=256)
def _read(path: Path, state: tuple[int, int, int]) -> Baseline:
    del state
    return Baseline.read(path)
