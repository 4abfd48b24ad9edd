"""What a hub has of a model: its files with sizes and checksums, of which a snapshot's are own_layout.

The hubs' interfaces, as their own clients use them (huggingface_hub 2.4 `hf_api.py` and `constants.py`;
modelscope_hub 0.5 `_legacy_api.py`, `_download.py` and `config.py`):

- Hugging Face lists at `/api/models/{id}/revision/{revision}?blobs=true`, with the commit, sizes, and as checksum
  the sha256 of big files (LFS) and the git blob id of small ones; files are at `/{id}/resolve/{commit}/{path}`.
- ModelScope lists at `/api/v1/models/{id}/repo/files`, with sizes and sha256; files are at
  `/api/v1/models/{id}/repo`.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from emovox.errors import HubError, HubMismatchError, ModelError
from emovox.models.checkpoints.shards import ENDING, shard_names
from emovox.models.families import layouts as all_layouts
from emovox.models.hub.published import PublishedFile, SnapshotSource
from emovox.models.hub.transfer import Connection
from emovox.models.layout import Layout
from emovox.models.repository import Hub

_BRANCHES: dict[Hub, str] = {"huggingface": "main", "modelscope": "master"}


@dataclass(frozen=True)
class Listing:
    """The files of a model on a hub that a snapshot needs.

    Attributes:
        source: what is published, and where.
        urls: of each file by its path.
        weights: the paths of those that hold them.
    """

    source: SnapshotSource
    urls: dict[str, str]
    weights: frozenset[str]


def read_listing(
    connection: Connection, hub: Hub, layout: Layout | None, id_: str, revision: str | None
) -> Listing:
    """Ask a hub for a model's files.

    Args:
        connection: to that hub.
        hub: whose interface it has.
        layout: of the snapshot; None: any that is known.
        id_: of the model there.
        revision: branch, tag or commit; None: the hub's main branch.

    Raises:
        HubMismatchError: it lists what no hub would.
        HubError: it hasn't that model, or what it has is no snapshot.
    """
    return _LIST[hub](connection, layout, id_, revision or _BRANCHES[hub])


def _list_huggingface(connection: Connection, layout: Layout | None, id_: str, revision: str) -> Listing:
    url = f"{connection.address}/api/models/{id_}/revision/{quote(revision, safe='')}?blobs=true"
    answer = connection.json(url, f"{id_}, revision {revision}")
    facts = {}
    for entry in _entries(connection, answer, "siblings"):
        lfs = entry.get("lfs")
        facts[_safe(connection, entry.get("rfilename"))] = (
            {"size": lfs.get("size"), "algorithm": "sha256", "checksum": lfs.get("sha256")}
            if isinstance(lfs, dict)
            else {"size": entry.get("size"), "algorithm": "git-sha1", "checksum": entry.get("blobId")}
        )
    commit = answer.get("sha")
    if not (isinstance(commit, str) and re.fullmatch("[0-9a-f]{40}", commit)):
        commit = None
    # The commit, not the branch: so the files are those that were listed, even if somebody pushes meanwhile.
    base = f"{connection.address}/{id_}/resolve/{quote(commit or revision, safe='')}"
    return _listing(
        connection, "huggingface", layout, id_, revision, commit, facts, lambda path: f"{base}/{quote(path)}"
    )


def _list_modelscope(connection: Connection, layout: Layout | None, id_: str, revision: str) -> Listing:
    base = f"{connection.address}/api/v1/models/{id_}/repo"
    url = f"{base}/files?{urlencode({'Revision': revision, 'Recursive': 'True'})}"
    answer = connection.json(url, f"{id_}, revision {revision}")
    data = answer.get("Data") if isinstance(answer, dict) else None
    facts = {
        _safe(connection, entry.get("Path")): {
            "size": entry.get("Size"),
            "algorithm": "sha256",
            "checksum": entry.get("Sha256"),
        }
        for entry in _entries(connection, data, "Files")
        if entry.get("Type") != "tree"
    }
    return _listing(
        connection,
        "modelscope",
        layout,
        id_,
        revision,
        None,
        facts,
        lambda path: f"{base}?{urlencode({'Revision': revision, 'FilePath': path})}",
    )


def _entries(connection: Connection, answer: Any, key: str) -> list[dict[str, Any]]:
    entries = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise HubError(f"{connection.title} lists no files: is {connection.address} a model hub?")
    return entries


def _safe(connection: Connection, path: object) -> str:
    """A listed path, if it stays inside the snapshot on every system: it comes from outside."""
    if (
        not isinstance(path, str)
        or not path.isprintable()
        or "\\" in path
        or PurePosixPath(path).is_absolute()
        or re.match("[A-Za-z]:", path)
        or ".." in path.split("/")
    ):
        raise HubMismatchError(f"{connection.title} lists the unsafe path {path!r}, so nothing was downloaded")
    return path


def _listing(
    connection: Connection,
    hub: Hub,
    layout: Layout | None,
    id_: str,
    revision: str,
    commit: str | None,
    facts: dict[str, dict[str, Any]],
    url: Callable[[str], str],
) -> Listing:
    """Choose the files that a snapshot needs, without pictures and other forms of the weights."""
    layouts = all_layouts() if layout is None else (layout,)
    own_layout = next((one for one in layouts if one.config in facts and len(one.weights_among(facts)) == 1), None)
    if own_layout is None:
        configs = " or ".join(one.config for one in layouts)
        raise HubError(
            f"{id_} on {connection.title} is not a snapshot: it needs a {configs} and one file of weights, or an "
            "index of several"
        )
    [name] = own_layout.weights_among(facts)
    weights = _shards(connection, id_, name, facts, url) if name.endswith(ENDING) else {name}
    paths = {*own_layout.describing, *own_layout.others, name, *weights}
    try:
        files = tuple(PublishedFile(path=path, **facts[path]) for path in sorted(facts) if path in paths)
    except ValidationError as error:
        raise HubError(
            f"{connection.title} lists files of {id_} without a valid size and checksum, so they can't be "
            "checked: choose another --hub"
        ) from error
    source = SnapshotSource(
        hub=hub,
        repository=id_,
        address=connection.address,
        revision=revision,
        commit=commit,
        pulled=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        files=files,
    )
    return Listing(source, {file.path: url(file.path) for file in files}, frozenset(weights))


def _shards(
    connection: Connection, id_: str, index: str, facts: Collection[str], url: Callable[[str], str]
) -> list[str]:
    """The files that an index names, if the hub has them all: others may lie beside them, of an earlier upload."""
    try:
        names = shard_names(connection.json(url(index), index), index)
    except ModelError as error:
        raise HubError(f"{id_} was not downloaded: {error}") from error
    if missing := [name for name in names if name not in facts]:
        raise HubError(
            f"{id_} was not downloaded: {index} names {missing[0]}, which {connection.title} doesn't have"
        )
    return names


_LIST: dict[Hub, Callable[[Connection, Layout | None, str, str], Listing]] = {
    "huggingface": _list_huggingface,
    "modelscope": _list_modelscope,
}
