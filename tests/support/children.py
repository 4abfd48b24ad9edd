"""The processes that another one has started and not waited for: those that run, and those that are dead."""

from contextlib import suppress
from pathlib import Path


def children(parent: int | str = "self") -> set[str]:
    """Their numbers."""
    found: set[str] = set()
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found.update((task / "children").read_text().split())
    return found


def running(pid: str | int) -> bool:
    """Whether there is a process of that number, and it isn't dead."""
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
