"""The catalog: the models that Emovox knows by name, where they are on disk, and what `--model` means."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from emovox.errors import ModelError, NotInstalledError, UnknownModelError
from emovox.models.added import AddedModel, added_models, newest
from emovox.models.entry import CatalogModel, Licence
from emovox.models.hub import caches
from emovox.models.named import BUNDLED, CATALOG, LARGE
from emovox.models.repository import Repository, folder_of, is_repository, licence_of
from emovox.settings import settings

AUTO = "auto"
_SNAPSHOTS = "snapshots"
_CONVERTED = "converted"
NOT_STATED = "not stated"
"""What is said of a licence that a model card doesn't state."""


def find(name: str) -> CatalogModel:
    """The catalog's entry of that name, that of an added model, or what is known of a repository.

    NAME@REVISION is that revision of a bundled or an added model. A repository that the catalog has is the
    catalog's entry: it needn't be on disk twice.

    Raises:
        UnknownModelError: there is none; the message lists the names, or the revisions.
    """
    if is_repository(name):
        return _of_repository(Repository.parse(name))
    for entry in CATALOG:
        if entry.name == name:
            return entry
    if (model := newest(name)) is not None:
        return _of_added(model)
    base, at, revision = name.partition("@")
    names = [entry.name for entry in (*CATALOG, *added())]
    if at and base in {other.partition("@")[0] for other in names}:
        return _of_revision(base, revision)
    raise UnknownModelError(f"unknown model {name!r}: choose {', '.join(names)}")


def is_name(model: str) -> bool:
    """Whether it is a name, and no path."""
    try:
        return model == AUTO or bool(find(model))
    except UnknownModelError:
        return False


def name_of(name: str, revision: str) -> str:
    """The name of that revision of a model if it is on this machine, or else of the model."""
    with suppress(UnknownModelError):
        return name if is_repository(name) else find(f"{name}@{revision}").name
    return name


def known() -> list[CatalogModel]:
    """All that have a name here: the catalog's, earlier bundled ones, the user's, and what was pulled or found."""
    entries = [*CATALOG, *(item.entry for item in _earlier()), *added(), *pulled()]
    names = {entry.name for entry in entries}
    return [*entries, *(entry for entry in found() if entry.name not in names)]


def added() -> list[CatalogModel]:
    """The models that the user added, by name."""
    return sorted(map(_of_added, added_models()), key=lambda entry: entry.name.lower())


def is_bundled(name: str, revision: str) -> bool:
    """Whether that very revision of a model is part of Emovox."""
    return any((item.name, item.revision) == (name, revision) for item in _revisions() if item.entry.bundled)


class _Revision(NamedTuple):
    """A revision of a model that is on disk; `embeddings_of`: whose embeddings it gives."""

    entry: CatalogModel
    name: str
    revision: str
    embeddings_of: str


def _of_revision(name: str, revision: str) -> CatalogModel:
    """The revision of that very name, or else one with the same embeddings: bundled, added, or bundled before."""
    revisions = [item for item in _revisions() if item.name == name]
    for of in ("revision", "embeddings_of"):
        for item in revisions:
            if getattr(item, of) == revision:
                return item.entry
    words = dict.fromkeys(f"{name}@{word}" for item in revisions for word in (item.revision, item.embeddings_of))
    choice = f"there is {', '.join(words)}. " if words else ""
    raise UnknownModelError(
        f"no revision {revision!r} of {name} is on this machine: {choice}The file of another can be added with "
        f"`emovox models add FILE`; an earlier Emovox has its own as models/bundled/{name}.onnx"
    )


def _revisions() -> Iterator[_Revision]:
    yield from (_facts_of(entry) for entry in CATALOG if entry.file is not None and entry.file.is_file())
    for model in added_models():
        yield _Revision(_of_added(model), model.name, model.revision, model.embeddings_of)
    yield from _earlier()


def _earlier() -> Iterator[_Revision]:
    """Earlier revisions that are bundled beside the current ones, such as lite-5.onnx."""
    files = sorted(BUNDLED.glob("*-*.onnx"))
    for entry in CATALOG:
        for file in files if entry.bundled else ():
            if file.name.startswith(f"{entry.name}-"):
                item = _facts_of(replace(entry, file=file))
                if item.name != entry.name:  # another model's, whose name goes on where this one's ends
                    continue
                name, title = f"{entry.name}@{item.revision}", f"bundled: an earlier revision of {entry.name}"
                named = replace(item.entry, name=name, title=title, chinese=f"内置：{entry.name} 的早期版本")
                yield item._replace(entry=named)


@lru_cache(maxsize=16)
def _facts_of(entry: CatalogModel) -> _Revision:
    from emovox.models.runtime.engine import read_metadata  # noqa: PLC0415  few need it, and it takes time to load

    assert entry.file is not None  # noqa: S101  whose revision it is
    metadata = read_metadata(entry.file)
    return _Revision(entry, metadata.name, metadata.revision, metadata.embeddings_of)


def _of_added(model: AddedModel) -> CatalogModel:
    """Under its name, or as NAME@REVISION where another model or a later revision has that."""
    taken = model.name in {entry.name for entry in CATALOG} or newest(model.name) != model
    return CatalogModel(
        name=f"{model.name}@{model.revision}" if taken else model.name,
        title=model.title,
        licence=Licence(model.licence, ""),
        file=model.path,
        added=True,
        chinese=model.chinese,
    )


def _of_repository(repository: Repository) -> CatalogModel:
    on_hub = {"huggingface": None, "modelscope": None, repository.hub: repository.id}
    entry = next((entry for entry in CATALOG if getattr(entry, repository.hub) == repository.id), None)
    snapshot = snapshot_path(repository.name)  # on disk where an earlier version's catalog hadn't the entry
    if entry is not None and repository.revision is None and not snapshot.is_dir():
        return entry
    site = repository.page.split("/")[2]
    return CatalogModel(
        name=repository.name,
        title=f"{repository.id}, from {site}",
        licence=Licence(licence_of(_or_cached(snapshot, repository)) or NOT_STATED, repository.page),
        huggingface=on_hub["huggingface"],
        modelscope=on_hub["modelscope"],
        chinese=f"{repository.id}，来自 {site}",
        layout=None,
        labels=() if entry is None else entry.labels,
        corpora=() if entry is None else entry.corpora,
        revision=repository.revision,
    )


def _or_cached(snapshot: Path, repository: Repository) -> Path:
    """Where a model card may be."""
    return snapshot if snapshot.is_dir() else caches.find(repository) or snapshot


def pulled() -> list[CatalogModel]:
    """The repositories' models that are on disk, or whose download was interrupted, by name."""
    try:
        folders = [path.name for path in snapshot_path("").iterdir() if path.is_dir()]
    except OSError:
        folders = []
    names = {folder.removeprefix(".").removesuffix(".partial") for folder in folders}
    repositories = [repository for name in names if (repository := Repository.of_folder(name)) is not None]
    entries = [find(repository.name) for repository in repositories]
    return sorted((entry for entry in entries if entry not in CATALOG), key=lambda entry: entry.name.lower())


def found() -> list[CatalogModel]:
    """Models outside the catalog that other programs have on disk, and that tell emotions, by name."""
    from emovox.models.families import read_snapshot  # noqa: PLC0415  few need it, and it takes time to load

    entries = []
    for repository in caches.repositories():
        directory = caches.find(repository)
        if directory is None:
            continue
        with suppress(ModelError):
            if read_snapshot(directory).has_head and (entry := find(repository.name)) not in CATALOG:
                entries.append(entry)
    return sorted(entries, key=lambda entry: entry.name.lower())


def whose(directory: Path) -> CatalogModel | None:
    """The model whose snapshot a directory is; None: it isn't one that Emovox pulled, or that is in a cache."""
    repository = Repository.of_folder(directory.name)
    entries = CATALOG if repository is None else (find(repository.name),)
    if (pulled := next((entry for entry in entries if directory == snapshot_path(entry.name)), None)) is not None:
        return pulled
    cached = caches.repository_of(directory)
    return None if cached is None else find(cached.name)


def snapshot_of(entry: CatalogModel) -> Path | None:
    """Where the snapshot of a model is: as it was pulled, or else where another program has it; None: nowhere."""
    path = snapshot_path(entry.name)
    return path if path.is_dir() else found_snapshot(entry)


def found_snapshot(entry: CatalogModel) -> Path | None:
    """Where another program has the snapshot of a model that wasn't pulled; None: nowhere."""
    if entry.file is not None or snapshot_path(entry.name).is_dir():
        return None
    ids = (("hf", entry.huggingface), ("ms", entry.modelscope))
    repositories = (Repository(prefix, id_, entry.revision) for prefix, id_ in ids if id_)
    places = (caches.find(repository, entry.layout) for repository in repositories)
    return next((path for path in places if path is not None), None)


def snapshot_path(name: str) -> Path:
    """Where the snapshot of a model with a name is, or would be; what is there is complete."""
    return settings().cache.expanduser() / _SNAPSHOTS / folder_of(name)


def converted_path(name: str, key: str) -> Path:
    """Where the conversions of the snapshot that `key` identifies are."""
    return settings().cache.expanduser() / _CONVERTED / f"{folder_of(name)}-{key}"


def conversions(name: str) -> list[Path]:
    """Where conversions of a model are, of whatever snapshot that it had."""
    form = re.compile(rf"{re.escape(folder_of(name))}-[0-9a-f]{{16}}")
    return sorted(path for path in converted_path("", "").parent.glob("*") if form.fullmatch(path.name))


def partial_path(name: str) -> Path:
    """Where the snapshot is while it is being downloaded: beside its directory, to be renamed."""
    return snapshot_path(name).with_name(f".{folder_of(name)}.partial")


def snapshot_lock(name: str) -> FileLock:
    """The lock to hold while changing a snapshot.

    Raises:
        ModelError: the cache directory can't be written.
    """
    path = snapshot_path(name).with_name(f".{folder_of(name)}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{path.parent} can't be made ({error.strerror}): put models elsewhere with EMOVOX_CACHE"
        ) from error
    return FileLock(path)


def installed(name: str) -> bool:
    """Whether a catalog model is on disk, pulled or found.

    Raises:
        UnknownModelError: the catalog has no such model.
    """
    entry = find(name)
    return entry.file.is_file() if entry.file else snapshot_of(entry) is not None


def disk_size(name: str) -> int:
    """Bytes on disk of a catalog model that are Emovox's: its download, finished or not, and its conversions."""
    entry = find(name)
    name = entry.name
    files = (
        [entry.file]
        if entry.file
        else [
            path
            for directory in (snapshot_path(name), partial_path(name), *conversions(name))
            for path in directory.rglob("*")
        ]
    )
    total = 0
    for path in files:
        with suppress(OSError):  # gone in the meantime
            total += path.lstat().st_size if path.is_file() else 0
    return total


def known_size(entry: CatalogModel) -> int | None:
    """Bytes of a model: on disk, where another program has it, or of its download; None: not known."""
    if (directory := found_snapshot(entry)) is not None:
        sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
        return sum(sizes) + disk_size(entry.name)
    return disk_size(entry.name) if installed(entry.name) else entry.download_size


def remove(name: str) -> int:
    """Delete an added model, or the snapshot of one, its conversions and what an interrupted download left of it.

    Returns:
        Bytes freed.

    Raises:
        UnknownModelError: the catalog has no such model.
        ModelError: it is bundled, it is being downloaded, or the file system refuses.
    """
    entry = find(name)
    if entry.bundled:
        raise ModelError(f"{name} is part of Emovox and can't be removed on its own")
    if entry.file is not None:
        freed = disk_size(name)
        try:
            trash = entry.file.parent.with_name(f".{entry.file.parent.name}.removed")
            shutil.rmtree(trash, ignore_errors=True)
            entry.file.parent.rename(trash)  # at once: there is never half a model
            shutil.rmtree(trash)
        except OSError as error:
            raise ModelError(f"{name} can't be removed: {error}") from error
        return freed
    name = entry.name
    if not snapshot_path(name).parent.is_dir():
        return 0
    try:
        with snapshot_lock(name).acquire(timeout=0):
            freed = disk_size(name)
            trash = snapshot_path(name).with_name(f".{folder_of(name)}.removed")
            shutil.rmtree(trash, ignore_errors=True)
            if snapshot_path(name).exists():
                snapshot_path(name).rename(trash)  # at once: there is never half a snapshot
            for directory in (trash, partial_path(name), *conversions(name)):
                if directory.exists():
                    shutil.rmtree(directory)
    except Timeout as error:
        raise ModelError(f"{name} is being downloaded: stop that first") from error
    except OSError as error:
        raise ModelError(f"{name} can't be removed: {error}") from error
    return freed


def resolve(model: str | Path) -> Path:
    """The .onnx file or snapshot directory that a name, NAME@REVISION, hf:OWNER/NAME, `auto` or a path means.

    `auto` is emotion2vec_plus_large if that is on disk, otherwise the bundled model.

    Raises:
        UnknownModelError: neither a name nor an existing path; the message lists the names.
        NotInstalledError: a model that isn't on disk; the message has the command that pulls it.
        ModelError: a path that isn't a model.
    """
    if model == AUTO:
        model = LARGE if installed(LARGE) else "lite"
    path = Path(model)
    exists = os.path.lexists(path)  # which, unlike exists, also takes a name that is too long
    entry = None
    if isinstance(model, str):
        try:
            entry = find(model)
        except UnknownModelError:
            if is_repository(model) or (not exists and "@" in model):
                raise
    if entry is not None:
        entry_path = snapshot_of(entry) if entry.file is None else entry.file
        if entry_path is None or not entry_path.exists():
            raise NotInstalledError(f"{model} is not on this machine: run `emovox models pull {model}`")
        return entry_path
    if not exists:
        names = [entry.name for entry in (*CATALOG, *added())]
        raise UnknownModelError(
            f"unknown model {str(model)!r}: choose {', '.join([AUTO, *names])}, hf:OWNER/NAME, or the path of an "
            ".onnx file or a snapshot"
        )
    if path.is_dir() or path.suffix == ".onnx":
        return path
    raise ModelError(f"{path} is not a model: give an .onnx file or the directory of a snapshot")
