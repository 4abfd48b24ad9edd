"""What models say of themselves, before any of them is loaded."""

from functools import lru_cache
from pathlib import Path

from emovox.errors import EmovoxError
from emovox.exports import check_values
from emovox.models import catalog
from emovox.models.converted.store import newest
from emovox.models.head import Head, head_path
from emovox.models.loading import mapping_of
from emovox.models.mapping import with_mapping
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import read_metadata
from emovox.server.options import RecognitionOptions


def check_export(options: RecognitionOptions, default: str) -> None:
    """Refuse exports of values that neither the model nor the head gives; of a model that is known to be without.

    Args:
        options: of a recognition.
        default: the model, if they name none.

    Raises:
        ExportError: one needs them.
        HeadError: the head is gone.
    """
    metadata = metadata_by_name(options.model or default) if options.export else None
    if metadata is not None:
        head = None if options.head is None else Head.find(str(head_path(options.head)))
        check_values(options.export, metadata.readouts, head)


def metadata_by_name(name: str) -> Metadata | None:
    """What a model says of itself; None: it isn't installed, or hasn't been converted."""
    try:
        path = catalog.resolve(name)
        entry = catalog.whose(path) if path.is_dir() else None  # of `auto`, for one
        # A snapshot is gigabytes of weights.
        file = newest(entry.name if entry else name, "auto") if path.is_dir() else path
        return None if file is None else with_mapping(metadata_of(file), mapping_of(name))
    except (EmovoxError, OSError):  # damaged, or deleted in the meantime: whoever uses it is told
        return None


def metadata_of(path: Path) -> Metadata:
    """What a model file says of itself, remembered until it changes.

    Raises:
        ModelError: it isn't a model.
        OSError: it is gone.
    """
    return _metadata(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _metadata(path: Path, changed: int) -> Metadata:
    del changed
    return read_metadata(path)
