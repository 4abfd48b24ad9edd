import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emovox.errors import HubError, ModelError
from emovox.models import catalog
from emovox.models.catalog import partial_path
from emovox.models.hub import pull as hub
from emovox.models.hub.published import SnapshotSource
from emovox.settings import settings
from support.hub import LISTING, Fault, Hub
from support.pulls import FILES, HASTY, NAME, PULL, WEIGHTS, assert_absent, assert_complete, contents, pull
from support.waiting import until


def test_too_little_room_is_seen_before(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(free: int) -> Callable[[Path], Any]:
        return lambda path: SimpleNamespace(free=free)

    served.faults["model.pt"] = [Fault(cut=500_000), Fault(status=404)]
    with pytest.raises(HubError):
        pull()
    served.requests.clear()
    rest = 100_000 + hub._DISK_MARGIN
    monkeypatch.setattr("emovox.models.hub.pull.shutil.disk_usage", usage(rest - 1))
    with pytest.raises(ModelError, match=r"needs 0\.27 GB, .* make room"):
        pull()
    assert {request.what for request in served.requests} == {LISTING}
    monkeypatch.setattr("emovox.models.hub.pull.shutil.disk_usage", usage(rest))
    pull()
    assert served.sent("model.pt") == 100_000


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "disk of .* is full: make room"), (errno.EACCES, "EMOVOX_CACHE")]
)
def test_a_disk_that_refuses(served: Hub, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr("emovox.files.sync", refuse)
        with pytest.raises(ModelError, match=message):
            pull()
    assert_absent()
    pull()
    assert_complete()


def test_a_disk_that_fills_up(served: Hub) -> None:
    code = f"""
        import resource
        from emovox.errors import ModelError
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:{textwrap.indent(PULL.format(name=NAME), " " * 12)}
        except ModelError as error:
            print(error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "is full: make room and run this again" in result.stdout
    assert_absent()
    pull()
    assert_complete()
    assert served.asked("model.pt")[-1].headers["Range"] == "bytes=300000-"


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "file" / "cache"))
    settings.cache_clear()
    with pytest.raises(ModelError, match="EMOVOX_CACHE"):
        pull()


def test_killed_and_continued(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=450_000)]
    code = PULL.format(name=NAME)
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        until(lambda: any(path.stat().st_size > 300_000 for path in partial_path(NAME).glob("model.pt*")))
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert_absent()
    served.released.set()
    served.requests.clear()
    [part] = partial_path(NAME).glob("model.pt*")
    have = part.stat().st_size
    progress: list[int] = []
    pull(progress=lambda done, total: progress.append(done))
    assert_complete()
    assert {request.what for request in served.requests} == {LISTING, "model.pt"}
    assert [request.headers["Range"] for request in served.asked("model.pt")] == [f"bytes={have}-"]
    assert served.sent("model.pt") == len(WEIGHTS) - have < 300_000
    assert progress[0] >= have


def test_killed_and_another_version_since(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(cut=300_000), Fault(status=404)]
    with pytest.raises(HubError):
        pull()
    new = WEIGHTS[::-1]
    served.files["model.pt"] = served.published["model.pt"] = new
    served.requests.clear()
    found = contents(pull())
    assert served.sent("model.pt") == len(new)
    del found["source.json"]
    assert found == {**FILES, "model.pt": new}, "and nothing of the other version is left"


def test_two_at_once(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=300_000)]
    notices: list[str] = []
    patience = replace(HASTY, stall=10)
    threads = [threading.Thread(target=lambda: pull(notice=notices.append, patience=patience)) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(notices) == 2)
    served.released.set()
    for thread in threads:
        thread.join()
    assert all("another process" in line for line in notices)
    assert_complete()
    assert served.sent("model.pt") == len(WEIGHTS)


def test_nothing_is_removed_under_a_pull(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=300_000)]
    thread = threading.Thread(target=lambda: pull(patience=replace(HASTY, stall=10)))
    thread.start()
    until(lambda: any(partial_path(NAME).glob("model.pt*")))
    with pytest.raises(ModelError, match="being downloaded"):
        catalog.remove(NAME)
    served.released.set()
    thread.join()
    assert_complete()


def test_only_a_pull_can_go_online() -> None:
    code = (
        "import sys, emovox, emovox.cli; print([name for name in sys.modules if 'httpx' in name or 'hub' in name])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_source_of_a_snapshot_from_elsewhere(tmp_path: Path) -> None:
    assert SnapshotSource.read(tmp_path) is None
    (tmp_path / "source.json").write_text(json.dumps({"hub": "other"}))
    assert SnapshotSource.read(tmp_path) is None
