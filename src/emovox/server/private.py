"""Private files: small, of the service's own, whole or not there at all, and nobody else's to read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a file aside, and give it its name.

    Args:
        path: of the file.
        data: what is in it.
        durable: it survives a power cut, too, for which the disk is waited for.

    Raises:
        OSError: it can't be written; nothing is left then.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
