"""Mapping: the user's own word on which of the nine each label of a model is.

A JSON object, such as {"neu": "neutral", "hap": "快乐"}. It changes what is said of a model's readouts and nothing
that is computed, so a model needn't be converted again for it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from emovox.emotions import check_names
from emovox.errors import OptionsError, UnknownEmotionError
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout

_MAX_TEXT = 200_000  # bytes


def read_mapping(source: str | Path | Mapping[str, str]) -> dict[str, str]:
    """Read and check a mapping.

    Args:
        source: the file, or what would be in it.

    Returns:
        By label the English name of one of the nine.

    Raises:
        OptionsError: the file can't be read, or isn't such an object.
        UnknownEmotionError: a name isn't one of the nine.
    """
    where = "the mapping" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else _read(Path(source))
    if not isinstance(content, Mapping) or not content:
        raise OptionsError(f'{where}: write an object of labels and emotions, such as {{"hap": "happy"}}')
    mapping = {}
    for label, name in content.items():
        if not isinstance(label, str) or not isinstance(name, str):
            raise OptionsError(f"{where}: {label!r:.100} must be the name of one of the nine emotions")
        try:
            [mapping[label]] = check_names([name.strip().lower()])
        except UnknownEmotionError as error:
            raise UnknownEmotionError(f"{where}: {label!r:.100}: {error}") from error
    return mapping


def with_mapping(metadata: Metadata, mapping: Mapping[str, str]) -> Metadata:
    """A model's metadata with a mapping of its labels; those that it leaves out keep what they had.

    Only readouts whose classes exclude each other are mapped: of others the nine don't follow.

    Raises:
        OptionsError: the model has no such label, or no classes that exclude each other.
    """
    if not mapping:
        return metadata
    labels = [label for readout in metadata.readouts if _is_mapped(readout) for label in readout.labels]
    if not labels:
        raise OptionsError(f"{metadata.name} has no classes that exclude each other: there is nothing to map")
    if strange := sorted(mapping.keys() - set(labels)):
        raise OptionsError(f"{metadata.name} has no label {strange[0]!r:.100}: its labels are {', '.join(labels)}")
    readouts = []
    for readout in metadata.readouts:
        names = {label: name for label, name in mapping.items() if label in readout.labels}
        update = {"emotions": {**readout.emotions, **names}}
        readouts.append(readout.model_copy(update=update) if _is_mapped(readout) else readout)
    return metadata.model_copy(update={"readouts": tuple(readouts)})


def _is_mapped(readout: Readout) -> bool:
    return readout.activation == "softmax"


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TEXT + 1)
    except OSError as error:
        raise OptionsError(f"{path} can't be read: {error.strerror or error}") from error
    if len(content) > _MAX_TEXT:
        raise OptionsError(f"{path} is over {_MAX_TEXT // 1000} kB, too large for a mapping")
    try:
        parsed: object = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"{path} is not JSON") from error
    return parsed
