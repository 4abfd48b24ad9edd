"""Snapshots that other programs have on disk: the caches of Hugging Face's and ModelScope's own clients.

They are read where they lie, and never changed. What their clients haven't finished has no file of weights, and is
passed over.

- huggingface_hub keeps `models--OWNER--NAME/snapshots/COMMIT/`, whose files are links to blobs, and in
  `refs/BRANCH` the commit of a branch: https://huggingface.co/docs/huggingface_hub/guides/manage-cache. The cache
  is `HF_HUB_CACHE`, or `hub` in `HF_HOME`, by default in `~/.cache/huggingface`.
- modelscope keeps `OWNER/NAME/`, with `___` for each dot of the name, in `hub/models` of `~/.cache/modelscope` (up
  to 1.21 in `hub`) or in `models` of `MODELSCOPE_CACHE` (up to then in that itself).
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from emovox.errors import ModelError, UnknownModelError
from emovox.models.checkpoints.shards import weight_files
from emovox.models.layout import Layout
from emovox.models.repository import Repository

TITLES = {"hf": "Hugging Face's cache", "ms": "ModelScope's cache"}
"""What the cache of a hub is called, by the prefix of its repositories' names."""
_MAIN = {"main", "master"}


def find(repository: Repository, layout: Layout | None = None) -> Path | None:
    """Where a cache has the snapshot of a repository, whole; None: none has.

    Args:
        repository: of its revision, or else of the main branch.
        layout: of the snapshot; None: any that is known.
    """
    places = _of_huggingface(repository) if repository.prefix == "hf" else _of_modelscope(repository)
    return next((folder for folder in places if _is_whole(folder, layout)), None)


def repositories() -> Iterator[Repository]:
    """Those of which a cache has the main branch, whole or not."""
    for folder in _listed(_huggingface_cache()):
        owner, dashes, name = folder.name.removeprefix("models--").partition("--")
        if folder.name.startswith("models--") and dashes:
            yield from _parsed(f"hf:{owner}/{name}")
    for root in _modelscope_roots():
        for place in _listed(root):
            for folder in _listed(place):
                yield from _parsed(f"ms:{place.name}/{folder.name.replace('___', '.')}")


def repository_of(directory: Path) -> Repository | None:
    """Whose snapshot a folder of a cache is; None: it is in no cache."""
    parts = directory.parts
    if len(parts) > 3 and parts[-2] == "snapshots" and directory.is_relative_to(_huggingface_cache()):
        owner, dashes, name = parts[-3].removeprefix("models--").partition("--")
        repository = next(_parsed(f"hf:{owner}/{name}"), None) if dashes else None
        if repository is None or find(repository) == directory:
            return repository
        return Repository(repository.prefix, repository.id, parts[-1])
    for root in _modelscope_roots():
        if directory.parent.parent == root:
            return next(_parsed(f"ms:{directory.parent.name}/{directory.name.replace('___', '.')}"), None)
    return None


def commit_of(directory: Path) -> str | None:
    """The commit whose snapshot a folder of Hugging Face's cache is; ModelScope's doesn't say."""
    inside = directory.parent.name == "snapshots" and directory.is_relative_to(_huggingface_cache())
    return directory.name if inside else None


def _parsed(name: str) -> Iterator[Repository]:
    with suppress(UnknownModelError):
        yield Repository.parse(name)


def _of_huggingface(repository: Repository) -> Iterator[Path]:
    folder = _huggingface_cache() / f"models--{repository.id.replace('/', '--')}"
    revision = repository.revision or "main"
    commit = revision
    with suppress(OSError, UnicodeDecodeError):
        commit = (folder / "refs" / revision).read_text(encoding="ascii").strip()
    if re.fullmatch("[0-9A-Za-z]{1,64}", commit):
        yield folder / "snapshots" / commit


def _of_modelscope(repository: Repository) -> Iterator[Path]:
    if repository.revision not in (None, *_MAIN):
        return  # the cache has one revision, and doesn't say which
    owner, _, name = repository.id.partition("/")
    for root in _modelscope_roots():
        yield root / owner / name.replace(".", "___")
        yield root / owner / name


def _huggingface_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = (
        os.environ.get("HF_HUB_CACHE")
        or os.environ.get("HUGGINGFACE_HUB_CACHE")
        or os.path.join(os.environ.get("HF_HOME") or os.path.join(home, "huggingface"), "hub")  # noqa: PTH118
    )
    return Path(os.path.expandvars(cache)).expanduser()


def _modelscope_roots() -> list[Path]:
    given = os.environ.get("MODELSCOPE_CACHE")
    cache = Path(given or "~/.cache/modelscope/hub").expanduser()
    return [cache / "models", cache, *([cache / "hub" / "models", cache / "hub"] if given else [])]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _is_whole(folder: Path, layout: Layout | None) -> bool:
    """Whether a folder has all files that make a snapshot."""
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]  # not so a link to what isn't there
    except OSError:
        return False
    if layout is None:
        from emovox.models.families import layouts  # noqa: PLC0415  few need it, and it takes time to load
    for one in layouts() if layout is None else (layout,):
        weights = one.weights_among(names)
        if one.config in names and len(weights) == 1:
            with suppress(ModelError):
                return bool(weight_files(folder / weights[0]))
    return False
