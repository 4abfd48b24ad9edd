"""Pulling a snapshot from Hugging Face or ModelScope: all of Emovox that goes online by itself."""

import shutil
import tempfile
from collections.abc import Callable, Collection
from os import environ, link
from pathlib import Path
from typing import Literal

from filelock import Timeout

from emovox import files
from emovox.errors import HubError, HubMismatchError, HubUnreachableError, ModelError
from emovox.models.catalog import NOT_STATED, partial_path, snapshot_lock, snapshot_path
from emovox.models.entry import CatalogModel
from emovox.models.families import read_snapshot
from emovox.models.hub.listing import Listing, read_listing
from emovox.models.hub.published import SOURCE_FILE, PublishedFile, SnapshotSource
from emovox.models.hub.transfer import Connection, Patience
from emovox.models.repository import Hub, licence_of
from emovox.refusals import is_full
from emovox.settings import settings

PullProgress = Callable[[int, int], None]
"""Is told how many bytes are there, of how many."""

_TITLES: dict[Hub, str] = {"huggingface": "Hugging Face", "modelscope": "ModelScope"}
_DISK_MARGIN = 256 * 2**20  # bytes to leave free: a full disk does more harm than a download that doesn't start


def pull(
    model: CatalogModel,
    *,
    hub: Hub | Literal["auto"] = "auto",
    revision: str | None = None,
    progress: PullProgress = lambda done, total: None,
    notice: Callable[[str], None] = lambda line: None,
    patience: Patience = Patience(),  # noqa: B008  it is frozen
) -> Path:
    """Download a model's snapshot into the cache, where it appears complete or not at all.

    Of a repository that isn't in the catalog the small files come first, and the weights only if these describe a
    model that can be computed.

    An interrupted pull is resumed by the next one. If the snapshot is there already, it is compared with the hub's
    files, and only those that differ are transferred.

    Args:
        model: an entry of the catalog, or what `catalog.find` gives for hf:OWNER/NAME.
        hub: which; `auto`: Hugging Face, or ModelScope if that doesn't provide the model.
        revision: branch, tag or commit; by default that of the name, or the hub's main branch.
        progress: is told as bytes arrive.
        notice: is told in a line when it waits, or tries another hub; and the licence that a repository states.
        patience: with bad connections.

    Returns:
        The snapshot's directory.

    Raises:
        HubUnreachableError: no hub can be reached, or the transfer breaks off again and again.
        HubMismatchError: a hub serves something other than it publishes. Another hub isn't tried then.
        HubError: refused.
        ModelError: offline, not on that hub, two revisions are named, the repository's model can't be computed,
            or the disk is full or not writable.
    """
    if revision is not None and model.revision not in (None, revision):
        raise ModelError(f"{model.name} names its revision already: leave --revision out")
    hubs = _hubs(model, hub)
    _check_online()
    lock = snapshot_lock(model.name)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            notice(f"another process is downloading {model.name}: waiting for it")
            lock.acquire()
        failures: list[HubError] = []
        for name, id_ in hubs.items():
            try:
                with _connect(name, patience) as connection:
                    listing = read_listing(connection, name, model.layout, id_, revision or model.revision)
                    return _download(model, listing, connection, progress, notice)
            except HubMismatchError:
                raise
            except HubError as error:
                failures.append(error)
                if len(failures) < len(hubs):
                    notice(f"{error}. Trying the next hub")
    except OSError as error:
        raise ModelError(_disk_trouble(error)) from error
    finally:
        lock.release()
    unreachable = all(isinstance(error, HubUnreachableError) for error in failures)
    raise (HubUnreachableError if unreachable else HubError)("; ".join(map(str, failures)))


def _hubs(model: CatalogModel, hub: Hub | Literal["auto"]) -> dict[Hub, str]:
    """The hubs to try, in order, with the model's id on each."""
    ids: dict[Hub, str | None] = {"huggingface": model.huggingface, "modelscope": model.modelscope}
    everywhere: dict[Hub, str] = {name: id_ for name, id_ in ids.items() if id_}
    hubs = {name: id_ for name, id_ in everywhere.items() if hub in ("auto", name)}
    if not everywhere:
        raise ModelError(f"{model.name} is on no hub: nothing to download")
    if not hubs:
        raise ModelError(
            f"{model.name} is not on that hub: use {' or '.join(f'--hub {name}' for name in everywhere)}"
        )
    return hubs


def _check_online() -> None:
    """Refuse if the user wants to stay offline, by our setting or by those of Hugging Face's libraries."""
    reasons = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if _is_true(environ.get(name, ""))]
    if settings().offline:
        reasons.insert(0, "EMOVOX_OFFLINE (or `offline` in the config file)")
    if reasons:
        raise ModelError(f"nothing is downloaded while {reasons[0]} is set: unset it for this command")


def _disk_trouble(error: OSError) -> str:
    cache = settings().cache
    if is_full(error):
        return f"the disk of {cache} is full: make room and run this again; it resumes where it stopped"
    return f"{error.filename or cache} can't be written ({error.strerror}): put models elsewhere with EMOVOX_CACHE"


def _is_true(value: str) -> bool:
    return value.strip().upper() in {"1", "ON", "YES", "TRUE"}


def _connect(hub: Hub, patience: Patience) -> Connection:
    """A connection to the hub, or to the mirror that its own client's variables name."""
    if hub == "huggingface":
        address = environ.get("HF_ENDPOINT") or "https://huggingface.co"
        token = environ.get("HF_TOKEN", "").strip() or None
        if token and not (token.isascii() and token.isprintable()):
            raise ModelError("HF_TOKEN is not a token: it has characters that tokens can't have")
    else:
        mirror = environ.get("MODELSCOPE_ENDPOINT") or environ.get("MODELSCOPE_DOMAIN")
        address, token = mirror or "https://www.modelscope.cn", None
    address = address.strip().rstrip("/")
    if "://" not in address:
        address = f"https://{address}"
    return Connection(_TITLES[hub], address, token=token, patience=patience)


def _download(
    model: CatalogModel,
    listing: Listing,
    connection: Connection,
    progress: PullProgress,
    notice: Callable[[str], None],
) -> Path:
    """Fetch all files of a listing, and give the snapshot its name."""
    name = model.name
    snapshot, partial = snapshot_path(name), partial_path(name)
    # Small ones first: what is wrong shows early.
    files = sorted(listing.source.files, key=lambda file: (file.path in listing.weights, file.size))
    total = sum(file.size for file in files)
    same = {file.path for file in files if file.matches(snapshot / file.path)}
    before = SnapshotSource.read(snapshot)
    if before and {file.path for file in before.files} == same and len(same) == len(files):
        progress(total, total)
        return snapshot
    _prepare(partial, files, {path: snapshot / path for path in same})
    sizes = {file.path: _size(file, partial) for file in files}
    missing, free = total - sum(sizes.values()), shutil.disk_usage(partial).free
    if missing + _DISK_MARGIN > free:
        raise ModelError(
            f"{name} needs {(missing + _DISK_MARGIN) / 1e9:.2f} GB, and the disk of {settings().cache} has only "
            f"{free / 1e9:.2f} GB free: make room, or put models elsewhere with EMOVOX_CACHE"
        )
    first = next(file for file in files if file.path in listing.weights)
    for file in files:
        if model.layout is None and file is first:
            _check_computable(model, partial, listing.weights)
            stated = licence_of(partial)
            licence = NOT_STATED if stated is None else f"{stated}, as its model card says"
            notice(f"licence: {licence}; its terms are yours to read: {model.licence.address}")

        def advanced(done: int, path: str = file.path) -> None:
            sizes[path] = done
            progress(sum(sizes.values()), total)

        connection.fetch(file, listing.urls[file.path], partial / file.path, advanced)
    (partial / SOURCE_FILE).write_text(listing.source.model_dump_json(indent=2), encoding="utf-8")
    _publish(partial, snapshot)
    return snapshot


def _check_computable(model: CatalogModel, partial: Path, weights: Collection[str]) -> None:
    """Refuse what can't be computed by all that is known of it without its weights.

    Raises:
        HubError: of no family, or with settings that aren't computed.
    """
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory, model.name.rpartition("/")[2])
        shutil.copytree(partial, folder, ignore=shutil.ignore_patterns("*.part", *weights))
        for name in weights:
            (folder / name).touch()
        try:
            read_snapshot(folder, dict(model.labels))
        except ModelError as error:
            shutil.rmtree(partial, ignore_errors=True)
            reason = str(error).replace(str(folder), model.name)
            raise HubError(f"{model.name} was not downloaded: {reason}") from error


def _prepare(partial: Path, files: list[PublishedFile], same: dict[str, Path]) -> None:
    """Make the directories, delete files of another revision, and link those that the snapshot has already."""
    paths = {partial / file.path for file in files}
    paths |= {Connection.part(file, partial / file.path) for file in files}
    for stray in [path for path in partial.rglob("*") if path.is_file() and path not in paths]:
        stray.unlink()
    for file in files:
        target = partial / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.path in same and not target.exists():
            try:
                link(same[file.path], target)
            except OSError:  # a file system without hard links
                shutil.copyfile(same[file.path], target)


def _size(file: PublishedFile, partial: Path) -> int:
    """Bytes of a file that are there from an earlier pull."""
    target = partial / file.path
    for path in (target, Connection.part(file, target)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _publish(partial: Path, snapshot: Path) -> None:
    """Give a complete snapshot its name, once it is safely on the disk."""
    for path in [path for path in partial.rglob("*") if path.is_file()]:
        files.sync(path)
    files.replace_directory(partial, snapshot)
