"""The disk: some of it is left free, as a full one hurts more than a recording that is put off."""

import shutil
from contextlib import suppress
from pathlib import Path

from emovox.server.http.problems import Problem, from_refusal, log

RESERVE = 256 * 2**20  # bytes
LATER = 10  # seconds after which it is worth trying again


def has_room(directory: Path, more: int = 0) -> bool:
    """Whether so many bytes can be written there and the reserve is left."""
    with suppress(OSError):
        if shutil.disk_usage(directory).free < RESERVE + more:
            log.error("the disk of %s is nearly full", directory)
            return False
    return True


def later(reason: str) -> Problem:
    """What can't be done for want of room, and may well be a little later."""
    return Problem(503, "busy", f"{reason}: try again in {LATER} s", headers={"Retry-After": str(LATER)})


def unwritten(what: str, error: OSError) -> Problem:
    """What the system refused to write."""
    log.error("%s can't be written: %s", what, error)
    return from_refusal(error)
