"""The disk: some space stays free, because a full disk hurts more than a recording that has to wait."""

import shutil
from contextlib import suppress
from pathlib import Path

from emovox.server.http.problems import Problem, from_refusal, log

RESERVE = 256 * 2**20  # bytes
LATER = 10  # seconds until it is worth trying again


def has_room(directory: Path, more: int = 0) -> bool:
    """Whether so many more bytes can be written and the reserve stays free."""
    with suppress(OSError):
        if shutil.disk_usage(directory).free < RESERVE + more:
            log.error("the disk that holds %s is nearly full", directory)
            return False
    return True


def no_room(reason: str) -> Problem:
    """There is no room right now, and probably will be in a moment."""
    return Problem(503, "busy", f"{reason}: try again in {LATER} s", headers={"Retry-After": str(LATER)})


def write_problem(name: str, error: OSError) -> Problem:
    """The system refused to write something."""
    log.error("%s can't be written: %s", name, error)
    return from_refusal(error)
