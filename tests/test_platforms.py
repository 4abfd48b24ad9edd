"""What Windows and macOS lack: everything is imported, and a recording is recognised and kept, without it."""

import subprocess
import sys
from pathlib import Path

MODULES = ["fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"]
OF_OS = [
    "chown", "fork", "forkpty", "getgid", "getloadavg", "getpgid", "getuid", "killpg", "mkfifo", "nice",
    "register_at_fork", "sched_getaffinity", "sched_setaffinity", "setsid", "statvfs", "sync", "sysconf", "uname",
    "O_DIRECTORY", "O_NOFOLLOW",
]  # fmt: skip
OF_SIGNAL = ["SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "pthread_sigmask", "setitimer"]

CODE = f"""
import importlib, os, pkgutil, signal, sys

def load():
    import emovox
    for module in pkgutil.walk_packages(emovox.__path__, "emovox."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:  # Alembic runs those
            importlib.import_module(module.name)

load()  # and with it what others wrote, which may well ask for Linux's modules here
for name in [name for name in sys.modules if name.partition(".")[0] == "emovox"]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys({MODULES}))
for module, names in ((os, {OF_OS}), (signal, {OF_SIGNAL})):
    for name in names:
        delattr(module, name)
load()

import emovox
from emovox.archive import Archive
from emovox.outputs import Outputs
from emovox.saving import Saving
with Archive() as archive:
    saving = Saving(Outputs("outputs"), ["csv", "html"], "en", archive=archive)
    with saving.begin() as save:
        sinks = {{"sink": save.sink, "embedding_sink": save.embedding_sink}}
        save.commit(emovox.Recognizer("lite").recognize(sys.argv[1], **sinks, segments=True))
    [record] = archive.all()
print(record.emotion, *sorted(path.name for path in save.directory.iterdir()))
"""


def test_everything_works_without_what_windows_lacks(tmp_path: Path, examples: list[Path]) -> None:
    clip = next(path for path in examples if "angry" in path.name)
    run = [sys.executable, "-W", "ignore::FutureWarning", "-c", CODE, str(clip)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["angry", "processed_audio.wav", "report.html", "result.json", "segments.csv"]
