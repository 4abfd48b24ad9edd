"""What of a mapped file is in this process's memory, by Linux."""

from pathlib import Path


def resident(path: Path) -> int:
    """Kilobytes of a file, by its path without links; 0: nothing, or it isn't mapped."""
    own, size = False, 0
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        if line[:1].islower() or line[:1].isdigit():  # a mapping begins; what follows is of it
            own = line.endswith(f" {path}")
        elif own and line.startswith("Rss:"):
            size += int(line.split()[1])
    return size
