"""A program watched by strace: whom it asks, where it listens, which files it changes; its child processes too."""

import ipaddress
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

DNS = 53
_CALL = re.compile(r"(?:<\.\.\. )?(\w+)[( ]")
_FAILED = re.compile(r"= -1 (E\w+)")
_FAMILY = re.compile(r"sa_family=(AF_\w+)")
_ADDRESS = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"'
)  # strace writes either family in its own way
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_WRITING = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|TMPFILE)")
_NOTHING_DONE = {"ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ELOOP", "EXDEV"}
_ASKING = ("connect", "sendto", "sendmsg", "sendmmsg")
_OPENING = ("open", "openat", "openat2", "creat")
_CHANGING = (
    *("mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2", "link", "linkat", "symlink"),
    *("symlinkat", "unlink", "unlinkat", "rmdir", "truncate", "chmod", "fchmodat", "utimensat"),
)
_SYSTEM = ("/dev/null", "/dev/tty", "/dev/pts", "/dev/shm", "/proc")  # noqa: S108  memory, and no file


class Watched:
    """A program under strace, with nothing but what it is given: an empty home, directory and place for temporary
    files, and few variables.

    Attributes:
        home, here, scratch: these three directories.
        process: strace's; it ends with the last process that it watches.
        output: what the program writes on both streams.
    """

    def __init__(self, place: Path, *command: str) -> None:
        """Start it. `place` is for all that it needs, and has a short path: sockets will lie in it."""
        self.home, self.here, self.scratch = (place / name for name in ("home", "here", "tmp"))
        self._record = place / "record"
        for directory in (self.home, self.here, self.scratch, self._record):
            directory.mkdir(exist_ok=True, parents=True)
        self.output = place / "output"
        environment = {
            "HOME": str(self.home),
            "TMPDIR": str(self.scratch),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        calls = ",".join(("bind", *_ASKING, *(f"?{name}" for name in (*_OPENING, *_CHANGING))))
        options = [
            "-ff",
            "--seccomp-bpf",
            "-qq",
            "-y",
            "-s",
            "64",
        ]  # a file for each thread, so that no call is parted
        self._file: IO[bytes] = self.output.open("wb")
        self.process = subprocess.Popen(
            [strace(), *options, "-e", f"trace={calls}", "-o", str(self._record / "of"), *command],
            cwd=self.here,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
        )

    def stop(self) -> None:
        """Interrupt the program."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGINT)

    def wait(self, patience: float = 300) -> int:
        """Its exit code, once all its processes have ended."""
        try:
            return self.process.wait(patience)
        finally:
            if self.process.poll() is None:  # a tracer that is killed takes its tracees along
                self.process.kill()
                self.process.wait()
            self._file.close()

    def told(self) -> str:
        """What it has written so far."""
        return self.output.read_text(errors="replace")

    def contacts(self) -> list[str]:
        """Calls that look up a name, or reach beyond this machine, or let others reach it."""
        return sorted({line[:300] for line in self._lines(("bind", *_ASKING)) if not _stays(line)})

    def files(self, *own: Path) -> list[str]:
        """Files and directories changed outside `own`, and outside `here` and the place for temporary files.

        Directories on the way to `own` may be made.
        """
        inside = [str(path.resolve()) for path in (self.here, self.scratch, *own)] + list(_SYSTEM)
        changed = set()
        for line in self._lines((*_OPENING, *_CHANGING, "bind")):
            failed = _FAILED.search(line)
            if failed is None or failed[1] not in _NOTHING_DONE:
                changed |= set(self._changed(line))
        on_the_way = {str(parent) for path in own for parent in path.resolve().parents}
        return sorted(
            path
            for path in changed - on_the_way
            if not any(f"{path}/".startswith(f"{directory}/") for directory in inside)
        )

    def _changed(self, line: str) -> Iterator[str]:
        name = line.partition("(")[0]
        if name in _OPENING and name != "creat" and not _WRITING.search(line):
            return
        if name == "bind":
            if (socket := re.search(r'sun_path="([^"]+)"', line)) is not None:
                yield os.path.normpath(self.here / socket[1])
            return
        paths = [os.path.normpath(self.here / base / path) for base, path in _PATH.findall(line)]
        yield from paths[1:] if name.startswith("symlink") else paths

    def _lines(self, names: tuple[str, ...]) -> Iterator[str]:
        records = list(self._record.iterdir())
        assert records
        for record in records:
            for line in record.read_text(errors="replace").splitlines():
                if (call := _CALL.match(line)) is not None and call[1] in names:
                    yield line


def _stays(line: str) -> bool:
    """Whether a call concerns this machine alone."""
    for family in _FAMILY.findall(line):
        if family in {"AF_UNIX", "AF_NETLINK", "AF_UNSPEC"}:
            continue
        found = _ADDRESS.findall(line)
        if family not in {"AF_INET", "AF_INET6"} or not found:
            return False
        for port, text in found:
            address = ipaddress.ip_address(text)
            address = getattr(address, "ipv4_mapped", None) or address
            if not address.is_loopback or int(port) == DNS:
                return False
    return True


def strace() -> str:
    """Where strace is; skips the test where there is none, which CI doesn't accept."""
    found = shutil.which("strace")
    if found is None:
        reason = "needs strace (apt-get install strace)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return str(found)
