"""The small files of a snapshot, as text and as JSON: they come from somewhere else, so their size has a limit."""

import json
from pathlib import Path
from typing import Any

from emovox.errors import ModelError

_MAX_TEXT = 200_000  # bytes; the published configs have some 4 kB, and PyYAML takes a second for 100 kB


def read_text(path: Path, *, limit: int = _MAX_TEXT) -> str:
    """Read a small text file of a snapshot, of ``limit`` bytes at most.

    Raises:
        ModelError: it can't be read, is too long for one, or isn't text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ModelError(f"{path.name} is over {limit // 1000} kB, too large for a file of a snapshot")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not UTF-8 text") from error


def read_json(path: Path, *, limit: int = _MAX_TEXT) -> dict[str, Any]:
    """Read a small file of settings in JSON, of ``limit`` bytes at most.

    Raises:
        ModelError: as `read_text`, or it holds no settings.
    """
    try:
        settings = json.loads(read_text(path, limit=limit))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} is not valid JSON") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path.name} has no settings")
    return settings
