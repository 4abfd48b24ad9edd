"""Weights in several files: an index says which tensor lies in which of them, and each is read as if alone.

The index comes from somewhere else, as the files do: a name in it is that of a file beside it and nothing else.

Source: `save_pretrained` and `load_sharded_checkpoint` of transformers (docs, "Big models"): the index is JSON
with a "weight_map" from the names of tensors to those of files.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from emovox.errors import ModelError
from emovox.models.checkpoints.checkpoint import read_checkpoint
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.safetensors import read_safetensors
from emovox.models.checkpoints.tensor import Tensor
from emovox.models.settings_file import read_json

ENDING = ".index.json"
"""How the name of an index ends, after that of the single file that the others stand for."""
_MOST = 1000  # files
_NAME = r"[A-Za-z0-9_.-]{0,200}"


def shard_names(content: object, name: str) -> list[str]:
    """The names of the files that an index speaks of, sorted.

    Args:
        content: of the index.
        name: of the index, such as ``model.safetensors.index.json``.

    Raises:
        ModelError: it is none, or names something else than files of this form beside it.
    """
    return sorted(set(_weight_map(content, name).values()))


def weight_files(path: Path) -> tuple[Path, ...]:
    """The files that hold the weights: ``path`` alone, or if that is an index, those that it names.

    Raises:
        ModelError: the index can't be read, or a file that it names is missing.
    """
    if not path.name.endswith(ENDING):
        return (path,)
    names = shard_names(_read_index(path), path.name)
    if missing := [name for name in names if not (path.parent / name).is_file()]:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(f"{path.name} names {missing[0]}{more}, which is missing beside it")
    return tuple(path.parent / name for name in names)


def read_state(path: Path) -> Mapping[str, Tensor | Inert]:
    """What a file of weights, or the files of an index, hold by their own names; elements stay on disk.

    Raises:
        ModelError: one can't be read, or lacks what the index says of it.
    """
    if not path.name.endswith(ENDING):
        return read_safetensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    states = {file.name: read_state(file) for file in weight_files(path)}
    state: dict[str, Tensor | Inert] = {}
    for tensor, name in _weight_map(_read_index(path), path.name).items():
        if tensor not in states[name]:
            raise ModelError(f"{path.name} says that {tensor!r:.100} is in {name}, and it isn't there")
        state[tensor] = states[name][tensor]
    return state


def _read_index(path: Path) -> object:
    return read_json(path, limit=4_000_000)  # bytes; a thousand tensors take 0.1 MB


def _weight_map(content: object, name: str) -> dict[str, str]:
    stem, _, ending = name.removesuffix(ENDING).rpartition(".")
    form = re.compile(rf"{re.escape(stem)}{_NAME}\.{ending}")
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{name} is no index: it has no weight_map")
    for file in names.values():
        if not isinstance(file, str) or not form.fullmatch(file):
            raise ModelError(f"{name} is refused: it names {file!r:.100}, which is no {stem}-….{ending} beside it")
    if len(set(names.values())) > _MOST:
        raise ModelError(f"{name} is refused: it names over {_MOST} files")
    return names
