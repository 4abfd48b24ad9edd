"""Superseded conversions: what a snapshot was converted to before, and nothing looks for again."""

import shutil
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from emovox.errors import ModelError
from emovox.models.catalog import conversions
from emovox.models.converted.conversion import MODEL_FILE
from emovox.models.runtime.engine import read_metadata


def remove_superseded(directory: Path, name: str, source_sha256: str, revision: str) -> None:
    """Remove what the same weights were converted to under another contract, graph, config or mapping.

    It may be gigabytes. Only an earlier version of the program, beside this one, may still look for it: one that
    converts there now holds the lock, and is left alone; one that has loaded the model goes on, as an open file
    outlives its name (on Windows it can't be renamed, and stays); one that starts later converts it again, and
    keeps that, for it is removed only after a conversion by this version, and there is one for each precision.
    Other weights of the same name stay: they may be those of another directory.

    Args:
        directory: of the conversion that is there now.
        name: of the model.
        source_sha256: checksum of its weights.
        revision: of its weights.
    """
    for other in conversions(name):
        if other == directory or not (paths := sorted(other.glob(f"*/{MODEL_FILE}"))):
            continue
        with suppress(ModelError, OSError, Timeout):
            facts = read_metadata(paths[0])
            if (facts.source_sha256, facts.revision) != (source_sha256, revision):
                continue
            with FileLock(other / "lock").acquire(timeout=0):
                pass
            trash = other.with_name(f".{other.name}.removed")
            other.rename(trash)  # at once: there is never half a conversion
            shutil.rmtree(trash)
